"""`nearbank layer`: one matrix product, compiled, timed, verified, written out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nearbank import api, devices, pim, program
from nearbank.cli.complete import one_of
from nearbank.cli.options import (
    CacheOption,
    ChannelsOption,
    DeviceOption,
    JsonOption,
    LevelOption,
    MappingOption,
    NoCacheOption,
    OptionOption,
    TraceOption,
    options,
    use_cache,
)
from nearbank.errors import InputError, near_matches
from nearbank.program import aim_export, pimflow
from nearbank.report import output, tables
from nearbank.report.progress import Progress
from nearbank.report.trace import check_level
from nearbank.report.trace_commands import write_layer_trace

__all__ = ["layer"]

_FORMATS = ("pimflow", "aim", "nearbank")


def layer(
    pixels: Annotated[int, typer.Option(help="Rows of the input: batch x height x width.")],
    in_channels: Annotated[int, typer.Option("--in-channels", help="Length of the reduction.")],
    out_channels: Annotated[int, typer.Option("--out-channels", help="Columns of the result.")],
    device: DeviceOption = "newton-gddr6",
    channels: ChannelsOption = 16,
    mapping: MappingOption = "search",
    emit: Annotated[Path | None, typer.Option(help="Write the program's files to this folder.")] = None,
    format: Annotated[
        str,
        typer.Option(
            help="Of --emit: pimflow (a trace a channel), aim (host instructions, of mapping host) or nearbank (program text).",
            autocompletion=one_of(_FORMATS),
        ),
    ] = "nearbank",
    bias: Annotated[bool, typer.Option("--bias", help="Memory adds a bias: its sums begin there.")] = False,
    function: Annotated[
        str | None,
        typer.Option(
            help="Memory applies this activation function, as silu, before it is read.",
            autocompletion=one_of(sorted(devices.FUNCTIONS)),
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compute random values and compare them, bit for bit, with a plain oracle.")
    ] = False,
    option: OptionOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    trace: TraceOption = None,
    trace_level: LevelOption = "commands",
    json: JsonOption = None,
) -> None:
    """Compile, time and optionally verify or write out one matrix product.

    \b
    Example: nearbank layer --pixels 12544 --in-channels 16 --out-channels 96 --verify
    """
    output.check_writable(json)
    output.check_writable(trace)
    output.check_apart(json=json, trace=trace)
    check_level(trace_level)
    use_cache(cache, no_cache)
    output.check_folder(emit)
    if format not in _FORMATS:
        raise InputError("--format", value=format, bound=near_matches(format, _FORMATS))
    if emit is not None and format == "aim" and mapping != "host":
        what = "host instructions begin at column 0 of a row; of --mapping"
        raise InputError(what, where="--format aim", value=mapping, bound="host")
    unit, tick = devices.device(device, options(option)), Progress("verifying")
    made = api.layer(
        pixels, in_channels, out_channels, unit, channels=channels, mapping=mapping, bias=bias, function=function, verify=verify,
        tick=tick, command=output.command_line(),
    )  # fmt: skip
    tick.close()
    made.print()
    timing = made.timing
    compiled = pim.compile_product(unit, timing.product, channels, mapping, timing.epilogue)
    if emit is not None:
        tables.console().print(f"wrote {_emit(compiled, emit, format)} files to {emit}")
    if trace is not None:
        write_layer_trace(trace, compiled, timing, level=trace_level, command=output.command_line())
    output.write_json(json, made.document())


def _emit(compiled: pim.Compiled, folder: Path, kind: str) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder: {error.strerror}", where=str(folder)) from None
    if kind == "nearbank":
        output.write_lines(folder / "program.nbk", [program.format_program(compiled.program)])
        return 1
    names = [c.name for c in compiled.device.commands]
    if kind == "aim":
        output.write_lines(
            folder / "program.aim", aim_export.format_isr(aim_export.isr_of_program(compiled.program, names))
        )
        return 1
    count = 0
    for section in compiled.program.sections:
        for position, channel in enumerate(section.channels):
            stream = program.unroll(section.body, names, channel=position)
            output.write_lines(folder / f"channel{channel:02d}.pim", pimflow.format_trace(stream))
            count += 1
    return count
