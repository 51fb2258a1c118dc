"""Which parts of which kernel are made where: exact over sequences of blocks, then improved over the whole graph.

Blocks are single kernels (on the GPU, in memory, divided over both) and chains in stages. Dynamic programming finds the sequence
of least time: optimal among plans in which a block starts when the one before is over. Over means joined, but to a block that
begins in memory, which sees what memory made at once; and finished, where that block reads in memory what memory made. Dispatching
all tasks of the result together, without those walls, can only be shorter; single decisions are then changed as long as that
shortens the whole, which finds what branches of a graph can do at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nearbank.errors import Infeasible
from nearbank.plan.assembly import GPU, PIM, Decision, Share, dispatch, drafts, span
from nearbank.plan.costs import Costs
from nearbank.plan.kernels import Kernel
from nearbank.plan.pipeline import MOST_STAGES, chains, stages
from nearbank.plan.split import best_split
from nearbank.plan.types import Resource

__all__ = ["Rules", "choose", "options"]


@dataclass(frozen=True)
class Rules:
    """What a policy allows: ``gpu`` and ``pim`` whole kernels, ``split`` ones, ``chains`` in stages, and to ``improve`` over
    the graph; without ``gpu`` a kernel that fits the memory is there."""

    gpu: bool = True
    pim: bool = True
    split: bool = False
    chains: bool = False
    improve: bool = False


_Border = tuple[bool, bool]
"""Of a block: whether it begins in memory alone, so that it need not wait for a join; and whether it reads in memory what the block
before it ends with, so that this must be finished."""


@dataclass(frozen=True)
class _Block:
    """Kernels ``first`` to ``last``. ``ends``: until all is over, as the block behind wants it; ``begins``: how it wants the block
    before."""

    first: int
    last: int
    shares: tuple[tuple[Share, ...], ...]
    ends: Mapping[_Border, float]
    begins: _Border

    @property
    def key(self) -> tuple[int, int, tuple[tuple[Share, ...], ...]]:
        """What it does, whatever that takes."""
        return self.first, self.last, self.shares

    @property
    def us(self) -> float:
        """Until the GPU sees all."""
        return self.ends[False, False]


def options(kernel: Kernel, costs: Costs, rules: Rules) -> list[tuple[tuple[Share, ...], float]]:
    """What one kernel may do, with the time that it takes alone, join included; the fastest first."""
    fits = rules.pim and costs.fits(kernel)
    found: list[tuple[tuple[Share, ...], float]] = []
    if rules.gpu or not fits:
        found.append((GPU, costs.gpu_us(kernel)))
    if fits:
        found.append((PIM, _alone([kernel], {kernel.name: PIM}, costs)))
    if rules.split and fits:
        divided = best_split(kernel, costs, min(us for _, us in found))
        if divided is not None:
            found.append(divided)
    return sorted(found, key=lambda option: option[1])


def choose(
    kernels: Sequence[Kernel], costs: Costs, rules: Rules, tick: Callable[[str], None] = lambda name: None
) -> Decision:
    """The decision for every kernel."""
    single: list[list[tuple[tuple[Share, ...], float]]] = []
    for kernel in kernels:
        tick(kernel.name)
        single.append(options(kernel, costs, rules))
    blocks = [
        _block(kernels, i, i, (option[0],), costs)
        for i, found in enumerate(single)
        for option in (found if rules.improve else found[:1])
    ]
    chained = list(_candidates(kernels, costs, single)) if rules.chains else []
    blocks = _cheapest(kernels, costs, blocks, chained, tick)
    decision: dict[str, tuple[Share, ...]] = {}
    for block in blocks:
        for kernel, shares in zip(kernels[block.first : block.last + 1], block.shares, strict=True):
            decision[kernel.name] = shares
    return _improved(kernels, costs, single, decision, tick) if rules.improve else decision


def _alone(kernels: Sequence[Kernel], decision: Decision, costs: Costs) -> float:
    join = costs.system.join_us
    return span(dispatch(drafts(kernels, decision, costs), join), join)


def _block(
    kernels: Sequence[Kernel], first: int, last: int, shares: tuple[tuple[Share, ...], ...], costs: Costs, *, rough: bool = False
) -> _Block:  # fmt: skip
    chain, join = kernels[first : last + 1], costs.system.join_us
    decision = {k.name: s for k, s in zip(chain, shares, strict=True)}
    ends: dict[_Border, float] = {}
    for finished in (False, True):
        if finished and (all(resource == "gpu" for resource, _ in shares[-1]) or not costs.finish_us(chain[-1])):
            ends |= {(to_memory, True): ends[to_memory, False] for to_memory in (False, True)}
            continue
        named = (chain[-1].name,) if finished else ()
        tasks = dispatch(drafts(chain, decision, costs, rough=rough, finished=named), join)
        ends |= {(False, finished): span(tasks, join), (True, finished): span(tasks)}
    return _Block(first, last, shares, ends, _begins(kernels, first, chain, decision))


def _begins(kernels: Sequence[Kernel], first: int, chain: Sequence[Kernel], decision: Decision) -> _Border:
    alone = len(chain) == 1 and all(resource == "pim" for resource, _ in decision[chain[0].name])
    made = {t for node in kernels[first - 1].nodes for t in node.outputs} if first else set()
    reads = any(
        made & set(kernel.sources) and any(resource == "pim" for resource, _ in decision[kernel.name])
        for kernel in chain
    )
    return alone, reads


def _cheapest(
    kernels: Sequence[Kernel], costs: Costs, blocks: list[_Block], candidates: list[_Block], tick: Callable[[str], None]
) -> list[_Block]:
    """The best sequence: candidates by estimate, those chosen timed exactly, until all that are chosen are exact."""
    exact: dict[tuple[int, int, tuple[tuple[Share, ...], ...]], _Block] = {}
    while True:
        best = _sequence(len(kernels), [*blocks, *candidates])
        unknown = [b for b in best if b.last > b.first and b.key not in exact]
        if not unknown:
            return best
        for block in unknown:
            tick(kernels[block.first].name)
            exact[block.key] = _block(kernels, *block.key, costs)
        candidates = [exact.get(b.key, b) for b in candidates]


def _candidates(
    kernels: Sequence[Kernel], costs: Costs, single: list[list[tuple[tuple[Share, ...], float]]]
) -> Iterable[_Block]:
    """Chains in stages that promise to be faster than their kernels one by one."""
    for first, last in chains(kernels):
        chain = kernels[first : last + 1]
        apart = sum(single[i][0][1] for i in range(first, last + 1))
        for resources in _assignments(chain, costs):
            best: tuple[float, tuple[tuple[Share, ...], ...]] | None = None
            for count in range(2, MOST_STAGES + 1):
                shares = stages(chain, resources, count)
                if shares is None:
                    break
                busiest = _busiest(chain, shares, costs)
                if busiest >= (best[0] if best else apart):
                    break  # more stages only add to the work of each side
                decision = {k.name: s for k, s in zip(chain, shares, strict=True)}
                tasks = dispatch(drafts(chain, decision, costs, rough=True), costs.system.join_us)
                us = span(tasks, costs.system.join_us)
                if us < (best[0] if best else apart):
                    best = us, shares
            if best is not None:
                yield _block(kernels, first, last, best[1], costs, rough=True)


def _assignments(chain: Sequence[Kernel], costs: Costs) -> list[tuple[Resource, ...]]:
    """Everything in memory that can be; and only what is faster there."""
    able = [costs.fits(k) for k in chain]
    every: tuple[Resource, ...] = tuple("pim" if can else "gpu" for can in able)
    faster: tuple[Resource, ...] = tuple(
        "pim" if can and _faster(k, costs) else "gpu" for k, can in zip(chain, able, strict=True)
    )
    return [found for found in dict.fromkeys((faster, every)) if len(set(found)) == 2]


def _faster(kernel: Kernel, costs: Costs) -> bool:
    cost = costs.memory(kernel)
    return not isinstance(cost, Infeasible) and costs.system.launch_us + cost.us < costs.gpu_us(kernel)


def _busiest(chain: Sequence[Kernel], shares: tuple[tuple[Share, ...], ...], costs: Costs) -> float:
    busy = {"gpu": 0.0, "pim": 0.0}
    for kernel, parts in zip(chain, shares, strict=True):
        for resource, part in parts:
            if resource == "gpu":
                busy["gpu"] += costs.gpu_us(kernel, part)
                continue
            cost = costs.rough(kernel, part)
            if not isinstance(cost, Infeasible):
                busy["pim"] += costs.system.launch_us + cost.us
                busy["gpu"] += cost.sum_us
    return max(busy.values())


def _sequence(count: int, blocks: Iterable[_Block]) -> list[_Block]:
    """The blocks that cover 0 to ``count`` - 1 in the least time; fewer blocks among equals."""
    ending: dict[int, list[_Block]] = {}
    for block in blocks:
        ending.setdefault(block.last, []).append(block)
    borders: list[_Border] = [(False, False), (False, True), (True, False), (True, True)]
    # For each length covered: the best for each way in which what follows may begin.
    best: list[dict[_Border, tuple[float, int, _Block | None]]] = [dict.fromkeys(borders, (0.0, 0, None))]
    for last in range(count):
        found: dict[_Border, tuple[float, int, _Block | None]] = {}
        for border in borders:
            options = (
                (best[b.first][b.begins][0] + b.ends[border], best[b.first][b.begins][1] + 1, b) for b in ending[last]
            )
            found[border] = min(options, key=lambda item: (item[0], item[1]))
        best.append(found)
    out: list[_Block] = []
    at, border = count, (False, False)
    while at:
        chosen = best[at][border][2]
        assert chosen is not None
        out.append(chosen)
        at, border = chosen.first, chosen.begins
    return out[::-1]


def _improved(
    kernels: Sequence[Kernel], costs: Costs, single: list[list[tuple[tuple[Share, ...], float]]],
    decision: dict[str, tuple[Share, ...]], tick: Callable[[str], None],
) -> dict[str, tuple[Share, ...]]:  # fmt: skip
    """Decisions of single kernels changed, one after another, while that shortens the whole."""
    best = _alone(kernels, decision, costs)
    for _ in range(3):
        before = best
        for kernel, found in zip(kernels, single, strict=True):
            if len(found) < 2 and found[0][0] == decision[kernel.name]:
                continue
            tick(kernel.name)
            for shares, _ in found:
                if shares == decision[kernel.name]:
                    continue
                trial = {**decision, kernel.name: shares}
                us = _alone(kernels, trial, costs)
                if us < best * (1 - 1e-9):
                    best, decision = us, trial
        if best == before:
            break
    return decision
