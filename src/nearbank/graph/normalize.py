"""Turns any valid model into the plain form that other passes expect: float32, inference only, named, no functions."""

from __future__ import annotations

import logging

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes.common import InlinePass, LiftConstantsToInitializersPass, RemoveInitializersFromInputsPass

from nearbank.errors import ModelError
from nearbank.graph.reading import guarded
from nearbank.graph.rewrite import add_constant, bypass, constant, is_standard
from nearbank.graph.shapes import skeleton

__all__ = ["drop_no_ops", "name_outputs", "plain", "settle_casts"]

# Every runtime in use reads this version of the file format; it says nothing about the operators.
_IR_VERSION = 10
# Its warnings reach those who set up logging; without that they would be printed beside the error that follows.
logging.getLogger("onnx_ir").addHandler(logging.NullHandler())
_HALF = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)


def plain(proto: onnx.ModelProto, where: str) -> ir.Model:
    """The model in onnx_ir, checked: functions inlined, constants as weights, half precision widened, nodes named.

    Weights that are listed as graph inputs too (the old way to give them defaults) are just weights. ``proto`` may
    be changed. Raises `ModelError` for a model that breaks the rules of ONNX.
    """
    with guarded(where, "reading the model"):
        model = ir.from_proto(proto)
        model.ir_version = _IR_VERSION
        model.graph.name = model.graph.name or "graph"
        model = InlinePass()(model).model
        for lift in (LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
                     RemoveInitializersFromInputsPass()):  # fmt: skip
            model = lift(model).model
        model.graph.sort()
    with guarded(where, "checking the model"):
        _check(model, where)
    with guarded(where, "widening half precision"):
        _widen(model)
    _name_nodes(model.graph)
    return model


def _check(model: ir.Model, where: str) -> None:
    for value in model.graph.inputs:
        if value.type is None or (isinstance(value.type, ir.TensorType) and value.shape is None):
            raise ModelError("graph input has no type or no shape", where=f"{where}: {value.name}")
    proto = skeleton(model)
    for output in proto.graph.output:
        # The checker wants a shape for every output; runtimes do not, and inference finds it later.
        if not output.type.WhichOneof("value"):
            output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.shape.SetInParent()
    onnx.checker.check_model(proto)


def _widen(model: ir.Model) -> None:
    """float16 and bfloat16 become float32 everywhere, casts included: the host computes in float32."""
    graphs = [model.graph, *model.graph.subgraphs()]
    for graph in graphs:
        for value in (*graph.inputs, *graph.initializers.values(), *(v for node in graph for v in node.outputs)):
            if value.const_value is not None and value.const_value.dtype in _HALF:
                value.const_value = ir.Tensor(value.const_value.numpy().astype(np.float32), name=value.name)
            if value.dtype in _HALF:
                value.dtype = ir.DataType.FLOAT
        for node in graph:
            for attribute in list(node.attributes.values()):
                if attribute.type == ir.AttributeType.TENSOR and attribute.as_tensor().dtype in _HALF:
                    tensor = ir.Tensor(attribute.as_tensor().numpy().astype(np.float32))
                    node.attributes[attribute.name] = ir.AttrTensor(attribute.name, tensor)
                if attribute.name in ("to", "dtype") and attribute.type == ir.AttributeType.INT \
                        and attribute.as_int() in tuple(int(half) for half in _HALF):  # fmt: skip
                    node.attributes[attribute.name] = ir.AttrInt64(attribute.name, int(ir.DataType.FLOAT))


def _name_nodes(graph: ir.Graph) -> None:
    """Gives every node a name of its own: its old one or the operator's, with a number where that is taken."""
    wanted = [node.name or f"{node.op_type}_{index}" for index, node in enumerate(graph)]
    taken = set(wanted)
    seen: set[str] = set()
    for node, name in zip(graph, wanted, strict=True):
        unique, count = name, 1
        while unique in seen:
            count += 1
            unique = f"{name}_{count}" if f"{name}_{count}" not in taken else unique
        seen.add(unique)
        node.name = unique


def settle_casts(graph: ir.Graph) -> bool:
    """Makes a Cast of every CastLike whose type is known; says whether anything changed."""
    changed = False
    for node in graph:
        like = node.inputs[1] if is_standard(node, "CastLike") and len(node.inputs) == 2 else None
        if like is not None and like.dtype not in (None, ir.DataType.UNDEFINED):
            node.op_type = "Cast"
            node.resize_inputs(1)
            node.attributes["to"] = ir.AttrInt64("to", int(like.dtype))
            changed = True
    return changed


def drop_no_ops(graph: ir.Graph) -> bool:
    """Removes Identity, Dropout out of training and Cast to the same type; says whether anything changed."""
    changed = False
    for node in list(graph):
        source = node.inputs[0] if node.inputs else None
        if source is not None and _is_no_op(node, source):
            changed |= bypass(node, source)
    return changed


def _is_no_op(node: ir.Node, source: ir.Value) -> bool:
    if is_standard(node, "Identity"):
        return True
    if is_standard(node, "Cast"):
        return source.dtype is not None and source.dtype == node.attributes.get_int("to", 0)
    if not is_standard(node, "Dropout"):
        return False
    training = node.inputs[2] if len(node.inputs) > 2 else None
    flag = constant(training)
    mask_used = len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output())
    return not mask_used and (training is None or (flag is not None and not flag.any()))


def name_outputs(graph: ir.Graph) -> None:
    """Puts an Identity before every graph output that is a weight, so that each output is a node's or a graph input."""
    for index, value in enumerate(list(graph.outputs)):
        array = constant(value)
        if array is None:
            continue
        name = value.name or ""
        source = add_constant(graph, f"{name}_value", array)
        node = ir.Node("", "Identity", [source], num_outputs=1, name=f"{name}_output")
        output = node.outputs[0]
        output.shape, output.type = value.shape, value.type
        graph.append(node)
        for use in list(value.uses()):
            use.node.replace_input_with(use.idx, source)
        graph.outputs[index] = output
        graph.initializers.pop(name)
        output.name = name
