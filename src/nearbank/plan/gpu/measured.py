"""GPU times from a measured profile: measured rows exactly, everything else interpolated, and said so."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Mapping
from functools import cached_property

from nearbank.devices.gpu import GpuProfile, OpRow
from nearbank.errors import DeviceError, near_matches
from nearbank.plan.gpu.grid import LogGrid
from nearbank.plan.gpu.near import Neighbours
from nearbank.plan.gpu.types import TWO_INPUTS, GpuTime, Library, check_share, check_sizes, same_size

__all__ = ["ALIASES", "MeasuredGpu"]

ALIASES = {
    "clip": "relu6",
    "relu": "relu6",
    "mul": "add",
    "scale": "mul",
    "sub": "add",
    "sigmoid": "silu",
    "swish": "silu",
    "hardsigmoid": "hardswish",
}
"""Operators that were not measured, and one that moves as many bytes with a like amount of arithmetic."""
_SHAPED = ("dw", "gap")


class MeasuredGpu:
    """A GpuModel over a GpuProfile (see GpuModel for units and errors).

    With less than all of the bandwidth, times are modelled on the measured ones: a kernel's operands and result, each
    moved once at the measured rate of a copy, take ``m``; the kernel without its launch took ``t``. What ``m / share``
    exceeds the longer of both by is added: a kernel that memory bounds slows down in full, one that it does not bound
    only once it does. Operands that the L2 held while measuring are counted too, since PIM needs them in memory.

    Args:
        profile: the measurements.
        library: whose kernels run pointwise work.
        bandwidth: share of the memory bandwidth that is left to the GPU.

    Raises:
        DeviceError: bandwidth out of range.
    """

    def __init__(self, profile: GpuProfile, library: Library = "cudnn", bandwidth: float = 1.0) -> None:
        check_share(f"{profile.name}: bandwidth", bandwidth)
        self.profile = profile
        self.library: Library = library
        self._bandwidth = bandwidth
        self._grid = LogGrid(
            (
                (r.pixels, r.in_channels, r.out_channels),
                min(r.cublas_us, r.cudnn_us) if library == "best" else r.cudnn_us,
            )
            for r in profile.grid
        )

    @property
    def name(self) -> str:
        """Name or path of the profile."""
        return self.profile.name

    @property
    def launch_us(self) -> float:
        """Measured time of an empty kernel, microseconds."""
        return self.profile.empty_kernel_us

    @property
    def source(self) -> str:
        """How the profile was measured."""
        return self.profile.about

    @property
    def date(self) -> str:
        """When it was measured, or "not recorded"."""
        return self.profile.date

    @property
    def versions(self) -> str:
        """Versions it was measured with."""
        return self.profile.versions

    @property
    def bandwidth(self) -> float:
        """Share of the measured memory bandwidth."""
        return self._bandwidth

    @property
    def power_w(self) -> Mapping[str, float]:
        """As measured; empty if it was not."""
        return self.profile.power_w

    def with_bandwidth(self, share: float) -> MeasuredGpu:
        """The same profile with another share; see the class for the model, GpuModel for errors."""
        return MeasuredGpu(self.profile, self.library, share)

    @property
    def clock_mhz(self) -> float:
        """Not recorded."""
        return 0.0

    def with_clock(self, clock_mhz: float) -> MeasuredGpu:
        """Raises DeviceError: nothing is known of other clocks."""
        raise DeviceError(
            "a measured GPU has the clock it was measured at", where=self.name, value=clock_mhz, bound="left out"
        )

    def matmul(self, *, pixels: int, in_channels: int, out_channels: int) -> GpuTime:
        """Measured grid row or dense layer, else interpolated; see LogGrid for off-grid sizes."""
        check_sizes("matmul", pixels=pixels, in_channels=in_channels, out_channels=out_channels)
        point = (pixels, in_channels, out_channels)
        moved = 2 * (pixels * in_channels + in_channels * out_channels + pixels * out_channels)
        if point in self._layers and not self._grid.measured(point):
            return self._time(self._layers[point], moved)
        us, note = self._grid.at(point)
        if note:
            # far beyond the edge the last slope may be of latency still, so the measured peak rate bounds it
            us = max(us, 2e-6 * pixels * in_channels * out_channels / self.profile.fp16_tflops)
        return self._time(us, moved, note)

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
        """A measured layer exactly; else pointwise and depthwise by their methods, others from measured neighbours.

        A k x k convolution is estimated as its im2col product, corrected by the ratio of measured to that of the
        nearest measured k x k layers. With library ``best`` a pointwise layer may run in cuBLAS too: the lesser counts.
        """
        sizes = {"height": height, "width": width, "kernel": kernel, "stride": stride, "groups": groups}
        check_sizes("conv", batch=batch, in_channels=in_channels, out_channels=out_channels, **sizes)
        row = self._convs.get((batch, in_channels, out_channels, height, width, kernel, stride, groups))
        pixels = batch * same_size(height, stride) * same_size(width, stride)
        weights = in_channels // groups * kernel * kernel * out_channels
        moved = 2 * (batch * height * width * in_channels + weights + pixels * out_channels)
        if kernel == 1 and groups == 1:
            product = self.matmul(pixels=pixels, in_channels=in_channels, out_channels=out_channels)
            # a stride makes cuBLAS gather pixels first, so there the measured convolution stands alone
            alone = row is not None and (self.library == "cudnn" or stride > 1 or row < product.us)
            return self._time(row, moved) if row is not None and alone else product
        if row is not None:
            return self._time(row, moved)
        if groups == in_channels == out_channels and groups > 1:
            return self.depthwise(batch, in_channels, height, kernel, stride, width)
        inputs = in_channels // groups * kernel * kernel
        rough = self._im2col(pixels, inputs, out_channels)
        us = self._dense.estimate((pixels, inputs, out_channels), rough)
        note = f"not measured: from {len(self._dense)} measured k x k convolutions"
        return self._time(us, moved, note + (f", {groups} groups as one dense product" if groups > 1 else ""))

    def depthwise(
        self, batch: int, channels: int, height: int, kernel: int, stride: int = 1, width: int | None = None
    ) -> GpuTime:
        """A measured layer, else a measured ``dw`` row, else from the nearest measured depthwise rows."""
        wide = height if width is None else width
        check_sizes(
            "depthwise", batch=batch, channels=channels, height=height, width=wide, kernel=kernel, stride=stride
        )
        row = self._depthwise_rows.get((batch, channels, height, wide, kernel, stride))
        moved = _depthwise_bytes(batch, channels, height, wide, stride)
        if row is not None:
            return self._time(row, moved)
        sizes, rough = self._depthwise_size(batch, channels, height, wide, kernel, stride)
        note = "not measured: from the nearest depthwise rows"
        return self._time(self._depthwise.estimate(sizes, rough), moved, note)

    def elementwise(self, op: str, elements: int) -> GpuTime:
        """Measured, else on a straight line in logs between sizes; beyond the last, at its marginal rate.

        Raises:
            DeviceError: an operator that neither the profile nor ALIASES has.
        """
        check_sizes("elementwise", elements=elements)
        rows = self._elementwise
        used = op if op in rows else ALIASES.get(op, op)
        if used not in rows:
            known = {*rows, *(alias for alias, of in ALIASES.items() if of in rows)}
            raise DeviceError(
                "operator not in the GPU profile", where=self.name, value=op, bound=near_matches(op, known)
            )
        us, note = _along(rows[used], elements)
        notes = [n for n in (f"{op} timed as {used}" if used != op else "", note) if n]
        return self._time(us, 2 * elements * (3 if op in TWO_INPUTS else 2), "; ".join(notes))

    def reduction(self, op: str, batch: int, channels: int, height: int, width: int | None = None) -> GpuTime:
        """A measured ``gap`` row, else from the nearest ones.

        Raises:
            DeviceError: another operator than ``gap``, or a profile without such rows.
        """
        wide = height if width is None else width
        check_sizes("reduction", batch=batch, channels=channels, height=height, width=wide)
        if op != "gap" or not len(self._gap):
            known = ("gap",) if len(self._gap) else ()
            raise DeviceError(
                "reduction not in the GPU profile", where=self.name, value=op, bound=near_matches(op, known)
            )
        exact = self._gap_rows.get((batch, channels, height)) if height == wide else None
        moved = 2 * batch * channels * height * wide
        if exact is not None:
            return self._time(exact, moved)
        us = self._gap.estimate((batch, channels, height * wide), self._traffic_us(moved))
        return self._time(us, moved, "not measured: from the nearest gap rows")

    def _time(self, us: float, moved_bytes: float, note: str = "") -> GpuTime:
        notes = [note] if note else []
        if us < self.launch_us:
            notes.append(f"{us:.3f} us raised to an empty kernel's")
            us = self.launch_us
        if self._bandwidth < 1:
            traffic = self._traffic_us(moved_bytes) - self.launch_us
            us += max(traffic / self._bandwidth - max(traffic, us - self.launch_us), 0.0)
            notes.append(f"modelled at {self._bandwidth:.3g} of the memory bandwidth")
        return GpuTime(float(us), "; ".join(notes))

    def _traffic_us(self, traffic_bytes: float) -> float:
        # a copy reads and writes, and its rate counts one way
        return self.launch_us + traffic_bytes / (2e6 * self.profile.copy_tb_s)

    def _im2col(self, pixels: int, inputs: int, outputs: int) -> float:
        return max(self._grid.at((pixels, inputs, outputs))[0], self.launch_us)

    def _depthwise_size(
        self, batch: int, channels: int, height: int, width: int, kernel: int, stride: int
    ) -> tuple[tuple[float, ...], float]:
        outputs = batch * same_size(height, stride) * same_size(width, stride)
        traffic = self._traffic_us(_depthwise_bytes(batch, channels, height, width, stride))
        return (outputs, channels, kernel, stride), traffic

    @cached_property
    def _layers(self) -> dict[tuple[int, ...], float]:
        """Dense layers, and pointwise ones that both libraries ran, as (pixels, inputs, outputs)."""
        dense = (((r.batch, r.in_features, r.out_features), r.us) for r in self.profile.linears)
        pointwise = (
            (
                (r.batch * r.height * r.width, r.in_channels, r.out_channels),
                min(r.us, r.cublas_us) if self.library == "best" else r.us,
            )
            for r in self.profile.convs
            if r.cublas_us is not None
        )
        return _least(itertools.chain(dense, pointwise))

    @cached_property
    def _convs(self) -> dict[tuple[int, ...], float]:
        return _least(
            ((r.batch, r.in_channels, r.out_channels, r.height, r.width, r.kernel, r.stride, r.groups), r.us)
            for r in self.profile.convs
        )

    @cached_property
    def _dense(self) -> Neighbours:
        rows = {}
        for key, us in self._convs.items():
            batch, inputs, outputs, height, width, kernel, stride, groups = key
            if groups == 1 and kernel > 1:
                pixels = batch * same_size(height, stride) * same_size(width, stride)
                sizes = (pixels, inputs * kernel * kernel, outputs)
                rows[sizes] = (sizes, self._im2col(*sizes), us)
        return Neighbours(list(rows.values()), (1, 1, 1))

    @cached_property
    def _depthwise_rows(self) -> dict[tuple[int, ...], float]:
        rows = {
            (*r.size[:3], r.size[2], *r.size[3:]): r.us  # (batch, channels, height, width, kernel, stride)
            for r in self.profile.ops
            if r.name == "dw"
        }
        # a layer of a network was measured in its place: it goes before a synthetic row of the same shape
        layers = (r for r in self.profile.convs if r.groups == r.in_channels == r.out_channels and r.groups > 1)
        return rows | {(r.batch, r.groups, r.height, r.width, r.kernel, r.stride): r.us for r in layers}

    @cached_property
    def _depthwise(self) -> Neighbours:
        rows = []
        for (batch, channels, height, width, kernel, stride), us in self._depthwise_rows.items():
            sizes, rough = self._depthwise_size(batch, channels, height, width, kernel, stride)
            rows.append((sizes, rough, us))
        return Neighbours(rows, (1, 1, 3, 3))

    @cached_property
    def _gap_rows(self) -> dict[tuple[int, ...], float]:
        return {r.size: r.us for r in self.profile.ops if r.name == "gap"}

    @cached_property
    def _gap(self) -> Neighbours:
        rows = [((b, c, h * h), self._traffic_us(2 * b * c * h * h), us) for (b, c, h), us in self._gap_rows.items()]
        return Neighbours(rows, (1, 1, 2))

    @cached_property
    def _elementwise(self) -> dict[str, list[tuple[int, float]]]:
        rows: dict[str, list[OpRow]] = {}
        for row in self.profile.ops:
            if row.name not in _SHAPED:
                rows.setdefault(row.name, []).append(row)
        return {name: sorted((r.size[0], r.us) for r in ofs) for name, ofs in rows.items()}


def _depthwise_bytes(batch: int, channels: int, height: int, width: int, stride: int) -> int:
    return 2 * batch * channels * (height * width + same_size(height, stride) * same_size(width, stride))


def _least(rows: Iterable[tuple[tuple[int, ...], float]]) -> dict[tuple[int, ...], float]:
    """The least time of each shape: networks share shapes, and may have been measured apart."""
    least: dict[tuple[int, ...], float] = {}
    for key, us in rows:
        least[key] = min(us, least.get(key, math.inf))
    return least


def _along(rows: list[tuple[int, float]], size: int) -> tuple[float, str]:
    """Time at ``size`` from sorted (size, us) rows: log-log between two, flat below, marginal rate above."""
    sizes = [s for s, _ in rows]
    at = bisect.bisect_left(sizes, size)
    if at < len(rows) and sizes[at] == size:
        return rows[at][1], ""
    if at == 0:
        return rows[0][1], f"off the rows: {size} < {sizes[0]} elements"
    if at == len(rows):
        (before, us0), (last, us1) = rows[-2:] if len(rows) > 1 else ((0, 0.0), rows[0])
        rate = max(us1 - us0, 0.0) / (last - before)
        return us1 + rate * (size - last), f"off the rows: {size} > {last} elements"
    (low, us0), (high, us1) = rows[at - 1 : at + 1]
    t = math.log(size / low) / math.log(high / low)
    return us0 ** (1 - t) * us1**t, ""
