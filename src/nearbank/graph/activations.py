"""Recognizes the activation that follows a tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import onnx_ir as ir

from nearbank.graph.rewrite import constant, feeds_only, is_standard
from nearbank.graph.types import Activation

__all__ = ["Follower", "activation_after"]


@dataclass(frozen=True, slots=True)
class Follower:
    """An activation: its kind, the nodes that compute it in order, and the tensor that it makes."""

    kind: Activation
    nodes: tuple[ir.Node, ...]
    output: ir.Value


def activation_after(value: ir.Value) -> Follower | None:
    """The activation that directly and alone consumes ``value``, or None.

    One node (Relu, Clip to 0..6, Sigmoid, HardSigmoid of slope 1/6, HardSwish, Swish) or a pair: x times Sigmoid(x) is
    SiLU, x times HardSigmoid(x) is hard swish.
    """
    producer = value.producer()
    graph = producer.graph if producer is not None else value.graph
    uses = list(value.uses())
    if value.is_graph_output() or not uses or any(use.node.graph is not graph for use in uses):
        return None
    if len(uses) == 1:
        node = uses[0].node
        kind = _single(node) if uses[0].idx == 0 else None
        return Follower(kind, (node,), node.outputs[0]) if kind else None
    return _pair(value, [use.node for use in uses])


def _single(node: ir.Node) -> Activation | None:
    if is_standard(node, "Relu"):
        return "relu"
    if is_standard(node, "Sigmoid"):
        return "sigmoid"
    if is_standard(node, "HardSwish"):
        return "hardswish"
    if is_standard(node, "HardSigmoid"):
        return "hardsigmoid" if _is_sixth(node) else None
    if is_standard(node, "Swish"):
        return "silu" if node.attributes.get_float("alpha", 1.0) == 1.0 else None
    if is_standard(node, "Clip") and len(node.inputs) == 3:
        low, high = constant(node.inputs[1]), constant(node.inputs[2])
        if low is not None and high is not None and low.size == high.size == 1 and low.item() == 0.0:
            return "relu6" if high.item() == 6.0 else None
    return None


def _is_sixth(node: ir.Node) -> bool:
    alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    return math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5


def _pair(value: ir.Value, readers: list[ir.Node]) -> Follower | None:
    if len(readers) != 2 or readers[0] is readers[1]:
        return None
    gate, product = sorted(readers, key=lambda node: is_standard(node, "Mul"))
    if not is_standard(product, "Mul") or not feeds_only(gate.outputs[0], product):
        return None
    if is_standard(gate, "Sigmoid"):
        return Follower("silu", (gate, product), product.outputs[0])
    if is_standard(gate, "HardSigmoid") and _is_sixth(gate):
        return Follower("hardswish", (gate, product), product.outputs[0])
    return None
