"""From a file to a Graph: the passes, in order."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from nearbank.errors import InputError, ModelError, near_matches
from nearbank.graph.blocks import GROUPS, Groups
from nearbank.graph.checks import check_convolutions, check_runs, check_shapes, check_weights
from nearbank.graph.constants import fold_constants
from nearbank.graph.fold import fold_batch_norms, fold_biases
from nearbank.graph.nodes import freeze_node, freeze_value
from nearbank.graph.normalize import drop_no_ops, name_outputs, plain, settle_casts
from nearbank.graph.reading import guarded, read
from nearbank.graph.shapes import infer, set_batch
from nearbank.graph.types import Graph, TensorSpec

__all__ = ["load"]

_MAX_ROUNDS = 64


def load(
    source: str | os.PathLike[str] | onnx.ModelProto,
    *,
    batch: int = 1,
    name: str | None = None,
    groups: Groups = "gpu",
) -> Graph:
    """Reads an ONNX model (opset 13 or newer) and says what it computes.

    An open leading dimension of the inputs becomes ``batch``; if the file fixes that of the first input, it must be
    ``batch``. More inputs are allowed: what depends on them is recognized all the same. Weights of float16 and bfloat16
    are widened and computed with in float32. Batch normalization is folded into the convolution or Gemm before it, what
    does not depend on the inputs is computed now, and Identity and Dropout go. External weights are read from files
    beside the model. ``groups``, one of `GROUPS`, says which convolutions with groups count as matrix work, as blocks of
    a diagonal. ``name`` defaults to the file's stem, or the name inside the model.

    Raises `ModelError` for anything that cannot be read, breaks the rules of ONNX, has open dimensions besides the
    batch, weights that are no numbers, tensors without elements, or operators that ONNX Runtime cannot run;
    `InputError` for unknown ``groups``.
    """
    if groups not in GROUPS:
        raise InputError("groups", value=groups, bound=near_matches(groups, GROUPS))
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise ModelError("batch", value=batch, bound="a whole number, at least 1")
    proto, where = read(source)
    model = plain(proto, where)
    graph = model.graph
    set_batch(model, batch, where)
    check_weights(graph, where)
    _simplify(model, where)
    check_runs(model, where)
    check_shapes(graph, where)
    check_convolutions(graph, where)
    check_weights(graph, where)
    if name is None:
        name = graph.name or where if isinstance(source, onnx.ModelProto) else Path(source).stem
    with guarded(where, "writing the model"):
        return _freeze(model, name, batch, groups)


def _simplify(model: ir.Model, where: str) -> None:
    graph = model.graph
    with guarded(where, "naming the outputs"):
        name_outputs(graph)
    # Each round may make more shapes known, and so more constants: Shape, then Gather, Concat, Reshape behind it.
    for _ in range(_MAX_ROUNDS):
        infer(model, where)
        with guarded(where, "folding constants"):
            changed = settle_casts(graph)
            changed |= drop_no_ops(graph)
            changed |= fold_constants(model)
        if not changed:
            break
    with guarded(where, "folding batch normalization"):
        fold_batch_norms(graph, where)
        fold_biases(graph)
        RemoveUnusedNodesPass()(model)
    infer(model, where)


def _freeze(model: ir.Model, name: str, batch: int, groups: Groups) -> Graph:
    graph = model.graph
    graph.sort()
    values = [*graph.inputs, *graph.initializers.values()]
    values += [v for node in graph for v in node.outputs if v.name and (v.uses() or v.is_graph_output())]
    tensors: dict[str, TensorSpec] = {value.name or "": freeze_value(value) for value in values}
    nodes = tuple(freeze_node(node, tensors, groups=groups) for node in graph)
    return Graph(
        name=name,
        batch=batch,
        model=ir.to_proto(model),
        inputs=tuple(tensors[value.name or ""] for value in graph.inputs),
        outputs=tuple(tensors[value.name or ""] for value in graph.outputs),
        nodes=nodes,
        tensors=MappingProxyType(tensors),
    )
