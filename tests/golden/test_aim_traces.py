"""Host programs of AiM play to the clocks of the public AiM simulator, whose refresh never fires: every file, every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nearbank.cli import app
from nearbank.devices import device
from nearbank.program import aim, aim_export, pimflow
from nearbank.sim import Timing, time_isr, time_stream

FOLDER = Path(__file__).parent / "data" / "aim_traces"
GOLDEN = json.loads((FOLDER / "cycles.json").read_text())
TRACES = sorted(GOLDEN)


def load(name: str) -> tuple[aim.Isr, ...]:
    return aim.parse_isr(pimflow.read_text(FOLDER / f"{name}.gz"), where=name)


def play(name: str, refresh: str) -> Timing:
    return time_isr(device("aim-gddr6", {"refresh": refresh}), load(name))


def test_every_file_has_its_cycles() -> None:
    assert sorted(path.name.removesuffix(".gz") for path in FOLDER.glob("*.gz")) == TRACES


@pytest.mark.parametrize("name", TRACES)
def test_cycles_and_commands(name: str) -> None:
    """The bound asked for is 2 % above 5,000 clocks and 3 % below; with the front end modelled nothing is off."""
    timing, golden = play(name, "off"), GOLDEN[name]
    assert timing.commands == golden["commands"]
    assert abs(timing.cycles - golden["cycles"]) <= (0.02 if golden["cycles"] > 5000 else 0.03) * golden["cycles"]
    assert timing.cycles == golden["cycles"]


@pytest.mark.parametrize("name", TRACES)
def test_refresh_fires(name: str) -> None:
    """With refresh on, each channel is refreshed once for every 3.9 us of its run, and all else is as it was."""
    off, on = play(name, "off"), play(name, "on")
    for number, channel in on.channels.items():
        # A refresh that falls due in the last moments, behind the last command, is not served.
        assert channel.commands.get("REF", 0) in (channel.cycles // 7800, (channel.cycles - 400) // 7800)
        plain = off.channels[number].commands
        kept = ("WRGB", "WRMAC16", "RDMAC16", "RDAF16", "MAC16", "AF16")
        assert {k: channel.commands.get(k) for k in kept} == {k: plain.get(k) for k in kept}
    assert off.cycles <= on.cycles <= off.cycles * 1.06 + 400


@pytest.mark.parametrize("name", TRACES)
def test_without_the_front_end(name: str) -> None:
    """The commands alone, given to each channel at once: the front end adds at most a few clocks a read-out and channel wait."""
    unit = device("aim-gddr6", {"refresh": "off"})
    streams = aim.lower_isr(load(name), [c.name for c in unit.commands])
    alone = {channel: time_stream(unit, stream) for channel, stream in streams.items()}
    played = play(name, "off").channels
    assert {c: dict(t.commands) for c, t in alone.items()} == {c: dict(t.commands) for c, t in played.items()}
    assert all(alone[c].cycles <= played[c].cycles for c in alone)
    if len(streams) == 1:
        golden = GOLDEN[name]["cycles"]
        assert alone[31].cycles >= golden * (0.97 if golden <= 5000 else 0.98)


@pytest.mark.parametrize("name", TRACES)
def test_export_gives_the_same_commands(name: str) -> None:
    names = [c.name for c in device("aim-gddr6").commands]
    streams = aim.lower_isr(load(name), names)
    text = "".join(aim_export.format_isr(aim_export.isr_of_streams(streams)))
    again = aim.lower_isr(aim.parse_isr(text), names)
    assert again.keys() == streams.keys()
    for channel, stream in streams.items():
        assert (again[channel].ops == stream.ops).all()
        assert (again[channel].args == stream.args).all()


def test_command_line(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    files = [str(FOLDER / f"{name}.gz") for name in TRACES]
    run = CliRunner().invoke(
        app, ["simulate", *files, "--device", "aim-gddr6", "--option", "refresh=off", "--json", str(result)]
    )
    assert run.exit_code == 0, run.output
    found = {Path(row["file"]).name: row for row in json.loads(result.read_text())["traces"]}
    for name, golden in GOLDEN.items():
        row = found[f"{name}.gz"]
        assert row["cycles"] == golden["cycles"]
        assert row["commands"] == golden["commands"]
