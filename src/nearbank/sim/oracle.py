"""The plain oracle: a matrix product in a device's arithmetic, written from its definition, with no program and no memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nearbank.devices import PimDevice
from nearbank.sim.values import round_operands

__all__ = ["oracle"]

FloatArray = NDArray[np.float32]


def oracle(
    device: PimDevice, inputs: FloatArray, weights: FloatArray, pieces: tuple[tuple[int, int], ...]
) -> FloatArray:
    """inputs [pixels, in_channels] times weights [in_channels, out_channels] -> float32 [pixels, out_channels].

    ``pieces``: the ranges of 16-input chunks that are summed and rounded apart, then added in float32 in that order.
    """
    x, w = round_operands(device, inputs), round_operands(device, weights)
    lanes = device.organization.lanes
    total = np.zeros((len(x), w.shape[1]), np.float32)
    for number, (first, last) in enumerate(pieces):
        accumulator = np.zeros_like(total)
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
    return total
