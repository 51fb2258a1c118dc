"""Small edits of an onnx_ir graph that the passes share."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

__all__ = ["add_constant", "bypass", "constant", "feeds_only", "fresh_name", "is_standard"]


def is_standard(node: ir.Node, *op_types: str) -> bool:
    """Whether ``node`` is one of these operators of the ONNX standard."""
    return node.domain in ("", "ai.onnx") and node.op_type in op_types


def constant(value: ir.Value | None) -> np.ndarray[Any, Any] | None:
    """The array of a weight; None if ``value`` is omitted or computed at run time."""
    if value is None or not value.is_initializer() or value.const_value is None:
        return None
    return value.const_value.numpy()


def fresh_name(graph: ir.Graph, wanted: str) -> str:
    """``wanted``, or with a number behind it if a tensor of the graph, or of a subgraph, has that name."""
    taken = {value.name for value in graph.inputs} | set(graph.initializers)
    for node in ir.traversal.RecursiveGraphIterator(graph):
        taken.update(value.name for value in node.outputs)
    name, count = wanted, 1
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    return name


def add_constant(graph: ir.Graph, name: str, array: np.ndarray[Any, Any]) -> ir.Value:
    """A new weight of the graph, named ``name`` or near it."""
    name = fresh_name(graph, name)
    tensor = ir.Tensor(array, name=name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    graph.register_initializer(value)
    return value


def feeds_only(value: ir.Value, node: ir.Node) -> bool:
    """Whether ``node`` reads ``value`` once, and nothing else does: no other node, no subgraph, no graph output."""
    uses = value.uses()
    return len(uses) == 1 and not value.is_graph_output() and next(iter(uses)).node is node


def bypass(node: ir.Node, source: ir.Value) -> bool:
    """Removes ``node`` and gives ``source`` to those that read its first output. The names of graph outputs are kept.

    False, and nothing done, where that cannot be: ``source`` would need two names, or is a graph input or a weight.
    """
    graph, output = node.graph, node.outputs[0]
    assert graph is not None
    if output.is_graph_output():
        if source.producer() is None or source.is_graph_output() or source.graph is not graph:
            return False
        name = output.name
        output.replace_all_uses_with(source, replace_graph_outputs=True)
        graph.remove(node, safe=True)
        source.name = name
        return True
    output.replace_all_uses_with(source)
    graph.remove(node, safe=True)
    return True
