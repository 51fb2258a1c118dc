"""Dividing one product over GPU and memory: the ratio at which both are done together, from both cost curves.

The memory takes the first pixels, or the first output channels in whole groups of one a bank (in whole blocks, where a product has
several), the GPU the rest. The memory's curve is taken as a line through what is known of it; the ratio where the sides meet is
then timed exactly, the line corrected, and so on, a few times. Any ratio can come out.
"""

from __future__ import annotations

from nearbank.errors import Infeasible
from nearbank.plan.assembly import Share
from nearbank.plan.costs import Costs, MemoryCost
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import Axis, Part

__all__ = ["best_split", "meeting_curve"]

_ROUNDS = 3
_WORTH = 0.995
"""A split must promise to take less than this share of the undivided time to be timed exactly."""


def best_split(kernel: Kernel, costs: Costs, undivided_us: float) -> tuple[tuple[Share, ...], float] | None:
    """The fastest division found and its time, join included; None if none is faster than ``undivided_us``."""
    best: tuple[float, tuple[Share, ...]] | None = None
    if kernel.work is None or isinstance(costs.memory(kernel), Infeasible):
        return None
    for axis in ("pixels", "channels"):
        found = _along(kernel, costs, axis, best[0] if best else undivided_us)
        if found is not None and (best is None or found[0] < best[0]):
            best = found
    return (best[1], best[0]) if best else None


def meeting_curve(kernel: Kernel, costs: Costs, points: int = 9) -> tuple[tuple[float, float, float], ...]:
    """(share in memory, memory's side with launch and join, GPU's side) by pixels, in microseconds; the memory's side in proportion
    where it was not timed exactly."""
    total = kernel.extent("pixels")
    out: list[tuple[float, float, float]] = []
    for i in range(1, points + 1):
        cut = total * i // (points + 1)
        if not 0 < cut < total or (out and out[-1][0] == cut / total):
            continue
        cost = costs.rough(kernel, Part("pixels", 0, cut))
        if not isinstance(cost, Infeasible):
            side = costs.gpu_us(kernel, Part("pixels", cut, total)) + cost.sum_us
            out.append((cut / total, _memory_us(costs, cost.us, cost.sum_us), side))
    return tuple(out)


def _along(kernel: Kernel, costs: Costs, axis: Axis, limit: float) -> tuple[float, tuple[Share, ...]] | None:
    total, unit = kernel.extent(axis), 1
    if axis == "channels" and kernel.work is not None:
        blocked = kernel.work.blocks > 1
        unit = kernel.work.gather.block_channels if blocked else costs.device.organization.banks
    steps = (total - 1) // unit  # the memory takes 1 to this many units, and leaves something
    full = costs.memory(kernel)
    if steps < 1 or isinstance(full, Infeasible):
        return None
    if costs.gpu_us(kernel, Part(axis, total - 1, total)) >= _WORTH * limit:
        return None  # the least of kernels takes as long
    best: tuple[float, tuple[Share, ...]] | None = None
    known = {0.0: costs.opening_us, total / unit: full.us}
    for _ in range(_ROUNDS):
        units, promised = _meeting(kernel, costs, axis, unit, steps, known, full)
        if promised >= _WORTH * limit or float(units) in known:
            break
        mine, theirs = Part(axis, 0, units * unit), Part(axis, units * unit, total)
        cost = costs.memory(kernel, mine)
        if isinstance(cost, Infeasible):
            break
        known[float(units)] = cost.us
        time = max(costs.gpu_us(kernel, theirs) + cost.sum_us, _memory_us(costs, cost.us, cost.sum_us))
        if time < limit:
            limit, best = time, (time, (("pim", mine), ("gpu", theirs)))
    return best


def _memory_us(costs: Costs, us: float, sum_us: float) -> float:
    return costs.system.launch_us + us + costs.system.join_us + sum_us


def _meeting(
    kernel: Kernel, costs: Costs, axis: Axis, unit: int, steps: int, known: dict[float, float], full: MemoryCost
) -> tuple[int, float]:
    """(units for the memory, promised time) where the memory's line and the GPU's curve meet, by bisection."""
    total = kernel.extent(axis)

    def both(units: int) -> tuple[float, float]:
        low = max(x for x in known if x <= units)
        high = min((x for x in known if x >= units), default=low)
        slope = (known[high] - known[low]) / (high - low) if high > low else 0.0
        us = known[low] + slope * (units - low)
        added = full.sum_us * units * unit / total
        return _memory_us(costs, us, added), costs.gpu_us(kernel, Part(axis, units * unit, total)) + added

    low, high = 1, steps
    while high - low > 1:
        middle = (low + high) // 2
        memory, gpu = both(middle)
        low, high = (middle, high) if memory < gpu else (low, middle)
    return min(((units, max(both(units))) for units in (low, high)), key=lambda found: found[1])
