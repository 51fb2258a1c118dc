"""`nearbank sensitivity`: how the speedup moves with each parameter of the system."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

import nearbank.plan as plan
from nearbank import devices
from nearbank.cli.complete import one_of
from nearbank.cli.options import (
    BatchOption,
    CacheOption,
    ChannelsOption,
    DeviceOption,
    GpuOption,
    GroupsOption,
    JsonOption,
    MappingOption,
    ModelArgument,
    NoCacheOption,
    OptionOption,
    PlotOption,
    PolicyOption,
    ScopeOption,
    gpu_model,
    load_model,
    options,
    use_cache,
)
from nearbank.errors import DeviceError, InputError, near_matches
from nearbank.report import documents, output, plots, sweeps
from nearbank.report.progress import Progress

__all__ = ["sensitivity"]

_LAUNCHES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
_PARAMETERS = ("launch", "join", "channels", "gpu-clock")


def sensitivity(
    model: ModelArgument,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            help=f"One of {', '.join(_PARAMETERS)}; may be repeated [default: all].",
            autocompletion=one_of(_PARAMETERS),
        ),
    ] = None,
    policy: PolicyOption = "auto",
    scope: ScopeOption = "model",
    device: DeviceOption = "newton-gddr6",
    gpu: GpuOption = "h200",
    channels: ChannelsOption = 16,
    batch: BatchOption = 1,
    groups: GroupsOption = "gpu",
    mapping: MappingOption = "search",
    option: OptionOption = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    plot: PlotOption = None,
    json: JsonOption = None,
) -> None:
    """Plan with each parameter at several values, the others held, and find the launch cost at which PIM stops paying.

    Example: nearbank sensitivity mobilenet-v2 --gpu rtx2060 --parameter launch
    """
    output.check_writable(json)
    plots.check_plot(plot)
    output.check_apart(json=json, plot=plot)
    use_cache(cache, no_cache)
    wanted = parameter or list(_PARAMETERS)
    for name in wanted:
        if name not in _PARAMETERS:
            raise InputError("--parameter", value=name, bound=near_matches(name, _PARAMETERS))
    unit, cost = devices.device(device, options(option)), gpu_model(gpu, None)
    network, _ = load_model(model, batch, groups)
    tick = Progress(f"planning {model}")
    fixed: dict[str, Any] = {"policy": policy, "scope": scope, "mapping": mapping, "tick": tick}
    planner = partial(plan.make_plan, network, unit, cost, channels=channels, **fixed)
    found = []
    for name in wanted:
        if name in ("launch", "join"):
            found.append(plan.sweep(planner, f"{name}_us", "us", cost.launch_us, _LAUNCHES))
        elif name == "channels":
            most = unit.organization.channels
            found.append(
                plan.sweep(planner, "channels", "channels", channels, [n for n in (4, 8, 16, 24, 32) if n <= most])
            )
        else:
            swept = _clocks(network, unit, gpu, channels, fixed)
            found += [swept] if swept else []
    limit = plan.break_even(planner) if "launch" in wanted else None
    tick.close()
    sweeps.print_sweeps(planner().system, found, limit, asked="launch" in wanted)
    if plot is not None:
        about = f"{network.name}, batch {network.batch}: {unit.name} + {cost.name}, policy {policy}, scope {scope}"
        plots.write_plot(plot, sweeps.sweeps_figure(about, found), "sensitivity")
    output.write_json(json, documents.sweep_document(unit, cost, found, limit))


def _clocks(network: Any, unit: Any, gpu: str, channels: int, fixed: dict[str, Any]) -> plan.Sweep | None:
    """Over the GPU's clock; None where the GPU was measured, at the one clock that it had."""
    try:
        base = gpu_model(gpu, None)
        now = base.clock_mhz
        gpu_model(gpu, now)
    except DeviceError:
        return None

    def planner(gpu_clock_mhz: float, **others: Any) -> plan.Plan:
        return plan.make_plan(network, unit, gpu_model(gpu, gpu_clock_mhz), channels=channels, **others)

    return plan.sweep(planner, "gpu_clock_mhz", "MHz", now, [now * f for f in (0.5, 0.75, 1.25, 1.5)], **fixed)
