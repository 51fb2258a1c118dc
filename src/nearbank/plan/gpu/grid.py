"""Interpolation over a measured grid of products, in log sizes and log time, with holes and beyond its edges."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["AXES", "LogGrid"]

AXES = ("pixels", "in_channels", "out_channels")
Point = tuple[int, int, int]
Array = npt.NDArray[np.float64]


class LogGrid:
    """Times of products over the axes' cross product, some cells unmeasured.

    A hole is filled with the mean, over the axes where measured cells lie on both sides, of the straight line between
    them (log time over log size). Inside, the time is then trilinear in the logs: continuous, and exact where measured.
    Above an edge each axis grows linearly with its size at the rate of the edge cell: the last measured marginal cost.
    Below, the edge's time stays: small kernels are latency, which did not shrink at the edge.
    """

    def __init__(self, points: Iterable[tuple[Point, float]]) -> None:
        measured = dict(points)
        self.axes = tuple(tuple(sorted({p[axis] for p in measured})) for axis in range(3))
        self._logs = [np.log(np.array(axis, dtype=np.float64)) for axis in self.axes]
        cube = np.full([len(axis) for axis in self.axes], np.nan)
        for point, us in measured.items():
            cube[tuple(axis.index(x) for axis, x in zip(self.axes, point, strict=True))] = math.log(us)
        self._cube = _fill(cube, self._logs)
        self._measured = measured

    def measured(self, point: Point) -> bool:
        """Whether the point itself was measured."""
        return point in self._measured

    def at(self, point: Point) -> tuple[float, str]:
        """Time in microseconds, and which sizes lie off the grid ("" if none)."""
        if point in self._measured:
            return self._measured[point], ""
        inside: list[int] = [min(max(x, axis[0]), axis[-1]) for x, axis in zip(point, self.axes, strict=True)]
        us = self._inside(inside)
        notes = []
        factor = 1.0
        for i, (x, axis) in enumerate(zip(point, self.axes, strict=True)):
            if x < axis[0]:
                notes.append(f"{AXES[i]} {x} < {axis[0]}")
            elif x > axis[-1]:
                notes.append(f"{AXES[i]} {x} > {axis[-1]}")
                factor *= 1 + self._marginal(inside, i) * (x - axis[-1]) / us
        return us * factor, f"off the grid: {', '.join(notes)}" if notes else ""

    def _marginal(self, edge: list[int], i: int) -> float:
        """Microseconds a unit of size between the last two values of axis ``i``; never negative."""
        if len(self.axes[i]) < 2:
            # one value says nothing of the slope, so all of the time is taken as work
            return self._inside(edge) / edge[i]
        before = [*edge]
        before[i] = self.axes[i][-2]
        return max(self._inside(edge) - self._inside(before), 0.0) / (edge[i] - before[i])

    def _inside(self, point: list[int]) -> float:
        corners = []
        for x, axis, logs in zip(point, self.axes, self._logs, strict=True):
            low = max(min(bisect.bisect_right(axis, x) - 1, len(axis) - 2), 0)
            high = min(low + 1, len(axis) - 1)
            t = (math.log(x) - logs[low]) / (logs[high] - logs[low]) if high > low else 0.0
            corners.append(((low, 1 - t), (high, t)))
        total = 0.0
        for (a, u), (b, v), (c, w) in itertools.product(*corners):
            total += u * v * w * self._cube[a, b, c]
        return math.exp(total)


def _fill(cube: Array, logs: list[Array]) -> Array:
    """The cube without holes; later rounds lean on earlier ones, nearest cells are the last resort."""
    while True:
        holes = [tuple(int(i) for i in hole) for hole in np.argwhere(np.isnan(cube))]
        if not holes:
            return cube
        for estimate in (_between, _nearest, _anywhere):
            values = [estimate(cube, logs, hole) for hole in holes]
            if not all(math.isnan(v) for v in values):
                break
        cube = cube.copy()
        for hole, value in zip(holes, values, strict=True):
            cube[hole] = value


def _lines(cube: Array, hole: tuple[int, ...]) -> Iterable[tuple[int, Array, list[int], list[int]]]:
    """For each axis: its number, the values through the hole, and known indices below and above, nearest first."""
    for axis, at in enumerate(hole):
        line = np.moveaxis(cube, axis, -1)[tuple(i for j, i in enumerate(hole) if j != axis)]
        known = np.flatnonzero(~np.isnan(line)).tolist()
        yield axis, line, [i for i in reversed(known) if i < at], [i for i in known if i > at]


def _between(cube: Array, logs: list[Array], hole: tuple[int, ...]) -> float:
    values = []
    for axis, line, below, above in _lines(cube, hole):
        if below and above:
            x, i, j = logs[axis], below[0], above[0]
            t = (x[hole[axis]] - x[i]) / (x[j] - x[i])
            values.append((1 - t) * line[i] + t * line[j])
    return float(np.mean(values)) if values else math.nan


def _nearest(cube: Array, logs: list[Array], hole: tuple[int, ...]) -> float:
    values = []
    for axis, line, below, above in _lines(cube, hole):
        values += [(abs(logs[axis][i] - logs[axis][hole[axis]]), line[i]) for i in (below[:1] + above[:1])]
    return float(min(values)[1]) if values else math.nan


def _anywhere(cube: Array, logs: list[Array], hole: tuple[int, ...]) -> float:
    known = np.argwhere(~np.isnan(cube))
    apart = sum((logs[axis][known[:, axis]] - logs[axis][hole[axis]]) ** 2 for axis in range(3))
    return float(cube[tuple(known[int(np.argmin(apart))])])
