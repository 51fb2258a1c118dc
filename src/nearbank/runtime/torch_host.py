"""The host's side in torch, on the CPU or a CUDA GPU: the same nodes as in ONNX Runtime, one torch call each."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nearbank.errors import InputError, ModelError
from nearbank.graph import Graph, Node
from nearbank.runtime.host import Pads
from nearbank.runtime.torch_call import Call
from nearbank.runtime.torch_ops import OPERATORS

__all__ = ["TorchHost", "import_torch"]

Array = NDArray[Any]
Tensor = Any
Kind = Literal["float32", "float16"]


def import_torch() -> Any:
    """The module torch. Raises `InputError` where it is not installed."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        raise InputError("torch is not installed", value="no module torch", bound="the extra [torch]") from None


class TorchHost:
    """See `nearbank.runtime.host.Host`. Weights are brought to the device once. Sums in float32 are true float32 also on CUDA (no
    TF32).

    Args:
        graph: whose nodes are run.
        device: "cpu", "cuda", or "auto": CUDA where there is one.
        kind: how floating-point numbers are computed; what is handed back has the graph's own types. "float16" holds images with
            channels last, as tensor cores want them.

    Raises:
        InputError: no torch, or no CUDA GPU where one is asked for.
        ModelError: a node whose operator is not known here.
    """

    def __init__(self, graph: Graph, device: Literal["auto", "cpu", "cuda"] = "auto", kind: Kind = "float32") -> None:
        self.torch = import_torch()
        there = bool(self.torch.cuda.is_available())
        if device == "cuda" and not there:
            raise InputError(
                "no CUDA GPU", where="torch", value=self.torch.__version__, bound="--host torch on its machine"
            )
        self.graph, self.device = graph, "cuda" if device == "auto" and there else device.replace("auto", "cpu")
        self.kind = getattr(self.torch, kind)
        self._images = self.torch.channels_last if kind == "float16" else self.torch.contiguous_format
        self._protos = {proto.name: proto for proto in graph.model.graph.node}
        self._weights = {proto.name: proto for proto in graph.model.graph.initializer}
        self._constants: dict[str, tuple[Tensor, Array]] = {}

    def run(self, name: str, nodes: Sequence[Node], inputs: Mapping[str, Array], pads: Pads | None) -> dict[str, Array]:
        """See `Host`."""
        found = self.compute(nodes, {tensor: self.tensor(value) for tensor, value in inputs.items()}, pads)
        return {tensor: self._back(value, self.graph.spec(tensor).dtype) for tensor, value in found.items()}

    def matmul(self, name: str, rows: Array, weight: Array, bias: Array | None) -> Array:
        """See `Host`."""
        torch = self.torch
        with torch.inference_mode(), self._exact():
            found = self.tensor(rows) @ self.tensor(weight)
            return self._back(found if bias is None else found + self.tensor(bias), "float32")

    def tensor(self, array: Array) -> Tensor:
        """An array on the device, as the host computes with it."""
        made = self.torch.from_numpy(np.array(array))
        if made.is_floating_point():
            made = made.to(self.kind)
        return made.to(self.device, memory_format=self._images) if made.dim() == 4 else made.to(self.device)

    def compute(self, nodes: Sequence[Node], inputs: Mapping[str, Tensor], pads: Pads | None) -> dict[str, Tensor]:
        """Tensors on the device that ``nodes`` make of ``inputs`` and others read, with no transfer in between."""
        values = dict(inputs)
        with self.torch.inference_mode(), self._exact():
            for index, node in enumerate(nodes):
                values.update(self._node(node, values, None if index else pads))
        return {tensor: values[tensor] for tensor in self._wanted(nodes)}

    def _node(self, node: Node, values: Mapping[str, Tensor], pads: Pads | None) -> dict[str, Tensor]:
        operator = None if node.domain else OPERATORS.get(node.op_type)
        if operator is None:
            raise ModelError(
                "the torch host has no such operator", where=node.name, value=node.op_type, bound="--host onnx"
            )
        proto = self._protos[node.name]
        inputs, known = [], []
        for tensor in proto.input:
            constant = self._constant(tensor) if tensor in self._weights else None
            inputs.append(None if not tensor else constant[0] if constant else values[tensor])
            known.append(constant[1] if constant else None)
        attributes = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
        call = Call(self.torch, node, tuple(inputs), tuple(known), attributes, self.kind, pads)
        try:
            found = operator(call)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            text = str(error).splitlines()
            raise ModelError(f"torch: {node.op_type}: {text[0] if text else error!r}", where=node.name) from None
        results = found if isinstance(found, tuple | list) else (found,)
        return {tensor: result.to(self.device) for tensor, result in zip(proto.output, results, strict=False) if tensor}

    def _constant(self, tensor: str) -> tuple[Tensor, Array]:
        if tensor not in self._constants:
            array = numpy_helper.to_array(self._weights[tensor])
            self._constants[tensor] = self.tensor(array), array
        return self._constants[tensor]

    def _wanted(self, nodes: Sequence[Node]) -> Iterable[str]:
        inside, results = {node.name for node in nodes}, {spec.name for spec in self.graph.outputs}
        for node in nodes:
            for tensor in node.outputs:
                if tensor in results or any(user.name not in inside for user in self.graph.consumers(tensor)):
                    yield tensor

    def _back(self, value: Tensor, dtype: str) -> Array:
        return np.ascontiguousarray(value.detach().cpu().numpy()).astype(dtype, copy=False)

    def _exact(self) -> AbstractContextManager[object]:
        """Convolutions in float32 proper: cuDNN may else use TF32, which keeps 10 bits."""
        if self.device != "cuda" or self.kind != self.torch.float32:
            return nullcontext()
        flags: AbstractContextManager[object] = self.torch.backends.cudnn.flags(
            enabled=True, benchmark=False, allow_tf32=False
        )
        return flags
