"""All that a report shows, gathered from the rooms below. What is not there says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nearbank.devices import PimDevice
from nearbank.plan import BoardEnergy, GpuModel, Placement, Plan, PlanEnergy, board_energy
from nearbank.plan.details import MemoryTask, memory_tasks
from nearbank.plan.roofline import Mark, Roof, gpu_roof, memory_roof, roofline
from nearbank.runtime import Values
from nearbank.sim.watch import Clocks

__all__ = ["Content", "gather"]


@dataclass(frozen=True)
class Content:
    """A plan and what there is to say of it. ``weights``: where they lie; ``clocks``: of all tasks in memory that
    were played, slowest channel each; ``command``: the command line that made all this; ``values``: None if none were computed."""

    plan: Plan
    device: PimDevice
    gpu: GpuModel
    energy: PlanEnergy | None
    board: BoardEnergy | None
    memory: tuple[MemoryTask, ...]
    clocks: Clocks
    weights: Placement
    marks: tuple[Mark, ...]
    roofs: tuple[Roof, ...]
    command: str
    values: Values | None


def gather(
    plan: Plan, device: PimDevice, gpu: GpuModel, weights: Placement, energy: PlanEnergy | None, *,
    command: str, values: Values | None = None, tick: Callable[[str], None] = lambda name: None,
) -> Content:  # fmt: skip
    """Ask for everything that the report of ``plan`` shows; ``tick`` is called with the name of each step."""
    memory = memory_tasks(plan, device, tick=tick)
    roofs = [gpu_roof(gpu), gpu_roof(gpu, plan.system.gpu_share) if memory else None]
    return Content(
        plan=plan, device=device, gpu=gpu, energy=energy, board=board_energy(plan, gpu), memory=memory,
        clocks=sum((x.clocks for x in memory if x.clocks is not None), Clocks()), weights=weights,
        marks=roofline(plan, device), roofs=(*(r for r in roofs if r), memory_roof(device, plan.system.channels)),
        command=command, values=values,
    )  # fmt: skip
