"""Why a plan does with a layer what it does: what the layer takes here and there, and the plan with another decision for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from nearbank.devices import PimDevice
from nearbank.errors import InputError, near_matches
from nearbank.plan.assembly import GPU, PIM, Decision, Share, dispatch, drafts, span
from nearbank.plan.costs import Costs, MemoryCost
from nearbank.plan.gpu import GpuModel
from nearbank.plan.kernels import Kernel, kernels
from nearbank.plan.pipeline import MOST_STAGES, stages
from nearbank.plan.split import best_split, meeting_curve
from nearbank.plan.types import SCOPES, Layer, Plan

__all__ = ["Alternative", "Explanation", "decision_of", "explain"]


@dataclass(frozen=True)
class Alternative:
    """Another decision: ``what``, and the whole plan's time with it (the rest of the plan as it is)."""

    what: str
    plan_us: float


@dataclass(frozen=True)
class Explanation:
    """One layer: what it takes undivided on the GPU (beside the memory, and with all channels) and in memory, piece by piece
    (launch, program, activation and finish where the plan has them, sums, join; empty if it cannot be there: the layer's reason
    says why), its cycles and their bound; the two best ``alternatives``; and for a product the ``curve``: (share in memory,
    memory's side us, GPU's side us)."""

    layer: Layer
    chosen: str
    plan_us: float
    gpu_us: float
    gpu_alone_us: float
    memory_us: tuple[tuple[str, float], ...]
    cycles: int
    bound_cycles: int
    alternatives: tuple[Alternative, ...]
    curve: tuple[tuple[float, float, float], ...]


def decision_of(plan: Plan) -> dict[str, tuple[Share, ...]]:
    """Which parts the plan makes where."""
    return {x.name: tuple((t.resource, t.part) for t in plan.tasks_of(x.name) if t.role == "work") for x in plan.layers}


def explain(plan: Plan, device: PimDevice, gpu: GpuModel, layer: str | None = None) -> tuple[Explanation, ...]:
    """Explanations of one layer, or of all that the memory could do.

    Raises:
        InputError: an unknown layer.
    """
    everything, costs = kernels(plan.graph), Costs(device, gpu, plan.system, SCOPES[plan.scope])
    names = [kernel.name for kernel in everything]
    if layer is not None and layer not in names:
        raise InputError("unknown layer", where=plan.graph.name, value=layer, bound=near_matches(layer, names))
    decision = decision_of(plan)
    wanted = [k for k in everything if k.name == layer or (layer is None and costs.fits(k))]
    return tuple(_explain(plan, everything, kernel, decision, costs) for kernel in wanted)


def _explain(plan: Plan, everything: Sequence[Kernel], kernel: Kernel, decision: Decision, costs: Costs) -> Explanation:
    layer = next(x for x in plan.layers if x.name == kernel.name)
    cost = costs.memory(kernel) if costs.fits(kernel) else None
    memory = cost if isinstance(cost, MemoryCost) else None
    parts: tuple[tuple[str, float], ...] = ()
    if memory is not None:
        system = costs.system
        mine = plan.tasks_of(kernel.name)
        inside = costs.inside(kernel) if any(task.epilogue.function for task in mine) else None
        parts = (
            ("launch", system.launch_us), ("program", memory.us), ("activation", inside.us - memory.us if inside else 0.0),
            ("sums", 0.0 if inside else memory.sum_us), ("finish", sum(t.us for t in mine if t.role == "finish")),
            ("join", system.join_us),
        )  # fmt: skip
    others = []
    for what, changed in _others(everything, kernel, decision, costs):
        tasks = dispatch(drafts(everything, {**decision, **changed}, costs), costs.system.join_us)
        others.append(Alternative(what, span(tasks, costs.system.join_us)))
    return Explanation(
        layer=layer, chosen=_name(decision[kernel.name], kernel), plan_us=plan.planned_us, gpu_us=costs.gpu_us(kernel),
        gpu_alone_us=costs.alone_us(kernel), memory_us=parts, cycles=memory.cycles if memory else 0,
        bound_cycles=memory.bound_cycles if memory else 0,
        alternatives=tuple(sorted(others, key=lambda other: (other.plan_us, other.what))[:2]),
        curve=meeting_curve(kernel, costs) if memory else (),
    )  # fmt: skip


def _others(
    everything: Sequence[Kernel], kernel: Kernel, decision: Decision, costs: Costs
) -> list[tuple[str, dict[str, tuple[Share, ...]]]]:
    """Other decisions for a kernel, or for the run of kernels in stages that it is in, by name."""
    run = _run(everything, kernel, decision)
    singles: list[tuple[Share, ...]] = [GPU]
    if costs.fits(kernel):
        singles.append(PIM)
        divided = best_split(kernel, costs, inf)
        if divided is not None:
            singles.append(divided[0])
    if len(run) == 1:
        found = [(_name(shares, kernel), {kernel.name: shares}) for shares in singles]
        return [(what, changed) for what, changed in found if changed[kernel.name] != decision[kernel.name]]
    out: list[tuple[str, dict[str, tuple[Share, ...]]]] = []
    resources = [decision[k.name][0][0] for k in run]
    now = len(decision[run[-1].name])
    for count in (now - 1, now + 1):
        staged = stages(run, resources, count) if 2 <= count <= MOST_STAGES else None
        if staged is not None:
            out.append((f"{count} stages", {k.name: s for k, s in zip(run, staged, strict=True)}))
    undivided = {k.name: (PIM if resource == "pim" else GPU) for k, resource in zip(run, resources, strict=True)}
    out.append(("no stages", undivided))
    for shares in singles:
        if shares != undivided[kernel.name]:
            out.append((f"no stages, this one {_name(shares, kernel)}", {**undivided, kernel.name: shares}))
    return out


def _run(everything: Sequence[Kernel], kernel: Kernel, decision: Decision) -> list[Kernel]:
    """The neighbours that are cut in stages together with ``kernel``; itself alone if it is not."""
    cut = [decision[k.name][0][1].is_band for k in everything]
    at = next(i for i, k in enumerate(everything) if k.name == kernel.name)
    if not cut[at]:
        return [kernel]
    first = last = at
    while first and cut[first - 1]:
        first -= 1
    while last + 1 < len(everything) and cut[last + 1]:
        last += 1
    return list(everything[first : last + 1])


def _name(shares: Sequence[Share], kernel: Kernel) -> str:
    if len(shares) == 1:
        return {"gpu": "on the GPU", "pim": "in memory"}[shares[0][0]]
    axis = shares[0][1].axis
    if shares[0][1].is_band:
        return f"{len(shares)} stages by {axis}, {'in memory' if shares[0][0] == 'pim' else 'on the GPU'}"
    memory = next(part for resource, part in shares if resource == "pim")
    return f"{memory.size / kernel.extent(axis):.1%} of the {axis} in memory"
