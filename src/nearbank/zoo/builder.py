"""In: layers, one call each. Out: an ONNX graph with stable names, batch norms already folded into the convolutions.

A node, its output and its parameters share one name: the convolution ``b1.expand`` writes the value ``b1.expand`` and
reads ``b1.expand.weight`` and ``b1.expand.bias``. Names are those of the published layer tables, so that a report, a
trace and a paper can be laid side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["MEAN_SQUARE", "Activation", "GraphBuilder", "Padding", "Params", "Value"]

Floats = npt.NDArray[np.float32]
Activation = Literal["none", "relu", "relu6", "hard_swish", "silu", "sigmoid", "hard_sigmoid"]
Padding = Literal["half", "same"]

OPSET = 17
IR_VERSION = 8

# E[f(z)^2] for z ~ N(0, 1), by numeric integration; the random weights use it to keep every layer's output near unit
# variance. The gates are taken at their value for a small input, one half.
MEAN_SQUARE: dict[Activation, float] = {
    "none": 1.0,
    "relu": 0.5,
    "relu6": 0.5,
    "hard_swish": 0.3316,
    "silu": 0.3558,
    "sigmoid": 0.25,
    "hard_sigmoid": 0.25,
}


@dataclass(frozen=True)
class Value:
    """A tensor ``[batch, channels, size, size]`` of the graph, or ``[batch, channels]`` where ``size`` is 0.

    ``power`` is the mean square expected of its elements, and ``positive`` says whether a rectified value is a part of
    them; only random weights are scaled by these.
    """

    name: str
    channels: int
    size: int
    power: float = 1.0
    positive: bool = False


class Params(Protocol):
    """Where the parameters of a layer come from."""

    def conv(self, name: str, shape: tuple[int, int, int, int], *, power: float) -> tuple[Floats, Floats]:
        """Weight ``[out, in / groups, k, k]`` and bias ``[out]`` of one convolution, its batch norm folded in."""
        ...

    def linear(self, name: str, shape: tuple[int, int], *, power: float) -> tuple[Floats, Floats]:
        """Weight ``[out, in]`` and bias ``[out]`` of one fully connected layer."""
        ...


class GraphBuilder:
    """Collects nodes and parameters; `finish` makes the model. Square images and kernels only."""

    def __init__(self, name: str, params: Params, *, image_size: int) -> None:
        self._name, self._params = name, params
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._infos: list[onnx.ValueInfoProto] = []
        self.input = Value("input", 3, image_size)

    def conv(
        self,
        name: str,
        x: Value,
        channels: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        padding: Padding = "half",
        act: Activation = "none",
    ) -> Value:
        """Convolution with bias, then its activation."""
        weight, bias = self._params.conv(name, (channels, x.channels // groups, kernel, kernel), power=x.power)
        before, after = _pads(x.size, kernel, stride, padding)
        out = Value(name, channels, (x.size + before + after - kernel) // stride + 1)
        self._node(
            "Conv",
            [x.name, self._constant(f"{name}.weight", weight), self._constant(f"{name}.bias", bias)],
            out,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )
        return self.activate(f"{name}.act", out, act)

    def linear(self, name: str, x: Value, features: int, *, act: Activation = "none", output: str = "") -> Value:
        """Fully connected layer with bias, then its activation; ``output`` renames the value it writes."""
        weight, bias = self._params.linear(name, (features, x.channels), power=x.power)
        inputs = [x.name, self._constant(f"{name}.weight", weight), self._constant(f"{name}.bias", bias)]
        out = Value(output or name, features, 0)
        self._node("Gemm", inputs, out, node=name, transB=1)
        return self.activate(f"{name}.act", out, act)

    def activate(self, name: str, x: Value, act: Activation) -> Value:
        """One activation; SiLU is a ``Sigmoid`` and a ``Mul``, as the opset has no node for it."""
        if act == "none":
            return x
        # A rectifier halves the power of a symmetric value, but hardly that of a sum with an already rectified one.
        kept = 1.0 if x.positive else MEAN_SQUARE[act]
        out = replace(x, name=name, power=x.power * kept, positive=act in ("relu", "relu6"))
        if act == "relu6":
            low = self._constant("relu6.min", np.zeros((), np.float32))
            high = self._constant("relu6.max", np.full((), 6, np.float32))
            self._node("Clip", [x.name, low, high], out)
        elif act == "silu":
            gate = replace(x, name=f"{name}.sigmoid")
            self._node("Sigmoid", [x.name], gate)
            self._node("Mul", [x.name, gate.name], out)
        elif act == "hard_sigmoid":
            self._node("HardSigmoid", [x.name], out, alpha=1 / 6, beta=0.5)
        else:
            self._node({"relu": "Relu", "hard_swish": "HardSwish", "sigmoid": "Sigmoid"}[act], [x.name], out)
        return out

    def add(self, name: str, x: Value, y: Value) -> Value:
        """Sum of a block's input and output."""
        out = replace(x, name=name, power=x.power + y.power, positive=x.positive or y.positive)
        self._node("Add", [x.name, y.name], out)
        return out

    def scale(self, name: str, x: Value, gate: Value) -> Value:
        """``x`` times one factor a channel, ``gate`` being ``[batch, channels, 1, 1]``."""
        out = replace(x, name=name, power=x.power * MEAN_SQUARE["sigmoid"])
        self._node("Mul", [x.name, gate.name], out)
        return out

    def max_pool(self, name: str, x: Value, *, kernel: int, stride: int) -> Value:
        """Max pooling, padded by half a kernel."""
        pad = kernel // 2
        out = replace(x, name=name, size=(x.size + 2 * pad - kernel) // stride + 1)
        self._node("MaxPool", [x.name], out, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)
        return out

    def mean_pool(self, name: str, x: Value) -> Value:
        """Mean over all positions: ``[batch, channels, 1, 1]``."""
        out = replace(x, name=name, size=1)
        self._node("GlobalAveragePool", [x.name], out)
        return out

    def flatten(self, name: str, x: Value) -> Value:
        """``[batch, channels, 1, 1]`` as ``[batch, channels]``."""
        out = replace(x, name=name, size=0)
        self._node("Flatten", [x.name], out, axis=1)
        return out

    def finish(self, output: Value) -> onnx.ModelProto:
        """The model from ``input`` to ``output``, which must be the value written last."""
        inputs, outputs = [_info(self.input)], [_info(output)]
        initializers = list(self._initializers.values())
        graph = helper.make_graph(self._nodes, self._name, inputs, outputs, initializers, value_info=self._infos[:-1])
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, producer_name="nearbank", ir_version=IR_VERSION, opset_imports=opsets)

    def _node(self, op: str, inputs: list[str], out: Value, *, node: str = "", **attributes: Any) -> None:
        self._nodes.append(helper.make_node(op, inputs, [out.name], name=node or out.name, **attributes))
        self._infos.append(_info(out))

    def _constant(self, name: str, array: Floats) -> str:
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(array, name)
        return name


def _pads(size: int, kernel: int, stride: int, padding: Padding) -> tuple[int, int]:
    """Zeros before and after each axis. ``same`` is TensorFlow's rule: just enough, the odd one after."""
    if padding == "half":
        return kernel // 2, kernel // 2
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _info(value: Value) -> onnx.ValueInfoProto:
    space = [value.size, value.size] if value.size else []
    return helper.make_tensor_value_info(value.name, TensorProto.FLOAT, ["batch", value.channels, *space])
