"""The command line: a thin shell over the Python API."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from nearbank import __version__, devices, graph, pim, plan, program, runtime, sim, zoo
from nearbank.errors import InputError, ModelError, NearbankError, near_matches
from nearbank.program import aim, pimflow
from nearbank.report import documents, output, tables
from nearbank.report.progress import Progress

__all__ = ["main"]

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Convolutional networks on a GPU whose memory can compute. Example: nearbank run efficientnet-lite0 --policy pim",
)  # fmt: skip

DeviceOption = Annotated[str, typer.Option("--device", help="A built-in device or a .toml file.")]
OptionOption = Annotated[
    list[str] | None, typer.Option("--option", help="A device option, name=value; may be repeated.")
]
ChannelsOption = Annotated[int, typer.Option("--channels", help="Memory channels that compute.")]
MappingOption = Annotated[
    str, typer.Option("--mapping", help=f"How products are laid over the memory: {', '.join(pim.MAPPINGS)}.")
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the result to this file too.")]


def _options(pairs: list[str] | None) -> dict[str, str]:
    out = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError("--option", value=pair, bound="name=value")
        out[name] = value
    return out


@app.command()
def run(
    model: Annotated[str, typer.Argument(help="A built-in model or an .onnx file.")],
    policy: Annotated[str, typer.Option(help=f"Who does what: {', '.join(plan.POLICIES)}.")] = "best",
    image: Annotated[str, typer.Option(help="A photo: chelsea, coffee, or a file.")] = "chelsea",
    device: DeviceOption = "newton-gddr6",
    gpu: Annotated[str, typer.Option(help="A built-in GPU or a profile's .json file.")] = "h200",
    channels: ChannelsOption = 16,
    batch: Annotated[int, typer.Option(help="Images at a time.")] = 1,
    mapping: MappingOption = "search",
    launch_us: Annotated[
        float | None,
        typer.Option("--launch-us", help="Microseconds to launch a layer in memory [default: 1.28 on h200]."),
    ] = None,
    no_values: Annotated[bool, typer.Option("--no-values", help="Plan and time without computing values.")] = False,
    option: OptionOption = None,
    json: JsonOption = None,
) -> None:
    """Run a network: plan it, compute it through the memory's programs, compare with float32.

    Example: nearbank run efficientnet-lite0 --policy pim --image chelsea
    """
    output.check_writable(json)
    unit, cost = devices.device(device, _options(option)), plan.gpu(gpu)
    network, info = _load(model, batch)
    feeds = None if no_values else _feeds(network, info, image)
    tick = Progress(f"planning {model}")
    made = plan.make_plan(
        network, unit, cost, policy=policy, channels=channels, launch_us=launch_us, mapping=mapping, tick=tick
    )
    tick.close()
    values = None
    if feeds is not None:
        tick = Progress(f"running {model}")
        ours = runtime.execute(made, unit, feeds, tick)
        plain = runtime.reference(network, feeds)
        tick.close()
        first = network.outputs[0].name
        values = runtime.compare(ours[first], plain[first])
        tables.print_values(values, _labels(ours[first].shape))
    tables.print_plan(made, unit)
    output.write_json(json, documents.plan_document(made, unit, cost, values))


def _load(model: str, batch: int) -> tuple[graph.Graph, zoo.ModelInfo | None]:
    if batch < 1 or batch > 4096:
        raise InputError("--batch", value=batch, bound="1 to 4096")
    if model in zoo.names():
        return graph.load(zoo.build(model), batch=batch, name=model), zoo.info(model)
    if not model.endswith(".onnx") and not Path(model).exists():
        raise ModelError(
            "unknown model", value=model, bound=f"an .onnx file or a built-in: {near_matches(model, zoo.names())}"
        )
    return graph.load(model, batch=batch), None


def _feeds(network: graph.Graph, info: zoo.ModelInfo | None, image: str) -> dict[str, Any]:
    """The photo for an image input; seeded random numbers for any other."""
    feeds: dict[str, Any] = {}
    for spec in network.inputs:
        if len(spec.shape) == 4 and spec.shape[1] == 3 and spec.dtype == "float32" and spec.shape[2] == spec.shape[3]:
            pixels = zoo.photo(image) if image in ("chelsea", "coffee") else zoo.load_image(image)
            rule = info or replace(zoo.info("mobilenet-v2"), image_size=spec.shape[2])
            feeds[spec.name] = np.repeat(zoo.preprocess(pixels, rule), spec.shape[0], axis=0)
        elif np.issubdtype(np.dtype(spec.dtype), np.floating):
            feeds[spec.name] = np.random.default_rng(0).standard_normal(spec.shape).astype(spec.dtype)
        else:
            feeds[spec.name] = np.zeros(spec.shape, spec.dtype)
    return feeds


def _labels(shape: tuple[int, ...]) -> tuple[str, ...] | None:
    if len(shape) != 2 or shape[1] != 1000:
        return None
    try:
        return zoo.labels()
    except NearbankError:
        return None


@app.command("devices")
def show_devices(
    name: Annotated[str | None, typer.Argument(help="A built-in device or a .toml file.")] = None,
    option: OptionOption = None,
) -> None:
    """List the built-in devices, or print one with its rule table and sources.

    Example: nearbank devices newton-gddr6
    """
    if name is None:
        tables.print_devices([devices.device(n) for n in devices.names()])
    else:
        tables.print_device(devices.device(name, _options(option)))


@app.command()
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
    unit = devices.device(device, _options(option))
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


@app.command()
def layer(
    pixels: Annotated[int, typer.Option(help="Rows of the input: batch x height x width.")],
    in_channels: Annotated[int, typer.Option("--in-channels", help="Length of the reduction.")],
    out_channels: Annotated[int, typer.Option("--out-channels", help="Columns of the result.")],
    device: DeviceOption = "newton-gddr6",
    channels: ChannelsOption = 16,
    mapping: MappingOption = "search",
    emit: Annotated[Path | None, typer.Option(help="Write the program's files to this folder.")] = None,
    format: Annotated[
        str, typer.Option(help="Of --emit: pimflow (a trace a channel) or nearbank (one program text).")
    ] = "nearbank",
    verify: Annotated[
        bool, typer.Option("--verify", help="Compute random values and compare them, bit for bit, with a plain oracle.")
    ] = False,
    option: OptionOption = None,
    json: JsonOption = None,
) -> None:
    """Compile, time and optionally verify or write out one matrix product.

    Example: nearbank layer --pixels 12544 --in-channels 16 --out-channels 96 --verify
    """
    output.check_writable(json)
    output.check_folder(emit)
    if format not in ("pimflow", "nearbank"):
        raise InputError("--format", value=format, bound=near_matches(format, ("pimflow", "nearbank")))
    unit, product = devices.device(device, _options(option)), pim.Product(pixels, in_channels, out_channels)
    timing = pim.time_product(unit, product, channels, mapping)
    tables.print_layer(timing, unit, channels)
    compiled = pim.compile_product(unit, product, channels, mapping)
    if verify:
        tables.console().print(_verify(compiled))
    if emit is not None:
        tables.console().print(f"wrote {_emit(compiled, emit, format)} files to {emit}")
    output.write_json(json, documents.layer_document(timing, unit, channels))


def _verify(compiled: pim.Compiled) -> str:
    product, rng = compiled.product, np.random.default_rng(0)
    x = rng.standard_normal((product.pixels, product.in_channels), np.float32)
    w = rng.standard_normal((product.in_channels, product.out_channels), np.float32)
    tick = Progress("verifying")
    results = sim.play_values(
        compiled.device, compiled.program, compiled.weights(w), compiled.inputs(x), compiled.result_count, tick
    )
    ours, plain = compiled.outputs(results), sim.oracle(compiled.device, x, w, compiled.pieces)
    tick.close()
    wrong = int(np.count_nonzero(ours.view(np.uint32) != plain.view(np.uint32)))
    if wrong:
        raise NearbankError(
            "values differ from the oracle",
            where=str(product),
            value=f"{wrong} of {ours.size} values",
            bound="bit-equal",
        )
    return f"verified: {ours.size:,} values bit-equal to the oracle"


def _emit(compiled: pim.Compiled, folder: Path, kind: str) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder: {error.strerror}", where=str(folder)) from None
    if kind == "nearbank":
        output.write_lines(folder / "program.nbk", [program.format_program(compiled.program)])
        return 1
    names = [c.name for c in compiled.device.commands]
    count = 0
    for section in compiled.program.sections:
        for position, channel in enumerate(section.channels):
            stream = program.unroll(section.body, names, channel=position)
            output.write_lines(folder / f"channel{channel:02d}.pim", pimflow.format_trace(stream))
            count += 1
    return count


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)


def main() -> None:
    """Run the command line: errors are one line on standard error and exit status 2; Ctrl-C is 130."""
    try:
        status = app(standalone_mode=False)
        if status == 130:  # the parser's own handling of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(status if isinstance(status, int) else 0)
    except NearbankError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        # Files that the user named say so themselves (InputError): what is left is standard output, on a full disk.
        sys.stdout = None
        print(f"error: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        # Usage errors of the command line parser, which has no other public base to catch.
        if not hasattr(error, "format_message"):
            raise
        text = error.format_message()
        print(text if text.startswith("Usage:") else f"error: {' '.join(text.split())}", file=sys.stderr)
        sys.exit(2)
