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
from types import ModuleType
from typing import Any

from nearbank.errors import PlanError
from nearbank.plan.assembly import Decision, Draft, Share, drafts, readers, span
from nearbank.plan.costs import Costs
from nearbank.plan.earliest import NS, earliest, nanoseconds
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import Resource, Task
from nearbank.plan.ways import Choice, Choices, choices_of, runs, sources

__all__ = ["Proof", "is_chain", "prove"]

_AUTOMATIC, _PORTFOLIO = 0, 2  # in OR-tools' enumeration SatParameters.SearchBranching
_EFFORTS = ((_AUTOMATIC, 0.5), (_PORTFOLIO, 0.7))
"""Ways of branching, one after another until one proves its best, with the effort that each has: the solver's own deterministic
units, of 2 to 5 seconds. The first finds better plans, the second proves that there is none."""

_LARGE = 230
"""Intervals of a model in which a unit takes longer; efforts shrink in proportion beyond."""


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
    behind = readers(kernels)
    return serial and all(
        place[reader.name] == place[kernel.name] + 1
        for kernel in kernels
        if kernel.work is not None
        for reader, _ in behind[kernel.name]
        if reader.work is not None
    )


def prove(
    kernels: Sequence[Kernel], costs: Costs, choices: Choices, decision: Decision, known: Sequence[Task]
) -> Proof:
    """The least makespan of the model, or what a limited effort shows of it; without OR-tools the bound along every path.

    Args:
        kernels: in an order that can be run.
        costs: of their parts.
        choices: what each kernel may do by itself.
        decision: the best known, as a start.
        known: its tasks, timed.

    Raises:
        PlanError: the known plan is none of the model's.
    """
    ways = choices_of(kernels, costs, choices)
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        path = max(seen["gpu"] for seen in earliest(kernels, costs, ways, decision).values())
        return Proof(path / NS, None, "the longest path of the least choices; OR-tools is not installed")
    return _Model(cp_model, kernels, costs, ways, decision, known).solved()


class _Model:
    """Variables: for each kernel a flag a choice, the time at which either side sees its result, and a start a task."""

    def __init__(
        self, cp_model: ModuleType, kernels: Sequence[Kernel], costs: Costs, choices: Mapping[str, Sequence[Choice]],
        decision: Decision, known: Sequence[Task],
    ) -> None:  # fmt: skip
        self.cp_model, self.model = cp_model, cp_model.CpModel()
        self.kernels, self.costs, self.decision, self.known = kernels, costs, decision, known
        self.join = nanoseconds(costs.system.join_us)
        self.limit = span(known, costs.system.join_us)
        self.horizon = nanoseconds(self.limit) + 1
        self.least = earliest(kernels, costs, choices, decision)
        self.read, self.behind = sources(kernels), readers(kernels)
        self.hints = {task.name: nanoseconds(task.start_us) for task in known}
        self.lanes: dict[Resource, list[Any]] = {"gpu": [], "pim": []}
        self.seen: dict[str, dict[Resource, Any]] = {kernel.name: self._seen(kernel.name) for kernel in kernels}
        self.flags: dict[str, list[Any]] = {kernel.name: [] for kernel in kernels}
        self.shares: list[tuple[str, Any, tuple[Share, ...]]] = []
        self.in_memory: dict[str, list[Any]] = {kernel.name: [] for kernel in kernels}
        # Flags of choices in memory that can be finished, and those of having been; None for a choice that is not.
        self.finished: dict[str, list[tuple[Any, Any]]] = {kernel.name: [] for kernel in kernels}
        for kernel in kernels:
            for choice in choices[kernel.name]:
                self._add_choice(kernel.name, choice)
        for run in runs(kernels, decision):
            self._add_run(run)
        for flags in self.flags.values():
            self.model.add_exactly_one(flags)
        self._require_finishing()
        for lane in self.lanes.values():
            self.model.add_no_overlap(lane)

    def solved(self) -> Proof:
        """The answer after all efforts, or the first that proves its best."""
        makespan = self.model.new_int_var(max(seen["gpu"] for seen in self.least.values()), self.horizon, "makespan")
        self.model.add_max_equality(makespan, [seen["gpu"] for seen in self.seen.values()])
        self.model.minimize(makespan)
        better: Decision | None = None
        bound, least = 0.0, float(self.horizon)
        size = sum(len(lane) for lane in self.lanes.values())
        for branching, effort in _EFFORTS:
            solver = self.cp_model.CpSolver()
            solver.parameters.num_workers = 1
            solver.parameters.random_seed = 0
            solver.parameters.search_branching = type(solver.parameters.search_branching)(branching)
            # Not seconds: the same answer on any machine.
            solver.parameters.max_deterministic_time = effort * min(_LARGE / max(size, 1), 1.0)
            status = solver.solve(self.model)
            if status == self.cp_model.INFEASIBLE:  # the plan that is known is a solution, so a bound must be wrong
                raise PlanError("no plan is left, not even the known one", where="proof", value=f"{self.limit:.3f} us")
            bound = max(bound, solver.best_objective_bound)
            if status in (self.cp_model.OPTIMAL, self.cp_model.FEASIBLE) and solver.objective_value < least:
                least = solver.objective_value
                better = {name: shares for name, flag, shares in self.shares if solver.value(flag)}
            if status == self.cp_model.OPTIMAL:
                return Proof(bound / NS, better, "constraint programming, optimal")
        return Proof(bound / NS, better, "constraint programming, stopped early")

    def _seen(self, name: str) -> dict[Resource, Any]:
        """Variables of when either side sees a kernel's result; they begin where no plan is earlier."""
        mine = [task for task in self.known if task.kernel == name]
        out: dict[Resource, Any] = {}
        for side, least in self.least[name].items():
            out[side] = self.model.new_int_var(min(least, self.horizon), self.horizon, f"{name} seen by {side}")
            lag = self.costs.system.join_us if side == "gpu" else 0.0
            self.model.add_hint(
                out[side], max(nanoseconds(t.end_us + (lag if t.resource == "pim" else 0.0)) for t in mine)
            )
        return out

    def _flag(self, name: str, shares: tuple[Share, ...], *, hinted: bool) -> Any:
        flag = self.model.new_bool_var(f"{name} {len(self.flags[name])}")
        self.flags[name].append(flag)
        self.shares.append((name, flag, shares))
        self.model.add_hint(flag, hinted)
        return flag

    def _add_choice(self, name: str, choice: Choice) -> None:
        now = any(side == "pim" for reader, _ in self.behind[name] for side, _ in self.decision[reader.name])
        for finished, tasks in ((True, choice.done),) if choice.adds else ((False, choice.plain), (True, choice.done)):
            hinted = choice.shares == self.decision[name] and (choice.adds or finished == now)
            flag = then = self._flag(name, choice.shares, hinted=hinted)
            if choice.done != choice.plain:
                if choice.adds:
                    then = self.model.new_bool_var(f"{name} {len(self.flags[name])} finished")
                    self.model.add_hint(then, hinted and now)
                    self.model.add_implication(then, flag)
                self.finished[name].append((flag, then if finished else None))
            self._add_tasks(tasks, flag, then, self.read[name], {}, hinted=hinted)
            self.in_memory[name] += [flag] if choice.in_memory else []

    def _add_run(self, run: Sequence[Kernel]) -> None:
        """Kernels that keep their stages, all or none."""
        flag, inside = self.model.new_bool_var(f"stages from {run[0].name}"), {kernel.name for kernel in run}
        self.model.add_hint(flag, True)
        tasks, starts = drafts(run, self.decision, self.costs), dict[str, tuple[Any, Draft]]()
        for kernel in run:
            name, shares = kernel.name, self.decision[kernel.name]
            self.flags[name].append(flag)
            self.shares.append((name, flag, shares))
            self.in_memory[name] += [flag] if any(side == "pim" for side, _ in shares) else []
            outside = [n for n in self.read[name] if n not in inside]
            own = [draft for draft in tasks if draft.kernel == name]
            starts |= self._add_tasks(own, flag, flag, outside, starts, hinted=True)

    def _require_finishing(self) -> None:
        """What memory made is finished if, and only if, memory reads it."""
        for name, ways in self.finished.items():
            reading = [flag for reader, _ in self.behind[name] for flag in self.in_memory[reader.name]]
            for flag, then in ways:
                for other in reading:
                    self.model.add_bool_or([flag.Not(), other.Not(), *([] if then is None else [then])])
                if then is not None:
                    self.model.add_bool_or([*reading, then.Not()])

    def _add_tasks(
        self, tasks: Sequence[Draft], flag: Any, then: Any, behind: Sequence[str], inside: Mapping[str, tuple[Any, Draft]], *,
        hinted: bool,
    ) -> dict[str, tuple[Any, Draft]]:  # fmt: skip
        """Optional intervals of a kernel's ``tasks``, there with ``flag``, and to finish, with ``then``: behind all of the kernels
        ``behind``, each as the task's side sees it, and behind those of ``inside`` and of each other that they need; name ->
        (start, draft)."""
        model, out = self.model, dict[str, tuple[Any, Draft]]()
        for draft in tasks:
            there, length = then if draft.role == "finish" else flag, nanoseconds(draft.us)
            start, stop = (model.new_int_var(0, self.horizon, draft.name) for _ in range(2))
            self.lanes[draft.resource].append(model.new_optional_interval_var(start, length, stop, there, draft.name))
            at = self.hints.get(draft.name, 0) if hinted else 0
            model.add_hint(start, at)
            model.add_hint(stop, at + length)
            for name in behind if draft.role == "work" else ():
                model.add(start >= self.seen[name][draft.resource]).only_enforce_if(there)
            for name in draft.needs:
                found = out.get(name) or inside.get(name)
                if found is not None:
                    ready = found[0] + nanoseconds(found[1].us) + self._lag(found[1].resource, draft.resource)
                    model.add(start >= ready).only_enforce_if(there)
            out[draft.name] = start, draft
            for side, end in self.seen[draft.kernel].items():
                model.add(end >= stop + self._lag(draft.resource, side)).only_enforce_if(there)
        return out

    def _lag(self, one: Resource, other: Resource) -> int:
        return self.join if (one, other) == ("pim", "gpu") else 0
