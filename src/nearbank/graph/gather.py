"""How an activation becomes the rows of a matrix, and how the rows of the product become an activation again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nearbank.errors import ModelError

__all__ = ["Gather"]

Layout = Literal["NCHW", "rows"]


@dataclass(frozen=True, slots=True)
class Gather:
    """The rows that one matrix product reads, and the tensor that it makes.

    ``layout`` is ``"NCHW"`` for a convolution (a row per output pixel, ordered batch, height, width) and ``"rows"``
    for a fully connected layer (one row per index of all axes but the last). Shapes count elements. ``kernel``,
    ``stride`` and ``dilation`` are (height, width); ``pads`` is (top, left, bottom, right), zeros.

    A convolution of ``groups`` > 1 is ``blocks`` products of the same size, each of as many whole groups as evenly fill the
    blocks (the last may lack some: zeros), for a ``tile`` of (height, width) output pixels at a time. With one block, the rows
    hold all input channels and the weight matrix is block-diagonal; the tile is then one pixel.
    """

    layout: Layout
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    blocks: int = 1
    tile: tuple[int, int] = (1, 1)

    @property
    def pixels(self) -> int:
        """Rows: batch x height x width of the output, in tiles begun, or the product of the leading axes."""
        if self.layout == "NCHW":
            return self.output_shape[0] * math.prod(self._tiles)
        # A vector operand has no leading axis: it is one row.
        return math.prod(self.input_shape[:-1])

    @property
    def in_channels(self) -> int:
        """Columns of the rows, of one block if there are several: K."""
        if self.layout == "NCHW":
            per_group = self.input_shape[1] // self.groups
            return math.prod(len(self.taps(axis)) for axis in (0, 1)) * per_group * self.together
        return self.input_shape[-1]

    @property
    def out_channels(self) -> int:
        """Channels of the output, of all blocks."""
        return self.output_shape[1] if self.layout == "NCHW" else self.output_shape[-1]

    @property
    def together(self) -> int:
        """Groups in a block."""
        return -(-self.groups // self.blocks)

    @property
    def block_channels(self) -> int:
        """Output channels of a block; of the last one some may lie beyond `out_channels`."""
        return self.out_channels // self.groups * self.together

    @property
    def columns(self) -> int:
        """Columns of a block's product, N: output channels, times the pixels of a tile."""
        return self.block_channels * math.prod(self.tile)

    @property
    def macs(self) -> int:
        """Multiply-accumulates that the layer asks for: those with the zeros of padding count, those of other groups do not."""
        if self.layout == "NCHW":
            return math.prod(self.output_shape) * math.prod(self.kernel) * (self.input_shape[1] // self.groups)
        return self.pixels * self.in_channels * self.out_channels

    def taps(self, axis: int) -> tuple[int, ...]:
        """Along height (0) or width (1): the input places, from its first, that a tile of outputs reads."""
        kernel, stride, dilation, tile = self.kernel[axis], self.stride[axis], self.dilation[axis], self.tile[axis]
        return tuple(sorted({stride * i + dilation * k for i in range(tile) for k in range(kernel)}))

    @property
    def _tiles(self) -> tuple[int, int]:
        return -(-self.output_shape[2] // self.tile[0]), -(-self.output_shape[3] // self.tile[1])

    def rows(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The ``[pixels, K]`` matrix of ``x`` (shape ``input_shape``), K ordered (kernel row, kernel column, channel).

        With blocks ``[pixels, blocks, K]``, K ordered (row, column, channel of the block), the rows and columns being the
        places that a tile reads. The type of ``x`` is kept. Raises `ModelError` for another shape.
        """
        if x.shape != self.input_shape:
            raise ModelError("activation has the wrong shape", value=x.shape, bound=f"{self.input_shape}")
        if self.layout == "rows":
            return np.ascontiguousarray(x.reshape(self.pixels, self.in_channels))
        top, left, bottom, right = self.pads
        if any(self.pads):
            x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
        if self.blocks > 1:
            return self._blocked(x)
        _, _, height, width = self.output_shape
        if self.kernel == (1, 1):
            picked = x[:, :, :: self.stride[0], :: self.stride[1]][:, :, :height, :width]
            return np.ascontiguousarray(picked.transpose(0, 2, 3, 1)).reshape(self.pixels, self.in_channels)
        spans = tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        windows = np.lib.stride_tricks.sliding_window_view(x, spans, axis=(2, 3))
        windows = windows[:, :, :: self.stride[0], :: self.stride[1], :: self.dilation[0], :: self.dilation[1]]
        windows = windows[:, :, :height, :width]
        # batch, channel, y, x, kernel row, kernel column -> batch, y, x, kernel row, kernel column, channel
        return np.ascontiguousarray(windows.transpose(0, 2, 3, 4, 5, 1)).reshape(self.pixels, self.in_channels)

    def _blocked(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The rows of the padded input, by blocks."""
        per_block = self.input_shape[1] // self.groups * self.together
        firsts = [np.arange(n) * t * s for n, t, s in zip(self._tiles, self.tile, self.stride, strict=True)]
        taps = [np.array(self.taps(axis)) for axis in (0, 1)]
        missing = [max(int(f[-1] + t[-1]) + 1 - n, 0) for f, t, n in zip(firsts, taps, x.shape[2:], strict=True)]
        channels = self.blocks * per_block - x.shape[1]
        x = np.pad(x, ((0, 0), (0, channels), (0, missing[0]), (0, missing[1])))
        down, across = (f[:, None] + t for f, t in zip(firsts, taps, strict=True))
        # batch, channel, tile row, row, tile column, column
        picked = x[:, :, down[:, :, None, None], across[None, None]]
        picked = picked.reshape(x.shape[0], self.blocks, per_block, *picked.shape[2:])
        return np.ascontiguousarray(picked.transpose(0, 3, 5, 1, 4, 6, 2)).reshape(self.pixels, self.blocks, -1)

    def restore(self, y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The tensor of shape ``output_shape`` whose rows are ``y`` (``[pixels, N]``, with blocks ``[pixels, blocks, N]``, N
        ordered (row in the tile, column in the tile, channel)). Another shape raises `ModelError`."""
        wanted = (self.pixels, self.blocks, self.columns) if self.blocks > 1 else (self.pixels, self.out_channels)
        if y.shape != wanted:
            raise ModelError("product has the wrong shape", value=y.shape, bound=f"{wanted}")
        if self.blocks > 1:
            return self._unblocked(y)
        if self.layout == "rows":
            return np.ascontiguousarray(y.reshape(self.output_shape))
        batch, channels, height, width = self.output_shape
        return np.ascontiguousarray(y.reshape(batch, height, width, channels).transpose(0, 3, 1, 2))

    def _unblocked(self, y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        batch, channels, height, width = self.output_shape
        (down, across), (rows, columns) = self._tiles, self.tile
        y = y.reshape(batch, down, across, self.blocks, rows, columns, self.block_channels)
        y = y.transpose(0, 3, 6, 1, 4, 2, 5).reshape(batch, -1, down * rows, across * columns)
        return np.ascontiguousarray(y[:, :channels, :height, :width])
