"""The reference engine gives, on every stored trace, the cycles of the simulator that the traces were made for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nearbank.devices import device
from nearbank.program import pimflow
from nearbank.sim import time_stream

FOLDER = Path(__file__).parent / "data" / "pimflow_traces"
CYCLES = json.loads((FOLDER / "cycles.json").read_text())


def test_every_trace_has_its_cycles():
    assert sorted(CYCLES) == sorted(path.name.removesuffix(".gz") for path in FOLDER.glob("*.pim.gz"))
    assert len(CYCLES) == 6


@pytest.mark.parametrize("hiding", ["on", "off"])
@pytest.mark.parametrize("name", sorted(CYCLES))
def test_cycles_of_the_public_simulator(name: str, hiding: str) -> None:
    unit = device("newton-gddr6-pimflow", {"gwrite_hiding": hiding})
    text = pimflow.read_text(FOLDER / f"{name}.gz")
    stream = pimflow.parse_trace(text, [command.name for command in unit.commands], where=name)
    golden = CYCLES[name]
    assert len(stream) == golden["commands"]
    played = time_stream(unit, stream)
    assert played.cycles == golden["hide" if hiding == "on" else "nohide"]
    inserted = played.commands.get("PREA", 0) + played.commands.get("REF", 0)
    assert sum(played.commands.values()) == golden["commands"] + inserted
