"""Operators of the torch host by ONNX's names: element by element, reductions, and what moves data."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from nearbank.runtime.torch_call import Call, Operator
from nearbank.runtime.torch_layers import LAYERS

__all__ = ["OPERATORS"]


def _unary(name: str) -> Operator:
    return lambda call: getattr(call.torch, name)(call.x)


def _binary(name: str) -> Operator:
    return lambda call: getattr(call.torch, name)(call.x, call.inputs[1])


def _many(name: str) -> Operator:
    def run(call: Call) -> Any:
        found = call.x
        for other in call.inputs[1:]:
            found = getattr(call.torch, name)(found, other)
        return found

    return run


def _div(call: Call) -> Any:
    """Of whole numbers the quotient is cut off, as in ONNX."""
    rounding = None if call.x.is_floating_point() else "trunc"
    return call.torch.div(call.x, call.inputs[1], rounding_mode=rounding)


def _clip(call: Call) -> Any:
    low, high = call.number(1), call.number(2)
    low, high = (call.get("min", low), call.get("max", high))  # attributes before version 11
    return call.x if low is None and high is None else call.torch.clamp(call.x, low, high)


def _functional(name: str, **defaults: float) -> Operator:
    """An operator of torch.nn.functional whose parameters are ONNX's attributes, in order."""

    def run(call: Call) -> Any:
        values = (call.get(key, default) for key, default in defaults.items())
        return getattr(call.torch.nn.functional, name)(call.x, *values)

    return run


def _hard_sigmoid(call: Call) -> Any:
    return call.torch.clamp(call.get("alpha", 0.2) * call.x + call.get("beta", 0.5), 0, 1)


def _gelu(call: Call) -> Any:
    return call.torch.nn.functional.gelu(call.x, approximate=_text(call.get("approximate", "none")))


def _prelu(call: Call) -> Any:
    return call.torch.where(call.x < 0, call.x * call.inputs[1], call.x)


def _reduce(name: str) -> Operator:
    def run(call: Call) -> Any:
        axes, keep = call.ints(1, "axes"), bool(call.get("keepdims", 1))
        if not axes:
            if call.get("noop_with_empty_axes", 0):
                return call.x
            axes = tuple(range(call.x.dim()))
        return getattr(call.torch, name)(call.x, dim=axes, keepdim=keep)

    return run


def _reshape(call: Call) -> Any:
    sizes = call.ints(1)
    assert sizes is not None
    if not call.get("allowzero", 0):
        sizes = tuple(call.x.shape[i] if size == 0 else size for i, size in enumerate(sizes))
    return call.x.reshape(sizes)


def _flatten(call: Call) -> Any:
    axis = call.get("axis", 1)
    axis = axis + call.x.dim() if axis < 0 else axis
    return call.x.reshape(prod(call.x.shape[:axis]), -1)


def _squeeze(call: Call) -> Any:
    axes = call.ints(1, "axes")
    if axes is None:
        return call.x.squeeze()
    return call.x.squeeze(tuple(axes))


def _unsqueeze(call: Call) -> Any:
    axes = call.ints(1, "axes")
    assert axes is not None
    rank, out = call.x.dim() + len(axes), call.x
    for axis in sorted(a % rank for a in axes):
        out = out.unsqueeze(axis)
    return out


def _transpose(call: Call) -> Any:
    return call.x.permute(tuple(call.get("perm", range(call.x.dim() - 1, -1, -1))))


def _slice(call: Call) -> Any:
    starts, ends = call.ints(1, "starts"), call.ints(2, "ends")
    assert starts is not None
    assert ends is not None
    axes = call.ints(3, "axes") or tuple(range(len(starts)))
    out = call.x
    for start, end, axis, step in zip(starts, ends, axes, call.ints(4) or (1,) * len(starts), strict=True):
        places = range(
            *slice(start, end if step > 0 or end >= -out.shape[axis] else None, step).indices(out.shape[axis])
        )
        if step > 0:
            out = out.movedim(axis, 0)[places.start : max(places.stop, places.start) : step].movedim(0, axis)
        else:  # torch has no negative steps
            index = call.torch.tensor(list(places), dtype=call.torch.int64, device=out.device)
            out = out.index_select(axis, index)
    return out


def _gather(call: Call) -> Any:
    axis = call.get("axis", 0) % call.x.dim()
    places = call.inputs[1]
    assert places is not None
    size = call.x.shape[axis]
    places = call.torch.where(places < 0, places + size, places).to(call.torch.int64)
    found = call.x.index_select(axis, places.reshape(-1))
    return found.reshape((*call.x.shape[:axis], *places.shape, *call.x.shape[axis + 1 :]))


def _split(call: Call) -> Any:
    axis, count = call.get("axis", 0), len(call.node.outputs)
    sizes = call.ints(1, "split")
    if sizes is None:
        each = -(-call.x.shape[axis] // call.get("num_outputs", count))
        sizes = tuple(min(each, call.x.shape[axis] - each * i) for i in range(count))
    return call.torch.split(call.x, list(sizes), axis)


def _pad(call: Call) -> Any:
    mode, pads = _text(call.get("mode", "constant")), call.ints(1, "pads")
    assert pads is not None
    rank, axes = call.x.dim(), call.ints(3)
    axes = tuple(range(rank)) if axes is None else tuple(a % rank for a in axes)
    places = [0] * (2 * rank)
    for i, axis in enumerate(axes):
        places[2 * (rank - 1 - axis)], places[2 * (rank - 1 - axis) + 1] = pads[i], pads[len(axes) + i]
    pad = call.torch.nn.functional.pad
    if mode == "constant":
        return pad(call.x, places, value=call.number(2) or 0.0)
    if mode not in ("reflect", "edge") or any(places[2 * (rank - 2) :]):
        raise call.refuse("of this mode", mode)
    return pad(call.x, places[: 2 * (rank - 2)], mode="replicate" if mode == "edge" else mode)


def _cast(call: Call) -> Any:
    wanted = np.dtype(helper.tensor_dtype_to_np_dtype(call.get("to", onnx.TensorProto.FLOAT)))
    if wanted.kind == "f":
        return call.x.to(call.kind)
    return call.x.to(getattr(call.torch, {"bool": "bool"}.get(wanted.name, wanted.name)))


def _constant(call: Call) -> Any:
    for key, kind in (
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        if key in call.attributes:
            return _given(call, np.asarray(call.attributes[key], kind))
    if "value" not in call.attributes:
        raise call.refuse("of this kind", ", ".join(call.attributes))
    return _given(call, numpy_helper.to_array(call.attributes["value"]))


def _given(call: Call, array: Any) -> Any:
    made = call.torch.from_numpy(np.array(array))
    return made.to(call.kind) if made.is_floating_point() else made


def _shape(call: Call) -> Any:
    sizes = tuple(call.x.shape)[slice(call.get("start", 0), call.get("end", None))]
    return call.torch.tensor(sizes, dtype=call.torch.int64)


def _expand(call: Call) -> Any:
    sizes = call.ints(1)
    assert sizes is not None
    return call.x.expand(call.torch.broadcast_shapes(tuple(call.x.shape), sizes))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


OPERATORS: Mapping[str, Operator] = {
    **LAYERS,
    **{
        name: _unary(name.lower())
        for name in ("Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Log", "Neg", "Reciprocal", "Relu", "Round", "Sigmoid",
                     "Sign", "Sin", "Sqrt", "Tan", "Tanh")
    },
    "Not": _unary("logical_not"),
    "Add": _binary("add"), "Sub": _binary("sub"), "Mul": _binary("mul"), "Div": _div, "Pow": _binary("pow"),
    "Equal": _binary("eq"), "Less": _binary("lt"), "LessOrEqual": _binary("le"), "Greater": _binary("gt"),
    "GreaterOrEqual": _binary("ge"), "And": _binary("logical_and"), "Or": _binary("logical_or"), "Xor": _binary("logical_xor"),
    "Sum": _many("add"), "Max": _many("maximum"), "Min": _many("minimum"),
    "Mean": lambda call: _many("add")(call) / len(call.inputs),
    "Where": lambda call: call.torch.where(call.x, call.inputs[1], call.inputs[2]),
    "Clip": _clip, "HardSigmoid": _hard_sigmoid, "Gelu": _gelu, "PRelu": _prelu,
    "HardSwish": _functional("hardswish"), "LeakyRelu": _functional("leaky_relu", alpha=0.01),
    "Elu": _functional("elu", alpha=1.0), "Selu": _functional("selu"), "Softplus": _functional("softplus"),
    "Softsign": _functional("softsign"), "Mish": _functional("mish"),
    "ReduceMean": _reduce("mean"), "ReduceSum": _reduce("sum"), "ReduceMax": _reduce("amax"), "ReduceMin": _reduce("amin"),
    "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Transpose": _transpose,
    "Concat": lambda call: call.torch.cat(list(call.inputs), call.attributes["axis"]),
    "Slice": _slice, "Gather": _gather, "Split": _split, "Pad": _pad, "Expand": _expand,
    "Identity": lambda call: call.x, "Dropout": lambda call: call.x,
    "Cast": _cast, "Constant": _constant, "Shape": _shape,
}  # fmt: skip
"""By ONNX's names, versions 13 and up."""
