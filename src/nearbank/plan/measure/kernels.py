"""Shapes of single kernels that can be measured; fp16, channels last, no padding beyond what keeps the size."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

__all__ = ["ConvKernel", "GapKernel", "Kernel", "MapKernel", "MatmulKernel", "image_of"]


@dataclass(frozen=True)
class MatmulKernel:
    """Product of ``pixels x in_channels`` and ``in_channels x out_channels`` (a pointwise or dense layer)."""

    pixels: int
    in_channels: int
    out_channels: int


@dataclass(frozen=True)
class ConvKernel:
    """A convolution; height and width of the input, square kernel and stride."""

    batch: int
    in_channels: int
    out_channels: int
    height: int
    width: int
    kernel: int
    stride: int = 1
    groups: int = 1

    @property
    def out_height(self) -> int:
        """Height of the output, ``ceil(height / stride)``."""
        return -(-self.height // self.stride)

    @property
    def out_width(self) -> int:
        """Width of the output, ``ceil(width / stride)``."""
        return -(-self.width // self.stride)

    @property
    def as_product(self) -> MatmulKernel | None:
        """The product that a pointwise convolution of stride 1 is; None for any other."""
        if (self.kernel, self.stride, self.groups) != (1, 1, 1):
            return None
        return MatmulKernel(self.batch * self.height * self.width, self.in_channels, self.out_channels)


@dataclass(frozen=True)
class MapKernel:
    """An elementwise operator over ``elements`` results: ``relu6``, ``add``, ... (see TorchBench)."""

    op: str
    elements: int


@dataclass(frozen=True)
class GapKernel:
    """Global average pooling over height x width."""

    batch: int
    channels: int
    height: int
    width: int


Kernel = MatmulKernel | ConvKernel | MapKernel | GapKernel


def image_of(pixels: int) -> tuple[int, int]:
    """Height and width of the most nearly square image of that many pixels: cuDNN's choice depends on both."""
    width = next(w for w in range(isqrt(pixels), 0, -1) if pixels % w == 0)
    return pixels // width, width
