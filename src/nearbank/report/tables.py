"""Tables for a person."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from nearbank.devices import PimDevice
from nearbank.pim import LayerTiming
from nearbank.plan import Plan, PlanEnergy
from nearbank.runtime import Values
from nearbank.sim.energy import Energy

__all__ = ["console", "print_device", "print_devices", "print_layer", "print_plan", "print_traces", "print_values"]


def console() -> Console:
    """Standard output; wide where it is no terminal, so that tables in files do not break."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=180)


def _table(*columns: str, left: Sequence[str] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(
            column, justify="left" if column in left else "right", no_wrap=column not in left, overflow="fold"
        )
    return table


def _parts(spent: Energy) -> str:
    parts = ", ".join(f"{name.replace('_', ' ')} {uj:.2f}" for name, uj in spent.components().items())
    return f"{spent.total_uj:.2f} uJ ({parts})"


def _origin(device: PimDevice) -> str:
    return f"energy constants and their sources: nearbank devices {device.name} ({device.hash})"


def print_plan(plan: Plan, device: PimDevice, energy: PlanEnergy | None) -> None:
    """The per-layer table and the totals."""
    out, system, totals = console(), plan.system, plan.totals
    out.print(
        f"{plan.graph.name}, batch {plan.graph.batch}: {system.device} ({system.channels} channels, mapping {system.mapping}, "
        f"{device.clock_mhz:g} MHz) + {system.gpu}, policy {plan.policy}"
    )
    table = _table(
        "layer",
        "pixels x in -> out",
        "on",
        "why",
        "GPU us",
        "PIM us",
        "PIM cycles",
        "x bound",
        *(("PIM uJ", "bus uJ") if energy else ()),
        left=("layer", "on", "why"),
    )
    for index, x in enumerate(plan.layers):
        size = f"{x.pixels} x {x.in_channels or '-'} -> {x.out_channels}"
        ratio = f"{x.pim_cycles / x.bound_cycles:.2f}" if x.pim_cycles and x.bound_cycles else ""
        pim = f"{x.pim_us:.2f}" if x.pim_us is not None else ""
        cycles = f"{x.pim_cycles:,}" if x.pim_cycles is not None else ""
        row = [x.name, size, x.target, x.reason, f"{x.gpu_us:.2f}", pim, cycles, ratio]
        if energy:
            spent = energy.layers[index]
            row += [f"{spent.memory.total_uj:.2f}" if spent.memory else "", f"{spent.bus.total_uj:.2f}"]
        table.add_row(*row)
    out.print(table)
    notes = sorted({x.gpu_note for x in plan.layers if x.gpu_note})
    if notes:
        out.print(
            f"GPU times that were not measured as they are: {sum(bool(x.gpu_note) for x in plan.layers)} of "
            f"{len(plan.layers)} (--json says which)"
        )
    moved = sum(x.target == "pim" for x in plan.layers)
    sums = _table("", "GPU only us", "planned us", "speedup", left=("",))
    sums.add_row("whole network", f"{totals.gpu_only_us:.1f}", f"{totals.planned_us:.1f}", f"{totals.speedup:.3f}x")
    sums.add_row(
        "pointwise layers",
        f"{totals.pointwise_gpu_us:.1f}",
        f"{totals.pointwise_planned_us:.1f}",
        f"{totals.pointwise_speedup:.3f}x",
    )
    sums.add_row(
        "convolutions",
        f"{totals.convolutions_gpu_us:.1f}",
        f"{totals.convolutions_planned_us:.1f}",
        f"{totals.convolutions_speedup:.3f}x",
    )
    out.print(sums)
    out.print(
        f"{moved} layers in memory, {system.launch_us:.2f} us each to launch: {moved * system.launch_us:.1f} us in the "
        "planned time. Bias and activation ride on the next GPU kernel at no charge."
    )
    if energy:
        _print_plan_energy(energy, device, moved)
    if totals.speedup < 1:
        out.print(
            f"PIM loses here: {system.gpu} alone is {1 / totals.speedup:.2f}x faster than this plan. "
            + ("Policy best keeps every layer where it is faster." if plan.policy == "pim" else "")
        )
    elif moved == 0 and plan.policy == "best":
        out.print(f"PIM does not pay here: {system.gpu} is faster on every layer, launch cost included.")


def _print_plan_energy(energy: PlanEnergy, device: PimDevice, moved: int) -> None:
    out = console()
    if moved:
        out.print(f"energy of the {moved} layers in memory: {_parts(energy.memory)}")
        out.print(
            f"the same weights and activations over the bus to the GPU: {energy.bus.total_uj:.2f} uJ, of that weights "
            f"{energy.bus_weights.total_uj:.2f} uJ"
        )
    out.print(
        f"layers on the GPU: {energy.gpu_bus.total_uj:.2f} uJ over the bus, if nothing stays in a cache. The GPU's own "
        "energy is not known, and in no number"
    )
    out.print(_origin(device))


def print_values(values: Values, labels: Sequence[str] | None) -> None:
    """The best classes through memory and from float32, and the errors."""
    out = console()
    table = _table(
        "", "through memory", "p", "ONNX Runtime float32", "p ", left=("through memory", "ONNX Runtime float32")
    )

    def name(index: int) -> str:
        return labels[index] if labels and index < len(labels) else f"class {index}"

    rows = zip(values.top, values.probabilities, values.top_reference, values.probabilities_reference, strict=True)
    for rank, (a, p, b, q) in enumerate(rows, 1):
        table.add_row(str(rank), name(a), f"{p:.4f}", name(b), f"{q:.4f}")
    out.print(table)
    out.print(
        f"largest error {values.max_abs_error:.3g}, relative L2 error {values.relative_l2_error:.3g}, against float32\n"
    )


def print_layer(
    timing: LayerTiming, device: PimDevice, channels: int, spent: Energy | None, bus: tuple[Energy, Energy] | None
) -> None:
    """One product: cycles, bound by resource, commands, energy beside that of the same data over the bus (whole, weights)."""
    out, bound = console(), timing.bound
    out.print(f"{timing.product} on {device.name}, {channels} channels, mapping {timing.mapping}{_in_memory(timing)}")
    out.print(
        f"{timing.timing.cycles:,} cycles = {timing.time_us:.2f} us at {device.clock_mhz:g} MHz; "
        f"{timing.timing.cycles / bound.cycles:.2f} x the bound of {bound.cycles:,}; {timing.utilization:.1%} of the MAC peak"
    )
    resources = ", ".join(f"{name} {clocks:,}" for name, clocks in bound.by_resource)
    out.print(f"bound by {bound.binding} ({resources})")
    out.print("commands, all channels: " + ", ".join(f"{n} {c:,}" for n, c in timing.timing.commands.items()))
    if spent and bus:
        out.print(f"energy: {_parts(spent)}")
        out.print(
            f"the same data over the bus: {bus[0].total_uj:.2f} uJ, of that weights {bus[1].total_uj:.2f} uJ; the GPU's own "
            "energy is not known"
        )
        out.print(_origin(device))


def _in_memory(timing: LayerTiming) -> str:
    return f", {timing.epilogue} in memory" if timing.epilogue else ""


def print_traces(rows: Sequence[tuple[str, int, float, dict[str, int]]]) -> None:
    """A row a trace: file, cycles, time, commands."""
    table = _table("trace", "cycles", "us", "commands", left=("trace", "commands"))
    for file, cycles, us, commands in rows:
        table.add_row(file, f"{cycles:,}", f"{us:.2f}", ", ".join(f"{n} {c:,}" for n, c in commands.items()))
    console().print(table)


def print_devices(devices: Sequence[PimDevice]) -> None:
    """The built-in devices, a row each."""
    table = _table("device", "channels", "MHz", "about", left=("device", "about"))
    for d in devices:
        table.add_row(
            d.name, f"{d.organization.pim_channels} of {d.organization.channels}", f"{d.clock_mhz:g}", d.about
        )
    console().print(table)


def print_device(device: PimDevice) -> None:
    """One device whole: sizes, timing, rules, energy, each with its source."""
    out = console()
    out.print(f"{device.name} ({device.hash}): {device.about}\n{device.clock_mhz:g} MHz")
    out.print(", ".join(f"{k.replace('_', ' ')} {v}" for k, v in device.organization.__dict__.items()))
    out.print(f"operands {device.numerics.operand}: {device.numerics.source}")
    refresh = device.refresh
    state = "on" if refresh.enabled else "off"
    out.print(
        f"refresh {state}: every {refresh.interval} clocks, {refresh.where} {', '.join(refresh.commands)}, "
        f"at most {refresh.postpone} owed"
    )
    for name, value, choices in device.options:
        out.print(f"option {name} = {value} (of {', '.join(choices)})")
    commands = _table("command", "role", "bank groups", left=("command", "role"))
    for c in device.commands:
        commands.add_row(c.name, c.role, " ".join(map(str, c.bank_groups)))
    out.print(commands)
    timing = _table("timing", "clocks", "source", left=("timing", "source"))
    for name, clocks, source in device.timing:
        timing.add_row(name, str(clocks), source)
    out.print(timing)
    rules = _table(
        "before",
        "after",
        "gap",
        "clocks",
        "scope",
        "window",
        "source",
        left=("before", "after", "gap", "scope", "source"),
    )
    for r in device.rules:
        rules.add_row(
            _short(r.before, device),
            _short(r.after, device),
            r.expression,
            str(r.gap),
            r.scope,
            str(r.window),
            r.source,
        )
    out.print(rules)
    energy = _table("energy", "value", "unit", "source", left=("energy", "unit", "source"))
    for name, amount, unit, source in device.energy:
        energy.add_row(name, f"{amount:g}", unit, source)
    out.print(energy)
    for name, source in device.sources:
        out.print(f"{name}: {source}")


def _short(names: Sequence[str], device: PimDevice) -> str:
    return "any" if len(names) == len(device.commands) else " ".join(names)
