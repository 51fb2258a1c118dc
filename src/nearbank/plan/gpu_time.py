"""Time of a kernel, or of a part of one, on the GPU: which question to ask the cost model for which operator."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod

from nearbank.graph import Node
from nearbank.plan.gpu import GpuModel, GpuTime
from nearbank.plan.gpu.types import same_size
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import WHOLE, Part

__all__ = ["finish_time", "gpu_time", "is_free", "sum_time"]

_NAMES = {"Clip": "relu6", "Relu": "relu", "HardSwish": "hardswish", "Add": "add", "Mul": "mul", "Sigmoid": "silu"}
_FREE = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")


def is_free(node: Node) -> bool:
    """Whether ``node`` only renames what is there: no kernel runs and no byte moves."""
    return node.op_type in _FREE


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
    if is_free(node):
        return GpuTime(0.0, "")
    work, size = kernel.work, _size(kernel, part)
    plain = node.op_type != "Conv" or (set(node.attributes["strides"]) == {1} and node.attributes["group"] == 1)
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


def finish_time(kernel: Kernel, gpu: GpuModel, part: Part = WHOLE) -> GpuTime:
    """Applying the bias and all that is fused behind the first node to ``part`` of what it makes: one elementwise kernel."""
    extent = kernel.extent(part.axis)
    share = part.size / extent if extent else 1.0
    behind = [_NAMES[node.op_type] for node in kernel.nodes[1:] if node.op_type in _NAMES]
    return gpu.elementwise(behind[0] if behind else "add", max(ceil(share * prod(kernel.shape)), 1))


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
        tile = prod(kernel.work.gather.tile) if kernel.work is not None else 1
        images, rows = 1, min(max(ceil(part.size * tile / width), 1), images * rows)
    return _Size(images, rows, channels, images * rows * channels * width / prod(kernel.shape))


def _conv(kernel: Kernel, gpu: GpuModel, size: _Size) -> GpuTime:
    node = kernel.nodes[0]
    inputs, outputs, groups = node.input_shapes[0][1], node.output_shapes[0][1], node.attributes["group"]
    kernels, strides, columns = node.attributes["kernel_shape"], node.attributes["strides"], kernel.shape[3]
    if groups == 1 and (len(set(kernels)) > 1 or len(set(strides)) > 1):
        pixels = size.images * size.rows * columns
        time = gpu.matmul(pixels=pixels, in_channels=inputs * prod(kernels), out_channels=size.channels)
        return GpuTime(time.us, f"a {kernels[0]} x {kernels[1]} kernel is timed as its im2col product")
    window, stride = max(kernels), max(strides)
    # The models take the output of "same" padding; with any other, or of a part, an input that gives as many pixels.
    height, width = node.input_shapes[0][2:]
    height = height if same_size(height, stride) == size.rows else size.rows * stride
    width = width if same_size(width, stride) == columns else columns * stride
    if groups == inputs == outputs and groups > 1:
        return gpu.depthwise(size.images, size.channels, height, window, stride, width)
    if groups > 1 and groups * size.channels % outputs == 0:  # whole groups
        inputs, groups = inputs * size.channels // outputs, groups * size.channels // outputs
    return gpu.conv(size.images, inputs, size.channels, height, width, window, stride, groups)
