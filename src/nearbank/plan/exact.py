"""The schedule proved: constraint programming over everything that single kernels may do, any order, both resources exclusive.

The model's plans are those in which each kernel is whole on the GPU, whole in memory, or divided at the ratio found for it, and
each run of kernels that was cut in stages keeps them or is undivided. What memory made and another kernel reads in memory is
finished between the two, which makes two of a kernel's choices in memory (left out where a run in stages ends in memory: its
bound is that of plans which need not finish there). Where a graph is a chain of undivided kernels nothing can
overlap, and the dynamic programme of `choose` is itself the proof. Times are whole nanoseconds, rounded down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nearbank.plan.assembly import Decision, Draft, Share, drafts, readers
from nearbank.plan.costs import Costs
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import Task

__all__ = ["Proof", "is_chain", "prove"]

_AUTOMATIC, _PORTFOLIO = 0, 2  # in OR-tools' enumeration SatParameters.SearchBranching
_EFFORTS = ((_AUTOMATIC, 0.5), (_PORTFOLIO, 0.7))
"""Ways of branching, one after another until one proves its best, with the effort that each has: the solver's own deterministic
units, of 2 to 5 seconds. The first finds better plans, the second proves that there is none."""

_LARGE = 230
"""Intervals of a model in which a unit takes longer; efforts shrink in proportion beyond."""
_NS = 1000


@dataclass(frozen=True)
class Proof:
    """``bound_us``: no plan of the model is shorter; ``decision``: the best that was found, None if none is better."""

    bound_us: float
    decision: Decision | None
    method: str


def is_chain(kernels: Sequence[Kernel]) -> bool:
    """Whether every kernel needs the one before, so that no two can run at the same time, and what memory can make is read in
    memory by the one behind alone."""
    place = {kernel.name: i for i, kernel in enumerate(kernels)}
    makers = {t: i for i, kernel in enumerate(kernels) for node in kernel.nodes for t in node.outputs}
    serial = all(any(makers.get(t) == i - 1 for t in kernel.sources) for i, kernel in enumerate(kernels) if i)
    return serial and all(
        place[reader.name] == place[kernel.name] + 1
        for kernel in kernels
        if kernel.work is not None
        for reader, _ in readers(kernels)[kernel.name]
        if reader.work is not None
    )


def prove(
    kernels: Sequence[Kernel],
    costs: Costs,
    choices: Mapping[str, Sequence[tuple[Share, ...]]],
    decision: Decision,
    known: Sequence[Task],
) -> Proof | None:
    """The least makespan of the model, or what a limited effort shows of it; None where OR-tools is not installed.

    Args:
        kernels: in an order that can be run.
        costs: of their parts.
        choices: what each kernel may do by itself.
        decision: the best known, as a start.
        known: its tasks, timed.
    """
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        return None
    model = cp_model.CpModel()
    join = int(costs.system.join_us * _NS)
    limit = max(task.end_us + (costs.system.join_us if task.resource == "pim" else 0.0) for task in known)
    horizon = int(limit * _NS) + 1
    hints = {task.name: int(task.start_us * _NS) for task in known}
    seen: dict[str, dict[str, Any]] = {"gpu": {}, "pim": {}}
    chosen: list[tuple[str, Any, tuple[Share, ...]]] = []
    lanes: dict[str, list[Any]] = {"gpu": [], "pim": []}
    makers = {t: kernel.name for kernel in kernels for node in kernel.nodes for t in node.outputs}
    staged = _staged(kernels, decision)
    flags_of_runs = {run: model.new_bool_var(f"stages {run}") for run in set(staged.values())}
    for flag in flags_of_runs.values():
        model.add_hint(flag, True)
    tasks = {
        draft.name: draft
        for run in flags_of_runs
        for draft in drafts([k for k in kernels if staged.get(k.name) == run], decision, costs)
    }
    behind = readers(kernels)
    # Flags of choices in memory that can be finished, and those of having been; None for a choice that is not.
    ways: dict[str, list[tuple[Any, Any]]] = {kernel.name: [] for kernel in kernels}
    in_memory: dict[str, list[Any]] = {kernel.name: [] for kernel in kernels}
    starts: dict[str, tuple[Any, Draft]] = {}
    for kernel in kernels:
        name, sources = kernel.name, list(dict.fromkeys(makers[t] for t in kernel.sources if t in makers))
        mine = [task for task in known if task.kernel == name]
        for resource, found in seen.items():
            found[name] = model.new_int_var(0, horizon, f"{name} seen by {resource}")
            lag = costs.system.join_us if resource == "gpu" else 0.0
            model.add_hint(
                found[name], max(int((t.end_us + (lag if t.resource == "pim" else 0.0)) * _NS) for t in mine)
            )
        flags: list[Any] = []
        wanted = bool(costs.finish_us(kernel)) and any(reader.work is not None for reader, _ in behind[name])
        now = any(r == "pim" for reader, _ in behind[name] for r, _ in decision[reader.name])
        for shares in choices[name]:
            memory = any(resource == "pim" for resource, _ in shares)
            plain = drafts([kernel], {name: shares}, costs)
            done = drafts([kernel], {name: shares}, costs, finished=(name,)) if memory and wanted else plain
            # Where finishing is a task by itself it is one that may be left out, else the whole choice is another one.
            added = [draft for draft in done if draft.role != "finish"] == plain
            for finished, made in ((True, done),) if added else ((False, plain), (True, done)):
                flag = model.new_bool_var(f"{name} {len(flags)}")
                flags.append(flag)
                chosen.append((name, flag, shares))
                hinted = shares == decision[name] and (added or finished == now)
                model.add_hint(flag, hinted)
                extra = flag
                if done != plain:
                    if added:
                        extra = model.new_bool_var(f"{name} {len(flags)} finished")
                        model.add_hint(extra, hinted and now)
                        model.add_implication(extra, flag)
                    ways[name].append((flag, extra if finished else None))
                own, at = {draft.name: draft for draft in made}, hints if hinted else {}
                _add_tasks(model, lanes, own, flag, extra, sources, name, seen, horizon, join, {}, at)
                in_memory[name] += [flag] if memory else []
        if name in staged:
            run = staged[name]
            flag = flags_of_runs[run]
            flags.append(flag)
            chosen.append((name, flag, decision[name]))
            in_memory[name] += [flag] if any(resource == "pim" for resource, _ in decision[name]) else []
            own = {n: draft for n, draft in tasks.items() if draft.kernel == name}
            inside = {n: found for n, found in starts.items() if staged[found[1].kernel] == run}
            outside = [n for n in sources if staged.get(n) != run]
            starts.update(_add_tasks(model, lanes, own, flag, flag, outside, name, seen, horizon, join, inside, hints))
        model.add_exactly_one(flags)
    for name, found_ways in ways.items():
        reading = [flag for reader, _ in behind[name] for flag in in_memory[reader.name]]
        for flag, then in found_ways:
            for other in reading:
                model.add_bool_or([flag.Not(), other.Not(), *([] if then is None else [then])])
            if then is not None:
                model.add_bool_or([*reading, then.Not()])
    for lane in lanes.values():
        model.add_no_overlap(lane)
    makespan = model.new_int_var(0, horizon, "makespan")
    model.add_max_equality(makespan, list(seen["gpu"].values()))
    model.minimize(makespan)
    better: Decision | None = None
    bound, least = 0.0, float(horizon)
    for branching, effort in _EFFORTS:
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 0
        solver.parameters.search_branching = type(solver.parameters.search_branching)(branching)
        size = sum(len(lane) for lane in lanes.values())
        # Not seconds: the same answer on any machine.
        solver.parameters.max_deterministic_time = effort * min(_LARGE / max(size, 1), 1.0)
        status = solver.solve(model)
        if status == cp_model.INFEASIBLE:  # what is known, all on a GPU that keeps its bandwidth, cannot be reached
            return Proof(limit, None, "constraint programming, optimal")
        bound = max(bound, solver.best_objective_bound)
        if status in (cp_model.OPTIMAL, cp_model.FEASIBLE) and solver.objective_value < least:
            least = solver.objective_value
            better = {name: shares for name, flag, shares in chosen if solver.value(flag)}
        if status == cp_model.OPTIMAL:
            return Proof(bound / _NS, better, "constraint programming, optimal")
    return Proof(bound / _NS, better, "constraint programming, stopped early")


def _staged(kernels: Sequence[Kernel], decision: Decision) -> dict[str, int]:
    """Kernel that is cut in stages -> number of its run; neighbours that are cut alike are one run."""
    out: dict[str, int] = {}
    run, before = 0, False
    for kernel in kernels:
        cut = decision[kernel.name][0][1].is_band
        run += cut and not before
        before = cut
        if cut:
            out[kernel.name] = run
    return out


def _add_tasks(
    model: Any, lanes: dict[str, list[Any]], tasks: Mapping[str, Draft], flag: Any, then: Any, sources: Sequence[str], kernel: str,
    seen: Mapping[str, Mapping[str, Any]], horizon: int, join: int, inside: Mapping[str, tuple[Any, Draft]],
    hints: Mapping[str, int],
) -> dict[str, tuple[Any, Draft]]:  # fmt: skip
    """Optional intervals of a kernel's ``tasks``, there with ``flag``, and to finish, with ``then``: behind all of the kernels
    ``sources``, each as the task's side sees it, and behind those of ``inside`` and of each other that they need; name -> (start,
    draft)."""
    out: dict[str, tuple[Any, Draft]] = {}
    for draft in tasks.values():
        there = then if draft.role == "finish" else flag
        length = int(draft.us * _NS)
        start = model.new_int_var(0, horizon, draft.name)
        stop = model.new_int_var(0, horizon, draft.name)
        lanes[draft.resource].append(model.new_optional_interval_var(start, length, stop, there, draft.name))
        model.add_hint(start, hints.get(draft.name, 0))
        model.add_hint(stop, hints.get(draft.name, 0) + length)
        for name in sources if draft.role == "work" else ():
            model.add(start >= seen[draft.resource][name]).only_enforce_if(there)
        for name in draft.needs:
            found = out.get(name) or inside.get(name)
            if found is not None:
                lag = join if (found[1].resource, draft.resource) == ("pim", "gpu") else 0
                model.add(start >= found[0] + int(found[1].us * _NS) + lag).only_enforce_if(there)
        out[draft.name] = start, draft
        for resource, ends in seen.items():
            lag = join if (draft.resource, resource) == ("pim", "gpu") else 0
            model.add(ends[kernel] >= stop + lag).only_enforce_if(there)
    return out
