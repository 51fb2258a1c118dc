"""`nearbank run`: a network, planned, computed through the memory's programs, compared with float32."""

from __future__ import annotations

from typing import Annotated

import typer

from nearbank import api, devices, runtime
from nearbank.cli.complete import complete_image, one_of
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
    ModelArgument,
    NoCacheOption,
    OptionOption,
    PolicyOption,
    ScopeOption,
    TraceOption,
    check_batch,
    gpu_model,
    grouping,
    options,
    use_cache,
)
from nearbank.errors import InputError, near_matches
from nearbank.plan.measure import TorchBench
from nearbank.report import documents, output, plan_tables
from nearbank.report import html as pages
from nearbank.report.progress import Progress
from nearbank.report.trace import check_level

__all__ = ["run"]


def run(
    model: ModelArgument,
    policy: PolicyOption = "auto",
    scope: ScopeOption = "model",
    image: Annotated[
        str, typer.Option(help="A photo: chelsea, coffee, or a file.", autocompletion=complete_image)
    ] = "chelsea",
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
        str,
        typer.Option(
            "--host", help="What runs the GPU's part of the values: onnx, or torch.", autocompletion=one_of(api.HOSTS)
        ),
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
    output.check_apart(json=json, html=html, trace=trace)
    check_level(trace_level)
    if html is not None:
        pages.check_plotly()
    use_cache(cache, no_cache)
    if host not in api.HOSTS:
        raise InputError("--host", value=host, bound=near_matches(host, api.HOSTS))
    if measure and host != "torch":
        raise InputError("--measure needs", value=f"--host {host}", bound="--host torch")
    timer = TorchBench().calls_us if measure else None  # without a GPU, say so before planning
    made = api.run(
        model, devices.device(device, options(option)), gpu_model(gpu, gpu_clock_mhz), image=image, values=not no_values,
        batch=check_batch(batch), groups=grouping(groups), host=host, policy=policy, scope=scope, channels=channels,
        launch_us=launch_us, join_us=join_us, charge_epilogue=charge_epilogue, mapping=mapping, progress=Progress,
        command=output.command_line(),
    )  # fmt: skip
    made.print()
    document = made.document()
    if timer is not None:
        tick = Progress(f"measuring {model}")
        segments = runtime.measure_gpu(made.plan, made.device, timer, compiler="inductor", tick=tick)
        tick.close()
        plan_tables.print_segments(segments)
        document["gpu_segments"] = documents.segments_document(segments)
    output.write_json(json, document)
    if html is not None or trace is not None:
        tick = Progress(f"looking into {model}")
        content = made.look(tick)
        tick.close()
        if html is not None:
            made.write_html(html, content)
        if trace is not None:
            made.write_trace(trace, trace_level, content)
