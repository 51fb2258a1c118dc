"""From decisions to a schedule: which tasks a decision makes of each kernel, what they need, and when they start.

A decision says for every kernel which parts are made where. The parts' needs follow from the graph: a band of rows needs the
bands that its window reaches, anything else needs all of what it reads. Tasks are then dispatched onto two exclusive resources:
whenever one is free it takes the ready task that can start first; among equals the one that stands first.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nearbank.errors import Infeasible, PlanError
from nearbank.plan.costs import Costs
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import WHOLE, Part, Resource, Task

__all__ = ["GPU", "PIM", "Decision", "Draft", "Share", "dispatch", "drafts", "span"]

Share = tuple[Resource, Part]
Decision = Mapping[str, tuple[Share, ...]]
"""Kernel -> its parts, each with its resource."""

GPU: tuple[Share, ...] = (("gpu", WHOLE),)
PIM: tuple[Share, ...] = (("pim", WHOLE),)


@dataclass(frozen=True, slots=True)
class Draft:
    """A task before it has a time: ``us`` long, needing other drafts by name."""

    name: str
    kernel: str
    resource: Resource
    part: Part
    us: float
    needs: tuple[str, ...]
    role: Literal["work", "sum"] = "work"
    cycles: int = 0
    mapping: str = ""


def drafts(kernels: Sequence[Kernel], decision: Decision, costs: Costs, *, rough: bool = False) -> list[Draft]:
    """The tasks of ``kernels``, which stand in an order that can be run; stage by stage where neighbours are cut alike.

    ``rough``: parts in memory that were never asked for are estimated, not compiled. Needs outside ``kernels`` are left out.

    Raises:
        PlanError: a part in memory that cannot be there.
    """
    made: dict[str, list[tuple[Part, str]]] = {}
    by_output: dict[str, str] = {}
    staged: list[tuple[int, int, int, Draft]] = []
    for position, kernel in enumerate(kernels):
        shares = decision[kernel.name]
        mine: list[tuple[Part, str]] = []
        for stage, (resource, part) in enumerate(shares):
            needs = tuple(_needs(kernel, part, made, by_output))
            name = kernel.name if len(shares) == 1 else f"{kernel.name}#{stage + 1}"
            us, cycles, mapping = costs.gpu_us(kernel, part), 0, ""
            last = name
            if resource == "pim":
                cost = costs.rough(kernel, part) if rough else costs.memory(kernel, part)
                if isinstance(cost, Infeasible):
                    raise PlanError("cannot run in memory", where=kernel.name, value=str(cost))
                us, cycles, mapping = costs.system.launch_us + cost.us, cost.cycles, cost.mapping
                if cost.sum_us:
                    last = f"{name}+"
                    extra = Draft(last, kernel.name, "gpu", part, cost.sum_us, (name,), "sum")
                    staged.append((stage if part.is_band else 0, position, 1, extra))
            draft = Draft(name, kernel.name, resource, part, us, needs, cycles=cycles, mapping=mapping)
            staged.append((stage if part.is_band else 0, position, 0, draft))
            mine.append((part, last))
        made[kernel.name] = mine
        by_output.update({tensor: kernel.name for node in kernel.nodes for tensor in node.outputs})
    return [draft for _, _, _, draft in _in_runs(staged, decision)]


def _in_runs(staged: list[tuple[int, int, int, Draft]], decision: Decision) -> list[tuple[int, int, int, Draft]]:
    """Runs of kernels cut in stages are ordered by stage, everything else by position."""
    run, runs, before = 0, {}, False
    for _, position, _, draft in sorted(staged, key=lambda item: item[1]):
        cut = decision[draft.kernel][0][1].is_band
        if position not in runs:
            run += not (cut and before)
            before = cut
            runs[position] = run
    return sorted(staged, key=lambda item: (runs[item[1]], item[0], item[1], item[2]))


def _needs(
    kernel: Kernel, part: Part, made: Mapping[str, list[tuple[Part, str]]], by_output: Mapping[str, str]
) -> Iterable[str]:
    """Names of the tasks that must be over before ``part`` can be made."""
    found: dict[str, None] = {}
    for tensor in kernel.sources:
        if tensor not in by_output:
            continue
        for other, name in made[by_output[tensor]]:
            if tensor in kernel.banded and part.axis == other.axis == "rows" and kernel.window is not None:
                low, high = kernel.window.first(part.start), kernel.window.stop(part.stop - 1)
                if not (other.start < high and low < other.stop):
                    continue
            elif part.axis == other.axis == "images" and not (other.start < part.stop and part.start < other.stop):
                continue
            found[name] = None
    return found


def dispatch(queue: Sequence[Draft], join_us: float) -> list[Task]:
    """Tasks with times, by start; what they need outside ``queue`` is there from the beginning.

    Raises:
        PlanError: tasks that wait for each other.
    """
    names = {draft.name for draft in queue}
    missing = [sum(n in names for n in draft.needs) for draft in queue]
    readers: dict[str, list[int]] = {}
    for i, draft in enumerate(queue):
        for name in draft.needs:
            readers.setdefault(name, []).append(i)
    arrival = [0.0] * len(queue)
    free = {"gpu": 0.0, "pim": 0.0}
    # Ready tasks of each resource: those whose inputs come later than the resource is free wait by arrival, the others by place.
    waiting: dict[str, list[tuple[float, int]]] = {"gpu": [], "pim": []}
    ready: dict[str, list[int]] = {"gpu": [], "pim": []}
    for i, draft in enumerate(queue):
        if not missing[i]:
            heapq.heappush(ready[draft.resource], i)
    out: list[Task] = []
    while True:
        best: tuple[float, int] | None = None
        for resource in ("gpu", "pim"):
            while waiting[resource] and waiting[resource][0][0] <= free[resource]:
                heapq.heappush(ready[resource], heapq.heappop(waiting[resource])[1])
            if ready[resource]:
                option = (free[resource], ready[resource][0])
            elif waiting[resource]:
                option = waiting[resource][0]
            else:
                continue
            best = option if best is None or option < best else best
        if best is None:
            break
        start, i = best
        draft = queue[i]
        heap = ready[draft.resource]
        if heap and heap[0] == i:
            heapq.heappop(heap)
        else:
            heapq.heappop(waiting[draft.resource])
        end = start + draft.us
        free[draft.resource] = end
        out.append(
            Task(
                draft.name, draft.kernel, draft.resource, draft.part, start, end, draft.needs, draft.role, draft.cycles,
                draft.mapping,
            )
        )  # fmt: skip
        for reader in readers.get(draft.name, ()):
            lag = join_us if draft.resource == "pim" and queue[reader].resource == "gpu" else 0.0
            arrival[reader] = max(arrival[reader], end + lag)
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(waiting[queue[reader].resource], (arrival[reader], reader))
    if len(out) < len(queue):
        raise PlanError("tasks wait for each other", value=sorted(names - {t.name for t in out})[:3])
    return out


def span(tasks: Iterable[Task], join_us: float = 0.0) -> float:
    """When all is over, and the GPU can see it."""
    return max((task.end_us + (join_us if task.resource == "pim" else 0.0) for task in tasks), default=0.0)
