"""The sections that are text and tables: the headline, the layers, what is divided, and the numbers beside the plots."""

from __future__ import annotations

from collections.abc import Iterator

from nearbank.plan import Layer, Plan
from nearbank.report.html.charts import PARTS
from nearbank.report.html.content import Content
from nearbank.report.html.markup import bar, cell, esc, facts, num, number, table, track
from nearbank.report.html.network import where
from nearbank.report.wording import counted, gpu_named, said_of_gpu_alone
from nearbank.sim.energy import Energy

__all__ = ["clocks_table", "divided", "energy_table", "headline", "layers_table", "tasks_table"]

_ROLES = {"work": "", "sum": ", sums", "finish": ", finish"}


def headline(content: Content) -> str:
    """Speedup, the times it is made of, energy, and what was assumed."""
    plan = content.plan
    most = max(plan.gpu_only_us, plan.planned_us)
    times = (
        ("GPU alone", plan.gpu_only_us, "alone"), ("this plan", plan.planned_us, "plan"),
        ("bound of such schedules", plan.proven_us, "bound"), ("bound of any plan", plan.floor_us, "bound"),
    )  # fmt: skip
    bars = "".join(
        f'<div class="time"><span>{esc(name)}</span>{track(us / most if most else 0, kind)}<b>{num(us)} us</b></div>'
        for name, us, kind in times
    )
    return (
        f'<div class="headline"><div class="figure"><p class="speedup">{plan.speedup:.3f}<span>×</span></p><p>{_verdict(plan)}</p>'
        f'<div class="times">{bars}</div></div>{facts(_facts(content))}</div>'
    )


def _facts(content: Content) -> Iterator[tuple[str, str]]:
    plan, system, energy = content.plan, content.plan.system, content.energy
    spent = "the device gives no energy model"
    if energy is not None:
        spent = (
            f"<b>{num(energy.memory.total_uj)} uJ</b> in memory; the same data over the bus: {num(energy.bus.total_uj)} uJ. Layers "
            f"on the GPU: {num(energy.gpu_bus.total_uj)} uJ over the bus"
        )
    yield "energy", f"{spent}. {_board(content)}"
    used = f"{system.channels} of {system.all_channels} channels compute, {content.device.clock_mhz:g} MHz"
    yield "memory", f"<b>{esc(system.device)}</b>, {used}, mapping {esc(system.mapping)}"
    share = f"{system.gpu_share:.0%} of the memory's bandwidth while the memory computes"
    yield "GPU", f"<b>{esc(gpu_named(system))}</b>, with {share}"
    chosen = f" ({esc(plan.chosen)})" if plan.chosen not in ("", plan.policy) else ""
    yield "policy", f"<b>{esc(plan.policy)}</b>{chosen}, scope {esc(plan.scope)}, batch {plan.graph.batch}"
    between = "a GPU kernel" if system.charge_epilogue else "free"
    costs = f"launch {system.launch_us:.2f} us and join {system.join_us:.2f} us a task in memory; adding partial sums, and bias "
    costs += f"and activation between two layers in memory: {between}; "
    yield "costs", costs + "elsewhere bias and activation ride on the next GPU kernel at no charge (assumed)"
    busy = f"GPU busy {num(plan.busy_us('gpu'))} us, memory {num(plan.busy_us('pim'))} us, both {num(plan.both_us)} us"
    moved = f"{len(plan.offloaded)} of {counted(len(plan.layers), 'layer')} in memory, {counted(len(content.memory), 'task')}"
    yield "work", f"{moved}; {busy}"
    yield "proof", f"of the bound of such schedules, {plan.gap:.1%} below the plan: {esc(plan.proof)}"
    if content.values is not None:
        yield "values", f"computed; relative L2 error {content.values.relative_l2_error:.3g} against float32"


def _board(content: Content) -> str:
    board, energy = content.board, content.energy
    if board is None:
        return "The GPU's own energy is not known"
    spent = f"The GPU's board {num(board.busy, 0)} uJ busy and {num(board.idle, 0)} uJ idle"
    if energy is None:
        return spent
    total = board.busy + board.idle + energy.memory.total_uj
    return f"{spent}: <b>{num(total, 0)} uJ</b> with the memory, against {num(board.alone, 0)} uJ on the GPU alone"


def _verdict(plan: Plan) -> str:
    if not plan.offloaded:
        return esc(said_of_gpu_alone(plan))
    if plan.speedup >= 1:
        return f"as fast as {esc(plan.system.gpu)} alone, with {counted(len(plan.offloaded), 'layer')} in memory."
    return f"PIM loses here: {esc(plan.system.gpu)} alone is {1 / plan.speedup:.2f}× as fast as this plan."


def layers_table(content: Content) -> str:
    """A row a layer; the bars of GPU, memory and bound share one scale. "beside": on the GPU with the channels that it keeps."""
    plan, device, energy = content.plan, content.device, content.energy
    most = max([x.gpu_us for x in plan.layers] + [x.pim_us or 0 for x in plan.layers], default=0)
    columns = [
        ("#", "n"), ("layer", ""), ("pixels × in → out", "n"), ("on", ""), ("GPU us", "bar"), ("beside us", "n"), ("PIM us", "bar"),
        ("bound us", "bar"), ("× bound", "n"), ("planned us", "n"), ("PIM uJ", "n"), ("bus uJ", "n"), ("why", "why"),
    ]  # fmt: skip
    rows = []
    for index, x in enumerate(plan.layers):
        spent = energy.layers[index] if energy else None
        memory = spent.memory.total_uj if spent and spent.memory else None
        bound = device.microseconds(x.bound_cycles) if x.bound_cycles else None
        ratio = x.pim_cycles / x.bound_cycles if x.pim_cycles and x.bound_cycles else None
        tag = f'<span class="tag {_side(x)}">{esc(where(x, plan))}</span>'
        rows.append(
            f'<tr id="layer-{index}" class="{x.target}">'
            + cell(str(index + 1), index, numeric=True)
            + f'<th scope="row" data-key="{esc(x.name)}">{esc(x.name)}<small>{esc(x.kind)}</small></th>'
            + cell(_size(x), x.pixels * max(x.in_channels, 1) * x.out_channels, numeric=True)
            + cell(tag, f"{x.share:.4f}")
            + bar(x.gpu_us, most, "gpu", digits=2, mark="*" if x.gpu_note else "", title=x.gpu_note)
            + number(x.gpu_shared_us)
            + bar(x.pim_us, most, "pim", digits=2, title=f"{x.pim_cycles:,} cycles" if x.pim_cycles else "")
            + bar(bound, most, "bound", digits=2, title=f"{x.bound_cycles:,} cycles" if x.bound_cycles else "")
            + number(ratio)
            + number(x.planned_us)
            + number(memory)
            + number(spent.bus.total_uj if spent else None)
            + f'<td class="why">{esc(x.reason)}</td></tr>'
        )
    return table("layers-table", "Layers, in the network's order", columns, rows, sortable=True)


def _side(layer: Layer) -> str:
    return "both" if 0 < layer.share < 1 else "pim" if layer.share else "gpu"


def _size(x: Layer) -> str:
    return f"{x.pixels:,} × {x.in_channels or '–'} → {x.out_channels}"


def tasks_table(plan: Plan) -> str:
    """The schedule in words, for those who cannot hover."""
    columns = [
        ("task", ""), ("layer", ""), ("on", ""), ("part", ""), ("start us", "n"), ("end us", "n"), ("takes us", "n"),
        ("cycles", "n"), ("needs", "why"),
    ]  # fmt: skip
    rows = [
        f'<tr><th scope="row" data-key="{esc(t.name)}">{esc(t.name)}</th>'
        + cell(esc(t.kernel), t.kernel)
        + cell(t.resource.upper() + _ROLES[t.role], t.resource)
        + cell(esc(t.part), str(t.part))
        + number(t.start_us)
        + number(t.end_us)
        + number(t.us)
        + cell(f"{t.cycles:,}" if t.cycles else "", t.cycles, numeric=True)
        + f'<td class="why">{esc(", ".join(t.needs))}</td></tr>'
        for t in plan.tasks
    ]
    return table("tasks-table", "All tasks, by start", columns, rows, sortable=True)


def clocks_table(content: Content) -> str:
    """All tasks in memory together, and the time in which the memory has none."""
    plan, clocks = content.plan, content.clocks
    played = [x for x in content.memory if x.clocks is not None]
    launch = sum(min(plan.system.launch_us, x.task.us) for x in played)
    rest = plan.planned_us - sum(x.task.us for x in played)
    rows = [
        (PARTS[name], content.device.microseconds(n), f"{n:,}", "pim") for name, n in clocks.components().items() if n
    ]
    rows += [
        ("launch", launch, "", "bound"),
        ("no task in memory", rest, "", "bound"),
        ("the plan", plan.planned_us, "", "alone"),
    ]
    digits = 1 if plan.planned_us >= 100 else 3  # clocks are about a nanosecond
    lines = [
        f'<tr><th scope="row">{esc(name)}</th>{bar(us, plan.planned_us, kind, digits=digits)}{cell(count, numeric=True)}'
        f"{cell(f'{us / plan.planned_us:.1%}' if plan.planned_us else '', numeric=True)}</tr>"
        for name, us, count, kind in rows
    ]
    columns = [("goes to", ""), ("us", "bar"), ("clocks", "n"), ("share of the plan", "n")]
    return table("clocks-table", "The memory's time", columns, lines)


def energy_table(content: Content) -> str:
    """Microjoules by component."""
    energy = content.energy
    if energy is None:
        return "<p>This device gives no energy model.</p>"
    stacks = (energy.memory, energy.bus, energy.gpu_bus)
    rows = [
        f'<tr><th scope="row">{name.replace("_", " ")}</th>{"".join(number(getattr(e, name)) for e in stacks)}</tr>'
        for name in Energy().components()
    ]
    totals = "".join(number(e.total_uj) for e in stacks)
    rows.append(f'<tr class="sum"><th scope="row">total</th>{totals}</tr>')
    columns = [("uJ", ""), ("in memory", "n"), ("the same over the bus", "n"), ("GPU layers, bus", "n")]
    return table("energy-table", "Energy by component", columns, rows)


def divided(plan: Plan) -> str:
    """Layers that are cut: split over both sides, or into stages."""
    cut = [x for x in plan.layers if x.target in ("split", "pipeline")]
    if not cut:
        return "<p>No layer is divided in this plan: each runs whole on one side.</p>"
    rows = []
    for x in cut:
        tasks = [t for t in plan.tasks_of(x.name) if t.role == "work"]
        parts = "; ".join(f"{t.resource.upper()} {t.part} ({t.start_us:.1f} to {t.end_us:.1f} us)" for t in tasks)
        ratio = f'<div><span class="v">{x.share:.0%}</span>{track(x.share, "pim", 1 - x.share, "gpu")}</div>'
        rows.append(
            f'<tr><th scope="row">{esc(x.name)}</th>{cell(x.target)}{cell(str(len(tasks)), numeric=True)}'
            f'<td class="bar">{ratio}</td><td class="why">{esc(parts)}</td></tr>'
        )
    columns = [("layer", ""), ("how", ""), ("parts", "n"), ("share in memory", "bar"), ("parts, and when", "why")]
    return table("divided-table", "Layers that are divided", columns, rows)
