"""A plan for a person: its layers, totals, schedule and energy; its values; its GPU part, timed."""

from __future__ import annotations

from collections.abc import Sequence

from nearbank.devices import PimDevice
from nearbank.plan import BoardEnergy, Placement, Plan, PlanEnergy
from nearbank.report.tables import console, table
from nearbank.report.wording import (
    counted,
    energy_origin,
    energy_parts,
    gpu_named,
    said_of_channels,
    said_of_gpu_alone,
    said_of_weights,
)
from nearbank.runtime import SegmentTime, Values

__all__ = ["print_plan", "print_segments", "print_values"]


def print_plan(
    plan: Plan, device: PimDevice, placement: Placement, energy: PlanEnergy | None, board: BoardEnergy | None
) -> None:
    """The per-layer table and the totals."""
    out, system = console(), plan.system
    chosen = "" if plan.chosen == plan.policy else f" ({plan.chosen})"
    out.print(
        f"{plan.graph.name}, batch {plan.graph.batch}: {system.device} ({system.channels} of {system.all_channels} channels, "
        f"mapping {system.mapping}, {device.clock_mhz:g} MHz) + {gpu_named(system)}, policy {plan.policy}{chosen}, "
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


def _finishing(plan: Plan) -> str:
    """Where bias and activation of what the memory made are computed, and at what charge."""
    mine = [task.us for task in plan.tasks if task.role == "finish"]
    inside = sum(task.epilogue.function is not None for task in plan.tasks)
    parts = [f"{counted(len(mine), 'GPU kernel')} ({sum(mine):.1f} us) where the memory reads next"] if mine else []
    parts += [f"part of {counted(inside, 'task')} in memory"] if inside else []
    if not parts:
        return "Bias and activation ride on the next GPU kernel at no charge."
    return f"Bias and activation take {' and '.join(parts)}; elsewhere they ride on the next GPU kernel at no charge."


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
        f"{said_of_channels(plan)} No schedule of such tasks takes less than {plan.proven_us:.1f} us, {plan.gap:.1%} below this "
        f"({plan.proof}); no plan at all less than {plan.floor_us:.1f} us."
    )


def _print_plan_energy(energy: PlanEnergy, board: BoardEnergy | None, device: PimDevice, moved: int) -> None:
    out = console()
    if moved:
        out.print(f"energy of the {counted(moved, 'layer')} in memory: {energy_parts(energy.memory)}")
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
    out.print(energy_origin(device))


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
