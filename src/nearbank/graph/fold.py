"""Folds batch normalization, and biases that are added apart, into the matrix work before them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from nearbank.errors import ModelError
from nearbank.graph.rewrite import add_constant, bypass, constant, feeds_only, is_standard

__all__ = ["fold_batch_norms", "fold_biases"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def fold_batch_norms(graph: ir.Graph, where: str) -> None:
    """Folds each BatchNormalization into the Conv or Gemm that alone feeds it; leaves the others as they are.

    Arithmetic is float64, rounded once to float32. Raises `ModelError` where variance + epsilon is not positive.
    """
    for node in list(graph):
        if is_standard(node, "BatchNormalization") and not node.attributes.get_int("training_mode", 0):
            _fold_batch_norm(graph, node, where)


def _fold_batch_norm(graph: ir.Graph, norm: ir.Node, where: str) -> None:
    source = norm.inputs[0]
    if source is None or any(v.uses() or v.is_graph_output() for v in norm.outputs[1:]):
        return
    parameters = [constant(value) for value in norm.inputs[1:5]]
    if len(parameters) != 4 or any(p is None for p in parameters):
        return
    gamma, beta, mean, variance = (np.asarray(p, dtype=np.float64) for p in parameters)
    shifted = variance + norm.attributes.get_float("epsilon", 1e-5)
    if not (shifted > 0).all():
        raise ModelError("variance + epsilon of a batch normalization", where=f"{where}: {norm.name}",
                         value=float(shifted.min()), bound="above 0")  # fmt: skip
    scale = gamma / np.sqrt(shifted)
    producer = source.producer()
    if producer is None or producer.graph is not graph or not feeds_only(source, norm):
        return
    if is_standard(producer, "Conv"):
        done = _scale_conv(graph, producer, scale, beta - mean * scale)
    elif is_standard(producer, "Gemm"):
        done = _scale_gemm(graph, producer, scale, beta - mean * scale)
    else:
        done = False
    if done:
        bypass(norm, source)


def _scale_conv(graph: ir.Graph, conv: ir.Node, scale: Array, shift: Array) -> bool:
    weight = constant(conv.inputs[1])
    has_bias = len(conv.inputs) > 2 and conv.inputs[2] is not None
    bias = constant(conv.inputs[2]) if has_bias else np.zeros(len(scale))
    if weight is None or bias is None or weight.dtype != np.float32 or weight.shape[0] != len(scale):
        return False
    scaled = weight.astype(np.float64) * scale.reshape(-1, *[1] * (weight.ndim - 1))
    _set(graph, conv, scaled, bias.astype(np.float64) * scale + shift)
    return True


def _scale_gemm(graph: ir.Graph, gemm: ir.Node, scale: Array, shift: Array) -> bool:
    weight = constant(gemm.inputs[1])
    has_bias = len(gemm.inputs) > 2 and gemm.inputs[2] is not None
    bias = constant(gemm.inputs[2]) if has_bias else np.zeros(len(scale))
    if weight is None or bias is None or weight.dtype != np.float32 or weight.ndim != 2:
        return False
    transposed = gemm.attributes.get_int("transB", 0)
    if weight.shape[0 if transposed else 1] != len(scale):
        return False
    if bias.size != 1 and (bias.size != len(scale) or bias.shape[-1] != len(scale)):
        return False  # a bias that differs by row
    scaled = weight.astype(np.float64) * (scale[:, None] if transposed else scale)
    bias = np.broadcast_to(bias.reshape(-1).astype(np.float64) * gemm.attributes.get_float("beta", 1.0), scale.shape)
    gemm.attributes["beta"] = ir.AttrFloat32("beta", 1.0)
    _set(graph, gemm, scaled, bias * scale + shift)
    return True


def _set(graph: ir.Graph, node: ir.Node, weight: Array, bias: Array) -> None:
    """Gives ``node`` weights and a bias of its own: others may share the old ones."""
    if len(node.inputs) < 3:
        node.resize_inputs(3)
    with np.errstate(over="ignore"):  # a value that leaves float32 is reported, by name, by the check of the weights
        node.replace_input_with(1, add_constant(graph, f"{node.name}_weight", weight.astype(np.float32)))
        node.replace_input_with(2, add_constant(graph, f"{node.name}_bias", bias.astype(np.float32)))


def fold_biases(graph: ir.Graph) -> None:
    """Makes a Gemm of a MatMul of two matrices whose result only feeds an Add of one constant per column."""
    for node in list(graph):
        if not is_standard(node, "MatMul"):
            continue
        product, left, right = node.outputs[0], node.inputs[0], constant(node.inputs[1])
        if left is None or left.shape is None or len(left.shape) != 2 or right is None or right.ndim != 2:
            continue
        add = next((use.node for use in product.uses()), None)
        if add is None or not is_standard(add, "Add") or not feeds_only(product, add) or add.graph is not graph:
            continue
        index = 1 if add.inputs[0] is product else 0
        bias = constant(add.inputs[index])
        if right.dtype != np.float32 or bias is None or bias.ndim > 2 or bias.size != bias.shape[-1] \
                or bias.size != right.shape[1]:  # fmt: skip
            continue
        node.op_type = "Gemm"
        node.resize_inputs(3)
        node.replace_input_with(2, add.inputs[index])
        bypass(add, product)
