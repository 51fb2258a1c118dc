"""Trace and program files, played to the clock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nearbank import program, sim
from nearbank.api.provenance import Provenance, provenance
from nearbank.devices import PimDevice
from nearbank.plan import DeviceLike, device_of
from nearbank.program import aim, pimflow
from nearbank.report import documents, layer_tables
from nearbank.tabular import Table, Tabular

__all__ = ["TraceTiming", "Traces", "simulate"]


@dataclass(frozen=True)
class TraceTiming:
    """One file: clocks, microseconds, and how often each command issued, refresh included."""

    file: str
    cycles: int
    time_us: float
    commands: Mapping[str, int]


@dataclass(frozen=True, repr=False)
class Traces(Tabular):
    """What `nearbank.simulate` returns: a row a file, in the order given."""

    device: PimDevice
    rows: tuple[TraceTiming, ...]
    provenance: Provenance

    def table(self) -> Table:
        """A row a file."""
        rows = tuple((x.file, x.cycles, x.time_us, _said(x.commands)) for x in self.rows)
        return Table(f"on {self.device.name}", ("file", "cycles", "time_us", "commands"), rows)

    def document(self) -> dict[str, Any]:
        """For programs to read: what `nearbank simulate --json` writes."""
        made = documents.traces_document(self._plain(), self.device)
        return made | {"origin": made["origin"] | {"command": self.provenance.command}}

    def print(self) -> None:
        """For a person, on standard output."""
        layer_tables.print_traces(self._plain())

    def _plain(self) -> list[tuple[str, int, float, dict[str, int]]]:
        return [(x.file, x.cycles, x.time_us, dict(x.commands)) for x in self.rows]


def simulate(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], device: DeviceLike = "newton-gddr6", *,
    tick: Callable[[str], None] = lambda name: None, command: str = "",
) -> Traces:  # fmt: skip
    """Play trace files to the clock: PIMFlow's commands, AiM's host instructions, or program text; plain or .gz.

    Args:
        files: one path or several.
        device: the memory, by name, by the path of its .toml file, or itself.
        tick: called with each file's name, for progress.
        command: the command line that this answers, for the provenance.

    Raises:
        ProgramError: a file that cannot be read or played; says where.
    """
    unit, paths = device_of(device), [files] if isinstance(files, str | os.PathLike) else files
    rows = []
    for path in paths:
        tick(os.fspath(path))
        rows.append(_play(unit, os.fspath(path)))
    return Traces(unit, tuple(rows), provenance(unit, command=command))


def _play(unit: PimDevice, file: str) -> TraceTiming:
    text = pimflow.read_text(file)
    if pimflow.is_trace(text):
        stream = pimflow.parse_trace(text, [c.name for c in unit.commands], where=file)
        played = sim.time_stream(unit, stream, where=f"{file}, ")
        return TraceTiming(file, played.cycles, unit.microseconds(played.cycles), dict(played.commands))
    if aim.is_isr(text):
        timing = sim.time_isr(unit, aim.parse_isr(text, where=file), where=f"{file}, ")
    else:
        timing = sim.time_program(unit, program.parse_program(text, where=file))
    return TraceTiming(file, timing.cycles, unit.microseconds(timing.cycles), timing.commands)


def _said(commands: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in commands.items())
