import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearbank.zoo.blocks import InvertedResidual, classify, inverted_residual, make_divisible
from nearbank.zoo.builder import MEAN_SQUARE, GraphBuilder, _pads
from nearbank.zoo.weights import RandomParams


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FORMULAS = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "silu": lambda x: x * sigmoid(x),
    "sigmoid": sigmoid,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
}


@pytest.mark.parametrize("act", sorted(set(FORMULAS) - {"none"}))
def test_each_activation_is_its_formula(act):
    g = GraphBuilder("one", RandomParams(0), image_size=8)
    model = g.finish(g.activate("act", g.input, act))
    x = np.linspace(-9, 9, 192, dtype=np.float32).reshape(1, 3, 8, 8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"input": x})[0], FORMULAS[act](x.astype(float)), atol=2e-6)


@pytest.mark.parametrize("act", ["none", "relu", "relu6", "hard_swish", "silu"])
def test_the_mean_squares_are_those_of_a_normal_input(act):
    z = np.linspace(-12, 12, 200_001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    assert MEAN_SQUARE[act] == pytest.approx((FORMULAS[act](z) ** 2 * density).sum() * (z[1] - z[0]), abs=1e-4)


@given(st.integers(1, 300), st.sampled_from([1, 3, 5, 7]), st.sampled_from([1, 2]))
def test_same_padding_gives_the_size_over_the_stride_rounded_up(size, kernel, stride):
    before, after = _pads(size, kernel, stride, "same")
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)
    assert 0 <= after - before <= 1


@pytest.mark.parametrize(("channels", "near"), [(8, 8), (18, 24), (30, 32), (168, 168), (3, 8), (12, 16), (61, 64)])
def test_make_divisible_goes_to_the_nearest_but_not_far_below(channels, near):
    assert make_divisible(channels) == near


@pytest.mark.parametrize(
    ("stride", "hidden", "out", "squeeze", "nodes"),
    [
        (1, 6, 3, 0, ["b.expand", "b.depthwise", "b.project", "b.add"]),
        (1, 3, 3, 0, ["b.depthwise", "b.project", "b.add"]),
        (2, 6, 3, 0, ["b.expand", "b.depthwise", "b.project"]),
        (1, 6, 4, 0, ["b.expand", "b.depthwise", "b.project"]),
        (2, 3, 4, 2, ["b.depthwise", *(f"b.se.{n}" for n in ("pool", "reduce", "expand", "scale")), "b.project"]),
    ],
)
def test_a_block_has_only_the_nodes_that_its_shapes_call_for(stride, hidden, out, squeeze, nodes):
    g = GraphBuilder("one", RandomParams(0), image_size=8)
    y = inverted_residual(g, "b", g.input, InvertedResidual(3, stride, hidden, out, "relu", squeeze))
    model = g.finish(classify(g, y))
    onnx.checker.check_model(model, full_check=True)
    named = [node.name for node in model.graph.node if node.op_type in ("Conv", "Add", "Mul", "GlobalAveragePool")]
    assert named == [*nodes, "pool"]
