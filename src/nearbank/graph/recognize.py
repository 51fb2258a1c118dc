"""Finds the matrix work: which nodes are one product with constant weights, and why the others are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from nearbank.graph.activations import activation_after
from nearbank.graph.blocks import Groups, block_bias, block_weights, blocked
from nearbank.graph.gather import Gather
from nearbank.graph.reasons import reason_for
from nearbank.graph.rewrite import constant, is_standard
from nearbank.graph.types import Kind, MatMul

__all__ = ["conv_geometry", "recognize"]

Array = np.ndarray[Any, np.dtype[np.float32]]


class _StaysOnHost(Exception):
    """Carries the reason."""


def recognize(node: ir.Node, *, groups: Groups) -> tuple[MatMul | None, str]:
    """The matrix product that ``node`` computes and "", or None and the reason why there is none.

    Needs known shapes. A convolution with groups is one only where ``groups`` says so, in blocks.
    """
    try:
        if is_standard(node, "Conv"):
            return _conv(node, groups), ""
        if is_standard(node, "Gemm"):
            return _gemm(node), ""
        if is_standard(node, "MatMul"):
            return _matmul(node), ""
    except _StaysOnHost as stays:
        return None, str(stays)
    return None, reason_for(node.domain, node.op_type)


def conv_geometry(node: ir.Node) -> dict[str, tuple[int, ...] | int]:
    """The geometry of a convolution or pooling node, with the defaults of ONNX and ``auto_pad`` worked out.

    ``kernel_shape``, ``strides``, ``pads`` (all begins, then all ends), ``dilations`` and ``group``, as ONNX has them.
    """
    attributes, source = node.attributes, _dims(node.inputs[0])[2:]
    weight = node.inputs[1] if len(node.inputs) > 1 else None
    kernel = tuple(attributes.get_ints("kernel_shape", ()) or _dims(weight)[2:])
    strides = tuple(attributes.get_ints("strides", ()) or [1] * len(kernel))
    dilations = tuple(attributes.get_ints("dilations", ()) or [1] * len(kernel))
    pads = tuple(attributes.get_ints("pads", ()) or [0] * 2 * len(kernel))
    auto = attributes.get_string("auto_pad", "NOTSET")
    if auto == "VALID":
        pads = (0,) * 2 * len(kernel)
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        begins, ends = [], []
        for size, k, stride, dilation in zip(source, kernel, strides, dilations, strict=True):
            total = max((-(-size // stride) - 1) * stride + (k - 1) * dilation + 1 - size, 0)
            small, large = total // 2, total - total // 2
            begins.append(small if auto == "SAME_UPPER" else large)
            ends.append(large if auto == "SAME_UPPER" else small)
        pads = (*begins, *ends)
    return {"kernel_shape": kernel, "strides": strides, "pads": pads, "dilations": dilations,
            "group": attributes.get_int("group", 1)}  # fmt: skip


def _conv(node: ir.Node, asked: Groups) -> MatMul:
    source, weight = node.inputs[0], _weight(node.inputs[1])
    _require_float(source)
    shape = _dims(source)
    if len(shape) != 4:
        raise _StaysOnHost(f"convolution over {len(shape) - 2} dimensions, not 2")
    geometry = conv_geometry(node)
    groups = node.attributes.get_int("group", 1)
    outputs, channels = weight.shape[0], shape[1]
    depthwise = groups > 1 and channels == groups
    if depthwise and asked not in ("all", "tiles"):
        raise _StaysOnHost("depthwise convolution: one input channel per output, no reuse (--groups all allows it)")
    if groups > 1 and asked == "gpu":
        raise _StaysOnHost(
            f"grouped convolution: {groups} groups of {channels // groups} input channels (--groups block-diagonal allows it)"
        )
    bias = _conv_bias(node)
    keys = ("kernel_shape", "strides", "dilations", "pads")
    kernel, strides, dilations, pads = (_ints(geometry[key]) for key in keys)
    gather = Gather("NCHW", shape, _dims(node.outputs[0]), (kernel[0], kernel[1]), (strides[0], strides[1]),
                    (pads[0], pads[1], pads[2], pads[3]), (dilations[0], dilations[1]), groups)  # fmt: skip
    kind: Kind = "pointwise" if kernel == (1, 1) and not any(pads) and groups == 1 else "conv"
    if groups > 1:
        gather = blocked(gather, asked)
        bias = None if bias is None else block_bias(bias, gather)
        return _work(node, "depthwise" if depthwise else "conv", block_weights(weight, gather), bias, gather)
    matrix = np.ascontiguousarray(weight.transpose(2, 3, 1, 0)).reshape(-1, outputs)
    return _work(node, kind, matrix, bias, gather)


def _conv_bias(node: ir.Node) -> Array | None:
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return None
    bias = constant(node.inputs[2])
    if bias is None:
        raise _StaysOnHost("bias is not constant")
    return np.array(bias, dtype=np.float32)


def _gemm(node: ir.Node) -> MatMul:
    source, weight = node.inputs[0], _weight(node.inputs[1])
    _require_float(source)
    if node.attributes.get_int("transA", 0):
        raise _StaysOnHost("left operand is transposed")
    if node.attributes.get_int("transB", 0):
        weight = weight.T
    alpha = node.attributes.get_float("alpha", 1.0)
    if alpha != 1.0:
        weight = (weight * np.float64(alpha)).astype(np.float32)
    outputs = weight.shape[1]
    bias: Array | None = None
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        values = constant(node.inputs[2])
        if values is None:
            raise _StaysOnHost("bias is not constant")
        if values.size != 1 and (values.size != outputs or values.shape[-1] != outputs):
            raise _StaysOnHost("bias differs by row")
        beta = np.float64(node.attributes.get_float("beta", 1.0))
        bias = np.array(np.broadcast_to(values.reshape(-1) * beta, (outputs,)), dtype=np.float32)
    gather = Gather("rows", _dims(source), _dims(node.outputs[0]))
    return _work(node, "linear", weight, bias, gather)


def _matmul(node: ir.Node) -> MatMul:
    source, weight = node.inputs[0], _weight(node.inputs[1])
    _require_float(source)
    if weight.ndim != 2:
        raise _StaysOnHost(f"right operand has {weight.ndim} dimensions, not 2")
    return _work(node, "linear", weight, None, Gather("rows", _dims(source), _dims(node.outputs[0])))


def _work(node: ir.Node, kind: Kind, weight: Array, bias: Array | None, gather: Gather) -> MatMul:
    source, output = node.inputs[0], node.outputs[0]
    assert source is not None
    follower = activation_after(output)
    own = np.array(weight, dtype=np.float32, order="C")  # a copy, so that making it read-only touches nobody else
    return MatMul(
        name=node.name or "",
        kind=kind,
        weight=own,
        bias=bias,
        activation=follower.kind if follower else None,
        source=source.name or "",
        output=output.name or "",
        activation_output=(follower.output.name or "") if follower else None,
        gather=gather,
        activation_nodes=tuple(n.name or "" for n in follower.nodes) if follower else (),
    )


def _weight(value: ir.Value | None) -> Array:
    array = constant(value)
    if array is None:
        raise _StaysOnHost("weights are not constant")
    if array.dtype != np.float32:
        raise _StaysOnHost(f"weights are {array.dtype}, not float32")
    return array


def _require_float(value: ir.Value | None) -> None:
    if value is None or constant(value) is not None:
        raise _StaysOnHost("both operands are constant")
    if value.dtype != ir.DataType.FLOAT:
        raise _StaysOnHost(f"activations are {str(value.dtype).lower()}, not float32")


def _dims(value: ir.Value | None) -> tuple[int, ...]:
    assert value is not None
    assert value.shape is not None
    return tuple(int(dim) for dim in value.shape.numpy())


def _ints(value: Sequence[int] | int) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)
