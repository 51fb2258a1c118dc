"""Tables for a person."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from nearbank.devices import PimDevice
from nearbank.pim import LayerTiming
from nearbank.plan import BoardEnergy, Placement, Plan, PlanEnergy
from nearbank.runtime import SegmentTime, Values
from nearbank.sim.energy import Energy

__all__ = [
    "console",
    "counted",
    "print_device",
    "print_devices",
    "print_layer",
    "print_plan",
    "print_segments",
    "print_traces",
    "print_values",
    "said_of_gpu_alone",
    "said_of_weights",
    "table",
]


def console() -> Console:
    """Standard output; wide where it is no terminal, so that tables in files do not break."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=180)


def table(*columns: str, left: Sequence[str] = ()) -> Table:
    """An empty table; columns are right-aligned but those of ``left``."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(
            column, justify="left" if column in left else "right", no_wrap=column not in left, overflow="fold"
        )
    return made


def _parts(spent: Energy) -> str:
    parts = ", ".join(f"{name.replace('_', ' ')} {uj:.2f}" for name, uj in spent.components().items())
    return f"{spent.total_uj:.2f} uJ ({parts})"


def _origin(device: PimDevice) -> str:
    return f"energy constants and their sources: nearbank devices {device.name} ({device.hash})"


def print_plan(
    plan: Plan, device: PimDevice, placement: Placement, energy: PlanEnergy | None, board: BoardEnergy | None
) -> None:
    """The per-layer table and the totals."""
    out, system = console(), plan.system
    chosen = "" if plan.chosen == plan.policy else f" ({plan.chosen})"
    out.print(
        f"{plan.graph.name}, batch {plan.graph.batch}: {system.device} ({system.channels} of {system.all_channels} channels, "
        f"mapping {system.mapping}, {device.clock_mhz:g} MHz) + {system.gpu} by {system.library}, policy {plan.policy}{chosen}, "
        f"scope {plan.scope}"
    )
    made = table(
        "layer",
        "pixels x in -> out",
        "on",
        "why",
        "GPU us",
        "PIM us",
        "PIM cycles",
        "x bound",
        "planned us",
        *(("PIM uJ", "bus uJ") if energy else ()),
        left=("layer", "on", "why"),
    )
    for index, x in enumerate(plan.layers):
        size = f"{x.pixels} x {x.in_channels or '-'} -> {x.out_channels}"
        ratio = f"{x.pim_cycles / x.bound_cycles:.2f}" if x.pim_cycles and x.bound_cycles else ""
        pim = f"{x.pim_us:.2f}" if x.pim_us is not None else ""
        cycles = f"{x.pim_cycles:,}" if x.pim_cycles is not None else ""
        on = {
            "split": f"{x.share:.0%} pim",
            "pipeline": f"{len(plan.tasks_of(x.name))} x {'pim' if x.share else 'gpu'}",
        }
        row = [
            x.name,
            size,
            on.get(x.target, x.target),
            x.reason,
            f"{x.gpu_us:.2f}",
            pim,
            cycles,
            ratio,
            f"{x.planned_us:.2f}",
        ]
        if energy:
            spent = energy.layers[index]
            row += [f"{spent.memory.total_uj:.2f}" if spent.memory else "", f"{spent.bus.total_uj:.2f}"]
        made.add_row(*row)
    out.print(made)
    notes = sorted({x.gpu_note for x in plan.layers if x.gpu_note})
    if notes:
        out.print(
            f"GPU times that were not measured as they are: {sum(bool(x.gpu_note) for x in plan.layers)} of "
            f"{len(plan.layers)} (--json says which)"
        )
    sums = table("", "GPU only us", "planned us", "speedup", left=("",))
    what = "whole network" if plan.scope == "model" else f"{plan.scope} alone"
    sums.add_row(what, f"{plan.gpu_only_us:.1f}", f"{plan.planned_us:.1f}", f"{plan.speedup:.3f}x")
    out.print(sums)
    _print_schedule(plan)
    if placement.stretches:
        out.print(said_of_weights(placement))
    if energy:
        _print_plan_energy(energy, board, device, len(plan.offloaded))
    if plan.speedup < 1:
        out.print(
            f"PIM loses here: {system.gpu} alone is {1 / plan.speedup:.2f}x faster than this plan. "
            + ("Policy best keeps every layer where it is faster." if plan.policy == "pim" else "")
        )
    elif not plan.offloaded and plan.policy != "gpu-only":
        out.print(said_of_gpu_alone(plan))


def said_of_gpu_alone(plan: Plan) -> str:
    """Why a plan moves nothing to memory, in a sentence."""
    if plan.policy == "gpu-only":
        return "Everything is on the GPU, as policy gpu-only says."
    if all(layer.pim_us is None for layer in plan.layers):
        return "No layer of this network may go to memory: the layers' reasons say why."
    return f"PIM does not pay here: {plan.system.gpu} is faster on every layer, launch cost included."


def counted(count: int, noun: str, more: str = "s") -> str:
    """``1 layer``, ``2 layers``."""
    return f"{count:,} {noun}{'' if count == 1 else more}"


def _finishing(plan: Plan) -> str:
    """Where bias and activation of what the memory made are computed, and at what charge."""
    mine = [task for task in plan.tasks if task.role == "finish"]
    inside = sum(task.epilogue.function is not None for task in plan.tasks)
    parts = (
        [f"{len(mine)} GPU kernels ({sum(task.us for task in mine):.1f} us) finish what the memory reads next."]
        if mine
        else []
    )
    parts += [f"{inside} tasks in memory apply their activation." if inside else ""]
    rest = "Bias and activation ride on the next GPU kernel at no charge."
    return " ".join([*filter(None, parts), rest if not (mine or inside) else "Elsewhere bias" + rest[4:]])


def _print_schedule(plan: Plan) -> None:
    out, system = console(), plan.system
    if not plan.offloaded:
        return
    busy = {resource: plan.busy_us(resource) for resource in ("gpu", "pim")}
    moved = sum(task.resource == "pim" for task in plan.tasks)
    out.print(
        f"{counted(len(plan.offloaded), 'layer')} in memory, {counted(moved, 'task')}: {system.launch_us:.2f} us each to launch, "
        f"{system.join_us:.2f} us to join. GPU busy {busy['gpu']:.1f} us, memory {busy['pim']:.1f} us, both "
        f"{plan.both_us:.1f} us. {_finishing(plan)}"
    )
    out.print(
        f"{plan.system.gpu} keeps {system.gpu_share:.0%} of the memory's channels. No schedule of such tasks takes less than "
        f"{plan.proven_us:.1f} us ({plan.proof}); no plan at all less than {plan.floor_us:.1f} us."
    )


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.2f} MB" if count >= 1e5 else f"{count / 1e3:,.2f} kB"


def said_of_weights(placement: Placement) -> str:
    """Where the weights lie, in a sentence or two."""
    copies = f", {placement.replicas} of them replicas, arranged otherwise" if placement.replicas else ""
    return (
        f"weights: {_bytes(placement.weight_bytes)} in {counted(len(placement.stretches), 'stretch', 'es')} of rows{copies}; "
        f"{_bytes(placement.once_bytes)} without the copies of channels that share a layer's pixels. At most "
        f"{placement.rows_used:,} of a bank's {placement.rows_there:,} rows ({placement.rows_used / placement.rows_there:.1%}). "
        f"Loading takes {placement.load_us:,.1f} us, once, and is in no time above."
    )


def _print_plan_energy(energy: PlanEnergy, board: BoardEnergy | None, device: PimDevice, moved: int) -> None:
    out = console()
    if moved:
        out.print(f"energy of the {counted(moved, 'layer')} in memory: {_parts(energy.memory)}")
        out.print(
            f"the same weights and activations over the bus to the GPU: {energy.bus.total_uj:.2f} uJ, of that weights "
            f"{energy.bus_weights.total_uj:.2f} uJ"
        )
    known = "The GPU's own energy is not known, and in no number" if board is None else ""
    out.print(
        f"layers on the GPU: {energy.gpu_bus.total_uj:.2f} uJ over the bus, if nothing stays in a cache. {known}".rstrip()
    )
    if board is not None:
        total = board.busy + board.idle + energy.memory.total_uj
        out.print(
            f"GPU board {board.busy:.0f} uJ busy, {board.idle:.0f} uJ idle; with the memory {total:.0f} uJ, against "
            f"{board.alone:.0f} uJ on the GPU alone ({total / board.alone - 1:+.0%}; power by load: docs/model.md)"
        )
    out.print(_origin(device))


def print_segments(segments: Sequence[SegmentTime]) -> None:
    """The GPU's part of a plan: modelled, and measured on this machine, node by node and as torch's compiler fuses it."""
    rows = table(
        "GPU segment from", "tasks", "modelled us", "node by node us", "ratio", "fused us", "ratio ", left=("GPU segment from",)
    )  # fmt: skip

    def row(name: str, tasks: int, modelled: float, measured: float, fused: float | None) -> None:
        cells = [f"{modelled:.2f}"]
        for us in (measured, fused):
            cells += ["", ""] if us is None else [f"{us:.2f}", f"{us / modelled:.2f}" if modelled else ""]
        rows.add_row(name, str(tasks), *cells)

    for s in segments:
        row(s.name, len(s.tasks), s.modelled_us, s.measured_us, s.fused_us)
    known = [s.fused_us for s in segments if s.fused_us is not None]
    fused = sum(known) if len(known) == len(segments) else None
    total = (sum(len(s.tasks) for s in segments), sum(s.modelled_us for s in segments))
    row("all", *total, sum(s.measured_us for s in segments), fused)
    console().print(rows)


def print_values(values: Values, labels: Sequence[str] | None) -> None:
    """The best classes through memory and from float32, and the errors."""
    out = console()
    made = table(
        "", "through memory", "p", "ONNX Runtime float32", "p ", left=("through memory", "ONNX Runtime float32")
    )

    def name(index: int) -> str:
        return labels[index] if labels and index < len(labels) else f"class {index}"

    rows = zip(values.top, values.probabilities, values.top_reference, values.probabilities_reference, strict=True)
    for rank, (a, p, b, q) in enumerate(rows, 1):
        made.add_row(str(rank), name(a), f"{p:.4f}", name(b), f"{q:.4f}")
    out.print(made)
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
    made = table("trace", "cycles", "us", "commands", left=("trace", "commands"))
    for file, cycles, us, commands in rows:
        made.add_row(file, f"{cycles:,}", f"{us:.2f}", ", ".join(f"{n} {c:,}" for n, c in commands.items()))
    console().print(made)


def print_devices(devices: Sequence[PimDevice]) -> None:
    """The built-in devices, a row each."""
    made = table("device", "channels", "MHz", "about", left=("device", "about"))
    for d in devices:
        made.add_row(d.name, f"{d.organization.pim_channels} of {d.organization.channels}", f"{d.clock_mhz:g}", d.about)
    console().print(made)


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
    commands = table("command", "role", "bank groups", left=("command", "role"))
    for c in device.commands:
        commands.add_row(c.name, c.role, " ".join(map(str, c.bank_groups)))
    out.print(commands)
    timing = table("timing", "clocks", "source", left=("timing", "source"))
    for name, clocks, source in device.timing:
        timing.add_row(name, str(clocks), source)
    out.print(timing)
    rules = table(
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
    energy = table("energy", "value", "unit", "source", left=("energy", "unit", "source"))
    for name, amount, unit, source in device.energy:
        energy.add_row(name, f"{amount:g}", unit, source)
    out.print(energy)
    for name, source in device.sources:
        out.print(f"{name}: {source}")


def _short(names: Sequence[str], device: PimDevice) -> str:
    return "any" if len(names) == len(device.commands) else " ".join(names)
