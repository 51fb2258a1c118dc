"""The torch host beside ONNX Runtime: every operator in every form, whole and in bands."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from tests.planning import convolutions, model_of, plan_of

import nearbank as nb
from nearbank.errors import InputError, ModelError
from nearbank.plan import Part
from nearbank.runtime import OnnxHost, TorchHost

RNG = np.random.default_rng(5)
node = helper.make_node


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def scalar(value: float) -> np.ndarray:
    return np.array(value, np.float32)


IMAGE, MATRIX, CUBE = (2, 4, 7, 6), (3, 8), (2, 3, 8)
SAME = [1, 1, 1, 1]

# id: (operator, shape of x, further inputs as constants ("" for one left out), attributes[, outputs])
CASES: dict[str, tuple[Any, ...]] = {
    **{op: (op, IMAGE, [], {}) for op in (
        "Relu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Erf", "Abs", "Neg", "Exp", "Floor", "Ceil", "Round", "Sign", "Sin",
        "Cos", "Elu", "Selu", "Softplus", "Softsign", "Mish", "Identity", "Dropout", "LeakyRelu", "Softmax", "LogSoftmax",
        "Flatten", "Transpose", "GlobalAveragePool", "GlobalMaxPool", "Shape", "ReduceMean")},
    "Softmax axis": ("Softmax", IMAGE, [], {"axis": 1}),
    "LeakyRelu alpha": ("LeakyRelu", IMAGE, [], {"alpha": 0.3}),
    "HardSigmoid numbers": ("HardSigmoid", IMAGE, [], {"alpha": 0.3, "beta": 0.4}),
    "Elu alpha": ("Elu", IMAGE, [], {"alpha": 0.7}),
    "PRelu": ("PRelu", IMAGE, [floats(4, 1, 1)], {}),
    "Clip": ("Clip", IMAGE, [scalar(0), scalar(0.6)], {}),
    "Clip above": ("Clip", IMAGE, ["", scalar(0.1)], {}),
    "Clip not": ("Clip", IMAGE, [], {}),
    **{op: (op, IMAGE, [floats(4, 1, 1)], {}) for op in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Greater", "Less", "Equal",
                                                         "GreaterOrEqual", "LessOrEqual", "Sum", "Mean")},
    "Pow": ("Pow", IMAGE, [scalar(2)], {}),
    "Conv": ("Conv", IMAGE, [floats(5, 4, 3, 3), floats(5)], {"pads": SAME}),
    "Conv no bias": ("Conv", IMAGE, [floats(5, 4, 3, 3)], {}),
    "Conv asymmetric": ("Conv", IMAGE, [floats(5, 4, 3, 2)], {"pads": [0, 1, 2, 0], "strides": [2, 1]}),
    "Conv same": ("Conv", IMAGE, [floats(5, 4, 3, 3)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "Conv dilated": ("Conv", IMAGE, [floats(5, 4, 3, 3)], {"dilations": [2, 1], "pads": [2, 0, 2, 0]}),
    "Conv grouped": ("Conv", IMAGE, [floats(6, 2, 1, 1), floats(6)], {"group": 2}),
    "Conv depthwise": ("Conv", IMAGE, [floats(4, 1, 3, 3)], {"group": 4, "pads": SAME}),
    "Conv of lines": ("Conv", (2, 4, 9), [floats(5, 4, 3)], {"pads": [1, 1]}),
    "Conv of volumes": ("Conv", (1, 2, 5, 4, 4), [floats(3, 2, 3, 3, 3)], {"pads": [1] * 6}),
    "Gemm": ("Gemm", MATRIX, [floats(8, 5), floats(5)], {}),
    "Gemm turned": ("Gemm", MATRIX, [floats(5, 8), floats(3, 5)], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    "Gemm left": ("Gemm", (8, 3), [floats(8, 5)], {"transA": 1}),
    "MatMul": ("MatMul", CUBE, [floats(8, 5)], {}),
    "MaxPool": ("MaxPool", IMAGE, [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": SAME}),
    "MaxPool asymmetric": ("MaxPool", IMAGE, [], {"kernel_shape": [3, 2], "pads": [0, 1, 2, 0]}),
    "MaxPool ceil": ("MaxPool", IMAGE, [], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    "MaxPool dilated": ("MaxPool", IMAGE, [], {"kernel_shape": [2, 2], "dilations": [2, 3]}),
    "AveragePool": ("AveragePool", IMAGE, [], {"kernel_shape": [3, 3], "pads": SAME}),
    "AveragePool pads": ("AveragePool", IMAGE, [], {"kernel_shape": [3, 3], "pads": SAME, "count_include_pad": 1}),
    "AveragePool ceil": ("AveragePool", IMAGE, [], {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1}),
    "AveragePool asymmetric": ("AveragePool", IMAGE, [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
    # Behind a node that is no convolution of its own, or it would be folded.
    "LayerNormalization": ("LayerNormalization", CUBE, [floats(8), floats(8)], {"epsilon": 1e-3}),
    "LayerNormalization of more": ("LayerNormalization", CUBE, [floats(3, 8)], {"axis": 1}),
    "InstanceNormalization": ("InstanceNormalization", IMAGE, [floats(4), floats(4)], {}),
    "BatchNormalization": ("BatchNormalization", IMAGE, [floats(4), floats(4), floats(4), abs(floats(4)) + 0.5], {}),
    "ReduceMean axes": ("ReduceMean", IMAGE, [ints(2, 3)], {}),
    "ReduceMean flat": ("ReduceMean", IMAGE, [ints(-1)], {"keepdims": 0}),
    "ReduceMean not": ("ReduceMean", IMAGE, [], {"noop_with_empty_axes": 1}),
    "ReduceSum": ("ReduceSum", IMAGE, [ints(1)], {}),
    "ReduceMax": ("ReduceMax", IMAGE, [ints(1)], {"keepdims": 0}),
    "ReduceMin": ("ReduceMin", IMAGE, [ints(0, 1)], {}),
    "Reshape": ("Reshape", IMAGE, [ints(0, -1, 6)], {}),
    "Flatten axis": ("Flatten", IMAGE, [], {"axis": 2}),
    "Flatten nothing": ("Flatten", IMAGE, [], {"axis": 0}),
    "Squeeze": ("Squeeze", (2, 1, 3, 1), [ints(1)], {}),
    "Squeeze all": ("Squeeze", (2, 1, 3, 1), [], {}),
    "Unsqueeze": ("Unsqueeze", MATRIX, [ints(0, -1)], {}),
    "Transpose perm": ("Transpose", IMAGE, [], {"perm": [0, 2, 3, 1]}),
    "Concat": ("Concat", IMAGE, [floats(2, 3, 7, 6)], {"axis": 1}),
    "Slice": ("Slice", IMAGE, [ints(1, -5), ints(99, -1), ints(1, 2), ints(1, 2)], {}),
    "Slice plain": ("Slice", IMAGE, [ints(0, 1), ints(1, 3)], {}),
    "Slice backwards": ("Slice", IMAGE, [ints(-1), ints(-99), ints(3), ints(-2)], {}),
    "Slice backwards in part": ("Slice", IMAGE, [ints(4), ints(1), ints(2), ints(-1)], {}),
    "Gather": ("Gather", IMAGE, [np.array([[2, -1], [0, 1]], np.int64)], {"axis": 1}),
    "Gather one": ("Gather", IMAGE, [np.array(1, np.int64)], {"axis": -1}),
    "Split": ("Split", IMAGE, [ints(1, 3)], {"axis": 1}, 2),
    "Split evenly": ("Split", IMAGE, [], {"axis": 2, "num_outputs": 3}, 3),
    "Pad": ("Pad", IMAGE, [ints(0, 0, 1, 2, 0, 1, 0, 3), scalar(0.5)], {}),
    "Pad reflect": ("Pad", IMAGE, [ints(0, 0, 1, 2, 0, 0, 2, 1)], {"mode": "reflect"}),
    "Pad edge": ("Pad", IMAGE, [ints(0, 0, 1, 2, 0, 0, 2, 1)], {"mode": "edge"}),
    "Pad axes": ("Pad", IMAGE, [ints(1, 2), "", ints(3)], {}),
    "Expand": ("Expand", (2, 1, 3), [ints(4, 1, 5, 1)], {}),
    "Cast to int": ("Cast", IMAGE, [], {"to": TensorProto.INT32}),
    "Cast to bool": ("Cast", IMAGE, [], {"to": TensorProto.BOOL}),
    "Cast to double": ("Cast", IMAGE, [], {"to": TensorProto.DOUBLE}),
}  # fmt: skip


def graph_of(case: tuple[Any, ...], *, opset: int = 18) -> Any:
    op, shape, given, attributes, *count = case
    weights = {f"w{i}": value for i, value in enumerate(given) if not isinstance(value, str)}
    names = ["x", *(f"w{i}" if f"w{i}" in weights else "" for i in range(len(given)))]
    outputs = [f"y{i}" for i in range(count[0] if count else 1)]
    made = model_of([node(op, names, outputs, "it", **attributes)], shape, outputs, weights)
    made.opset_import[0].version = opset
    if any(info.type.tensor_type.elem_type == TensorProto.FLOAT for info in made.graph.output):
        # The type of the output is for shape inference to find.
        for info in made.graph.output:
            info.type.Clear()
    return nb.load(made, batch=shape[0])


@pytest.mark.parametrize("name", CASES)
def test_as_in_onnx_runtime(name: str) -> None:
    op = CASES[name][0]
    graph = graph_of(CASES[name], opset=20 if op in ("Gelu",) else 18)
    (found,) = graph.nodes
    assert found.op_type == op
    x = floats(*CASES[name][1])
    ours = TorchHost(graph, "cpu").run("it", graph.nodes, {"x": x}, None)
    want = OnnxHost(graph).run("it", graph.nodes, {"x": x}, None)
    assert ours.keys() == want.keys()
    for tensor, array in want.items():
        assert (ours[tensor].shape, ours[tensor].dtype) == (array.shape, array.dtype)
        np.testing.assert_allclose(ours[tensor], array, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("attributes", [{}, {"approximate": "tanh"}])
def test_gelu(attributes):
    graph = graph_of(("Gelu", IMAGE, [], attributes), opset=20)
    x = floats(*IMAGE)
    ours, want = (host.run("it", graph.nodes, {"x": x}, None) for host in (TorchHost(graph, "cpu"), OnnxHost(graph)))
    np.testing.assert_allclose(ours["y0"], want["y0"], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("op", ["Sqrt", "Log", "Reciprocal"])
def test_of_positive_numbers(op):
    graph = graph_of((op, IMAGE, [], {}))
    x = abs(floats(*IMAGE)) + 0.1
    ours, want = (host.run("it", graph.nodes, {"x": x}, None) for host in (TorchHost(graph, "cpu"), OnnxHost(graph)))
    np.testing.assert_allclose(ours["y0"], want["y0"], rtol=2e-5)


def test_whole_numbers_and_conditions():
    nodes = [
        node("Cast", ["x"], ["i"], "i", to=TensorProto.INT64), node("Div", ["i", "two"], ["d"], "d"),
        node("Less", ["x", "half"], ["b"], "b"), node("Not", ["b"], ["n"], "n"), node("And", ["b", "n"], ["a"], "a"),
        node("Where", ["b", "x", "half"], ["w"], "w"),
    ]  # fmt: skip
    made = model_of(nodes, (3, 5), ["d", "a", "w"], {"two": ints(2), "half": scalar(0.5)})
    for info in made.graph.output:
        info.type.Clear()
    graph = nb.load(made, batch=3)
    x = 5 * floats(3, 5)
    ours, want = (host.run("all", graph.nodes, {"x": x}, None) for host in (TorchHost(graph, "cpu"), OnnxHost(graph)))
    for tensor, array in want.items():
        assert ours[tensor].dtype == array.dtype
        np.testing.assert_array_equal(ours[tensor], array)


def test_bands_are_padded_as_asked():
    graph = convolutions((6, 3, {"pads": [1, 1, 1, 1], "strides": [2, 1]}), channels=4, size=(9, 7))
    x = floats(1, 4, 5, 7)
    for pads in ((0, 0), (1, 0), (0, 1), (1, 1)):
        ours, want = (
            host.run("c0", graph.nodes, {"x": x}, pads) for host in (TorchHost(graph, "cpu"), OnnxHost(graph))
        )
        assert ours["r0"].shape == want["r0"].shape == (1, 6, (5 + sum(pads) - 3) // 2 + 1, 7)
        np.testing.assert_allclose(ours["r0"], want["r0"], rtol=1e-5, atol=1e-5)


def test_products():
    graph = convolutions((6, 1, {}), channels=4, size=(3, 3))
    rows, weight, bias = floats(5, 4), floats(4, 6), floats(6)
    for given in (bias, None):
        ours, want = (h.matmul("m", rows, weight, given) for h in (TorchHost(graph, "cpu"), OnnxHost(graph)))
        np.testing.assert_allclose(ours, want, rtol=1e-5, atol=1e-5)


def test_a_plan_on_torch():
    device = nb.device("newton-gddr6")
    graph = convolutions(
        (24, 1, {}),
        (24, 3, {"group": 24, "pads": [1] * 4}),
        (8, 1, {}),
        (8, 3, {"pads": [1] * 4}),
        channels=8,
        size=(8, 8),
    )
    bands = [Part("rows", 0, 5), Part("rows", 5, 8)], [Part("rows", 0, 4), Part("rows", 4, 8)]
    decision = {
        "c0": tuple(("pim", p) for p in bands[0]), "c1": tuple(("gpu", p) for p in bands[1]),
        "c2": (("pim", Part("pixels", 0, 40)), ("gpu", Part("pixels", 40, 64))),
    }  # fmt: skip
    plan, feeds = plan_of(graph, device, decision), {"x": floats(1, 8, 8, 8)}
    ours = nb.execute(plan, device, feeds, host=TorchHost(graph, "cpu"))
    np.testing.assert_allclose(ours["r3"], nb.execute(plan, device, feeds)["r3"], rtol=2e-3, atol=2e-3)
    plain = nb.reference(graph, feeds)["r3"]
    assert np.linalg.norm(ours["r3"] - plain) < 0.003 * np.linalg.norm(plain)


def test_half_precision_with_channels_last():
    graph = convolutions((16, 3, {"pads": [1] * 4}), (8, 1, {}), channels=8, size=(8, 8))
    x = floats(1, 8, 8, 8)
    half, full = (
        TorchHost(graph, "cpu", kind).run("all", graph.nodes, {"x": x}, None)["r1"] for kind in ("float16", "float32")
    )
    assert half.dtype == full.dtype == np.float32
    error = np.linalg.norm(half - full) / np.linalg.norm(full)
    assert 1e-5 < error < 5e-3


def test_what_it_does_not_know():
    graph = graph_of(("Hardmax", IMAGE, [], {}))
    with pytest.raises(ModelError, match="no such operator") as error:
        TorchHost(graph, "cpu").run("it", graph.nodes, {"x": floats(*IMAGE)}, None)
    assert "Hardmax" in str(error.value)
    assert "it" in str(error.value)
    indices = graph_of(("MaxPool", IMAGE, [], {"kernel_shape": [2, 2]}, 2))
    with pytest.raises(ModelError, match="MaxPool with indices"):
        TorchHost(indices, "cpu").run("it", indices.nodes, {"x": floats(*IMAGE)}, None)
    good = convolutions((6, 1, {}), channels=4, size=(3, 3))
    with pytest.raises(ModelError, match="torch: Conv: ") as error:
        TorchHost(good, "cpu").run("it", good.nodes, {"x": floats(1, 5, 3, 3)}, None)
    assert "c0" in str(error.value)


def test_without_torch_or_cuda(monkeypatch):
    graph = convolutions((6, 1, {}), channels=4, size=(3, 3))
    if not TorchHost(graph).torch.cuda.is_available():
        with pytest.raises(InputError, match="no CUDA GPU"):
            TorchHost(graph, "cuda")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="torch is not installed"):
        TorchHost(graph)
