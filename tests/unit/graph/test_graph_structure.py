"""What a Graph says of its model: work, reasons, names, shapes, activations, kernels."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import onnx
import pytest
from graph_models import Builder, same_values
from onnx import helper

import nearbank.graph as room
from nearbank.graph import fused_groups, load


def test_public_names():
    assert len(set(room.__all__)) == len(room.__all__)
    assert set(room.__all__) == {
        "GROUPS", "Activation", "Gather", "Graph", "Groups", "Kind", "MatMul", "Node", "Segment", "TensorSpec",
        "cut", "fused_groups", "load", "segment",
    }  # fmt: skip
    assert all(hasattr(room, name) for name in room.__all__)


def test_numbers_of_a_pointwise_convolution():
    b = Builder(("n", 3, 9, 7))
    graph = load(b.model(b.conv("input", 3, 5, strides=[2, 3], name="c")), batch=2)
    work = graph.node("c").work
    assert (work.kind, work.pixels, work.in_channels, work.out_channels) == ("pointwise", 2 * 5 * 3, 3, 5)
    assert work.macs == 30 * 15
    assert (work.source, work.output) == ("input", graph.outputs[0].name)
    assert (graph.batch, graph.name, graph.shape("input")) == (2, "net", (2, 3, 9, 7))
    assert graph.producer(work.output).name == "c"
    assert [node.name for node in graph.consumers("input")] == ["c"]
    assert graph.producer("input") is None
    with pytest.raises(ValueError, match="read-only"):
        work.weight[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        work.bias[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        work.name = "d"


def test_order_of_im2col_is_kernel_then_channel():
    b = Builder(("n", 2, 3, 3))
    work = load(b.model(b.conv("input", 2, 1, 2, bias=False))).work[0]
    x = np.arange(18, dtype=np.float32).reshape(1, 2, 3, 3)
    assert work.rows(x)[0].tolist() == [0, 9, 1, 10, 3, 12, 4, 13]
    assert work.bias is None
    assert work.gather.kernel == (2, 2)


def test_rows_and_restore_are_inverse_for_a_plain_pointwise_convolution():
    b = Builder(("n", 4, 5, 6))
    work = load(b.model(b.conv("input", 4, 4)), batch=3).work[0]
    x = np.random.default_rng(0).standard_normal((3, 4, 5, 6)).astype(np.float32)
    assert np.array_equal(work.restore(work.rows(x)), x)
    assert work.rows(x).flags.c_contiguous


REASONS = {
    "relu": "elementwise",
    "depthwise": "depthwise convolution: one input channel per output, no reuse",
    "pool": "pooling",
    "flat": "moves data",
    "dynamic": "weights are not constant",
    "left": "weights are not constant",
    "batched": "right operand has 3 dimensions",
    "trans": "left operand is transposed",
    "rowbias": "bias differs by row",
    "varbias": "bias is not constant",
    "soft": "normalization",
    "mean": "reduction",
    "one_d": "convolution over 1 dimension",
}


def test_reasons_of_what_stays():
    b = Builder((2, 4, 8, 8))
    x = b.add("Relu", "input", name="relu")
    x = b.conv(x, 4, 4, 3, groups=4, name="depthwise")
    x = b.add("Flatten", b.add("MaxPool", x, kernel_shape=[8 - 2, 8 - 2], name="pool"), name="flat")  # [2, 4]
    outs = [b.add("MatMul", x, b.add("Transpose", x, perm=[1, 0]), name="dynamic")]
    outs.append(b.add("MatMul", b.random(3, 2), x, name="left"))
    outs.append(b.add("MatMul", x, b.random(2, 4, 3), name="batched"))
    outs.append(b.add("Gemm", x, b.random(2, 3), transA=1, name="trans"))
    outs.append(b.add("Gemm", x, b.random(4, 3), b.random(2, 3), name="rowbias"))
    outs.append(b.add("Gemm", x, b.random(4, 4), b.add("Softmax", x, name="soft"), name="varbias"))
    outs.append(b.add("ReduceMean", x, axes=[1], name="mean"))
    line = b.add("Reshape", x, b.weight(np.int64([2, 4, 1])))
    outs.append(b.add("Conv", line, b.random(3, 4, 1), name="one_d"))
    graph = load(b.model(*outs), batch=2)
    assert graph.work == ()
    for name, reason in REASONS.items():
        assert graph.node(name).reason.startswith(reason), (name, graph.node(name).reason)
    assert all(node.reason for node in graph.nodes)
    assert graph.node("depthwise").attributes["group"] == 4
    assert graph.node("depthwise").attributes["strides"] == (1, 1)
    assert graph.node("pool").attributes["kernel_shape"] == (6, 6)


def activate(kind, b, x):
    if kind == "relu":
        return b.add("Relu", x)
    if kind == "relu6":
        return b.add("Clip", x, b.weight(np.float32(0)), b.weight(np.float32(6)))
    if kind in ("sigmoid", "hardswish"):
        return b.add({"sigmoid": "Sigmoid", "hardswish": "HardSwish"}[kind], x)
    if kind == "hardsigmoid":
        return b.add("HardSigmoid", x, alpha=1 / 6)
    if kind == "silu":
        return b.add("Mul", b.add("Sigmoid", x), x)
    return b.add("Mul", x, b.add("HardSigmoid", x, alpha=1 / 6, beta=0.5))


@pytest.mark.parametrize("kind", ["relu", "relu6", "sigmoid", "hardswish", "hardsigmoid", "silu", "pair"])
def test_activations(kind):
    b = Builder()
    y = activate(kind, b, b.conv("input", 3, 4, name="c"))
    graph = load(b.model(y))
    work = graph.node("c").work
    assert work.activation == ("hardswish" if kind == "pair" else kind)
    assert work.activation_output == y
    assert len(work.activation_nodes) == (2 if kind in ("silu", "pair") else 1)
    assert fused_groups(graph) == (("c", *work.activation_nodes),)
    same_values(graph)


def test_no_activation_where_others_read_the_product():
    b = Builder()
    x = b.conv("input", 3, 4, name="c")
    y = b.add("Relu", x)
    for outputs in ([y, x], [y, b.add("Tanh", x)]):
        work = load(b.model(*outputs)).node("c").work
        assert work.activation is work.activation_output is None
        assert work.activation_nodes == ()
    b = Builder()
    x = b.conv("input", 3, 4, name="c")
    s = b.add("Sigmoid", x)
    assert load(b.model(b.add("Mul", x, s), s)).work[0].activation is None
    b = Builder()
    x = b.conv("input", 3, 4, name="c")
    assert load(b.model(b.add("Mul", x, x))).work[0].activation is None
    b = Builder()
    x = b.add("HardSigmoid", b.conv("input", 3, 4, name="c"))  # slope 0.2, not 1/6
    assert load(b.model(x)).work[0].activation is None


def test_names_are_made_unique_and_the_same_each_time():
    b = Builder()
    x = "input"
    for name in ("", "same", "same", "", "same_2"):
        x = b.conv(x, 3, 3, name=name)
    model = b.model(x)
    names = [node.name for node in load(model).nodes]
    assert len(set(names)) == 5
    assert "same_2" in names
    assert names[4] == "same_2"
    assert names == [node.name for node in load(model).nodes]
    assert names == [node.name for node in load(model).model.graph.node]


@pytest.mark.parametrize("ir_version", [3, 8, 99])
def test_weights_as_graph_inputs(ir_version):
    b = Builder()
    model = b.model(b.conv("input", 3, 4), ir_version=ir_version)
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, 1, list(tensor.dims)))
    graph = load(model)
    assert [spec.name for spec in graph.inputs] == ["input"]
    assert graph.nodes[0].constants == ("w0", "w1")
    same_values(graph)


def test_no_ops_go_and_names_of_outputs_stay():
    b = Builder()
    x = b.add("Dropout", b.add("Identity", b.conv("input", 3, 4)), b.weight(np.float32(0.3)))
    x = b.add("Relu", b.add("Cast", x, to=1))
    y, z = b.add("Identity", x, out="y"), b.add("Dropout", x, out="z")
    graph = load(b.model(x, y, z, b.add("Identity", "input", out="same")))
    assert [spec.name for spec in graph.outputs] == [x, "y", "z", "same"]
    assert [node.op_type for node in graph.nodes][:2] == ["Conv", "Relu"]
    same_values(graph)
    b = Builder()
    graph = load(b.model(b.add("Identity", b.conv("input", 3, 4), out="logits")))
    assert [node.outputs for node in graph.nodes] == [("logits",)]


def test_training_dropout_stays():
    b = Builder()
    yes = b.weight(np.array(True))
    graph = load(b.model(b.add("Dropout", "input", b.weight(np.float32(0.5)), yes)))
    assert [node.op_type for node in graph.nodes] == ["Dropout"]


def test_outputs_that_are_inputs_or_weights():
    b = Builder()
    w = b.random(3, 4)
    model = b.model("input", w, b.add("Relu", "input"))
    for output in model.graph.output[:2]:
        output.CopyFrom(
            helper.make_tensor_value_info(output.name, 1, ["n", 3, 8, 8] if output.name == "input" else [3, 4])
        )
    graph = load(model, batch=2)
    assert [spec.shape for spec in graph.outputs] == [(2, 3, 8, 8), (3, 4), (2, 3, 8, 8)]
    same_values(graph)


def test_more_inputs():
    b = Builder()
    b.inputs.append(helper.make_tensor_value_info("scale", 1, ["n", 1, 1, 1]))
    b.inputs.append(helper.make_tensor_value_info("flag", 7, []))
    x = b.conv(b.add("Mul", "input", "scale"), 3, 4)
    graph = load(b.model(b.add("Add", x, b.add("Cast", "flag", to=1))), batch=3)
    assert [(s.name, s.shape, s.dtype) for s in graph.inputs][1:] == [
        ("scale", (3, 1, 1, 1), "float32"),
        ("flag", (), "int64"),
    ]
    same_values(graph)


def test_batch_norm_shared_weights_and_kept_ones():
    b = Builder()
    w = b.random(3, 3, 1, 1)
    x, y = b.add("Conv", "input", w), b.add("Conv", "input", w)
    model = b.model(b.add("Add", b.norm(x, 3), b.norm(y, 3)))
    graph = load(model)
    assert [node.op_type for node in graph.nodes] == ["Conv", "Conv", "Add"]
    same_values(graph, original=model)
    b = Builder()
    x = b.conv("input", 3, 4, name="c")
    graph = load(b.model(b.norm(x, 4), x))  # the product is an output: folding would change it
    assert [node.op_type for node in graph.nodes] == ["Conv", "BatchNormalization"]
    assert graph.nodes[1].reason.startswith("batch normalization")


@pytest.mark.parametrize(("trans", "alpha", "bias"), [(0, 1.0, True), (1, 0.25, True), (1, 2.0, False)])
def test_batch_norm_into_gemm(trans, alpha, bias):
    b = Builder(("n", 6))
    inputs = ["input", b.random(*((5, 6) if trans else (6, 5))), *([b.random(1, 5)] if bias else [])]
    model = b.model(b.norm(b.add("Gemm", *inputs, transB=trans, alpha=alpha, beta=0.5), 5))
    graph = load(model, batch=4)
    assert [node.op_type for node in graph.nodes] == ["Gemm"]
    same_values(graph, original=model)


def test_contrib_operators_get_shapes_from_the_runtime():
    b = Builder()
    model = b.model(b.conv(b.add("Gelu", "input", domain="com.microsoft"), 3, 4), domains=["com.microsoft"])
    graph = load(model, batch=2)
    assert graph.nodes[0].output_shapes == ((2, 3, 8, 8),)
    assert graph.nodes[0].reason == "operator of another domain: com.microsoft"
    same_values(graph)


def test_model_functions_are_inlined():
    body = [helper.make_node("Conv", ["x", "w"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function("own", "Block", ["x", "w"], ["y"], body, opsets)
    b = Builder()
    model = b.model(b.add("Block", "input", b.random(4, 3, 1, 1), domain="own"), domains=["own"])
    model.functions.append(function)
    graph = load(model)
    assert [node.op_type for node in graph.nodes] == ["Conv", "Relu"]
    assert graph.work[0].activation == "relu"


def test_kernels():
    b = Builder()
    x = b.conv("input", 3, 4, name="c0")
    x = b.add("Mul", x, b.add("Sigmoid", x, name="sig"), name="mul")
    d = b.add("Relu", b.conv(x, 4, 4, 3, groups=4, pads=[1] * 4, name="dw"), name="dwrelu")
    s = b.add("GlobalAveragePool", d, name="gap")
    s = b.add("HardSigmoid", b.conv(s, 4, 4, name="se"), name="gate")
    d = b.add("Mul", d, s, name="scale")
    y = b.add("Relu", b.add("Add", b.conv(d, 4, 4, name="c1"), x, name="add"), name="last")
    graph = load(b.model(y))
    assert fused_groups(graph) == (
        ("c0", "sig", "mul"), ("dw", "dwrelu"), ("gap",), ("se", "gate"), ("scale",), ("c1",), ("add", "last"),
    )  # fmt: skip


def test_kernels_of_a_product_with_its_bias():
    b = Builder(("n", 5, 6))
    x = b.add("Add", b.random(8), b.add("MatMul", "input", b.random(6, 8), name="mm"), name="bias")
    x = b.add("Add", b.add("Relu", x, name="relu"), b.random(8), name="shift")
    assert fused_groups(load(b.model(x))) == (("mm", "bias", "relu"), ("shift",))


def test_a_network_of_25_million_weights_loads_in_two_seconds(tmp_path):
    b = Builder(("n", 1024, 7, 7))
    x = "input"
    for _ in range(24):
        x = b.add("Relu", b.norm(b.conv(x, 1024, 1024, bias=False), 1024))
    path = tmp_path / "big.onnx"
    onnx.save(b.model(x), str(path))
    seconds = []
    for _ in range(3):
        start = time.process_time()
        assert len(load(path).nodes) == 48
        seconds.append(time.process_time() - start)
    assert min(seconds) < 2


def test_casts_to_the_type_of_another_tensor_hide_no_activation():
    """torch writes the bounds of a clip so: they are constants all the same."""
    b = Builder()
    x = b.conv("input", 3, 4)
    bounds = [b.add("CastLike", b.weight(np.array(bound, np.int64)), x) for bound in (0, 6)]
    graph = load(b.model(b.add("Clip", b.add("CastLike", x, "input"), *bounds)))
    assert [node.op_type for node in graph.nodes] == ["Conv", "Clip"]
    assert graph.work[0].activation == "relu6"
