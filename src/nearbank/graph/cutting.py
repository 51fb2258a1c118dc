"""Cuts a graph into the products that are offloaded and the host segments between them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import onnx

from nearbank.errors import ModelError, near_matches
from nearbank.graph.types import Graph, MatMul, Node, Segment

__all__ = ["cut", "segment"]


def cut(graph: Graph, offloaded: Collection[str]) -> tuple[Segment | MatMul, ...]:
    """The parts of ``graph`` in an order that can be run, the nodes named in ``offloaded`` as their `MatMul`.

    A MatMul makes its tensor ``output``, bias included; its activation is in a segment behind it. All other nodes are
    in as few segments as the dependencies allow: as many as the longest alternation of host and offloaded work needs.
    Graph outputs that are graph inputs are made by no part. Raises `ModelError` for an unknown name, or for a node that
    is not matrix work, with the reason.
    """
    names = [node.name for node in graph.nodes]
    for name in offloaded:
        if name not in names:
            raise ModelError("no such node to offload", where=graph.name, value=name, bound=near_matches(name, names))
        if graph.node(name).work is None:
            raise ModelError(f"node is no matrix work: {graph.node(name).reason}", where=graph.name, value=name)
    chosen = set(offloaded)
    levels = _levels(graph, chosen)
    parts: list[Segment | MatMul] = []
    for level in range(max(levels.values(), default=0) + 1):
        here = [node for node in graph.nodes if levels[node.name] == level]
        host = [node for node in here if node.name not in chosen]
        if host:
            parts.append(segment(graph, f"{graph.name}/{level}", host))
        parts += [node.work for node in here if node.name in chosen and node.work is not None]
    return tuple(parts)


def _levels(graph: Graph, offloaded: Collection[str]) -> dict[str, int]:
    """For a host node the number of its segment, from 1; for an offloaded one that of the last segment it needs, or 0.

    A level only grows where an offloaded product feeds the host, so products in a row share one.
    """
    levels: dict[str, int] = {}
    makers = {tensor: node.name for node in graph.nodes for tensor in node.outputs}
    for node in graph.nodes:
        host = node.name not in offloaded
        level = 1 if host else 0
        for tensor in node.inputs:
            maker = makers.get(tensor)
            if maker is not None:
                level = max(level, levels[maker] + (1 if host and maker in offloaded else 0))
        levels[node.name] = level
    return levels


def segment(graph: Graph, name: str, host: Sequence[Node]) -> Segment:
    """``host`` nodes, in the graph's order, as one complete model."""
    inside = {node.name for node in host}
    made = {tensor for node in host for tensor in node.outputs}
    constants = {tensor for node in host for tensor in node.constants}
    read = dict.fromkeys(tensor for node in host for tensor in node.inputs)
    inputs = tuple(tensor for tensor in read if tensor not in made and tensor not in constants)
    wanted = {tensor for node in graph.nodes if node.name not in inside for tensor in node.inputs}
    wanted |= {spec.name for spec in graph.outputs}
    outputs = tuple(tensor for node in host for tensor in node.outputs if tensor in wanted)
    model = _model(graph, name, inside, constants, inputs, outputs)
    return Segment(name, model, tuple(node.name for node in host), inputs, outputs)


def _model(
    graph: Graph, name: str, inside: set[str], constants: set[str], inputs: Iterable[str], outputs: Iterable[str]
) -> onnx.ModelProto:
    whole = graph.model.graph
    model = onnx.ModelProto(ir_version=graph.model.ir_version, opset_import=graph.model.opset_import)
    model.graph.name = name
    # Names are unique in the folded model, and its nodes are in the order of graph.nodes.
    model.graph.node.extend(node for node in whole.node if node.name in inside)
    model.graph.initializer.extend(tensor for tensor in whole.initializer if tensor.name in constants)
    known = {info.name: info for info in (*whole.value_info, *whole.input, *whole.output)}
    model.graph.input.extend(known[tensor] for tensor in inputs)
    model.graph.output.extend(known[tensor] for tensor in outputs)
    return model
