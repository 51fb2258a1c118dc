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
    ``stride`` and ``dilation`` are (height, width); ``pads`` is (top, left, bottom, right), zeros. With
    ``groups`` > 1 the rows still hold all input channels: the weight matrix is block-diagonal.
    """

    layout: Layout
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def pixels(self) -> int:
        """Rows: batch x height x width of the output, or the product of the leading axes."""
        if self.layout == "NCHW":
            return self.output_shape[0] * self.output_shape[2] * self.output_shape[3]
        # A vector operand has no leading axis: it is one row.
        return math.prod(self.input_shape[:-1])

    @property
    def in_channels(self) -> int:
        """Columns of the rows: K."""
        if self.layout == "NCHW":
            return self.kernel[0] * self.kernel[1] * self.input_shape[1]
        return self.input_shape[-1]

    @property
    def out_channels(self) -> int:
        """Columns of the product: N."""
        return self.output_shape[1] if self.layout == "NCHW" else self.output_shape[-1]

    def rows(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The ``[pixels, K]`` matrix of ``x`` (shape ``input_shape``), K ordered (kernel row, kernel column, channel).

        The type of ``x`` is kept. Raises `ModelError` for another shape.
        """
        if x.shape != self.input_shape:
            raise ModelError("activation has the wrong shape", value=x.shape, bound=f"{self.input_shape}")
        if self.layout == "rows":
            return np.ascontiguousarray(x.reshape(self.pixels, self.in_channels))
        top, left, bottom, right = self.pads
        if any(self.pads):
            x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
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

    def restore(self, y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The tensor of shape ``output_shape`` whose rows are ``y`` (``[pixels, N]``). Else raises `ModelError`."""
        if y.shape != (self.pixels, self.out_channels):
            bound = f"{(self.pixels, self.out_channels)}"
            raise ModelError("product has the wrong shape", value=y.shape, bound=bound)
        if self.layout == "rows":
            return np.ascontiguousarray(y.reshape(self.output_shape))
        batch, channels, height, width = self.output_shape
        return np.ascontiguousarray(y.reshape(batch, height, width, channels).transpose(0, 3, 1, 2))
