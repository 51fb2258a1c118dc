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
