"""A time below which no plan can be, whatever it divides and overlaps.

Why: give every kernel the share x that the memory does of it and the rest to the GPU. The GPU then works at least
(1 - x) times the kernel's least time there, the memory x times its bound; both work at most the whole time T. Parts have no start,
no launch and no join here, parts overlap perfectly, and nothing waits for anything, so T, minimised over all x, is a lower bound:
a linear programme with two constraints. Its optimum gives the memory the kernels in which it is relatively best, in that order,
until both sides are busy alike, with one kernel divided.

The GPU's least time for a share of a kernel is that share of the kernel's time: a GPU model's time of a part is never less than
in proportion (it has a fixed start), and neither is the bound of a product in memory, but for its start, which is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from nearbank.pim import bound
from nearbank.plan.costs import Costs, product_of
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import WHOLE

__all__ = ["floor_us"]


def floor_us(kernels: Sequence[Kernel], costs: Costs) -> float:
    """Microseconds that no plan under these costs can undercut; the GPU at all of its bandwidth."""
    gpu, memory = 0.0, 0.0
    movable: list[tuple[float, float]] = []
    for kernel in kernels:
        us = min(costs.gpu_us(kernel), costs.alone_us(kernel))
        gpu += us
        if kernel.work is not None and costs.counts(kernel):
            cycles = bound(costs.device, product_of(kernel, WHOLE), costs.system.channels).cycles
            movable.append((us, max(costs.device.microseconds(cycles) - costs.opening_us, 0.0)))
    # The memory takes first what saves the GPU most for each microsecond of its own.
    for us, least in sorted(movable, key=lambda item: item[1] / item[0] if item[0] else 0.0):
        if gpu - us >= memory + least:
            gpu, memory = gpu - us, memory + least
            continue
        # Divided: gpu - x us = memory + x least.
        share = min(max((gpu - memory) / (us + least), 0.0), 1.0) if us + least else 0.0
        return max(gpu - share * us, memory + share * least)
    return max(gpu, memory)
