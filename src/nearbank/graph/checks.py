"""What a model must satisfy besides the rules of ONNX: sound weights, known shapes, operators that the host can run."""

from __future__ import annotations

import math
import re

import numpy as np
import onnx
import onnx_ir as ir

from nearbank.errors import ModelError
from nearbank.graph.constants import quiet_session
from nearbank.graph.reading import guarded, one_line
from nearbank.graph.rewrite import is_standard
from nearbank.graph.shapes import skeleton

__all__ = ["check_convolutions", "check_runs", "check_shapes", "check_weights"]

_WEIGHTED = ("BatchNormalization", "Conv", "ConvTranspose", "Gemm", "MatMul", "PRelu")


def check_weights(graph: ir.Graph, where: str) -> None:
    """Raises `ModelError` for a weight with NaN, an operand of matrix work with infinity, or one without elements.

    Infinity is a fair bound of a Clip or a mask, and an empty list a fair argument (no axes, no scales of a Resize).
    """
    for name, value in graph.initializers.items():
        here = f"{where}: {name}"
        with guarded(here, "reading a weight"):
            if value.const_value is None or value.const_value.dtype == ir.DataType.STRING:
                continue
            array = value.const_value.numpy()
        operand = any(is_standard(use.node, *_WEIGHTED) for use in value.uses())
        if array.size == 0 and (operand or (array.dtype.kind == "f" and array.ndim > 1)):
            raise ModelError("weight has no elements", where=here, value=array.shape, bound="at least 1 on every axis")
        if array.dtype.kind != "f" or array.size == 0:
            continue
        # One pass in the usual case: the sum of finite numbers is finite, or overflows and is looked at again.
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(array.sum()):
                continue
        bad = ~np.isfinite(array) if operand else np.isnan(array)
        if bad.any():
            index = tuple(int(i) for i in np.argwhere(bad)[0])
            raise ModelError("weight is not a number", where=here, value=f"{array[index]} at {index}", bound="finite")


def check_runs(model: ir.Model, where: str) -> None:
    """Opens the model in ONNX Runtime: it must know every operator; asks it for shapes that the ONNX library left open.

    The weights stay out, so this takes milliseconds. Raises `ModelError` naming the operator.
    """
    made = [value for node in model.graph for value in node.outputs if value.name]
    open_values = {value.name: value for value in made if value.shape is None or not value.dtype}
    with guarded(where, "writing the model"):
        proto = skeleton(model)
        outputs = {output.name for output in proto.graph.output}
        proto.graph.output.extend(onnx.ValueInfoProto(name=str(name)) for name in open_values if name not in outputs)
    try:
        session = quiet_session(proto)
    except Exception as error:  # the runtime's own errors share no base class
        raise _explain(model.graph, where, error) from error
    for found in session.get_outputs():
        value = open_values.get(found.name)
        match = re.fullmatch(r"tensor\((\w+)\)", found.type)
        if value is None or match is None:
            continue
        value.shape = ir.Shape([dim if isinstance(dim, int) else None for dim in found.shape])
        value.dtype = _DTYPES.get(match[1], ir.DataType.UNDEFINED)


_DTYPES = {str(dtype.name).lower(): dtype for dtype in ir.DataType}


def _explain(graph: ir.Graph, where: str, error: Exception) -> ModelError:
    text = one_line(error)
    for node in ir.traversal.RecursiveGraphIterator(graph):
        spelled = f"{node.domain}:{node.op_type}(" if node.domain else f"{node.op_type}"
        named = bool(node.name) and (f'"{node.name}"' in text or f"({node.name})" in text or f"'{node.name}'" in text)
        if (node.domain and spelled in text) or (named and node.op_type in text):
            what = f"ONNX Runtime cannot run operator {node.domain + ':' if node.domain else ''}{node.op_type}: {text}"
            return ModelError(what, where=f"{where}: {node.name}" if node.name else where)
    return ModelError(f"ONNX Runtime cannot load the model: {text}", where=where)


def check_convolutions(graph: ir.Graph, where: str) -> None:
    """Raises `ModelError` for a convolution whose weights do not fit its input: no library looks before it runs."""
    for node in graph:
        if not is_standard(node, "Conv") or len(node.inputs) < 2:
            continue
        source, weight = node.inputs[0], node.inputs[1]
        if source is None or weight is None or source.shape is None or weight.shape is None:
            continue
        groups, channels, dims = node.attributes.get_int("group", 1), source.shape[1], weight.shape
        here = f"{where}: {node.name}"
        if groups < 1 or not isinstance(dims[0], int) or dims[0] % groups:
            raise ModelError(
                "groups of a convolution", where=here, value=groups, bound=f"a divisor of {dims[0]} outputs"
            )
        if dims[1] * groups != channels:
            raise ModelError("input channels of a convolution", where=here, value=channels,
                             bound=f"{dims[1]} x {groups} groups, as in weight {weight.name!r}")  # fmt: skip


def check_shapes(graph: ir.Graph, where: str) -> None:
    """Raises `ModelError` for a tensor that is not a tensor, has no fixed shape, or has no elements."""
    made = [v for node in graph for v in node.outputs if v.name and (v.uses() or v.is_graph_output())]
    for value in (*graph.inputs, *made):
        here = f"{where}: {value.name}"
        if value.type is not None and not isinstance(value.type, ir.TensorType):
            raise ModelError("value is not a tensor", where=here, value=str(value.type))
        if value.shape is None or value.dtype in (None, ir.DataType.UNDEFINED):
            raise ModelError("shape of a tensor cannot be told before running", where=here)
        dims = tuple(value.shape)
        if not all(isinstance(dim, int) for dim in dims):
            raise ModelError("dimension is dynamic, only the batch may be", where=here, value=str(value.shape),
                             bound="numbers")  # fmt: skip
        if math.prod(value.shape.numpy()) == 0:
            raise ModelError("tensor has no elements", where=here, value=value.shape.numpy(),
                             bound="at least 1 on every axis")  # fmt: skip
