"""Activation functions as a memory computes them: a table's two nearest entries and the line between them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nearbank.devices import FUNCTIONS, HIGH, LOW, PimDevice
from nearbank.sim.operands import round_operands

__all__ = ["apply_function", "table_of"]

FloatArray = NDArray[np.float32]


@lru_cache(maxsize=64)
def table_of(device: PimDevice, name: str) -> FloatArray:
    """The table of a function, float32 [entries] of operands, none of them -0: one row of a bank."""
    count = device.organization.columns * device.organization.lanes
    table = round_operands(device, np.array(FUNCTIONS[name].entries(count))) + np.float32(0)
    table.setflags(write=False)
    return table


def apply_function(device: PimDevice, name: str, values: FloatArray) -> FloatArray:
    """``name`` of sums of any shape, which are rounded to operands before and behind it; NaN stays NaN."""
    x, table, rule = round_operands(device, values), table_of(device, name), FUNCTIONS[name]
    step = np.float32((HIGH - LOW) / len(table))
    with np.errstate(invalid="ignore", over="ignore"):
        inside = (x >= LOW) & (x < LOW + step * (len(table) - 1))
        # Counted from the entry at 0 outward, so that nothing is lost of an argument near 0.
        position = np.where(inside, np.abs(x), np.float32(0)) / step
        steps = position.astype(np.int64)
        outward, zero = np.where(x < 0, -1, 1), round(-LOW / float(step))
        nearer, farther = zero + outward * steps, np.maximum(zero + outward * (steps + 1), 0)
        line = table[nearer] + (position - steps.astype(np.float32)) * (table[farther] - table[nearer])
        outside = np.where(x < LOW, _line(rule.below, x), _line(rule.above, x))
        out = np.where(np.isnan(x), x, np.where(inside, line, outside))
    return round_operands(device, out)


def _line(rule: tuple[float, float], x: FloatArray) -> FloatArray:
    """offset + slope * x, in which an infinite x of slope 0 is nothing."""
    offset, slope = np.float32(rule[0]), np.float32(rule[1])
    return offset + slope * x if slope else np.full_like(x, offset)
