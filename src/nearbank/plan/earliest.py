"""When each kernel's result can be there at the earliest, whatever is decided for the others: a bound along every path.

Of each kernel's choices the least is taken, by itself for either side, each behind sources that are as early as they can be; that
both sides are exclusive is left out. Where most kernels wait for the one before, as in networks with few branches, this is close to
the best plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from nearbank.plan.assembly import Decision, Draft, drafts
from nearbank.plan.costs import Costs
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import Resource
from nearbank.plan.ways import Choice, runs, sources

__all__ = ["NS", "Seen", "earliest", "nanoseconds"]

NS = 1000
Seen = Mapping[Resource, int]
"""Nanoseconds until either side sees a result."""


def nanoseconds(us: float) -> int:
    """Whole ones, rounded down."""
    return int(us * NS)


def earliest(
    kernels: Sequence[Kernel], costs: Costs, choices: Mapping[str, Sequence[Choice]], decision: Decision
) -> dict[str, Seen]:
    """For each kernel, what no plan undercuts that makes of every kernel one of its ``choices``, or its share of a run in stages of
    ``decision``. ``kernels`` stand in an order that can be run."""
    join, read = nanoseconds(costs.system.join_us), sources(kernels)
    run_from = {run[0].name: run for run in runs(kernels, decision)}
    out: dict[str, Seen] = {}
    staged: dict[str, Seen] = {}
    for kernel in kernels:
        name = kernel.name
        found = [
            tuple(_seen(tasks, _ends(tasks, out, read, join), join) for tasks in (choice.plain, choice.done))
            for choice in choices[name]
        ]
        if name in run_from:
            run = run_from[name]
            tasks, inside = drafts(run, decision, costs), {k.name for k in run}
            ends = _ends(tasks, out, {k: [n for n in read[k] if n not in inside] for k in inside}, join)
            staged |= {k: _seen([t for t in tasks if t.kernel == k], ends, join) for k in inside}
        if name in staged:
            found.append((staged[name], staged[name]))
        # Memory reads what is finished, the GPU either.
        out[name] = {
            "gpu": min(way["gpu"] for ways in found for way in ways),
            "pim": min(done["pim"] for _, done in found),
        }
    return out


def _ends(
    tasks: Iterable[Draft], sources_seen: Mapping[str, Seen], read: Mapping[str, Sequence[str]], join: int
) -> dict[str, int]:
    """When each task is over: behind those of ``tasks`` that it needs, and behind all that its kernel reads."""
    known: dict[str, Draft] = {}
    ends: dict[str, int] = {}
    for draft in tasks:
        starts = [sources_seen[name][draft.resource] for name in read[draft.kernel]]
        starts += [ends[n] + _lag(known[n], draft.resource, join) for n in draft.needs if n in ends]
        known[draft.name], ends[draft.name] = draft, max(starts, default=0) + nanoseconds(draft.us)
    return ends


def _seen(tasks: Sequence[Draft], ends: Mapping[str, int], join: int) -> Seen:
    """When all of ``tasks`` are seen by either side."""
    sides: tuple[Resource, Resource] = ("gpu", "pim")
    return {side: max(ends[task.name] + _lag(task, side, join) for task in tasks) for side in sides}


def _lag(task: Draft, side: Resource, join: int) -> int:
    return join if (task.resource, side) == ("pim", "gpu") else 0
