"""From decisions to a schedule: which tasks a decision makes of each kernel, what they need, and when they start.

A decision says for every kernel which parts are made where. The parts' needs follow from the graph: a band of rows needs the
bands that its window reaches, anything else needs all of what it reads. What the memory made and another task in memory reads is
finished between the two (bias, activation): by the memory itself where that takes less, else in the GPU kernel that adds its
partial sums, else in a GPU kernel for that alone. Where only the GPU reads it, its kernel does so as it reads, at no charge.

Tasks are then dispatched onto two exclusive resources: whenever one is free it takes the ready task that can start first; among
equals the one that stands first.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nearbank.errors import Infeasible, PlanError
from nearbank.pim import NO_EPILOGUE, Epilogue
from nearbank.plan.costs import Costs
from nearbank.plan.gpu_time import is_free
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import WHOLE, Part, Resource, Role, Task

__all__ = ["GPU", "PIM", "Decision", "Draft", "Share", "dispatch", "drafts", "readers", "span"]

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
    role: Role = "work"
    cycles: int = 0
    mapping: str = ""
    epilogue: Epilogue = NO_EPILOGUE


def drafts(
    kernels: Sequence[Kernel], decision: Decision, costs: Costs, *, rough: bool = False, finished: Collection[str] = ()
) -> list[Draft]:
    """The tasks of ``kernels``, which stand in an order that can be run; stage by stage where neighbours are cut alike.

    ``rough``: parts in memory that were never asked for are estimated, not compiled. Needs and readers outside ``kernels`` are left
    out, but that what the kernels named in ``finished`` make is read in memory.

    Raises:
        PlanError: a part in memory that cannot be there.
    """
    made: dict[str, list[tuple[Part, str]]] = {}
    by_output: dict[str, str] = {}
    staged: list[tuple[int, int, int, Draft]] = []
    behind = readers(kernels)
    for position, kernel in enumerate(kernels):
        shares = decision[kernel.name]
        mine: list[tuple[Part, str]] = []
        for stage, (resource, part) in enumerate(shares):
            needs = tuple(_needs(kernel, part, made, by_output))
            name = kernel.name if len(shares) == 1 else f"{kernel.name}#{stage + 1}"
            draft, extra = Draft(name, kernel.name, "gpu", part, 0.0, needs), None
            if resource == "pim":
                read = kernel.name in finished or _read_in_memory(part, behind[kernel.name], decision)
                draft, extra = _in_memory(kernel, draft, costs, rough=rough, finished=read)
            else:
                draft = replace(draft, us=costs.gpu_us(kernel, part))
            staged.append((stage if part.is_band else 0, position, 0, draft))
            if extra is not None:
                staged.append((stage if part.is_band else 0, position, 1, extra))
            mine.append((part, extra.name if extra else name))
        made[kernel.name] = mine
        by_output.update({tensor: kernel.name for node in kernel.nodes for tensor in node.outputs})
    return [draft for _, _, _, draft in _in_runs(staged, decision)]


def _in_memory(
    kernel: Kernel, draft: Draft, costs: Costs, *, rough: bool, finished: bool
) -> tuple[Draft, Draft | None]:
    """``draft`` in memory, and the GPU's task behind it; ``finished``: for a reader in memory."""
    part = draft.part
    cost = costs.rough(kernel, part) if rough else costs.memory(kernel, part)
    if isinstance(cost, Infeasible):
        raise PlanError("cannot run in memory", where=kernel.name, value=str(cost))
    finish_us = costs.finish_us(kernel, part) if finished else 0.0
    inside = costs.inside(kernel, part) if finish_us and not rough else None
    if inside is not None:
        cost, finish_us = inside, 0.0
    us, extra = costs.system.launch_us + cost.us, None
    if cost.sum_us:
        extra = Draft(f"{draft.name}+", kernel.name, "gpu", part, cost.sum_us, (draft.name,), "sum")
    elif finish_us:
        extra = Draft(f"{draft.name}~", kernel.name, "gpu", part, finish_us, (draft.name,), "finish")
    made = Draft(
        draft.name, kernel.name, "pim", part, us, draft.needs, "work", cost.cycles, cost.mapping, cost.epilogue
    )
    return made, extra


Reader = tuple[Kernel, str]
"""A kernel and the tensor that it reads; no tensor if it reads it under other names."""


def readers(kernels: Sequence[Kernel]) -> dict[str, list[Reader]]:
    """Kernel -> those of ``kernels`` that read what it makes, also where what lies between only renames it."""
    reading: dict[str, list[Kernel]] = {}
    for kernel in kernels:
        for tensor in kernel.sources:
            reading.setdefault(tensor, []).append(kernel)

    def following(kernel: Kernel) -> Iterator[Reader]:
        for node in kernel.nodes:
            for tensor in node.outputs:
                for reader in reading.get(tensor, ()):
                    yield reader, tensor
                    if all(is_free(n) for n in reader.nodes):
                        yield from ((further, "") for further, _ in following(reader))

    return {kernel.name: list(following(kernel)) for kernel in kernels}


def _read_in_memory(part: Part, behind: Sequence[Reader], decision: Decision) -> bool:
    """Whether any part of ``behind`` that is made in memory reads ``part``."""
    return any(
        resource == "pim" and (not tensor or _touches(reader, mine, tensor, part))
        for reader, tensor in behind
        for resource, mine in decision[reader.name]
    )


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
            if _touches(kernel, part, tensor, other):
                found[name] = None
    return found


def _touches(kernel: Kernel, part: Part, tensor: str, other: Part) -> bool:
    """Whether ``part`` of a kernel reads any of ``other`` of ``tensor``."""
    if tensor in kernel.banded and part.axis == other.axis == "rows" and kernel.window is not None:
        low, high = kernel.window.first(part.start), kernel.window.stop(part.stop - 1)
        return other.start < high and low < other.stop
    if part.axis == other.axis == "images":
        return other.start < part.stop and part.start < other.stop
    return True


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
                draft.mapping, draft.epilogue,
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
