"""Time of a graph's kernels on the GPU: which question to ask the cost model for which operator."""

from __future__ import annotations

from math import prod

from nearbank.errors import DeviceError
from nearbank.graph import Graph, Node
from nearbank.plan.gpu import GpuModel, GpuTime
from nearbank.plan.gpu.types import same_size

__all__ = ["is_free", "kernel_kind", "kernel_time"]

_NAMES = {"Clip": "relu6", "Relu": "relu", "HardSwish": "hardswish", "Add": "add", "Mul": "mul", "Sigmoid": "silu"}
_FREE = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")


def kernel_kind(node: Node) -> str:
    """In a word: pointwise, linear, conv, depthwise, pool, elementwise, or the operator's own name."""
    if node.work is not None:
        return node.work.kind
    if node.op_type == "Conv":
        return "depthwise" if 1 < node.attributes["group"] == node.input_shapes[0][1] else "conv"
    if "Pool" in node.op_type or node.op_type.startswith("Reduce"):
        return "pool"
    return "elementwise" if node.op_type in _NAMES else node.op_type.lower()


def is_free(node: Node) -> bool:
    """Whether ``node`` only renames what is there: no kernel runs and no byte moves."""
    return node.op_type in _FREE


def kernel_time(graph: Graph, nodes: tuple[str, ...], gpu: GpuModel) -> GpuTime:
    """Time of the kernel that runs ``nodes``; what follows the first is fused into it and costs nothing."""
    node = graph.node(nodes[0])
    if is_free(node):
        return GpuTime(0.0, "")
    plain = node.op_type != "Conv" or (set(node.attributes["strides"]) == {1} and node.attributes["group"] == 1)
    if node.work is not None and node.work.kind != "conv" and plain:
        work = node.work
        return gpu.matmul(pixels=work.pixels, in_channels=work.in_channels, out_channels=work.out_channels)
    if node.op_type == "Conv" and len(node.output_shapes[0]) == 4:
        return _conv(node, gpu)
    shape = node.input_shapes[0] if node.input_shapes else node.output_shapes[0]
    if node.op_type in ("GlobalAveragePool", "ReduceMean") and len(shape) == 4:
        return gpu.reduction("gap", shape[0], shape[1], shape[2], shape[3])
    elements = max(prod(shape), prod(node.output_shapes[0]), 1)
    try:
        return (
            gpu.elementwise(_NAMES.get(node.op_type, "add"), elements)
            if node.op_type in _NAMES
            else _as_add(node, gpu, elements)
        )
    except DeviceError:
        return _as_add(node, gpu, elements)


def _conv(node: Node, gpu: GpuModel) -> GpuTime:
    batch, inputs, height, width = node.input_shapes[0]
    _, outputs, rows, columns = node.output_shapes[0]
    groups, kernels, strides = node.attributes["group"], node.attributes["kernel_shape"], node.attributes["strides"]
    if groups == 1 and (len(set(kernels)) > 1 or len(set(strides)) > 1):
        time = gpu.matmul(pixels=batch * rows * columns, in_channels=inputs * prod(kernels), out_channels=outputs)
        return GpuTime(time.us, f"a {kernels[0]} x {kernels[1]} kernel is timed as its im2col product")
    kernel, stride = max(kernels), max(strides)
    # The models take the output of "same" padding; with any other, an input that gives as many pixels.
    height = height if same_size(height, stride) == rows else rows * stride
    width = width if same_size(width, stride) == columns else columns * stride
    if groups == inputs == outputs and groups > 1:
        return gpu.depthwise(batch, inputs, height, kernel, stride, width)
    return gpu.conv(batch, inputs, outputs, height, width, kernel, stride, groups)


def _as_add(node: Node, gpu: GpuModel, elements: int) -> GpuTime:
    time = gpu.elementwise("add", elements)
    return GpuTime(time.us, f"{node.op_type} is timed as an addition of its size")
