"""`nearbank run`: a network, planned, computed through the memory's programs, compared with float32."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import typer

from nearbank import devices, graph, plan, runtime, zoo
from nearbank.cli.options import (
    BatchOption,
    CacheOption,
    ChannelsOption,
    ClockOption,
    DeviceOption,
    EpilogueOption,
    GpuOption,
    GroupsOption,
    HtmlOption,
    JoinOption,
    JsonOption,
    LaunchOption,
    LevelOption,
    MappingOption,
    NoCacheOption,
    OptionOption,
    PolicyOption,
    ScopeOption,
    TraceOption,
    check_level,
    command_line,
    gpu_model,
    load_model,
    options,
    use_cache,
)
from nearbank.errors import InputError, NearbankError, near_matches
from nearbank.plan.measure import TorchBench
from nearbank.report import documents, output, tables
from nearbank.report import html as pages
from nearbank.report.progress import Progress
from nearbank.report.trace import write_plan_trace

__all__ = ["HOSTS", "run"]

HOSTS = ("onnx", "torch")


def run(
    model: Annotated[str, typer.Argument(help="A built-in model or an .onnx file.")],
    policy: PolicyOption = "auto",
    scope: ScopeOption = "model",
    image: Annotated[str, typer.Option(help="A photo: chelsea, coffee, or a file.")] = "chelsea",
    device: DeviceOption = "newton-gddr6",
    gpu: GpuOption = "h200",
    gpu_clock_mhz: ClockOption = None,
    channels: ChannelsOption = 16,
    batch: BatchOption = 1,
    groups: GroupsOption = "gpu",
    mapping: MappingOption = "search",
    launch_us: LaunchOption = None,
    join_us: JoinOption = None,
    charge_epilogue: EpilogueOption = True,
    host: Annotated[
        str, typer.Option("--host", help="What runs the GPU's part of the values: onnx, or torch.")
    ] = "onnx",
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Also time the GPU's part on this machine's GPU (with --host torch, CUDA)."),
    ] = False,
    no_values: Annotated[bool, typer.Option("--no-values", help="Plan and time without computing values.")] = False,
    option: OptionOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    html: HtmlOption = None,
    trace: TraceOption = None,
    trace_level: LevelOption = "tasks",
    json: JsonOption = None,
) -> None:
    """Run a network: plan it, compute it through the memory's programs, compare with float32.

    Example: nearbank run efficientnet-lite0 --policy pim --image chelsea
    """
    for path in (json, html, trace):
        output.check_writable(path)
    check_level(trace_level)
    if html is not None:
        pages.check_plotly()
    use_cache(cache, no_cache)
    if host not in HOSTS:
        raise InputError("--host", value=host, bound=near_matches(host, HOSTS))
    if measure and host != "torch":
        raise InputError("--measure needs", value=f"--host {host}", bound="--host torch")
    timer = TorchBench().calls_us if measure else None  # without a GPU, say so before planning
    unit, cost = devices.device(device, options(option)), gpu_model(gpu, gpu_clock_mhz)
    network, info = load_model(model, batch, groups)
    feeds = None if no_values else _feeds(network, info, image)
    tick = Progress(f"planning {model}")
    made = plan.make_plan(
        network, unit, cost, policy=policy, scope=scope, channels=channels, launch_us=launch_us, join_us=join_us,
        charge_epilogue=charge_epilogue, mapping=mapping, tick=tick,
    )  # fmt: skip
    tick.close()
    spent = plan.plan_energy(made, unit) if unit.energy else None
    values = None
    if feeds is not None:
        tick = Progress(f"running {model}")
        runner = runtime.TorchHost(network) if host == "torch" else runtime.OnnxHost(network)
        ours = runtime.execute(made, unit, feeds, tick, runner)
        plain = runtime.reference(network, feeds)
        tick.close()
        first = network.outputs[0].name
        values = runtime.compare(ours[first], plain[first])
        tables.print_values(values, _labels(ours[first].shape))
    board = plan.board_energy(made, cost)
    tables.print_plan(made, unit, spent, board)
    document = documents.plan_document(made, unit, cost, values, spent, board)
    if timer is not None:
        segments = runtime.measure_gpu(made, unit, timer)
        tables.print_segments(segments)
        document["gpu_segments"] = documents.segments_document(segments)
    output.write_json(json, document)
    if html is not None or trace is not None:
        tick = Progress(f"looking into {model}")
        content = pages.gather(made, unit, cost, spent, command=command_line(), values=values, tick=tick)
        tick.close()
        if html is not None:
            pages.write_html(html, content)
        if trace is not None:
            write_plan_trace(
                trace, made, unit, content.memory, content.weights, level=trace_level, command=content.command
            )


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
