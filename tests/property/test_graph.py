"""A graph cut anywhere computes the same; a damaged file never gets further than a ModelError."""

from __future__ import annotations

import contextlib

import numpy as np
import onnx
import onnxruntime as ort
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from nearbank.errors import ModelError
from nearbank.graph import MatMul, Segment, cut, fused_groups, load

CHANNELS = 4


@st.composite
def networks(draw):
    """A random acyclic network of tensors of one shape."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    nodes, weights, tensors = [], [], ["input"]
    for index in range(draw(st.integers(1, 9))):
        kind = draw(
            st.sampled_from(["Conv", "Conv3", "Relu", "Sigmoid", "Add", "Mul", "HardSwish", "BatchNormalization"])
        )
        inputs = [draw(st.sampled_from(tensors)) for _ in range(2 if kind in ("Add", "Mul") else 1)]
        attributes = {}
        arrays = []
        if kind.startswith("Conv"):
            k = 3 if kind == "Conv3" else 1
            arrays = [rng.standard_normal((CHANNELS, CHANNELS, k, k)) / (2 * k), rng.standard_normal(CHANNELS)]
            attributes = {"pads": [k // 2] * 4}
        elif kind == "BatchNormalization":
            arrays = [rng.uniform(0.5, 1.5, CHANNELS) for _ in range(4)]
        for array in arrays:
            weights.append(numpy_helper.from_array(array.astype(np.float32), f"w{len(weights)}"))
            inputs.append(weights[-1].name)
        nodes.append(helper.make_node(kind.removesuffix("3"), inputs, [f"t{index}"], **attributes))
        tensors.append(f"t{index}")
    outputs = draw(st.lists(st.sampled_from(tensors[1:]), min_size=1, max_size=3, unique=True))
    shape = ["n", CHANNELS, 3, 2]
    graph = helper.make_graph(
        nodes,
        "random",
        [helper.make_tensor_value_info("input", 1, shape)],
        [helper.make_tensor_value_info(name, 1, shape) for name in outputs],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def run(model, feeds):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in model.graph.output]
    return dict(zip(names, session.run(names, feeds), strict=True))


@settings(max_examples=60, deadline=None)
@given(networks(), st.data())
def test_any_cut_computes_the_network(model, data):
    graph = load(model, batch=2)
    names = [work.name for work in graph.work]
    chosen = data.draw(st.sets(st.sampled_from(names))) if names else set()
    parts = cut(graph, chosen)
    placed = [name for part in parts for name in (part.nodes if isinstance(part, Segment) else (part.name,))]
    assert sorted(placed) == sorted(node.name for node in graph.nodes)
    x = np.random.default_rng(0).standard_normal((2, CHANNELS, 3, 2)).astype(np.float32)
    values = {"input": x}
    for part in parts:
        if isinstance(part, MatMul):
            values[part.output] = part.restore(part.rows(values[part.source]) @ part.weight + part.bias)
        else:
            values.update(run(part.model, {name: values[name] for name in part.inputs}))
    for name, want in run(model, {"input": x}).items():
        assert np.linalg.norm(values[name] - want) <= 1e-4 * np.linalg.norm(want) + 1e-6


@settings(max_examples=60, deadline=None)
@given(networks())
def test_kernels_hold_each_node_once_in_an_order_that_runs(model):
    graph = load(model)
    groups = fused_groups(graph)
    assert sorted(name for group in groups for name in group) == sorted(node.name for node in graph.nodes)
    ready = {"input", *(tensor for node in graph.nodes for tensor in node.constants)}
    for name in (name for group in groups for name in group):
        assert set(graph.node(name).inputs) <= ready
        ready.update(graph.node(name).outputs)


@settings(max_examples=150, deadline=None)
@given(networks(), st.data())
def test_damaged_files_end_in_a_model_error(model, data):
    content = bytearray(model.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    damaged = onnx.ModelProto()
    try:
        damaged.ParseFromString(bytes(content))
    except Exception:
        return
    with contextlib.suppress(ModelError):
        load(damaged)
