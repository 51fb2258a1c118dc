"""A new device file: the base until something is uncommented, and the base again when everything is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nearbank.devices import check_device, device, names, template
from nearbank.devices.glossary import ENERGY, ORGANIZATION, REFRESH, TIMING
from nearbank.errors import DeviceError

OWN = {"name", "about", "hash"}  # differ: the file's name and text


def content(path: Path) -> dict[str, object]:
    return {key: value for key, value in device(path).__dict__.items() if key not in OWN}


@pytest.mark.parametrize("name", names())
def test_it_is_its_base(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(template(name))
    base = {key: value for key, value in device(name).__dict__.items() if key not in OWN}
    assert content(path) == base
    assert device(path).name == "mine"
    assert {x.where: x.severity for x in check_device(device(path)).findings} == {
        x.where: x.severity for x in check_device(device(name)).findings
    }


@pytest.mark.parametrize("name", names())
def test_it_is_its_base_with_everything_uncommented(tmp_path: Path, name: str) -> None:
    text = template(name)
    lines = re.findall(r"^#\S", text, flags=re.M)
    path = tmp_path / "mine.toml"
    path.write_text(re.sub(r'^#(?! |\w+ = "say where")', "", text, flags=re.M))
    base = {key: value for key, value in device(name).__dict__.items() if key not in OWN}
    assert content(path) == base
    assert len(lines) > 100  # there is something to uncomment


@pytest.mark.parametrize("name", names())
def test_every_key_is_there_and_explained(name: str) -> None:
    text, unit = template(name), device(name)
    decided = {"global_buffers"} if name == "newton-gddr6" else {"nGWH"} if name.endswith("pimflow") else set()
    for key in {
        *unit.organization.__dict__,
        *(k for k, _, _ in unit.timing),
        *(k for k, _, _, _ in unit.energy),
    } - decided:
        if key != "function_rows" or unit.organization.function_rows:
            assert re.search(rf"^# .+\n#{key} = ", text, re.M), key
    for key in decided:
        assert re.search(rf"^# {key}, .*decided by --option", text, re.M)


def test_the_glossary_knows_every_key_of_every_device() -> None:
    for name in names():
        unit = device(name)
        assert set(unit.organization.__dict__) <= set(ORGANIZATION)
        assert {key for key, _, _ in unit.timing} <= set(TIMING)
        assert {key for key, _, _, _ in unit.energy} <= set(ENERGY)
    assert set(REFRESH) == {"interval", "where", "commands", "postpone"}


def test_an_uncommented_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        template("newton-gddr6").replace("#nFAW = 17", "nFAW = 20").replace("#clock_mhz = 875", "clock_mhz = 900")
    )
    assert (device(path).clocks("nFAW"), device(path).clock_mhz) == (20, 900)


def test_units_are_in_nanoseconds() -> None:
    # 11 clocks of 8/7 ns.
    assert "# precharge to activate [clocks = 12.57 ns]\n#nRP = 11\n" in template("newton-gddr6")


def test_unknown_base() -> None:
    with pytest.raises(DeviceError, match="unknown base; got 'newton'"):
        template("newton")
