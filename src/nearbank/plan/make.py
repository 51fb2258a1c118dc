"""From a graph and the costs of both sides to a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from nearbank.devices import PimDevice
from nearbank.errors import InputError, near_matches
from nearbank.graph import Graph
from nearbank.pim import MAPPINGS, uncollected
from nearbank.plan.assembly import GPU, Decision, dispatch, drafts, span
from nearbank.plan.choose import Rules, choose, options
from nearbank.plan.costs import Costs
from nearbank.plan.exact import is_chain, prove
from nearbank.plan.floor import floor_us
from nearbank.plan.gpu import GpuModel
from nearbank.plan.kernels import Kernel, kernels
from nearbank.plan.layers import layer
from nearbank.plan.types import POLICIES, SCOPES, Plan, Resource, System, Task

__all__ = ["make_plan"]

_RULES: Mapping[str, Rules] = {
    "gpu-only": Rules(pim=False),
    "newton+": Rules(),
    "newton++": Rules(),
    "pim": Rules(gpu=False),
    "best": Rules(),
    "split": Rules(split=True),
    "pipeline": Rules(chains=True),
}
_EVERYTHING = Rules(split=True, chains=True, improve=True)
_MAPPED = ("newton+", "newton++")


@uncollected()
def make_plan(
    graph: Graph, device: PimDevice, gpu: GpuModel, *, policy: str = "auto", scope: str = "model", channels: int = 16,
    launch_us: float | None = None, join_us: float | None = None, charge_epilogue: bool = True, mapping: str = "search",
    tick: Callable[[str], None] = lambda name: None,
) -> Plan:  # fmt: skip
    """Decide for every kernel of ``graph`` which part of it runs where and when.

    Args:
        graph: what is computed.
        device: the memory.
        gpu: the cost model of the GPU, with all of its bandwidth.
        policy: one of `POLICIES`.
        scope: one of `SCOPES`: what counts; the rest takes no time.
        channels: memory channels that compute, 1 to the device's number.
        launch_us: to start a task in memory; the GPU's empty kernel if None.
        join_us: until the GPU sees what the memory computed; as ``launch_us`` if None (assumed: a signal is a launch's way back).
        charge_epilogue: whether it takes a GPU kernel to add partial sums, and to finish (bias, activation) what the memory reads
            next.
        mapping: how products are laid over the memory; policies newton+ and newton++ have their own.
        tick: called with the name of what is looked at, for progress.

    Raises:
        InputError: an unknown policy, scope or mapping, or channels or costs out of range.
    """
    system = _system(device, gpu, channels, launch_us, join_us, charge_epilogue, mapping)
    for what, value, known in (("policy", policy, POLICIES), ("scope", scope, SCOPES), ("mapping", mapping, MAPPINGS)):
        if value not in known:
            raise InputError(f"unknown {what}", value=value, bound=near_matches(value, known))
    maker = _Maker(graph, device, gpu, system, scope, tick)
    return maker.auto() if policy == "auto" else maker.plan(policy)


def _system(
    device: PimDevice, gpu: GpuModel, channels: int, launch_us: float | None, join_us: float | None, charge_epilogue: bool,
    mapping: str,
) -> System:  # fmt: skip
    sizes = device.organization
    if not 1 <= channels <= sizes.channels:
        raise InputError("channels", where=device.name, value=channels, bound=f"1 to {sizes.channels}")
    launch = gpu.launch_us if launch_us is None else launch_us
    join = launch if join_us is None else join_us
    for what, value in (("launch", launch), ("join", join)):
        if not 0 <= value < 1e6:
            raise InputError(f"{what} cost in microseconds", value=value, bound="0 to 10^6")
    return System(
        device.name, gpu.name, channels, sizes.channels, mapping, launch, join, charge_epilogue, gpu.library, gpu.clock_mhz
    )  # fmt: skip


class _Maker:
    """Plans of one graph under one system, by policy; all share the answers of the cost curves."""

    def __init__(
        self, graph: Graph, device: PimDevice, gpu: GpuModel, system: System, scope: str, tick: Callable[[str], None]
    ) -> None:
        self.graph, self.device, self.gpu, self.system, self.scope, self.tick = graph, device, gpu, system, scope, tick
        self.kernels = kernels(graph)
        self.costs = {system.mapping: Costs(device, gpu, system, SCOPES[scope])}

    def plan(self, policy: str) -> Plan:
        """The plan of a policy other than auto."""
        return self._made(policy, policy, _RULES[policy])

    def auto(self) -> Plan:
        """The shortest of all policies' plans and of what all means together give."""
        everything = self._made("auto", "everything", _EVERYTHING)
        found = [everything, *(self._made("auto", name, rules) for name, rules in _RULES.items())]
        best = min(found, key=lambda plan: plan.planned_us)
        return replace(best, proven_us=min(everything.proven_us, best.planned_us), proof=everything.proof)

    def _costs(self, policy: str) -> Costs:
        mapping = policy if policy in _MAPPED else self.system.mapping
        if mapping not in self.costs:
            system = replace(self.system, mapping=mapping)
            self.costs[mapping] = Costs(self.device, self.gpu, system, SCOPES[self.scope])
        return self.costs[mapping]

    def _made(self, policy: str, chosen: str, rules: Rules) -> Plan:
        costs, everything, join = self._costs(chosen), self.kernels, self.system.join_us
        alone = sum(costs.alone_us(kernel) for kernel in everything)
        decision: Decision = {kernel.name: GPU for kernel in everything}
        tasks, proven, proof = _alone(everything, costs), alone, "everything on the GPU"
        if rules.pim:
            helped = choose(everything, costs, rules, self.tick)
            found = _timed(everything, helped, costs)
            helped, found, proven, proof = self._proved(costs, rules, helped, found)
            used = any(task.resource == "pim" for task in found)
            # Where nothing is gained in memory its channels go back to the GPU, unless the policy has no choice.
            if used and (not rules.gpu or span(found, join) < alone):
                decision, tasks = helped, found
            # What is proven is of plans that leave the memory its channels; without it there is the GPU alone.
            proven = min(proven, alone) if rules.gpu or not used else proven
        layers = tuple(layer(k, decision[k.name], tasks, costs, rules) for k in everything)
        return Plan(
            graph=self.graph, system=costs.system, policy=policy, scope=self.scope, layers=layers, tasks=tuple(tasks),
            gpu_only_us=alone, floor_us=floor_us(everything, costs), proven_us=proven, proof=proof, chosen=chosen,
        )  # fmt: skip

    def _proved(
        self, costs: Costs, rules: Rules, decision: Decision, tasks: list[Task]
    ) -> tuple[Decision, list[Task], float, str]:
        """A better plan if the proof finds one, a bound on all schedules of its kind, and how that was found."""
        join = costs.system.join_us
        planned = span(tasks, join)
        if not rules.improve:
            return decision, tasks, _least(tasks, join), "these tasks' longest path, or their busier side"
        choices = {k.name: [shares for shares, _ in options(k, costs, rules)] for k in self.kernels}
        if is_chain(self.kernels) and not any(
            len(shares) > 1 for found in (*choices.values(), decision.values()) for shares in found
        ):
            return decision, tasks, planned, "dynamic programming over a chain, optimal"
        proof = prove(self.kernels, costs, choices, decision, tasks)
        if proof.decision is not None:
            better = _timed(self.kernels, proof.decision, costs)
            if span(better, join) < planned * (1 - 1e-9):
                decision, tasks, planned = proof.decision, better, span(better, join)
        # Stopped early, the search may have shown less than what holds for any plan.
        return decision, tasks, max(proof.bound_us, floor_us(self.kernels, costs)), proof.method


def _least(tasks: Sequence[Task], join_us: float) -> float:
    """What no schedule of these tasks undercuts: their longest path with its joins, and the work of either side."""
    seen: dict[str, dict[Resource, float]] = {}
    busy: dict[Resource, float] = {"gpu": 0.0, "pim": 0.0}
    for task in tasks:
        end = max((seen[name][task.resource] for name in task.needs), default=0.0) + task.us
        seen[task.name] = {"pim": end, "gpu": end + (join_us if task.resource == "pim" else 0.0)}
        busy[task.resource] += task.us
    return max(*busy.values(), *(found["gpu"] for found in seen.values()))


def _timed(everything: Sequence[Kernel], decision: Decision, costs: Costs) -> list[Task]:
    return dispatch(drafts(everything, decision, costs), costs.system.join_us)


def _alone(everything: Sequence[Kernel], costs: Costs) -> list[Task]:
    """Everything on the GPU with all channels."""
    queue = [
        replace(draft, us=costs.alone_us(kernel))
        for kernel, draft in zip(everything, drafts(everything, {k.name: GPU for k in everything}, costs), strict=True)
    ]
    return dispatch(queue, 0.0)
