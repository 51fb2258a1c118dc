"""From onnx_ir nodes to the frozen ones."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import onnx_ir as ir

from nearbank.graph.blocks import Groups
from nearbank.graph.recognize import conv_geometry, recognize
from nearbank.graph.rewrite import is_standard
from nearbank.graph.types import Node, TensorSpec

__all__ = ["captured", "freeze_node", "freeze_value"]

_SHAPED = ("Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool")
_PLAIN = {
    ir.AttributeType.INT,
    ir.AttributeType.FLOAT,
    ir.AttributeType.STRING,
    ir.AttributeType.INTS,
    ir.AttributeType.FLOATS,
    ir.AttributeType.STRINGS,
}


def freeze_value(value: ir.Value) -> TensorSpec:
    """Name, shape and type of a value whose shape is known."""
    source = value.const_value if value.is_initializer() and value.const_value is not None else value
    dtype = source.dtype
    shape = source.shape.numpy() if isinstance(source.shape, ir.Shape) else ()
    assert dtype is not None
    if dtype == ir.DataType.STRING:
        return TensorSpec(value.name or "", tuple(int(d) for d in shape), "object")
    return TensorSpec(value.name or "", tuple(int(d) for d in shape), dtype.numpy().name)


def freeze_node(node: ir.Node, tensors: dict[str, TensorSpec], *, groups: Groups) -> Node:
    """The frozen form of ``node``; ``tensors`` must hold everything it reads and makes."""
    read = [value for value in node.inputs if value is not None and value.name]
    read += [value for value in captured(node) if value not in read]
    inputs = tuple(value.name or "" for value in read)
    # Outputs that nobody reads may be of unknown shape and are left out: they cost nothing.
    outputs = tuple(value.name for value in node.outputs if value.name and value.name in tensors)
    work, reason = recognize(node, groups=groups)
    return Node(
        name=node.name or "",
        op_type=node.op_type,
        inputs=inputs,
        outputs=outputs,
        input_shapes=tuple(tensors[name].shape for name in inputs),
        output_shapes=tuple(tensors[name].shape for name in outputs),
        input_dtypes=tuple(tensors[name].dtype for name in inputs),
        output_dtypes=tuple(tensors[name].dtype for name in outputs),
        constants=tuple(dict.fromkeys(value.name or "" for value in read if value.is_initializer())),
        attributes=MappingProxyType(_attributes(node)),
        work=work,
        reason=reason,
        domain="" if node.domain == "ai.onnx" else node.domain,
    )


def captured(node: ir.Node) -> list[ir.Value]:
    """The values of the graph of ``node`` that its subgraphs, however deep, read; each once, in order."""
    found: dict[ir.Value, None] = {}
    graph = node.graph
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            graphs = [attribute.as_graph()]
        elif attribute.type == ir.AttributeType.GRAPHS:
            graphs = list(attribute.as_graphs())
        else:
            continue
        for body in graphs:
            inner = [value for child in ir.traversal.RecursiveGraphIterator(body) for value in child.inputs]
            for value in (*inner, *body.outputs):
                if value is not None and value.graph is graph:
                    found.setdefault(value)
    return list(found)


def _attributes(node: ir.Node) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, attribute in node.attributes.items():
        if attribute.type in _PLAIN and not attribute.is_ref():
            plain[name] = tuple(attribute.value) if isinstance(attribute.value, list | tuple) else attribute.value
    if is_standard(node, *_SHAPED):
        geometry: dict[str, Any] = dict(conv_geometry(node))
        if node.op_type == "ConvTranspose":
            geometry.pop("pads")  # its automatic padding follows another rule
        elif node.op_type != "Conv":
            geometry.pop("group")
        plain.update(geometry)
    return plain
