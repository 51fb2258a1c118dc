"""What a finished plan does in memory, task by task: programs, clocks and where they go.

A function of a plan, so that planning does not depend on it. Everything asked for here is remembered from planning but the
clocks' reasons, for which the reference engine plays the slowest channel of each program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from nearbank.devices import PimDevice
from nearbank.pim import Compiled, Epilogue, LayerTiming, Product, compile_product, time_product
from nearbank.plan.costs import product_of
from nearbank.plan.kernels import kernels
from nearbank.plan.types import Plan, Task
from nearbank.sim.watch import Clocks, spent_clocks

__all__ = ["MOST_PLAYED", "MemoryTask", "memory_tasks"]

MOST_PLAYED = 4_000_000
"""Commands that `memory_tasks` plays at most for the reasons of the clocks: the reference engine takes under a minute for them."""


@dataclass(frozen=True)
class MemoryTask:
    """A task in memory with its program. ``clocks``: where those of the slowest channel go; None for what was left out."""

    task: Task
    compiled: Compiled
    timing: LayerTiming
    clocks: Clocks | None


def memory_tasks(
    plan: Plan, device: PimDevice, *, most: int = MOST_PLAYED, tick: Callable[[str], None] = lambda name: None
) -> tuple[MemoryTask, ...]:
    """The plan's tasks in memory, in order; products that come again are played once.

    ``most``: commands to play in all; tasks beyond have no ``clocks``. ``tick``: called with each task's name.
    """
    everything, played = (
        {kernel.name: kernel for kernel in kernels(plan.graph)},
        set[tuple[PimDevice, Product, int, str, Epilogue]](),
    )
    out = []
    for task in plan.tasks:
        if task.resource != "pim":
            continue
        tick(task.name)
        product, channels = product_of(everything[task.kernel], task.part), plan.system.channels
        asked = device, product, channels, task.mapping, task.timed
        timing = time_product(*asked)
        slowest = timing.timing.channels[timing.timing.slowest]
        known = asked in played
        most -= 0 if known else sum(slowest.commands.values())
        clocks = _clocks(*asked) if known or most >= 0 else None
        if clocks is not None:
            played.add(asked)
        out.append(MemoryTask(task, compile_product(*asked), timing, clocks))
    return tuple(out)


@lru_cache(maxsize=4096)
def _clocks(device: PimDevice, product: Product, channels: int, mapping: str, epilogue: Epilogue) -> Clocks:
    slowest = time_product(device, product, channels, mapping, epilogue).timing.slowest
    return spent_clocks(device, compile_product(device, product, channels, mapping, epilogue).program, slowest)
