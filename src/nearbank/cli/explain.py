"""`nearbank explain`: why each layer runs where it does, in numbers."""

from __future__ import annotations

from typing import Annotated

import typer

import nearbank.plan as plan
from nearbank import devices
from nearbank.cli.options import (
    BatchOption,
    CacheOption,
    ChannelsOption,
    ClockOption,
    DeviceOption,
    EpilogueOption,
    GpuOption,
    GroupsOption,
    JoinOption,
    JsonOption,
    LaunchOption,
    MappingOption,
    ModelArgument,
    NoCacheOption,
    OptionOption,
    PolicyOption,
    ScopeOption,
    gpu_model,
    load_model,
    options,
    use_cache,
)
from nearbank.report import documents, explanations, output
from nearbank.report.progress import Progress

__all__ = ["explain"]


def explain(
    model: ModelArgument,
    layer: Annotated[
        str | None, typer.Option("--layer", help="One layer, by its name in the table of run [default: all products].")
    ] = None,
    policy: PolicyOption = "auto",
    scope: ScopeOption = "model",
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
    option: OptionOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    json: JsonOption = None,
) -> None:
    """Say why layers run where they do: what each takes here and there, and what the two best alternatives would cost.

    Example: nearbank explain mobilenet-v2 --layer b12.project --gpu rtx2060
    """
    output.check_writable(json)
    use_cache(cache, no_cache)
    unit, cost = devices.device(device, options(option)), gpu_model(gpu, gpu_clock_mhz)
    network, _ = load_model(model, batch, groups)
    tick = Progress(f"planning {model}")
    made = plan.make_plan(
        network, unit, cost, policy=policy, scope=scope, channels=channels, launch_us=launch_us, join_us=join_us,
        charge_epilogue=charge_epilogue, mapping=mapping, tick=tick,
    )  # fmt: skip
    found = plan.explain(made, unit, cost, layer)
    tick.close()
    explanations.print_explanations(made, found)
    output.write_json(json, documents.explain_document(made, unit, cost, found))
