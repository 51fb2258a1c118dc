"""Runs a plan on real tensors: offloaded products through their programs, everything between in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from nearbank.devices import PimDevice
from nearbank.errors import InputError, ModelError
from nearbank.graph import Graph, MatMul, Segment, cut
from nearbank.pim import Product, bias_in_memory, compile_product
from nearbank.plan import Plan
from nearbank.sim import play_values

__all__ = ["Values", "compare", "execute", "reference"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Values:
    """Outputs through memory beside those of plain float32: classes of the first image, best first, and the errors."""

    top: tuple[int, ...]
    top_reference: tuple[int, ...]
    probabilities: tuple[float, ...]
    probabilities_reference: tuple[float, ...]
    max_abs_error: float
    relative_l2_error: float


def reference(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The graph's outputs from ONNX Runtime in float32."""
    _check(graph, feeds)
    return _session_run(graph.model, dict(feeds), [s.name for s in graph.outputs], graph.name)


def execute(
    plan: Plan, device: PimDevice, feeds: Mapping[str, Array], tick: Callable[[str], None] = lambda name: None
) -> dict[str, Array]:
    """The graph's outputs by the plan: every layer with target "pim" is computed by its program, bias added by the host.

    Raises:
        InputError: a feed of another name, shape or type than the graph's inputs.
        ModelError: a host segment that ONNX Runtime cannot run.
    """
    graph = plan.graph
    _check(graph, feeds)
    values: dict[str, Array] = dict(feeds)
    for part in cut(graph, plan.offloaded):
        tick(part.name)
        if isinstance(part, Segment):
            wanted = {name: values[name] for name in part.inputs}
            values.update(_session_run(part.model, wanted, list(part.outputs), part.name))
        else:
            values[part.output] = _product(plan, device, part, values[part.source])
    return {spec.name: values[spec.name] for spec in graph.outputs}


def _product(plan: Plan, device: PimDevice, work: MatMul, source: Array) -> Array:
    product = Product(work.pixels, work.in_channels, work.out_channels)
    epilogue = bias_in_memory(device, plan.system.mapping, bias=work.bias is not None)
    compiled = compile_product(device, product, plan.system.channels, plan.system.mapping, epilogue)
    preset = work.bias if compiled.epilogue.bias else None
    rows = np.asarray(work.rows(source), np.float32)
    results = play_values(
        device, compiled.program, compiled.weights(work.weight), compiled.inputs(rows, preset), compiled.result_count
    )
    outputs = compiled.outputs(results)
    if work.bias is not None and preset is None:
        outputs = outputs + work.bias
    return np.ascontiguousarray(work.restore(outputs))


def _check(graph: Graph, feeds: Mapping[str, Array]) -> None:
    for spec in graph.inputs:
        if spec.name not in feeds:
            raise InputError("missing input", where=graph.name, value=spec.name)
        feed = feeds[spec.name]
        if tuple(feed.shape) != spec.shape:
            raise InputError(
                f"shape of input {spec.name}", where=graph.name, value=tuple(feed.shape), bound=str(spec.shape)
            )


def _session_run(model: onnx.ModelProto, feeds: dict[str, Array], outputs: list[str], where: str) -> dict[str, Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return dict(zip(outputs, session.run(outputs, feeds), strict=True))
    except Exception as error:  # ONNX Runtime's exceptions have no common public base
        raise ModelError(f"ONNX Runtime: {str(error).splitlines()[0]}", where=where) from None


def compare(ours: Array, plain: Array, *, best: int = 5) -> Values:
    """Compare outputs [batch, classes] or any shape; the classes are of the first row, after a softmax."""
    a, b = np.asarray(ours, np.float64), np.asarray(plain, np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(a - b)
    norm = float(np.linalg.norm(b))
    relative = float(np.linalg.norm(a - b)) / norm if norm else float(np.linalg.norm(a - b))
    first, other = a.reshape(len(a), -1)[0], b.reshape(len(b), -1)[0]
    order, order_plain = np.argsort(-first, kind="stable")[:best], np.argsort(-other, kind="stable")[:best]
    return Values(
        tuple(map(int, order)), tuple(map(int, order_plain)),
        tuple(map(float, _softmax(first)[order])), tuple(map(float, _softmax(other)[order_plain])),
        float(error.max(initial=0.0)), relative,
    )  # fmt: skip


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())
