"""Estimates from the nearest measured rows: log ratio of measured time to a rough one, averaged by distance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["Neighbours"]


class Neighbours:
    """Measured rows as (sizes, rough us, measured us); a query gives its sizes and its rough time.

    The rough time (a roofline, say) carries how time grows with work; the rows near in log sizes correct it, weighted
    by the inverse square of the distance. ``scale`` says how much each size counts. A row at distance 0 answers itself.
    """

    def __init__(
        self, rows: Sequence[tuple[Sequence[float], float, float]], scale: Sequence[float], count: int = 4
    ) -> None:
        self.rows = tuple(rows)
        self.scale = tuple(scale)
        self._count = count
        self._scale = np.array(scale, dtype=np.float64)
        self._sizes = np.log(np.array([r[0] for r in rows], dtype=np.float64).reshape(len(rows), len(scale)))
        self._ratios = np.array([math.log(us / rough) for _, rough, us in rows])

    def __len__(self) -> int:
        return len(self._ratios)

    def estimate(self, sizes: Sequence[float], rough_us: float) -> float:
        """Microseconds for a shape that was not measured; ``rough_us`` itself where there are no rows at all."""
        if not len(self):
            return rough_us
        apart = (self._sizes - np.log(np.array(sizes, dtype=np.float64))) * self._scale
        distance = np.sqrt((apart**2).sum(axis=1))
        near = np.argsort(distance, kind="stable")[: self._count]
        weights = 1 / np.maximum(distance[near], 1e-6) ** 2
        return rough_us * math.exp(float(np.average(self._ratios[near], weights=weights)))
