"""In: an ONNX model. Out: how many multiply-accumulates one image takes."""

from __future__ import annotations

import math

import onnx
from onnx import shape_inference

from nearbank.errors import ModelError

__all__ = ["macs"]


def macs(model: onnx.ModelProto) -> int:
    """Multiply-accumulates of one image (batch 1): every ``Conv`` and ``Gemm``, those of squeeze-excites included.

    A tap that meets padding counts like any other; biases, activations, pooling and element-wise layers count nothing.
    This is the count behind the figures that papers and torchvision print. The first axis of each layer's output is
    taken to be the batch. Raises `ModelError` where a weight is no initializer or an output's shape is unknown.
    """
    dims = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    shapes = _shapes(model)
    if any(node.output[0] not in shapes for node in layers):
        shapes = _shapes(shape_inference.infer_shapes(model))
    return sum(_layer_macs(node, dims, shapes) for node in layers)


def _layer_macs(
    node: onnx.NodeProto, dims: dict[str, tuple[int, ...]], shapes: dict[str, tuple[int | None, ...]]
) -> int:
    weight, out = dims.get(node.input[1]), shapes.get(node.output[0], (None, None))
    if weight is None:
        raise ModelError("the weight is not an initializer", where=node.name)
    features = [extent for extent in out[1:] if extent is not None]
    if len(features) != len(out) - 1:
        raise ModelError("the shape of the output is not known", where=node.name)
    # Every element of the weight is used once at each output position.
    return math.prod(weight) * math.prod(features[1:])


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int | None, ...]]:
    return {
        value.name: tuple(d.dim_value if d.HasField("dim_value") else None for d in value.type.tensor_type.shape.dim)
        for value in (*model.graph.value_info, *model.graph.output)
        if value.type.tensor_type.HasField("shape")
    }
