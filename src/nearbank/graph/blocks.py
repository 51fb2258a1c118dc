"""How a convolution with groups becomes blocks: independent products of the same size, zeros inside a block only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np

from nearbank.graph.gather import Gather

__all__ = ["BLOCK", "GROUPS", "Groups", "block_bias", "block_weights", "blocked"]

Array = np.ndarray[Any, np.dtype[np.float32]]
Groups = Literal["gpu", "block-diagonal", "all", "tiles"]

GROUPS: Mapping[Groups, str] = {
    "gpu": "convolutions with groups are no matrix work",
    "block-diagonal": "grouped ones are, as blocks of a diagonal; depthwise ones are not",
    "all": "depthwise ones are too, 16 channels a block",
    "tiles": "as all, for tiles of several output pixels where that is less work; the host lays inputs out by tiles",
}
"""What ``groups`` of `load` may be, and which convolutions with more than one group are then matrix work."""

BLOCK = 16
"""Outputs that a block fills at least, where there are as many: banks of a channel, and inputs of a column, of every device in
sight. On another device the blocks are right all the same, only not as full."""


def blocked(gather: Gather, groups: Groups) -> Gather:
    """The gather with the number of blocks, and the tile, that ask for the fewest columns of `BLOCK` inputs by as many outputs.

    A block of ``m`` groups does ``m / BLOCK`` useful work in each column, so without tiles the fewest groups that fill the
    outputs are best, evenly over the blocks. A tile of neighbouring pixels shares inputs: 4 x 4 outputs of a 3 x 3 kernel read
    36 places of one channel, three columns where sixteen channels of one output read nine.
    """
    per_group = max(gather.out_channels // gather.groups, 1)
    together = min(max(BLOCK // per_group, 1), gather.groups)
    plain = replace(gather, blocks=-(-gather.groups // together))
    if groups != "tiles" or plain.blocks == 1:
        return plain
    found = [plain]
    for m, rows, columns in product(range(1, together + 1), range(1, BLOCK + 1), range(1, BLOCK + 1)):
        if m * per_group * rows * columns <= BLOCK:
            tile = (min(rows, gather.output_shape[2]), min(columns, gather.output_shape[3]))
            found.append(replace(gather, blocks=-(-gather.groups // m), tile=tile))
    return min(found, key=_work)


def _work(gather: Gather) -> tuple[int, int, int]:
    """Columns in all; among equals the fewest sums, then the smallest rows."""
    sums = gather.pixels * gather.blocks * -(-gather.columns // BLOCK)
    return sums * -(-gather.in_channels // BLOCK), sums, gather.in_channels


def block_weights(weight: Array, gather: Gather) -> Array:
    """``[blocks, K, N]``, or ``[K, N]`` for one block, of a convolution's weights ``[outputs, inputs of a group, height,
    width]``."""
    outputs, inputs = weight.shape[0] // gather.groups, weight.shape[1]
    together, taps = gather.together, (gather.taps(0), gather.taps(1))
    padded = np.zeros((gather.blocks * together, outputs, *weight.shape[1:]), np.float32)
    padded[: gather.groups] = weight.reshape(gather.groups, outputs, *weight.shape[1:])
    padded = padded.reshape(gather.blocks, together, *padded.shape[1:])
    shape = (gather.blocks, len(taps[0]), len(taps[1]), together, inputs, *gather.tile, together, outputs)
    out = np.zeros(shape, np.float32)
    (down, across), (row_step, column_step) = gather.stride, gather.dilation
    for row, column, y, x in product(*map(range, gather.tile), *map(range, gather.kernel)):
        at = taps[0].index(down * row + row_step * y), taps[1].index(across * column + column_step * x)
        for group in range(together):
            out[:, at[0], at[1], group, :, row, column, group] = padded[:, group, :, :, y, x].transpose(0, 2, 1)
    out = out.reshape(gather.blocks, gather.in_channels, gather.columns)
    return out if gather.blocks > 1 else out[0]


def block_bias(bias: Array, gather: Gather) -> Array:
    """``[blocks, N]``, or ``[N]`` for one block, of a bias ``[outputs]``."""
    if gather.blocks == 1:
        return bias
    padded = np.zeros(gather.blocks * gather.block_channels, np.float32)
    padded[: len(bias)] = bias
    return np.tile(padded.reshape(gather.blocks, -1), (1, gather.tile[0] * gather.tile[1]))
