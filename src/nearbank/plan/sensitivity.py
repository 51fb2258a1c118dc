"""How a plan's speedup moves with one parameter of the system, the others held, and where memory stops to pay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nearbank.plan.types import Plan

__all__ = ["Point", "Sweep", "break_even", "sweep"]

Planner = Callable[..., Plan]


@dataclass(frozen=True)
class Point:
    """With the parameter at ``value``: microseconds of both, and in how many layers the memory has a part."""

    value: float
    gpu_only_us: float
    planned_us: float
    offloaded: int

    @property
    def speedup(self) -> float:
        """GPU only over planned."""
        return self.gpu_only_us / self.planned_us if self.planned_us else 1.0


@dataclass(frozen=True)
class Sweep:
    """Points of one ``parameter`` in ascending order; ``now`` is its value in the system asked about."""

    parameter: str
    unit: str
    now: float
    points: tuple[Point, ...]


def sweep(planner: Planner, parameter: str, unit: str, now: float, values: Sequence[float], **others: Any) -> Sweep:
    """Plans with ``parameter`` at each of ``values`` and at ``now``. ``planner`` takes it as a keyword."""
    points = []
    for value in sorted({*values, now}):
        plan = planner(**{parameter: value, **others})
        points.append(Point(value, plan.gpu_only_us, plan.planned_us, len(plan.offloaded)))
    return Sweep(parameter, unit, now, tuple(points))


def break_even(planner: Planner, *, most: float = 64.0, close: float = 0.01) -> float | None:
    """The launch cost in microseconds (join alike) from which on all is left to the GPU, to within ``close``.

    None if all is even where a launch is free; ``most`` if the memory still has work there."""

    def pays(launch: float) -> bool:
        return bool(planner(launch_us=launch, join_us=launch).offloaded)

    if not pays(0.0):
        return None
    low, high = 0.0, 1.0
    while pays(high):
        if high >= most:
            return most
        low, high = high, min(2 * high, most)
    while high - low > close:
        middle = (low + high) / 2
        low, high = (middle, high) if pays(middle) else (low, middle)
    return high
