"""What every GPU cost model answers, and in what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from nearbank.errors import DeviceError, PlanError

__all__ = ["TWO_INPUTS", "GpuModel", "GpuTime", "Library", "check_share", "check_sizes", "same_size"]

Library = Literal["best", "cudnn"]
"""Whose kernels run pointwise work: ``best`` of cuBLAS and cuDNN, or ``cudnn`` alone, as frameworks run them."""

TWO_INPUTS = frozenset({"add", "mul", "sub"})
"""Elementwise operators that read two tensors of the size that they write."""


@dataclass(frozen=True)
class GpuTime:
    """Time of one kernel in microseconds, its launch included; ``note`` says what was not measured, or is empty."""

    us: float
    note: str = ""


class GpuModel(Protocol):
    """Times of single kernels on one GPU; fp16, channels last, bias and activation fused into the product at no cost.

    Sizes are positive integers, else PlanError. Heights are of the input, padding keeps ``ceil(height / stride)``.
    """

    @property
    def name(self) -> str:
        """Name or path that made the model."""

    @property
    def launch_us(self) -> float:
        """Time of an empty kernel, microseconds; no answer is below it."""

    @property
    def source(self) -> str:
        """How the numbers came about."""

    @property
    def date(self) -> str:
        """When they were measured."""

    @property
    def versions(self) -> str:
        """Library and driver versions they were measured with; empty for an analytic model."""

    @property
    def library(self) -> Library:
        """Which library's kernels the times are of: the baseline that a comparison must name."""

    @property
    def bandwidth(self) -> float:
        """Share of the memory bandwidth that the times are for, above 0 to 1; the rest serves PIM."""

    @property
    def power_w(self) -> Mapping[str, float]:
        """Watts of the board by load: ``idle``, ``memory``, ``tensor``, ``small``; empty where not known."""

    def with_bandwidth(self, share: float) -> Self:
        """The same GPU left with ``share`` of all its memory bandwidth (``16 / 32`` while PIM has 16 of 32 channels).

        Raises:
            DeviceError: a share that is not above 0 and at most 1.
        """

    @property
    def clock_mhz(self) -> float:
        """The clock that the times are for; 0 if not recorded."""

    def with_clock(self, clock_mhz: float) -> Self:
        """The same GPU at another clock. Raises `DeviceError` for a measured one: its times are of the clock it had."""

    def matmul(self, *, pixels: int, in_channels: int, out_channels: int) -> GpuTime:
        """Product of ``pixels x in_channels`` and ``in_channels x out_channels``: pointwise or dense layer."""

    def matmul_us(self, *, pixels: int, in_channels: int, out_channels: int) -> float:
        """``matmul(...).us``."""

    def conv(
        self,
        batch: int,
        in_channels: int,
        out_channels: int,
        height: int,
        width: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
    ) -> GpuTime:
        """Any convolution with a square kernel; pointwise and depthwise ones go to their own methods."""

    def depthwise(
        self, batch: int, channels: int, height: int, kernel: int, stride: int = 1, width: int | None = None
    ) -> GpuTime:
        """A depthwise convolution, square unless ``width`` is given."""

    def elementwise(self, op: str, elements: int) -> GpuTime:
        """One kernel over ``elements`` results: an operator, or a chain of them under the name of its first."""

    def reduction(self, op: str, batch: int, channels: int, height: int, width: int | None = None) -> GpuTime:
        """Global average pooling (``op`` = ``"gap"``) over height x width."""


def check_share(where: str, share: float) -> None:
    """DeviceError unless ``share`` is above 0 and at most 1."""
    if not 0 < share <= 1:
        raise DeviceError("no such share of the bandwidth", where=where, value=share, bound="above 0, at most 1")


def check_sizes(what: str, **sizes: int) -> None:
    """PlanError unless every size is a positive integer."""
    for key, value in sizes.items():
        if value < 1 or int(value) != value:
            raise PlanError("bad size", where=f"{what} {key}", value=value, bound="a positive integer")


def same_size(size: int, stride: int) -> int:
    """Output size of a convolution whose padding keeps the size up to the stride."""
    return -(-size // stride)
