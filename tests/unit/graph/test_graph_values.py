"""What a cut graph computes is what the whole model computes."""

from __future__ import annotations

import numpy as np
import pytest
from graph_models import Builder, same_values
from onnx import helper, numpy_helper
from tests.e2e.models import convolution

import nearbank as nb
from nearbank.errors import InputError
from nearbank.graph import Segment, cut, load


def residual():
    b = Builder()
    x = b.add("Relu", b.norm(b.conv("input", 3, 8, bias=False), 8))
    y = b.conv(b.add("Relu", b.conv(x, 8, 8, 3, pads=[1] * 4)), 8, 8)
    return b.model(b.add("Relu", b.add("Add", x, y)))


def squeeze_excite():
    b = Builder()
    x = b.conv("input", 3, 8)
    x = b.add("Mul", x, b.add("Sigmoid", x))
    s = b.conv(b.add("GlobalAveragePool", x), 8, 2)
    s = b.add("Sigmoid", b.conv(b.add("Mul", s, b.add("Sigmoid", s)), 2, 8))
    return b.model(b.conv(b.add("Mul", x, s), 8, 4))


def strided():
    b = Builder(("n", 3, 9, 7))
    return b.model(b.conv(b.conv("input", 3, 5, strides=[2, 3]), 5, 4, strides=[1, 2]))


def gemm():
    b = Builder(("n", 6))
    x = b.add("Gemm", "input", b.random(5, 6), b.random(5), transB=1, alpha=0.5, beta=2.0)
    x = b.add("Gemm", b.add("Relu", x), b.random(5, 4), b.weight(np.float32([[3]])))
    return b.model(b.add("Gemm", x, b.random(4, 7)))


def matmul():
    b = Builder(("n", 5, 6))
    x = b.add("Add", b.add("MatMul", "input", b.random(6, 8)), b.random(8))
    return b.model(b.add("MatMul", x, b.random(8, 3)))


def flat_matmul():
    b = Builder(("n", 6))
    return b.model(b.add("Relu", b.add("Add", b.random(1, 8), b.add("MatMul", "input", b.random(6, 8)))))


def odd_conv():
    b = Builder(("n", 3, 11, 13))
    x = b.conv("input", 3, 6, (3, 5), pads=[1, 0, 2, 3], strides=[2, 3], dilations=[2, 1])
    return b.model(b.conv(x, 6, 4, (2, 1), auto_pad="SAME_LOWER"))


def same_upper():
    b = Builder(("n", 3, 10, 7))
    x = b.conv("input", 3, 4, 3, auto_pad="SAME_UPPER", strides=[2, 2])
    x = b.conv(x, 4, 4, 4, auto_pad="SAME_UPPER", strides=[3, 1])
    return b.model(b.conv(x, 4, 4, (2, 3), auto_pad="VALID"))


def many_consumers():
    b = Builder()
    x = b.conv("input", 3, 8)
    a, c = b.conv(x, 8, 8), b.add("Relu", x)
    return b.model(b.add("Concat", a, c, x, b.conv(x, 8, 2), axis=1), x, a)


def product_is_output():
    b = Builder()
    return b.model(b.conv("input", 3, 4))


def padded_pointwise():
    b = Builder()
    return b.model(b.conv("input", 3, 4, pads=[1, 0, 0, 2]))


def one_pixel():
    b = Builder(("n", 1, 1, 1))
    return b.model(b.conv(b.conv("input", 1, 1), 1, 1, 3, pads=[1] * 4))


def wide():
    b = Builder(("n", 4097, 1, 2))
    return b.model(b.conv("input", 4097, 4099))


def half():
    b = Builder(dtype=np.float16)
    x = b.add("Relu", b.norm(b.conv("input", 3, 8, 3), 8))
    x = b.add("Cast", b.add("Cast", x, to=1), to=10)
    return b.model(b.conv(x, 8, 4))


def with_constants():
    b = Builder()
    w = numpy_helper.from_array(b.rng.standard_normal((4, 3, 1, 1)).astype(np.float32))
    x = b.add("Conv", "input", b.add("Constant", value=w))
    w = b.add("Transpose", b.random(5, 4), perm=[1, 0])
    x = b.add("Flatten", b.add("GlobalAveragePool", x))
    return b.model(b.add("MatMul", x, w))


def reshaped():
    b = Builder()
    x = b.conv("input", 3, 4)
    n = b.add("Gather", b.add("Shape", x), b.weight(np.int64(0)), axis=0)
    n = b.add("Unsqueeze", n, b.weight(np.int64([0])))
    x = b.add("Reshape", x, b.add("Concat", n, b.weight(np.int64([-1])), axis=0))
    return b.model(b.add("Gemm", x, b.random(256, 3), transB=0))


def kept_norm():
    b = Builder()
    x = b.add("Relu", b.norm("input", 3))
    y = b.conv(x, 3, 4)
    return b.model(b.add("Add", b.norm(y, 4), y))


def vector():
    b = Builder(("n", 6))
    x = b.add("Reshape", b.add("ReduceSum", "input", b.weight(np.int64([0]))), b.weight(np.int64([6])))
    return b.model(b.add("MatMul", x, b.random(6, 5)))


def branches():
    b = Builder(("n", 4))
    flag = b.add("Greater", b.add("ReduceSum", "input", keepdims=0), b.weight(np.float32(0)))
    x = b.add("MatMul", "input", b.random(4, 4))
    b.random(4)
    bodies = [
        helper.make_graph([helper.make_node(op, [x, "w2"], [f"{op}_out"])], op, [],
                          [helper.make_tensor_value_info(f"{op}_out", 1, None)])
        for op in ("Add", "Mul")
    ]  # fmt: skip
    x = b.add("If", flag, then_branch=bodies[0], else_branch=bodies[1])
    return b.model(b.add("MatMul", x, b.random(4, 2)))


MODELS = [
    residual, squeeze_excite, strided, gemm, matmul, flat_matmul, odd_conv, same_upper, many_consumers,
    product_is_output, padded_pointwise, one_pixel, wide, with_constants, reshaped, kept_norm, vector, branches,
]  # fmt: skip


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_all_work_offloaded(make, batch):
    model = make()
    before = model.SerializeToString()
    graph = load(model, batch=batch)
    assert model.SerializeToString() == before
    assert graph.inputs[0].shape[0] == batch
    assert graph.work
    same_values(graph, original=model)


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_each_choice_of_work(make):
    graph = load(make(), batch=2)
    same_values(graph, [])
    for work in graph.work:
        same_values(graph, [work.name])


def test_half_precision_is_computed_in_float32():
    model = half()
    graph = load(model, batch=2)
    assert {spec.dtype for spec in graph.tensors.values()} == {"float32"}
    assert not [node for node in graph.nodes if node.op_type == "Cast"]
    same_values(graph, original=model, tolerance=3e-3)


def test_groups_only_when_asked():
    b = Builder(("n", 6, 5, 5))
    x = b.conv(b.conv("input", 6, 8, 3, groups=2, name="kxk"), 8, 4, groups=4, name="one")
    model = b.model(b.conv(x, 4, 4, 3, groups=4, name="dw"))
    plain = load(model)
    assert plain.work == ()
    assert plain.node("kxk").reason.startswith("grouped convolution: 2 groups of 3 input channels")
    graph = load(model, groups="block-diagonal")
    assert [(w.name, w.kind, w.blocks, w.in_channels) for w in graph.work] == [
        ("kxk", "conv", 1, 54),
        ("one", "conv", 1, 8),
    ]
    assert np.count_nonzero(graph.work[1].weight) == 8
    assert graph.node("dw").reason.startswith("depthwise")
    same_values(graph, original=model)
    with pytest.raises(InputError, match="block-diagonal"):
        load(model, groups="blocks")


@pytest.mark.parametrize("groups", ["all", "tiles"])
@pytest.mark.parametrize(
    ("channels", "outputs", "count", "kernel", "attributes"),
    [
        (32, 32, 32, 3, {}),
        (17, 34, 17, 5, {"pads": (2, 2, 2, 2)}),
        (40, 40, 40, 3, {"strides": (2, 2), "pads": (0, 1, 1, 0)}),
        (33, 33, 33, 3, {"dilations": (2, 1), "strides": (1, 3)}),
        (64, 128, 4, 3, {}),
        (12, 20, 2, 1, {}),
        (48, 24, 12, 3, {"auto_pad": "SAME_UPPER"}),
    ],
)
def test_blocks_are_the_convolution(tmp_path, groups, channels, outputs, count, kernel, attributes):
    shape = {"shape": (2, channels, 9, 11), "out_channels": outputs, "kernel": (kernel, kernel), "groups": count}
    graph = load(convolution(tmp_path / "m.onnx", **shape, **attributes), batch=2, groups=groups)
    (work,) = graph.work
    assert work.kind == ("depthwise" if count == channels else "conv")
    assert work.weight.shape == (work.blocks, work.in_channels, work.gather.columns)
    image = np.random.default_rng(0).standard_normal(graph.inputs[0].shape).astype(np.float32)
    rows = work.rows(image)
    assert rows.shape == (work.pixels, work.blocks, work.in_channels)
    product = np.einsum("pbk,bkn->pbn", rows, work.weight) + work.bias
    plain = nb.reference(graph, {"input": image})["output"]
    np.testing.assert_allclose(work.restore(product), plain, atol=1e-5)


def test_work_of_a_block(tmp_path):
    # 3 x 3 of 20 channels at 6 x 6 pixels: 2 blocks of 10, 9 x 10 inputs of each for one pixel.
    path = convolution(tmp_path / "m.onnx", shape=(1, 20, 6, 6), out_channels=20, groups=20, pads=(1, 1, 1, 1))
    (work,) = load(path, groups="all").work
    assert (work.pixels, work.blocks, work.in_channels, work.gather.columns) == (36, 2, 90, 10)
    assert (work.macs, work.computed_macs) == (36 * 20 * 9, 36 * 2 * 90 * 10)
    # Six tiles of 2 x 3 by two channels: 4 x 5 places of both are 3 columns where one pixel of 10 channels is 6.
    (work,) = load(path, groups="tiles").work
    columns = work.pixels * work.blocks * -(-work.in_channels // 16)
    assert columns < 36 * 2 * 6 / 2
    assert work.macs == 36 * 20 * 9


def test_no_offloading_is_one_segment():
    graph = load(residual())
    (segment,) = cut(graph, [])
    assert isinstance(segment, Segment)
    assert segment.nodes == tuple(node.name for node in graph.nodes)
    assert (segment.inputs, segment.outputs) == (("input",), (graph.outputs[0].name,))


def test_segments_are_as_few_as_dependencies_allow():
    b = Builder()
    long = b.conv(b.conv("input", 3, 4, name="a"), 4, 4, name="b")  # two products, no host work between
    short = b.conv("input", 3, 4, name="c")
    model = b.model(b.add("Relu", long, name="r"), b.add("Sigmoid", short, name="s"))
    parts = cut(load(model), {"a", "b", "c"})
    assert [part.name for part in parts[:3]] == ["a", "b", "c"]
    assert len(parts) == 4
    assert parts[3].nodes == ("r", "s")
