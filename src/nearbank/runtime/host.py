"""The host's side: any nodes of a graph on real tensors, whole or a band of them, in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nearbank.errors import ModelError
from nearbank.graph import Graph, Node, segment

__all__ = ["Host", "OnnxHost", "run_model"]

Array = NDArray[Any]
Pads = tuple[int, int]


class Host(Protocol):
    """What carries out the GPU's part of a plan. Arrays are NumPy's; a band's inputs are the regions it needs."""

    def run(self, name: str, nodes: Sequence[Node], inputs: Mapping[str, Array], pads: Pads | None) -> dict[str, Array]:
        """Outputs of ``nodes`` that others read; ``pads``: zero rows above and below that a band's first node adds."""

    def matmul(self, name: str, rows: Array, weight: Array, bias: Array | None) -> Array:
        """``rows @ weight + bias`` in float32; all axes but the last two, if there are any, are of products side by side."""


class OnnxHost:
    """ONNX Runtime on the CPU, float32; a session for every distinct piece of the graph, kept for later runs.

    Raises:
        ModelError: ONNX Runtime cannot run a piece.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._sessions: dict[tuple[str, Pads | None], tuple[onnxruntime.InferenceSession, tuple[str, ...]]] = {}

    def run(self, name: str, nodes: Sequence[Node], inputs: Mapping[str, Array], pads: Pads | None) -> dict[str, Array]:
        """See `Host`."""
        key = (nodes[0].name + ".." + nodes[-1].name, pads)
        if key not in self._sessions:
            part = segment(self.graph, name, nodes)
            model = part.model if pads is None else _banded(part.model, nodes[0], pads)
            self._sessions[key] = _session(model, name), part.outputs
        session, outputs = self._sessions[key]
        wanted = {i.name for i in session.get_inputs()}
        feeds = {k: np.ascontiguousarray(v) for k, v in inputs.items() if k in wanted}
        return _run(session, feeds, outputs, name)

    def matmul(self, name: str, rows: Array, weight: Array, bias: Array | None) -> Array:
        """See `Host`."""
        matrix = numpy_helper.from_array(np.ascontiguousarray(weight), "weight")
        node = helper.make_node("MatMul", ["rows", "weight"], ["result"])
        nodes, weights = [node], [matrix]
        if bias is not None:
            node.output[0] = "product"
            nodes.append(helper.make_node("Add", ["product", "bias"], ["result"]))
            weights.append(numpy_helper.from_array(np.ascontiguousarray(bias), "bias"))
        info = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in ("rows", "result")]
        graph = helper.make_graph(nodes, "product", info[:1], info[1:], weights)
        made = self.graph.model
        model = helper.make_model(graph, opset_imports=list(made.opset_import), ir_version=made.ir_version)
        return _run(_session(model, name), {"rows": np.ascontiguousarray(rows, np.float32)}, ("result",), name)[
            "result"
        ]


def run_model(
    model: onnx.ModelProto, feeds: Mapping[str, Array], outputs: Sequence[str], where: str
) -> dict[str, Array]:
    """Outputs of a whole model. Raises `ModelError` where ONNX Runtime cannot run it."""
    return _run(_session(model, where), feeds, outputs, where)


def _session(model: onnx.ModelProto, where: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common public base
        raise ModelError(f"ONNX Runtime: {str(error).splitlines()[0]}", where=where) from None


def _run(
    session: onnxruntime.InferenceSession, feeds: Mapping[str, Array], outputs: Sequence[str], where: str
) -> dict[str, Array]:
    try:
        return dict(zip(outputs, session.run(list(outputs), dict(feeds)), strict=True))
    except Exception as error:
        raise ModelError(f"ONNX Runtime: {str(error).splitlines()[0]}", where=where) from None


def _banded(model: onnx.ModelProto, first: Node, pads: Pads) -> onnx.ModelProto:
    """The model with sizes left open, and the first node's rows padded as its band asks."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    for info in (*out.graph.input, *out.graph.output):
        for dim in info.type.tensor_type.shape.dim:
            dim.Clear()
    if "pads" in first.attributes:
        _, left, _, right = first.attributes["pads"]
        node = next(node for node in out.graph.node if node.name == first.name)
        kept = [a for a in node.attribute if a.name not in ("pads", "auto_pad")]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute("pads", [pads[0], left, pads[1], right])])
    return out
