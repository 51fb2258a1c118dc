"""GPU times from first principles: tiles of an implicit GEMM over SMs in waves, memory, launch and latency."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from nearbank.devices.gpu import AnalyticSpec
from nearbank.errors import DeviceError, near_matches
from nearbank.plan.gpu.types import TWO_INPUTS, GpuTime, Library, check_share, check_sizes, same_size

__all__ = ["AnalyticGpu"]

_BYTES = 2  # fp16
_ONE_INPUT = frozenset({"scale", "clip", "hardsigmoid", "hardswish", "relu", "relu6", "sigmoid", "silu", "swish"})
_TILE_AREA = 128 * 256  # accumulators of more results do not fit an SM's registers
_NOTE = "analytic"


class AnalyticGpu:
    """A GpuModel over an AnalyticSpec (see GpuModel for units and errors).

    A kernel takes ``launch + start + max(waves, traffic)``. *Waves*: the output is cut into tiles (the k loop too,
    where the spec allows split-K), one tile an SM at a time; a tile's step of the k loop takes the longest of its
    arithmetic, its operands' way from L2, and a least latency. Of all tile shapes the fastest counts, as a library's
    heuristics aim at. *Traffic*: every operand and result once, at the bandwidth of the channels in use, or of the L2
    if all fit in it.

    Args:
        spec: the numbers.
        library: ``cudnn`` starts products as convolutions are; ``best`` as the faster cuBLAS does.
        memory_channels: channels that serve the GPU, 1 to the spec's; the others are taken by PIM. Default: all.
        bandwidth: share of these channels' bandwidth that is left.

    Raises:
        DeviceError: memory_channels or bandwidth out of range.
    """

    def __init__(
        self,
        spec: AnalyticSpec,
        library: Library = "cudnn",
        memory_channels: int | None = None,
        bandwidth: float = 1.0,
    ) -> None:
        channels = spec.memory_channels if memory_channels is None else memory_channels
        if not 1 <= channels <= spec.memory_channels:
            bound = f"1 to {spec.memory_channels}"
            raise DeviceError(
                "no such number of channels", where=f"{spec.name}: memory_channels", value=channels, bound=bound
            )
        check_share(f"{spec.name}: bandwidth", bandwidth)
        self.spec = spec
        self.library: Library = library
        self._bandwidth = bandwidth
        self.memory_channels = channels

    @property
    def bandwidth(self) -> float:
        """Share of the memory's whole bandwidth, channels given away counted."""
        return self._bandwidth * self.memory_channels / self.spec.memory_channels

    @property
    def power_w(self) -> Mapping[str, float]:
        """From the board's power; see the spec's sources."""
        spec = self.spec
        return {"idle": spec.idle_w, "small": spec.small_w, "memory": spec.memory_w, "tensor": spec.tensor_w}

    def with_bandwidth(self, share: float) -> AnalyticGpu:
        """The same GPU; traffic to memory takes ``1 / share`` as long as with all channels. See GpuModel."""
        return AnalyticGpu(self.spec, self.library, None, share)

    @property
    def name(self) -> str:
        """Name of the analytic GPU."""
        return self.spec.name

    @property
    def launch_us(self) -> float:
        """Time of an empty kernel, microseconds."""
        return self.spec.launch_us

    @property
    def source(self) -> str:
        """Where the numbers come from; each one's source is in ``spec.sources``."""
        return self.spec.about

    @property
    def date(self) -> str:
        """Nothing was measured."""
        return "analytic"

    @property
    def versions(self) -> str:
        """Nothing was measured."""
        return ""

    @property
    def clock_mhz(self) -> float:
        """The clock of the SMs."""
        return self.spec.clock_mhz

    def with_clock(self, clock_mhz: float) -> AnalyticGpu:
        """The same GPU with its SMs at another clock; memory, L2 and launch stay as they are."""
        if not 1 <= clock_mhz <= 10_000:
            raise DeviceError("clock", where=self.name, value=clock_mhz, bound="1 to 10000 MHz")
        return AnalyticGpu(replace(self.spec, clock_mhz=clock_mhz), self.library, self.memory_channels, self._bandwidth)

    def matmul(self, *, pixels: int, in_channels: int, out_channels: int) -> GpuTime:
        """The product as tiles over SMs."""
        check_sizes("matmul", pixels=pixels, in_channels=in_channels, out_channels=out_channels)
        spec = self.spec
        start = spec.gemm_start_clocks if self.library == "best" else spec.conv_start_clocks
        return self._product(pixels, in_channels, out_channels, pixels * in_channels, start)

    def matmul_us(self, *, pixels: int, in_channels: int, out_channels: int) -> float:
        """``matmul(...).us``."""
        return self.matmul(pixels=pixels, in_channels=in_channels, out_channels=out_channels).us

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
        """An implicit GEMM of ``kernel**2 * in_channels`` inputs; depthwise ones have kernels of their own."""
        sizes = {"height": height, "width": width, "kernel": kernel, "stride": stride, "groups": groups}
        check_sizes("conv", batch=batch, in_channels=in_channels, out_channels=out_channels, **sizes)
        pixels = batch * same_size(height, stride) * same_size(width, stride)
        if groups == in_channels == out_channels and groups > 1:
            return self.depthwise(batch, in_channels, height, kernel, stride, width)
        if kernel == stride == groups == 1:
            return self.matmul(pixels=pixels, in_channels=in_channels, out_channels=out_channels)
        inputs = in_channels // groups * kernel * kernel
        read = batch * height * width * in_channels
        return self._product(pixels, inputs, out_channels, read, self.spec.conv_start_clocks)

    def depthwise(
        self, batch: int, channels: int, height: int, kernel: int, stride: int = 1, width: int | None = None
    ) -> GpuTime:
        """The longer of traffic and arithmetic on the FP32 lanes, after the latency of the window's taps."""
        wide = height if width is None else width
        check_sizes(
            "depthwise", batch=batch, channels=channels, height=height, width=wide, kernel=kernel, stride=stride
        )
        spec = self.spec
        outputs = batch * channels * same_size(height, stride) * same_size(wide, stride)
        traffic = self._traffic_us(_BYTES * (batch * channels * height * wide + outputs))
        rate = spec.cuda_fma_per_clock_sm * spec.sms * spec.clock_mhz * spec.depthwise_efficiency
        latency = spec.depthwise_start_clocks + spec.depthwise_tap_clocks * kernel * kernel
        return self._time(latency, max(traffic, outputs * kernel * kernel / rate))

    def elementwise(self, op: str, elements: int) -> GpuTime:
        """Traffic of the inputs and the result.

        Raises:
            DeviceError: an unknown operator.
        """
        check_sizes("elementwise", elements=elements)
        if op not in TWO_INPUTS | _ONE_INPUT:
            raise DeviceError(
                "unknown operator", where=self.name, value=op, bound=near_matches(op, TWO_INPUTS | _ONE_INPUT)
            )
        moved = elements * _BYTES * (3 if op in TWO_INPUTS else 2)
        return self._time(self.spec.elementwise_start_clocks, self._traffic_us(moved))

    def reduction(self, op: str, batch: int, channels: int, height: int, width: int | None = None) -> GpuTime:
        """Traffic, and the latency of each channel's serial sum.

        Raises:
            DeviceError: another operator than ``gap``.
        """
        wide = height if width is None else width
        check_sizes("reduction", batch=batch, channels=channels, height=height, width=wide)
        if op != "gap":
            raise DeviceError("unknown reduction", where=self.name, value=op, bound=near_matches(op, ("gap",)))
        latency = self.spec.reduction_start_clocks + self.spec.reduction_pixel_clocks * height * wide
        return self._time(latency, self._traffic_us(_BYTES * batch * channels * height * wide))

    def _time(self, start_clocks: float, work_us: float) -> GpuTime:
        return GpuTime(self.launch_us + start_clocks / self.spec.clock_mhz + work_us, _NOTE)

    def _traffic_us(self, moved_bytes: float) -> float:
        spec = self.spec
        gb_s = spec.l2_gb_s if moved_bytes <= spec.l2_bytes else spec.memory_gb_s * self.bandwidth
        return moved_bytes / (1e3 * gb_s)

    def _product(self, pixels: int, inputs: int, outputs: int, read: int, start_clocks: float) -> GpuTime:
        traffic = self._traffic_us(_BYTES * (read + inputs * outputs + pixels * outputs))
        return self._time(start_clocks, max(traffic, self._waves_clocks(pixels, inputs, outputs) / self.spec.clock_mhz))

    def _waves_clocks(self, pixels: int, inputs: int, outputs: int) -> float:
        spec = self.spec
        best = math.inf
        for high, wide, step_clocks, epilogue in self._tiles:
            tiles = -(-pixels // high) * -(-outputs // wide)
            for split in spec.splits:
                waves = math.ceil(tiles * split / spec.sms)
                steps = math.ceil(inputs / spec.k_step / split)
                clocks = waves * (steps * step_clocks + epilogue) + (spec.split_clocks if split > 1 else 0)
                best = min(best, clocks)
        return best

    @cached_property
    def _tiles(self) -> tuple[tuple[int, int, float, float], ...]:
        """(pixels, outputs, clocks a step of the k loop, clocks of the epilogue) of every tile shape."""
        spec = self.spec
        l2_bytes_a_clock = 1e3 * spec.l2_gb_s / spec.clock_mhz / spec.sms
        out = []
        for high in spec.tiles:
            for wide in (w for w in spec.tiles if high * w <= _TILE_AREA):
                arithmetic = high * wide * spec.k_step / spec.tensor_fma_per_clock_sm
                feed = _BYTES * (high + wide) * spec.k_step / l2_bytes_a_clock
                out.append(
                    (high, wide, max(arithmetic, feed, spec.k_step_clocks), spec.epilogue_clocks * high * wide / 4096)
                )
        return tuple(out)
