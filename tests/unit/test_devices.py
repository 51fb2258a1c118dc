"""Device files: what a user may write, and the one line that says what is wrong with anything else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nearbank.devices import device, names
from nearbank.errors import DeviceError

BASE = 'base = "newton-gddr6"\n'


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


BAD = {
    "unknown key, near match": (BASE + "clock_mzh = 900\n", "clock_mzh", "clock_mhz"),
    "unknown key of a table": (BASE + "[organization]\nbank_group = 4\n", "bank_group", "bank_groups"),
    "unknown key of a rule": (
        BASE + '[[rules]]\nbefore = "COMP"\nafter = "COMP"\ngap = 1\nwindows = 4\n', "windows", "window"),
    "unknown key of a command": (BASE + '[commands]\nX = { role = "mac", columnz = 1 }\n', "columnz", "columns"),
    "negative timing": (BASE + "[timing]\nnFAW = -1\n", "nFAW", "from 0"),
    "timing that is no number": (BASE + '[timing]\nnFAW = "many"\n', "many", "unknown timing parameter"),
    "timing that is a fraction": (BASE + "[timing]\nnFAW = 1.5\n", "nFAW", "whole number"),
    "timing that is a truth": (BASE + "[timing]\nnFAW = true\n", "nFAW", "whole number"),
    "negative by arithmetic": (BASE + '[timing]\nnFAW = "nBL - nRC"\n', "nFAW", "from 0"),
    "expression cut short": (
        BASE + '[[rules]]\nbefore = "COMP"\nafter = "PREA"\ngap = "nRTP +"\n', "nRTP +", "too early"),
    "expression with code": (
        BASE + '[[rules]]\nbefore = "COMP"\nafter = "PREA"\ngap = "__import__(1)"\n', "__import__", "unknown"),
    "expression, division": (BASE + '[[rules]]\nbefore = "COMP"\nafter = "PREA"\ngap = "nRC / 2"\n', "nRC / 2", "cannot read"),
    "unclosed parenthesis": (BASE + '[[rules]]\nbefore = "COMP"\nafter = "PREA"\ngap = "2*(nRC"\n', "2*(nRC", ")"),
    "unknown parameter in a gap": (
        BASE + '[[rules]]\nbefore = "COMP"\nafter = "PREA"\ngap = "nRTPP"\n', "nRTPP", "nRTP"),
    "unknown command in a rule": (BASE + '[[rules]]\nbefore = "COMPP"\nafter = "PREA"\ngap = 3\n', "COMPP", "COMP"),
    "rule without a gap": (BASE + '[[rules]]\nbefore = "COMP"\nafter = "PREA"\n', "rule", "'gap'"),
    "window of nothing": (
        BASE + '[[rules]]\nbefore = "COMP"\nafter = "PREA"\ngap = 3\nwindow = 0\n', "window", "from 1"),
    "unknown scope": (
        BASE + '[[rules]]\nbefore = "COMP"\nafter = "PREA"\ngap = 3\nscope = "bank"\n', "scope", "bank_group"),
    "scope that cannot be": (
        BASE + '[[rules]]\nbefore = "COMP"\nafter = "PREA"\ngap = 3\nscope = "buffer"\n', "scope", "fill"),
    "rules that are no list": (BASE + "rules = 3\n", "rules", "list"),
    "unknown base": ('base = "newton-gdr6"\n', "newton-gdr6", "newton-gddr6"),
    "base that is no text": ("base = 6\n", "base", "newton-gddr6"),
    "unknown role": (BASE + '[commands]\nX = { role = "mca" }\n', "mca", "mac"),
    "bank group that is not there": (
        BASE + '[commands]\nX = { role = "activate", bank_groups = [4] }\n', "bank_groups", "0 to 3"),
    "more PIM channels than channels": (BASE + "[organization]\npim_channels = 33\n", "pim_channels", "channels = 32"),
    "no banks": (BASE + "[organization]\nbanks_per_group = 0\n", "banks_per_group", "from 1"),
    "lanes that are no tree": (BASE + "[organization]\nlanes = 12\ncolumn_bytes = 24\n", "lanes", "power of two"),
    "column that is not its lanes": (BASE + "[organization]\ncolumn_bytes = 64\n", "column_bytes", "32"),
    "fill wider than a buffer": (
        BASE + '[commands]\nGWRITE = { role = "fill", columns = 33 }\n', "columns", "buffer_columns"),
    "clock of nothing": (BASE + "clock_mhz = 0\n", "clock_mhz", "above 0"),
    "clock that is no number": (BASE + 'clock_mhz = "fast"\n', "clock_mhz", "number"),
    "refresh of another kind": (BASE + '[refresh]\nwhere = "during"\n', "during", "before"),
    "refresh never due": (BASE + "[refresh]\ninterval = 0\n", "interval", "from 1"),
    "refresh at no command": (BASE + '[refresh]\ncommands = ["COMB"]\n', "COMB", "COMP"),
    "data after no command": (BASE + "[end]\nREAD = 3\n", "READ", "READRES"),
    "operands of another kind": (BASE + '[numerics]\noperand = "fp8"\n', "fp8", "fp16"),
    "energy below nothing": (BASE + "[energy]\npre = { value = -1 }\n", "energy.pre", ">= 0"),
    "no TOML": ("clock_mhz = = 3\n", "not TOML", "line 1"),
    "nothing at all": ("", "missing", "organization"),
    "no timing": ('[organization]\nchannels = 1\n', "missing", "organization."),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_one_line_names_the_fault_the_file_and_the_bound(file, case: str) -> None:
    text, fault, bound = BAD[case]
    path = file(text)
    with pytest.raises(DeviceError) as caught:
        device(path)
    message = str(caught.value)
    assert "\n" not in message
    assert fault in message
    assert bound in message


# The organization checks itself and does not know the file; everything else says which file.
@pytest.mark.parametrize("case", [c for c in BAD if "[organization]" not in BAD[c][0] or "bank_group =" in BAD[c][0]])
def test_the_file_is_named(file, case: str) -> None:
    path = file(BAD[case][0])
    with pytest.raises(DeviceError, match=re.escape(path.name) if "rules = 3" not in BAD[case][0] else "rules"):
        device(path)


def test_missing_timing_is_named(file):
    """A device without a base that uses a parameter it does not give."""
    path = file(
        """
name = "small"
clock_mhz = 100
[organization]
channels = 1
pim_channels = 1
bank_groups = 1
banks_per_group = 1
rows = 8
columns = 4
column_bytes = 4
lanes = 2
global_buffers = 1
buffer_columns = 4
result_latches = 1
[timing]
nA = 2
[commands]
W = { role = "fill" }
A = { role = "activate" }
C = { role = "mac" }
R = { role = "read" }
P = { role = "precharge" }
F = { role = "refresh" }
[[rules]]
before = "A"
after = "C"
gap = "nA + nB"
[refresh]
interval = 1000
where = "before"
commands = ["A"]
[end]
R = "nA"
[numerics]
operand = "bf16"
"""
    )
    with pytest.raises(DeviceError, match=r"unknown timing parameter 'nB'.*'nA [+] nB'.*nA"):
        device(path)
    path.write_text(path.read_text().replace("nA + nB", "nA * (nA + 1)"))
    assert device(path).gap("A", "C") == 6
    path.write_text(path.read_text().replace("clock_mhz = 100\n", ""))
    with pytest.raises(DeviceError, match="clock_mhz"):
        device(path)


@pytest.mark.parametrize("name", ["newton", "newton-gddr7", "x"])
def test_unknown_device_lists_what_is_near(name: str) -> None:
    with pytest.raises(DeviceError, match=r"unknown device; got '.*'; must be a \.toml file or a built-in: .*newton-"):
        device(name)


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(DeviceError, match=r"none\.toml: cannot read the device file: No such file"):
        device(tmp_path / "none.toml")
    with pytest.raises(DeviceError, match="cannot read the device file"):
        device(str(tmp_path) + "/")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DeviceError, match="not a text file"):
        device(tmp_path / "binary.toml")


def test_unknown_option_and_value():
    with pytest.raises(DeviceError, match=r"unknown option; got 'bufers'; did you mean buffers"):
        device("newton-gddr6", {"bufers": "1"})
    with pytest.raises(DeviceError, match=r"option buffers; got '2'; must be one of 1, 4"):
        device("newton-gddr6", {"buffers": "2"})


def test_base_and_override(file):
    parent = device("newton-gddr6")
    child = device(
        file(
            BASE
            + "clock_mhz = 1000\n[timing]\nnFAW = 20\n[organization]\nresult_latches = 4\n"
            + '[[rules]]\nbefore = "COMP"\nafter = "COMP"\ngap = "nCCDL"\nsource = "mine"\n'
        )
    )
    assert child.name == "mine"
    assert child.clock_mhz == 1000
    assert child.organization.result_latches == 4
    assert child.organization.rows == parent.organization.rows
    assert child.clocks("nFAW") == child.gap("G_ACT0", "G_ACT1") == 20  # what is computed from it follows
    assert child.gap("COMP", "COMP") == 3 != parent.gap("COMP", "COMP")
    assert len(child.rules) == len(parent.rules)  # replaced, not added
    assert child.commands == parent.commands
    assert {r.source for r in child.rules if r.before == r.after == ("COMP",)} == {"mine"}


def test_options_of_the_base_apply_to_the_child(file):
    path = file(BASE + "clock_mhz = 1000\n")
    assert device(path, {"buffers": "1"}).organization.global_buffers == 1
    assert device(path, {"refresh": "off"}).refresh.enabled is False


def test_hash_follows_what_decides_cycles_and_nothing_else(file):
    plain = device(file(BASE)).hash
    assert re.fullmatch(r"[0-9a-f]{12}", plain)
    assert device(file(BASE)).hash == plain
    assert device(file(BASE + 'about = "another text"\n')).hash == plain
    assert device(file(BASE + '[sources]\norganization = "another text"\n')).hash == plain
    changes = ["[timing]\nnFAW = 18\n", "clock_mhz = 876\n", "[refresh]\npostpone = 7\n", "state_checks = false\n"]
    hashes = {device(file(BASE + change)).hash for change in changes}
    assert len(hashes | {plain}) == len(changes) + 1
    assert device("newton-gddr6", {"buffers": "1"}).hash != device("newton-gddr6").hash


@pytest.mark.parametrize("name", names())
def test_built_in_devices_say_where_their_numbers_are_from(name: str) -> None:
    unit = device(name)
    assert unit.name == name
    assert unit.about
    assert all(source for _, _, source in unit.timing)
    assert all(rule.source for rule in unit.rules)
    assert all(source for _, _, _, source in unit.energy)
    assert unit.numerics.source


def test_a_gap_that_is_no_whole_number_and_no_expression(tmp_path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('base = "newton-gddr6"\n[[rules]]\nbefore = "COMP"\nafter = "COMP"\ngap = 1.5\n')
    with pytest.raises(DeviceError, match=r"gap; got 1\.5; must be a int or a str"):
        device(str(file))
