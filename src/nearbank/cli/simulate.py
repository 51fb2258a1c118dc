"""`nearbank simulate`: trace and program files, played to the clock."""

from __future__ import annotations

from typing import Annotated

import typer

from nearbank import api, devices
from nearbank.cli.options import DeviceOption, JsonOption, OptionOption, options
from nearbank.report import output
from nearbank.report.progress import Progress

__all__ = ["simulate"]


def simulate(
    traces: Annotated[list[str], typer.Argument(help="Trace or program files, plain or .gz.")],
    device: DeviceOption = "newton-gddr6",
    option: OptionOption = None,
    json: JsonOption = None,
) -> None:
    """Play traces to the clock: commands in PIMFlow's format, AiM's host instructions, or nearbank's own program text.

    \b
    Example: nearbank layer --pixels 49 --in-channels 64 --out-channels 64 --emit made && nearbank simulate made/program.nbk
    """
    output.check_writable(json)
    unit = devices.device(device, options(option))
    tick = Progress("simulating")
    found = api.simulate(traces, unit, tick=tick, command=output.command_line())
    tick.close()
    found.print()
    output.write_json(json, found.document())
