"""What calibration needs of a machine; the real one is TorchBench, tests have one with made-up times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from nearbank.plan.measure.kernels import Kernel

__all__ = ["Bench", "By", "Facts"]

By = Literal["cublas", "cudnn"]
"""Who computes a product: cuBLAS as a matrix product, or cuDNN as a 1x1 convolution."""


@dataclass(frozen=True)
class Facts:
    """What the measured machine is. ``clocks_mhz`` are read under load; empty where NVML is not at hand."""

    gpu: str
    torch: str
    driver: str
    versions: dict[str, str] = field(hash=False)
    clocks_mhz: dict[str, float] = field(hash=False)
    l2_bytes: int = 0


class Bench(Protocol):
    """Times on one machine, in microseconds a call."""

    def facts(self) -> Facts:
        """The machine."""

    def empty_us(self) -> float:
        """A kernel that does nothing."""

    def kernel_us(self, kernel: Kernel, by: By = "cudnn") -> float:
        """One kernel, as one of many calls back to back on the same operands."""

    def sequence_us(self, kernels: Sequence[tuple[Kernel, By]]) -> float:
        """All kernels, one behind the other, in one CUDA graph."""

    def fp16_tflops(self) -> float:
        """Rate of a large matrix product, 1e12 operations (2 a multiply-accumulate) a second."""

    def copy_tb_s(self) -> float:
        """Rate of a kernel that copies in memory, 1e12 bytes a second (each is read and written, counted once)."""

    def power_w(self) -> dict[str, float]:
        """Watts of the whole board, idle and under sustained kinds of load; empty where nothing measures them."""
