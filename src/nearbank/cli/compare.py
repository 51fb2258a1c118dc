"""`nearbank compare`: a network on several memories and GPUs, side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from nearbank import api, devices
from nearbank.cli.complete import complete_device, complete_gpu
from nearbank.cli.options import (
    BatchOption,
    CacheOption,
    ChannelsOption,
    EpilogueOption,
    GroupsOption,
    JoinOption,
    JsonOption,
    LaunchOption,
    MappingOption,
    ModelArgument,
    NoCacheOption,
    PlotOption,
    PolicyOption,
    ScopeOption,
    check_batch,
    gpu_model,
    grouping,
    use_cache,
)
from nearbank.report import comparison, documents, output, plots
from nearbank.report.progress import Progress

__all__ = ["compare"]


def compare(
    model: ModelArgument,
    device: Annotated[
        list[str] | None,
        typer.Option(
            "--device", help="A built-in device or a .toml file; may be repeated [default: newton-gddr6].",
            autocompletion=complete_device,
        ),
    ] = None,
    gpu: Annotated[
        list[str] | None,
        typer.Option(
            "--gpu", help="A built-in GPU or a profile's .json file; may be repeated [default: h200].",
            autocompletion=complete_gpu,
        ),
    ] = None,
    policy: PolicyOption = "auto",
    scope: ScopeOption = "model",
    channels: ChannelsOption = 16,
    batch: BatchOption = 1,
    groups: GroupsOption = "gpu",
    mapping: MappingOption = "search",
    launch_us: LaunchOption = None,
    join_us: JoinOption = None,
    charge_epilogue: EpilogueOption = True,
    plot: PlotOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    json: JsonOption = None,
) -> None:  # fmt: skip
    """Plan a network for every memory beside every GPU: times, speedups, bounds and energies side by side.

    Example: nearbank compare mobilenet-v2 --device aim-gddr6 --gpu rtx2060
    """
    output.check_writable(json)
    plots.check_plot(plot)
    output.check_apart(json=json, plot=plot)
    use_cache(cache, no_cache)
    units = [devices.device(name) for name in device or ["newton-gddr6"]]
    costs = [gpu_model(name, None) for name in gpu or ["h200"]]
    tick = Progress(f"planning {model}")
    found = api.compare(
        model, units, costs, batch=check_batch(batch), groups=grouping(groups), tick=tick, policy=policy, scope=scope,
        channels=channels, mapping=mapping, launch_us=launch_us, join_us=join_us, charge_epilogue=charge_epilogue,
    )  # fmt: skip
    tick.close()
    comparison.print_comparison(found)
    if plot is not None:
        plots.write_plot(plot, comparison.comparison_figure(found), "comparison")
    output.write_json(json, documents.compare_document(found, output.command_line()))
