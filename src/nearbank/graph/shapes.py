"""Shapes and types of all tensors, without carrying the weights through the ONNX library."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from nearbank.errors import ModelError
from nearbank.graph.reading import guarded
from nearbank.graph.rewrite import is_standard

__all__ = ["infer", "set_batch", "skeleton"]

# The operators that only look at the shapes of these operands, never at their values, when a model is loaded.
_SHAPE_ONLY = ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization")
_SMALL_BYTES = 4096


def skeleton(model: ir.Model) -> onnx.ModelProto:
    """The model with its large weights turned into graph inputs: the same shapes, a thousandth of the bytes."""
    graph = model.graph
    heavy = [value for value in graph.initializers.values() if _is_heavy(value)]
    for value in heavy:
        graph.initializers.pop(value.name or "")
        graph.inputs.append(value)
    try:
        return ir.to_proto(model)
    finally:
        del graph.inputs[len(graph.inputs) - len(heavy) :]
        for value in heavy:
            graph.register_initializer(value)


def _is_heavy(value: ir.Value) -> bool:
    if value.const_value is None or value.const_value.nbytes <= _SMALL_BYTES or value.is_graph_output():
        return False
    return bool(value.uses()) and all(is_standard(use.node, *_SHAPE_ONLY) for use in value.uses())


def infer(model: ir.Model, where: str) -> None:
    """Fills in the shape and type of every tensor that the ONNX library can tell. Raises `ModelError` on a mismatch."""
    with guarded(where, "shape inference"):
        proto = skeleton(model)
        inferred = onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True)
    values = {value.name: value for node in model.graph for value in node.outputs}
    for info in (*inferred.graph.value_info, *inferred.graph.output):
        value = values.get(info.name)
        if value is not None and info.type.WhichOneof("value") == "tensor_type":
            with guarded(where, f"the type of tensor {info.name!r}"):
                typed = ir.from_proto(info)
                value.type, value.shape = typed.type, typed.shape


def set_batch(model: ir.Model, batch: int, where: str) -> None:
    """Fixes the leading dimension of the inputs where it is open, and forgets what was said of the other tensors.

    The first input gives the batch: if its leading dimension is a number, that must be ``batch``.
    """
    graph = model.graph
    symbols: set[str] = set()
    open_batch = False
    for index, value in enumerate(graph.inputs):
        if not isinstance(value.type, ir.TensorType):
            raise ModelError("graph input is not a tensor", where=f"{where}: {value.name}", value=str(value.type))
        assert value.shape is not None
        fixed: list[int] = []
        for axis, dim in enumerate(value.shape):
            known = dim if isinstance(dim, int) and dim >= 0 else None
            if known is None and axis == 0:
                if isinstance(dim, ir.SymbolicDim) and dim.value:
                    symbols.add(dim.value)
                known, open_batch = batch, True
            elif known is None:
                raise ModelError("dimension is dynamic, only the batch may be", where=f"{where}: {value.name}",
                                 value=f"axis {axis} of {value.shape}", bound="a number")  # fmt: skip
            elif index == 0 and axis == 0 and known != batch and known > 0:
                raise ModelError("the file fixes the batch", where=f"{where}: {value.name}", value=batch,
                                 bound=str(known))  # fmt: skip
            fixed.append(known)
        value.shape = ir.Shape(fixed)
    _settle_declared(model, symbols, batch, open_batch)


def _settle_declared(model: ir.Model, symbols: set[str], batch: int, open_batch: bool) -> None:
    # Old shapes of inner tensors may hold the old batch; outputs are promises, which inference checks: those are kept
    # as far as they are numbers.
    outputs = set(model.graph.outputs)
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        for value in node.outputs:
            if value not in outputs or value.shape is None:
                value.shape = None
                continue
            dims: list[int | None] = []
            for axis, dim in enumerate(value.shape):
                if isinstance(dim, ir.SymbolicDim):
                    dims.append(batch if dim.value in symbols else None)
                else:
                    # A number on the first axis is often the batch that the exporter happened to have.
                    dims.append(None if dim < 0 or (axis == 0 and open_batch) else dim)
            value.shape = ir.Shape(dims)
