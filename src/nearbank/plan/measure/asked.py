"""Which kernels a graph runs on a GPU, as the plan's own costing asks for them."""

from __future__ import annotations

from types import MappingProxyType

from nearbank.graph import Graph, fused_groups
from nearbank.plan.gpu import GpuModel, GpuTime, Library
from nearbank.plan.gpu_time import gpu_time
from nearbank.plan.kernels import kernel_of
from nearbank.plan.measure.kernels import ConvKernel, GapKernel, Kernel, MapKernel, MatmulKernel

__all__ = ["graph_kernels"]


def graph_kernels(graph: Graph, nodes: tuple[str, ...] | None = None) -> tuple[Kernel, ...]:
    """The kernels of the whole graph in the order they run, or of the one fused group ``nodes`` (empty if it is free).

    A pointwise layer over an image is a ConvKernel, a dense layer a MatmulKernel.
    """
    out: list[Kernel] = []
    for group in fused_groups(graph) if nodes is None else (nodes,):
        asked = _Asked()
        gpu_time(kernel_of(graph, group), asked)
        out += [_imaged(graph, group, kernel) for kernel in asked.kernels]
    return tuple(out)


def _imaged(graph: Graph, group: tuple[str, ...], kernel: Kernel) -> Kernel:
    """A product that is a convolution over an image larger than one pixel, as that convolution."""
    node = graph.node(group[0])
    shape = node.input_shapes[0] if node.input_shapes else ()
    if not isinstance(kernel, MatmulKernel) or node.op_type != "Conv" or len(shape) != 4 or shape[2] * shape[3] == 1:
        return kernel
    return ConvKernel(shape[0], kernel.in_channels, kernel.out_channels, shape[2], shape[3], 1)


class _Asked(GpuModel):
    """A GpuModel that answers nothing and remembers the questions, so that costing and measuring cannot differ."""

    name, source, date, versions, launch_us = "asked", "", "", "", 0.0
    library: Library = "cudnn"
    bandwidth, clock_mhz, power_w = 1.0, 0.0, MappingProxyType({})

    def __init__(self) -> None:
        self.kernels: list[Kernel] = []

    def _ask(self, kernel: Kernel) -> GpuTime:
        self.kernels.append(kernel)
        return GpuTime(0.0)

    def with_bandwidth(self, share: float) -> _Asked:
        return self

    def with_clock(self, clock_mhz: float) -> _Asked:
        return self

    def matmul(self, *, pixels: int, in_channels: int, out_channels: int) -> GpuTime:
        return self._ask(MatmulKernel(pixels, in_channels, out_channels))

    def matmul_us(self, *, pixels: int, in_channels: int, out_channels: int) -> float:
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
        return self._ask(ConvKernel(batch, in_channels, out_channels, height, width, kernel, stride, groups))

    def depthwise(
        self, batch: int, channels: int, height: int, kernel: int, stride: int = 1, width: int | None = None
    ) -> GpuTime:
        return self.conv(batch, channels, channels, height, width or height, kernel, stride, channels)

    def elementwise(self, op: str, elements: int) -> GpuTime:
        return self._ask(MapKernel(op, elements))

    def reduction(self, op: str, batch: int, channels: int, height: int, width: int | None = None) -> GpuTime:
        return self._ask(GapKernel(batch, channels, height, width or height))
