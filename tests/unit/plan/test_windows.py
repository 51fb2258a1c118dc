"""Kernels of a graph: what they read, by which rows, and along what they may be cut."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from tests.planning import convolutions, hand_kernel, model_of

import nearbank as nb
from nearbank.errors import PlanError
from nearbank.pim import Product
from nearbank.plan import Kernel, Part, Window, kernels, product_of
from nearbank.runtime.regions import Region, region

node = helper.make_node


def by_name(nodes, shape, outputs, weights=None, batch: int = 1, **feeds) -> dict[str, Kernel]:
    graph = nb.load(model_of(nodes, shape, outputs, weights or {}, **feeds), batch=batch)
    return {k.name: k for k in kernels(graph)}


def floats(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("kernel", "attributes", "window"),
    [
        (1, {}, Window(1, 1, 0)),
        (3, {"pads": [1, 1, 1, 1]}, Window(3, 1, 1)),
        (3, {"pads": [0, 0, 1, 1], "strides": [2, 2]}, Window(3, 2, 0)),  # padded below alone, as TensorFlow does
        (3, {"pads": [2, 2, 2, 2], "dilations": [2, 2]}, Window(5, 1, 2)),
        (5, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, Window(5, 2, 1)),  # 8 rows to 4: (3 * 2 + 5 - 8) // 2 above
        (1, {"strides": [2, 2]}, Window(1, 2, 0)),
        (1, {"pads": [1, 1, 1, 1]}, None),  # rows of padding alone
        (3, {"pads": [3, 0, 0, 0]}, None),
    ],
)
def test_windows_of_convolutions(kernel, attributes, window):
    (found,) = kernels(convolutions((6, kernel, attributes), channels=4, size=(8, 8)))
    assert found.window == window
    assert found.banded == (("x",) if window else ())
    assert found.extent("rows") == (found.shape[2] if window else 0)


def test_rows_of_a_window_by_hand():
    window = Window(3, 2, 1)
    assert [(window.first(r), window.stop(r)) for r in range(4)] == [(-1, 2), (1, 4), (3, 6), (5, 8)]
    kernel = hand_kernel("a", "x", shape=(1, 4, 4, 4), window=window)
    # Of 7 rows, output rows 0 and 1 read 0 to 3 with one above; 2 and 3 read 3 to 6 with one below.
    assert region(kernel, Part("rows", 0, 2), 7) == Region(0, 4, 1, 0)
    assert region(kernel, Part("rows", 2, 4), 7) == Region(3, 7, 0, 1)
    assert region(kernel, Part("rows", 1, 2), 7) == Region(1, 4, 0, 0)


def test_pools_have_windows_and_global_ones_none():
    pool = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    found = by_name(
        [node("MaxPool", ["x"], ["m"], "m", **pool), node("GlobalAveragePool", ["m"], ["g"], "g")], (1, 4, 8, 8), ["g"]
    )
    assert (found["m"].window, found["m"].banded) == (Window(3, 2, 1), ("x",))
    assert found["g"].window is None
    for more in ({"ceil_mode": 1}, {"ceil_mode": 1, "pads": [0, 0, 0, 0]}):
        odd = by_name([node("MaxPool", ["x"], ["m"], "m", **(pool | more))], (1, 4, 8, 8), ["m"])
        assert odd["m"].window is None


def test_a_residual_reads_both_by_rows_and_a_gate_is_read_whole():
    weights = {"w": floats(4, 4, 1, 1), "v": floats(4, 4, 1, 1)}
    nodes = [
        node("Conv", ["x", "w"], ["a"], "a"), node("Add", ["a", "x"], ["b"], "b"),
        node("GlobalAveragePool", ["b"], ["p"], "p"), node("Conv", ["p", "v"], ["q"], "q"),
        node("Mul", ["b", "q"], ["r"], "r"),
    ]  # fmt: skip
    found = by_name(nodes, (1, 4, 6, 6), ["r"], weights)
    assert (found["b"].window, found["b"].banded) == (Window(), ("a", "x"))
    assert (found["r"].sources, found["r"].banded) == (("b", "q"), ("b",))
    assert found["r"].window == Window()


@pytest.mark.parametrize(
    ("other", "cut"),
    [
        ((1, 4, 6, 6), True),
        ((1, 4, 1, 1), True),
        ((4, 1, 1), True),
        ((1, 4, 1, 6), True),
        ((6, 6), False),
        ((4, 6, 6), False),
    ],
)
def test_what_is_broadcast_along_rows(other, cut):
    found = by_name([node("Add", ["x", "y"], ["a"], "a")], (1, 4, 6, 6), ["a"], y=other)
    assert (found["a"].window is not None) == cut
    # A constant with rows of its own would have to be cut as well.
    constant = by_name([node("Add", ["x", "y"], ["a"], "a")], (1, 4, 6, 6), ["a"], {"y": floats(*other)})
    assert (constant["a"].window is not None) == (cut and (len(other) < 2 or other[-2] == 1))


def test_a_constant_of_many_images_is_not_cut():
    found = by_name([node("Add", ["x", "y"], ["a"], "a")], (2, 4, 6, 6), ["a"], {"y": floats(2, 4, 1, 1)}, batch=2)
    assert found["a"].window is None


def test_kinds_and_extents():
    graph = convolutions(
        (6, 3, {"pads": [1] * 4}), (6, 3, {"group": 6, "pads": [1] * 4}), (8, 1, {}), channels=4, size=(8, 5), batch=3
    )
    conv, depthwise, point = kernels(graph)
    assert (conv.kind, depthwise.kind, point.kind) == ("conv", "depthwise", "pointwise")
    assert [len(k.nodes) for k in (conv, depthwise, point)] == [2, 2, 2]
    assert {axis: conv.extent(axis) for axis in ("pixels", "channels", "rows", "images")} == {
        "pixels": 3 * 8 * 5, "channels": 6, "rows": 8, "images": 3,
    }  # fmt: skip
    assert (depthwise.extent("pixels"), depthwise.extent("channels"), depthwise.extent("rows")) == (0, 0, 8)


def test_the_product_of_a_part():
    (kernel,) = kernels(convolutions((32, 3, {"pads": [1] * 4}), channels=4, size=(8, 5), batch=2))
    assert product_of(kernel, Part()) == Product(80, 36, 32)
    assert product_of(kernel, Part("pixels", 3, 20)) == Product(17, 36, 32)
    assert product_of(kernel, Part("channels", 16, 32)) == Product(80, 36, 16)
    assert product_of(kernel, Part("rows", 2, 5)) == Product(2 * 3 * 5, 36, 32)
    assert product_of(kernel, Part("images", 1, 2)) == Product(40, 36, 32)
    with pytest.raises(PlanError, match="no matrix product"):
        product_of(hand_kernel("a", "x"), Part())
