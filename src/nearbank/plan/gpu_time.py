"""Time of a kernel, or of a part of one, on the GPU: which question to ask the cost model for which operator."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from nearbank.plan.gpu import GpuModel, GpuTime
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import WHOLE, Part

__all__ = ["gpu_time", "sum_time"]

_NAMES = {"Clip": "relu6", "Relu": "relu", "HardSwish": "hardswish", "Add": "add", "Mul": "mul", "Sigmoid": "silu"}
_FREE = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")


@dataclass(frozen=True)
class _Size:
    """Output of a part: images, rows and channels; ``share`` of the whole."""

    images: int
    rows: int
    channels: int
    share: float


def gpu_time(kernel: Kernel, gpu: GpuModel, part: Part = WHOLE) -> GpuTime:
    """Time of the kernel that makes ``part`` of the output; what follows the first node is fused into it and costs nothing."""
    node = kernel.nodes[0]
    if node.op_type in _FREE:
        return GpuTime(0.0, "")
    work, size = kernel.work, _size(kernel, part)
    plain = node.op_type != "Conv" or set(node.attributes["strides"]) == {1}
    if work is not None and work.kind != "conv" and plain:
        pixels, outputs = work.pixels, work.out_channels
        if part.axis == "pixels":
            pixels = part.size
        elif part.axis == "channels":
            outputs = part.size
        elif part.axis != "whole":
            pixels = max(round(pixels * size.share), 1)
        return gpu.matmul(pixels=pixels, in_channels=work.in_channels, out_channels=outputs)
    if node.op_type == "Conv" and len(node.output_shapes[0]) == 4:
        return _conv(kernel, gpu, size)
    shape = node.input_shapes[0] if node.input_shapes else node.output_shapes[0]
    if node.op_type in ("GlobalAveragePool", "ReduceMean") and len(shape) == 4:
        return gpu.reduction("gap", size.images or shape[0], shape[1], shape[2], shape[3])
    elements = max(ceil(size.share * max(prod(shape), prod(node.output_shapes[0]))), 1)
    if node.op_type in _NAMES:
        return gpu.elementwise(_NAMES[node.op_type], elements)
    time = gpu.elementwise("add", elements)
    return GpuTime(time.us, f"{node.op_type} is timed as an addition of its size")


def sum_time(gpu: GpuModel, results: int, pieces: int) -> GpuTime:
    """Adding ``pieces`` partial sums of each of ``results`` results: one kernel over all that is read but the first."""
    return gpu.elementwise("add", results * (pieces - 1))


def _size(kernel: Kernel, part: Part) -> _Size:
    if not kernel.is_image:
        extent = kernel.extent(part.axis)
        return _Size(0, 0, 0, part.size / extent if extent else 1.0)
    images, channels, rows, width = kernel.shape
    if part.axis == "images":
        images = part.size
    elif part.axis == "rows":
        rows = part.size
    elif part.axis == "channels":
        channels = part.size
    elif part.axis == "pixels":
        # Whole rows of one long image, as many as hold these pixels.
        images, rows = 1, max(ceil(part.size / width), 1)
    return _Size(images, rows, channels, images * rows * channels / prod(kernel.shape))


def _conv(kernel: Kernel, gpu: GpuModel, size: _Size) -> GpuTime:
    node = kernel.nodes[0]
    inputs, outputs, groups = node.input_shapes[0][1], node.output_shapes[0][1], node.attributes["group"]
    window, stride = max(node.attributes["kernel_shape"]), max(node.attributes["strides"])
    whole = size.rows == kernel.shape[2]
    height, width = (node.input_shapes[0][2] if whole else size.rows * stride), node.input_shapes[0][3]
    if groups == inputs == outputs and groups > 1:
        return gpu.depthwise(size.images, size.channels, height, window, stride, width)
    if groups > 1:
        return gpu.conv(size.images, inputs, outputs, height, width, window, stride, groups)
    return gpu.conv(size.images, inputs, size.channels, height, width, window, stride, 1)
