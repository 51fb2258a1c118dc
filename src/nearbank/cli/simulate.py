"""`nearbank simulate`: trace and program files, played to the clock."""

from __future__ import annotations

from typing import Annotated

import typer

from nearbank import devices, program, sim
from nearbank.cli.options import DeviceOption, JsonOption, OptionOption, options
from nearbank.program import aim, pimflow
from nearbank.report import documents, output, tables
from nearbank.report.progress import Progress

__all__ = ["simulate"]


def simulate(
    traces: Annotated[list[str], typer.Argument(help="Trace or program files, plain or .gz.")],
    device: DeviceOption = "newton-gddr6",
    option: OptionOption = None,
    json: JsonOption = None,
) -> None:
    """Play traces to the clock: commands in PIMFlow's format, AiM's host instructions, or nearbank's own program text.

    Example: nearbank simulate layer.pim.gz --device newton-gddr6-pimflow --option gwrite_hiding=off
    """
    output.check_writable(json)
    unit = devices.device(device, options(option))
    rows = []
    tick = Progress("simulating")
    for file in traces:
        tick(file)
        text = pimflow.read_text(file)
        if pimflow.is_trace(text):
            stream = pimflow.parse_trace(text, [c.name for c in unit.commands], where=file)
            played = sim.time_stream(unit, stream, where=f"{file}, ")
            rows.append((file, played.cycles, unit.microseconds(played.cycles), dict(played.commands)))
        else:
            if aim.is_isr(text):
                timing = sim.time_isr(unit, aim.parse_isr(text, where=file), where=f"{file}, ")
            else:
                timing = sim.time_program(unit, program.parse_program(text, where=file))
            rows.append((file, timing.cycles, unit.microseconds(timing.cycles), timing.commands))
    tick.close()
    tables.print_traces(rows)
    output.write_json(json, documents.traces_document(rows, unit))
