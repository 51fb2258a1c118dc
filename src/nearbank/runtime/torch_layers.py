"""Operators of the torch host that look at more than one element: convolutions, products, pools, normalizations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nearbank.runtime.torch_call import Call, Operator

__all__ = ["LAYERS"]


def _torch_pads(pads: tuple[int, ...]) -> list[int]:
    """ONNX's begins and ends as torch's pairs, last axis first."""
    count = len(pads) // 2
    return [p for axis in reversed(range(count)) for p in (pads[axis], pads[count + axis])]


def _conv(call: Call) -> Any:
    a, x = call.node.attributes, call.x
    functional = call.torch.nn.functional
    pads, count = call.pads(), x.dim() - 2
    padding = pads[:count]
    if padding != pads[count:]:
        x, padding = functional.pad(x, _torch_pads(pads)), (0,) * count
    compute = (functional.conv1d, functional.conv2d, functional.conv3d)[count - 1]
    strides, dilations = tuple(a["strides"]), tuple(a["dilations"])
    return compute(x, call.inputs[1], call.tensor(2), strides, padding, dilations, a["group"])


def _gemm(call: Call) -> Any:
    a = call.x.mT if call.get("transA", 0) else call.x
    b = call.inputs[1].mT if call.get("transB", 0) else call.inputs[1]  # type: ignore[union-attr]
    c, alpha, beta = call.tensor(2), call.get("alpha", 1.0), call.get("beta", 1.0)
    if c is not None and c.dim() <= 2 and alpha == beta == 1:
        return call.torch.addmm(c, a, b)
    product = alpha * call.torch.matmul(a, b)
    return product if c is None else product + beta * c


def _windows(call: Call, value: float) -> tuple[Any, list[int]]:
    """The input with its padding, and with what ceil_mode puts behind it, and how much that is on each axis."""
    a, pads, x = call.node.attributes, call.pads(), call.x
    count = x.dim() - 2
    behind = [0] * count
    if call.get("ceil_mode", 0):
        for axis in range(count):
            reach = (a["kernel_shape"][axis] - 1) * a["dilations"][axis] + 1
            there = x.shape[2 + axis] + pads[axis] + pads[count + axis]
            wanted = (call.node.output_shapes[0][2 + axis] - 1) * a["strides"][axis] + reach
            behind[axis] = max(wanted - there, 0)
    padded = call.torch.nn.functional.pad(x, _torch_pads(pads), value=value) if any(pads) else x
    if any(behind):
        padded = call.torch.nn.functional.pad(padded, _torch_pads((*(0,) * count, *behind)), value=value)
    return padded, behind


def _max_pool(call: Call) -> Any:
    if len(call.node.outputs) > 1:
        raise call.refuse("with indices", call.node.outputs[1])
    a, functional = call.node.attributes, call.torch.nn.functional
    padded, _ = _windows(call, float("-inf"))
    pool = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[call.x.dim() - 3]
    return pool(padded, tuple(a["kernel_shape"]), tuple(a["strides"]), 0, tuple(a["dilations"]))


def _average_pool(call: Call) -> Any:
    a, functional = call.node.attributes, call.torch.nn.functional
    count = call.x.dim() - 2
    if set(a["dilations"]) != {1}:
        raise call.refuse("with dilations", a["dilations"])
    pool = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[count - 1]
    padded, behind = _windows(call, 0.0)
    means = pool(padded, tuple(a["kernel_shape"]), tuple(a["strides"]))
    if not any(behind) and (call.get("count_include_pad", 0) or not any(call.pads())):
        return means
    # The part of each window that counts: the input, with its padding if that is asked for, never what lies behind.
    ones = call.torch.ones((1, 1, *call.x.shape[2:]), dtype=call.x.dtype, device=call.x.device)
    pads, fill = _torch_pads(call.pads()), float(bool(call.get("count_include_pad", 0)))
    ones = functional.pad(functional.pad(ones, pads, value=fill), _torch_pads((*(0,) * count, *behind)))
    return means / pool(ones, tuple(a["kernel_shape"]), tuple(a["strides"]))


def _global(call: Call, reduce: str) -> Any:
    return getattr(call.torch, reduce)(call.x, dim=tuple(range(2, call.x.dim())), keepdim=True)


def _batch_norm(call: Call) -> Any:
    scale, bias, mean, variance = call.inputs[1:5]
    return call.torch.nn.functional.batch_norm(
        call.x, mean, variance, scale, bias, False, 0.0, call.get("epsilon", 1e-5)
    )


def _layer_norm(call: Call) -> Any:
    axis = call.get("axis", -1) % call.x.dim()
    shape = tuple(call.x.shape[axis:])
    scale, bias = call.inputs[1], call.tensor(2)
    scale, bias = (None if t is None else t.expand(shape) for t in (scale, bias))
    return call.torch.nn.functional.layer_norm(call.x, shape, scale, bias, call.get("epsilon", 1e-5))


def _instance_norm(call: Call) -> Any:
    scale, bias = call.inputs[1:3]
    return call.torch.nn.functional.instance_norm(call.x, weight=scale, bias=bias, eps=call.get("epsilon", 1e-5))


LAYERS: Mapping[str, Operator] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": lambda call: call.torch.matmul(call.x, call.inputs[1]),
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda call: _global(call, "mean"),
    "GlobalMaxPool": lambda call: _global(call, "amax"),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "InstanceNormalization": _instance_norm,
    "Softmax": lambda call: call.torch.softmax(call.x, call.get("axis", -1)),
    "LogSoftmax": lambda call: call.torch.log_softmax(call.x, call.get("axis", -1)),
}
"""By ONNX's names."""
