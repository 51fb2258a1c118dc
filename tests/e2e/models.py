"""Small ONNX files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def network(
    path: Path,
    *,
    channels: tuple[int, ...] = (3, 8),
    size: object = 6,
    batch: object = "n",
    opset: int = 17,
    bad: float = 0.0,
) -> Path:
    """Pointwise convolutions with a ReLU behind each, of ``channels`` in turn, on a square image; written to ``path``."""
    rng = np.random.default_rng(0)
    nodes, weights, tensor = [], [], "input"
    for index, (inputs, outputs) in enumerate(pairwise(channels)):
        array = (rng.standard_normal((outputs, inputs, 1, 1)) / np.sqrt(inputs)).astype(np.float32)
        if bad:
            array[-1, 0] = bad
        bias = rng.standard_normal(outputs).astype(np.float32)
        weights += [numpy_helper.from_array(array, f"w{index}"), numpy_helper.from_array(bias, f"b{index}")]
        nodes.append(helper.make_node("Conv", [tensor, f"w{index}", f"b{index}"], [f"c{index}"], name=f"conv{index}"))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"], name=f"relu{index}"))
        tensor = f"r{index}"
    source = helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, channels[0], size, size])
    target = helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "small", [source], [target], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def convolution(
    path: Path,
    *,
    shape: tuple[int, int, int, int] = (1, 5, 7, 7),
    out_channels: int = 6,
    kernel: tuple[int, int] = (3, 3),
    groups: int = 1,
    **attributes: object,
) -> Path:
    """One convolution with bias of an input of ``shape`` (NCHW), ``attributes`` as ONNX has them; written to ``path``."""
    rng = np.random.default_rng(1)
    array = rng.standard_normal((out_channels, shape[1] // groups, *kernel)).astype(np.float32)
    array /= np.sqrt(array[0].size)
    bias = rng.standard_normal(out_channels).astype(np.float32)
    weights = [numpy_helper.from_array(array, "w"), numpy_helper.from_array(bias, "b")]
    node = helper.make_node("Conv", ["input", "w", "b"], ["output"], name="conv", group=groups, **attributes)
    source = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
    target = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "convolution", [source], [target], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path
