"""Checks of devices: what is wrong is found with its numbers, what ships has no errors, and rates are the published ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nearbank.devices import SEVERITIES, DeviceCheck, Finding, check_device, device, names
from nearbank.devices.check_energy import CURRENT_KEYS, POWER_KEYS
from nearbank.devices.check_rules import READ_ELSEWHERE
from nearbank.errors import DeviceError
from nearbank.sim.energy import costs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checked(tmp_path: Path):
    def check(text: str, base: str = "newton-gddr6") -> DeviceCheck:
        path = tmp_path / "mine.toml"
        path.write_text(f'base = "{base}"\n{text}')
        return check_device(device(path))

    return check


def the(check: DeviceCheck, where: str, what: str = "") -> Finding:
    (found,) = (x for x in check.findings if x.where.startswith(where) and what in x.what)
    return found


@pytest.mark.parametrize("name", names())
def test_what_ships_has_no_errors(name: str) -> None:
    check = check_device(device(name))
    assert check.ok
    assert [x.severity for x in check.findings] == sorted((x.severity for x in check.findings), key=SEVERITIES.index)
    assert all(x.where and x.what and x.numbers for x in check.findings)


def test_peak_rates_are_the_published_ones() -> None:
    """AiM: 512 GFLOPS a channel, 256 products a nanosecond (published). By hand: 32 channels of 32 B every 16/7 ns: 448 GB/s."""
    aim, newton = check_device(device("aim-gddr6")), check_device(device("newton-gddr6"))
    assert the(aim, "peak rate of the MAC units").what == "512.0 GFLOPS a channel"
    assert "= 512.0 GB/s a channel" in the(aim, "peak rate inside the banks").numbers
    assert the(newton, "peak rate of the data bus").bound == "x 32 channels = 448 GB/s"


def test_capacity_is_rows_times_columns_times_banks(checked) -> None:
    # 8192 x 32 x 32 B = 8 MiB a bank, 16 banks, 32 channels.
    found = the(checked("[organization]\nrows = 8192\n"), "capacity")
    assert (found.what, found.bound) == (
        "128 MiB a channel",
        "x 32 channels = 4 GiB, of that 2 GiB in the 16 that compute",
    )


# Text of the file, where, severity, numbers.
WRONG = {
    "row cycle": ("[timing]\nnRC = 30\n", "timing.nRC", "error", "nRC 30 < nRAS 25 + nRP 11 = 36"),
    "row cycle, rounded": ("[timing]\nnRC = 35\n", "timing.nRC", "warning", "nRC 35 < nRAS 25 + nRP 11 = 36"),
    "four activates": ("[timing]\nnFAW = 4\n", "timing.nFAW", "error", "nFAW 4 < nRRD 5"),
    "four activates of one bank": ("[timing]\nnFAW = 18\n", "timing.nFAW", "note", "nFAW 18 < 4 x nRRD 5 = 20"),
    "column commands": ("[timing]\nnCCDS = 1\n", "timing.nCCDS", "error", "nCCDS 1 < nBL 2"),
    "bank groups": ("[timing]\nnCCDL = 1\n", "timing.nCCDL", "error", "nCCDL 1 < nCCDS 2"),
    "short refresh": ("[timing]\nnRFC = 30\n", "timing.nRFC", "error", "nRFC 30 < nRC 35"),
    "nanoseconds for clocks": ("clock_mhz = 2000\n", "timing.nRCDR", "warning", "11 clocks x 0.5 ns = 5.5 ns"),
    "no time left": (
        "[timing]\nnREFI = 110\n", "refresh.interval", "error", "(precharge 11 + refresh 105) / interval 110 clocks (126 ns)"),
    "much refresh": (
        "[timing]\nnREFI = 232\n", "refresh.interval", "warning", "(precharge 11 + refresh 105) / interval 232 clocks (265 ns)"),
    "rare refresh": ("[refresh]\ninterval = 4000\n", "refresh.interval", "warning", "interval 4000 > nREFI 1662"),
    "owed refresh": ("[refresh]\npostpone = 9\n", "refresh.postpone", "warning", "9 > 8"),
    "row opened": (
        '[[rules]]\nbefore = "G_ACT*"\nafter = "COMP"\ngap = 5\n', "rules, G_ACT0, G_ACT1, G_ACT2, G_ACT3 -> COMP", "error",
        "5 clocks < nRCDR 11"),
    "row closed": (
        '[[rules]]\nbefore = "G_ACT*"\nafter = "PREA"\ngap = 1\n', "rules, G_ACT0, G_ACT1, G_ACT2, G_ACT3 -> PREA", "error",
        "1 clock < nRAS 25"),
    "adder tree": (
        '[[rules]]\nbefore = "COMP"\nafter = "READRES"\ngap = 1\nscope = "latch"\n', "rules, COMP -> READRES", "warning",
        "1 clock"),
    "current": (
        '[[rules]]\nbefore = "G_ACT*"\nafter = "G_ACT*"\ngap = 5\n', "rules, G_ACT0 -> G_ACT1, G_ACT0 -> G_ACT2", "warning",
        "4 banks a command: 4 / 4 x nFAW 17 = 17 clocks"),
    "bus, results": (
        '[[rules]]\nbefore = "READRES"\nafter = "READRES"\ngap = 1\n', "rules, READRES -> READRES", "warning",
        "16 banks x 2 B = 32 B > 32 B x 1 / nBL 2 = 16 B"),
    "bus, operands": (
        '[commands]\nGWRITE = { role = "fill", columns = 4 }\n', "rules, GWRITE -> GWRITE", "warning",
        "4 columns x nBL 2 = 8 clocks > 2"),
    "buffers": (
        '[commands]\nGWRITE = { role = "fill", columns = 3 }\n', "commands.GWRITE", "error", "buffer_columns 32 / columns 3"),
    "rows": ("[organization]\nrows = 12000\n", "organization.rows", "warning", "12000"),
    "narrower rule": (
        '[[rules]]\nbefore = "G_ACT0"\nafter = "COMP"\ngap = 5\n', "rules, row 16, G_ACT0 -> COMP", "warning",
        "5 = 5 <= nRCDR = 11 of row 8, G_ACT0.. -> COMP"),
    "windowed rule": (
        '[[rules]]\nbefore = "COMP"\nafter = "COMP"\ngap = 8\nwindow = 4\n', "rules, row 16, COMP -> COMP", "note",
        "8 = 8 <= nCCDS = 2 x 4 in a row of row 9, COMP -> COMP"),
    "activation that gains": (
        '[energy]\nidd0 = { value = 60, unit = "mA" }\n', "energy.idd0", "error",
        "idd0 60 x trc 51.48 = 3089 <= idd3n 61 x tras 35.64 + idd2n 60 x 15.84 = 3124 mA ns"),
    "unread constant": ('[energy]\nidd9 = { value = 60, unit = "mA" }\n', "energy", "warning", "idd9"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_found_with_its_numbers(checked, case: str) -> None:
    text, where, severity, numbers = WRONG[case]
    found = [x for x in checked(text).findings if x.where.startswith(where) and x.numbers == numbers]
    assert [x.severity for x in found] == [severity]
    before = check_device(device("newton-gddr6"))
    if case != "row cycle, rounded":
        assert all(x.numbers != numbers for x in before.findings)


def test_the_same_key_twice_contradicts(tmp_path: Path) -> None:
    """Only a file without a base can have it: over a base the later row replaces the earlier."""
    text = (ROOT / "src/nearbank/devices/data/newton-gddr6.toml").read_text()
    path = tmp_path / "own.toml"
    path.write_text(
        text.replace(
            "[refresh]\ninterval", '[[rules]]\nbefore = "COMP"\nafter = "PREA"\ngap = 9\n\n[refresh]\ninterval'
        )
    )
    found = the(check_device(device(path)), "rules, row 5", "contradicts row 16")
    assert found.numbers == "nRTP = 2 <= 9 = 9 of row 16, COMP -> PREA"


def test_unchecked_rows_are_warned_of_only() -> None:
    """A device without state checks plays another simulator's shortcuts: what lacks is said, and is no error."""
    check = check_device(device("newton-gddr6-pimflow"))
    assert the(check, "rules, COMP -> PREA").severity == "warning"
    assert the(check, "rules, REF -> G_ACT1, G_ACT2, G_ACT3").numbers == "1 clock < nRFC 350"


def test_parameters_that_nothing_reads(checked) -> None:
    before = the(check_device(device("newton-gddr6")), "timing", "read by no rule")
    assert before.numbers == "nCCDL, nRCDW, nPPD, nWR, nRRD"
    text = '[[rules]]\nbefore = "COMP"\nafter = "COMP"\ngap = "nCCDL"\n'
    assert the(checked(text), "timing", "read by no rule").numbers == "nRCDW, nPPD, nWR, nRRD"


def test_parameters_that_are_read_by_name_are_known() -> None:
    """Those that the code reads itself are never called unread."""
    code = "".join(path.read_text() for path in (ROOT / "src" / "nearbank").rglob("*.py"))
    by_name = set(re.findall(r'(?:\.clocks\(|_seconds\(device, )"(\w+)"', code))
    assert by_name == set(READ_ELSEWHERE)


@pytest.mark.parametrize(("base", "keys"), [("newton-gddr6", CURRENT_KEYS), ("aim-gddr6", POWER_KEYS)])
def test_energy_keys_are_those_of_the_model(tmp_path: Path, base: str, keys: tuple[str, ...]) -> None:
    """Without any one of them the model refuses, and the check says so."""
    text = (ROOT / f"src/nearbank/devices/data/{base}.toml").read_text()
    costs(device(base))
    for key in keys:
        path = tmp_path / "own.toml"
        head, energy = text.split("[energy]\n")
        path.write_text(head + "[energy]\n" + re.sub(rf"^{key} = .*\n", "", energy, flags=re.M))
        unit = device(path)
        with pytest.raises(DeviceError):
            costs(unit)
        assert not check_device(unit).ok


def test_a_key_that_an_option_decides_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "newton-gddr6"\n[organization]\nglobal_buffers = 8\n')
    with pytest.raises(
        DeviceError, match=r"global_buffers is decided by the base's option buffers; got 8; must be chosen by"
    ):
        device(path)
    path.write_text(
        'base = "newton-gddr6"\n[options.buffers]\ndefault = "8"\nvalues.8 = { "organization.global_buffers" = 8 }\n'
    )
    assert device(path).organization.global_buffers == 8


def test_a_check_is_a_table() -> None:
    check = check_device(device("newton-gddr6"))
    assert check.summary == "0 errors, 2 warnings, 10 notes"
    assert check.table().columns == ("severity", "where", "what", "numbers", "bound")
    assert len(check.table().rows) == len(check.findings)
