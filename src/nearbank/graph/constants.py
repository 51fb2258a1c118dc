"""Computes once, at load time, whatever does not depend on the graph's inputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort

from nearbank.graph.rewrite import add_constant, constant, is_standard

__all__ = ["fold_constants", "quiet_session"]

Array = np.ndarray[Any, Any]
# A constant that is cheap to make may be too large to keep (ConstantOfShape, Expand, Tile).
_MAX_ELEMENTS = 1 << 26
_RANDOM = ("Bernoulli", "Dropout", "Multinomial", "Random")


def quiet_session(proto: onnx.ModelProto) -> ort.InferenceSession:
    """An ONNX Runtime session on the CPU that rewrites nothing and prints nothing."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def fold_constants(model: ir.Model) -> bool:
    """Replaces nodes whose inputs are all weights, and Shape/Size of known shapes, by weights; True if any.

    Left alone: nodes that make graph outputs, random ones, those with subgraphs, those whose result is of unknown shape
    or over 2^26 elements, and any that ONNX Runtime cannot run (loading reports that later). Needs inferred shapes.
    """
    graph = model.graph
    changed = False
    for node in list(graph):
        shape = _known_shape(node)
        if shape is not None:
            _replace(graph, node, [shape])
            changed = True
    known: set[ir.Value] = set()
    foldable: list[ir.Node] = []
    for node in graph:
        if _can_fold(node) and all(v is None or v in known or constant(v) is not None for v in node.inputs):
            foldable.append(node)
            known.update(node.outputs)
    if not foldable:
        return changed
    try:
        results = _evaluate(model, foldable)
    except Exception:  # the runtime raises many types; the whole model is checked, with a message, when loading ends
        return changed
    for node in reversed(foldable):
        arrays = [results[output.name] if output.uses() else None for output in node.outputs]
        _replace(graph, node, arrays)
    return True


def _known_shape(node: ir.Node) -> Array | None:
    if not is_standard(node, "Shape", "Size") or node.outputs[0].is_graph_output() or node.inputs[0] is None:
        return None
    shape = node.inputs[0].shape
    if shape is None or not all(isinstance(dim, int) for dim in shape):
        return None
    dims = np.array(shape.numpy(), dtype=np.int64)
    if node.op_type == "Size":
        return np.array(dims.prod(), dtype=np.int64)
    return dims[node.attributes.get_int("start", 0) : node.attributes.get_int("end", None)]


def _can_fold(node: ir.Node) -> bool:
    if not node.inputs and not is_standard(node, "Constant"):
        return False
    if node.domain not in ("", "ai.onnx") or node.op_type.startswith(_RANDOM):
        return False
    if any(v.is_graph_output() for v in node.outputs):
        return False
    if any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values()):
        return False
    for output in node.outputs:
        if output.uses() and not isinstance(output.type, ir.TensorType):
            return False
        if output.uses() and (output.shape is None or not all(isinstance(dim, int) for dim in output.shape)
                              or math.prod(output.shape.numpy()) > _MAX_ELEMENTS):  # fmt: skip
            return False
    return True


def _evaluate(model: ir.Model, nodes: list[ir.Node]) -> dict[str | None, Array]:
    """The values of all used outputs of ``nodes``, by ONNX Runtime."""
    weights = {v.name: v for node in nodes for v in node.inputs if v is not None and constant(v) is not None}
    wanted = [v.name or "" for node in nodes for v in node.outputs if v.uses()]
    proto = onnx.ModelProto(ir_version=model.ir_version)
    for domain, version in model.graph.opset_imports.items():
        proto.opset_import.add(domain=domain, version=version)
    proto.graph.name = "constants"
    proto.graph.node.extend(ir.to_proto(node) for node in nodes)
    for name, value in weights.items():
        assert value.const_value is not None
        tensor = ir.serde.serialize_tensor(value.const_value)
        tensor.name = name or ""
        proto.graph.initializer.append(tensor)
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    return dict(zip(wanted, quiet_session(proto).run(wanted, {}), strict=True))


def _replace(graph: ir.Graph, node: ir.Node, arrays: list[Array | None]) -> None:
    """Puts weights in the place of the outputs of ``node``, under the same names, and removes it."""
    for output, array in zip(node.outputs, arrays, strict=False):
        if array is None or not output.uses():
            continue
        name, output.name = output.name or "", f"{output.name}_folded"
        output.replace_all_uses_with(add_constant(graph, name, np.ascontiguousarray(array).reshape(array.shape)))
    graph.remove(node, safe=True)
