"""The plain oracle: a matrix product in a device's arithmetic, written from its definition, with no program and no memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nearbank.devices import FUNCTIONS, HIGH, LOW, PimDevice
from nearbank.sim.functions import table_of
from nearbank.sim.operands import round_operands

__all__ = ["oracle"]

FloatArray = NDArray[np.float32]


def oracle(
    device: PimDevice, inputs: FloatArray, weights: FloatArray, pieces: tuple[tuple[int, int], ...],
    bias: FloatArray | None = None, function: str | None = None,
) -> FloatArray:  # fmt: skip
    """inputs [pixels, in_channels] times weights [in_channels, out_channels] -> float32 [pixels, out_channels].

    ``pieces``: the ranges of 16-input chunks that are summed and rounded apart, then added in float32 in that order. ``bias``:
    what the first piece's sums begin at, [out_channels], rounded to an operand. ``function``: the activation function that the
    memory applies to the sum, which is then of one piece.
    """
    x, w = round_operands(device, inputs), round_operands(device, weights)
    lanes = device.organization.lanes
    total = np.zeros((len(x), w.shape[1]), np.float32)
    for number, (first, last) in enumerate(pieces):
        accumulator = np.zeros_like(total)
        if bias is not None and number == 0:
            accumulator = accumulator + round_operands(device, bias)
        for chunk in range(first, last):
            level = []
            for i in range(chunk * lanes, (chunk + 1) * lanes):
                inside = i < x.shape[1]
                level.append(np.outer(x[:, i], w[i]) if inside else np.zeros_like(total))
            while len(level) > 1:
                level = [level[j] + level[j + 1] for j in range(0, len(level), 2)]
            accumulator = accumulator + level[0]
        part = round_operands(device, accumulator)
        total = part if number == 0 else total + part
    return total if function is None else round_operands(device, _on_table(device, function, total))


def _on_table(device: PimDevice, function: str, x: FloatArray) -> FloatArray:
    """The line through the two entries around x, from the one nearer to 0, by looking both up among all points of the table."""
    table, rule = table_of(device, function), FUNCTIONS[function]
    points = np.array([LOW + (HIGH - LOW) * i / len(table) for i in range(len(table))], np.float32)
    behind = np.where(x < 0, np.searchsorted(points, x, side="left"), np.searchsorted(points, x, side="right"))
    below, above = x < points[0], behind == len(points)
    high = np.clip(behind, 1, len(points) - 1)
    near, far = np.where(x < 0, high, high - 1), np.where(x < 0, high - 1, high)
    share = (x - points[near]) / (points[far] - points[near])
    y = table[near] + share * (table[far] - table[near])
    y = np.where(below, np.float32(rule.below[0]) + np.float32(rule.below[1]) * x, y)
    return np.where(above, np.float32(rule.above[0]) + np.float32(rule.above[1]) * x, y)
