"""The frozen values of this room: a `Graph` is its `Node` s, some of which carry a `MatMul`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import onnx

from nearbank.errors import ModelError, near_matches
from nearbank.graph.gather import Gather

__all__ = ["Activation", "Graph", "Kind", "MatMul", "Node", "Segment", "TensorSpec"]

Kind = Literal["pointwise", "linear", "conv", "depthwise"]
Activation = Literal["relu", "relu6", "silu", "hardswish", "hardsigmoid", "sigmoid"]
Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor: its name, its shape in elements, and its NumPy type name (``"float32"``; ``"object"`` for strings)."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, eq=False)
class MatMul:
    """One matrix product with constant weights: ``restore(rows(source) @ weight + bias)`` is the tensor ``output``.

    ``kind``: ``pointwise`` (1x1 convolution), ``linear`` (Gemm, MatMul), ``depthwise`` or ``conv`` (any other convolution, as
    im2col). ``weight`` is float32 ``[K, N]`` and ``bias`` float32 ``[N]`` or None; both read-only. With several `blocks`, which
    are as many products, ``weight`` is ``[blocks, K, N]``, ``bias`` ``[blocks, N]``, and so on. ``activation`` is what
    directly and alone consumes ``output``; it makes ``activation_output`` with the nodes ``activation_nodes``, which
    are ordinary host nodes of the graph as well.
    """

    name: str
    kind: Kind
    weight: Array
    bias: Array | None
    activation: Activation | None
    source: str
    output: str
    activation_output: str | None
    gather: Gather
    activation_nodes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        blocks = (self.blocks,) if self.blocks > 1 else ()
        wanted = (*blocks, self.in_channels, self.gather.columns)
        if self.weight.shape != wanted:
            raise ModelError("weight has the wrong shape", where=self.name, value=self.weight.shape, bound=f"{wanted}")
        self.weight.setflags(write=False)
        if self.bias is not None:
            self.bias.setflags(write=False)

    @property
    def pixels(self) -> int:
        """Rows of the product: batch x height x width of the output (in tiles, of a blocked one), or rows of a fully connected
        layer."""
        return self.gather.pixels

    @property
    def blocks(self) -> int:
        """Independent products of the same size that this is; 1 if it is an ordinary one."""
        return self.gather.blocks

    @property
    def in_channels(self) -> int:
        """K: rows of a block's weights (kernel height x kernel width x input channels)."""
        return self.gather.in_channels

    @property
    def out_channels(self) -> int:
        """Channels of the output. Without blocks that is N, the columns of ``weight``."""
        return self.gather.out_channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates that the layer asks for, those with the zeros of padding included; see `computed_macs`."""
        return self.gather.macs

    @property
    def computed_macs(self) -> int:
        """Multiply-accumulates of the product as it stands, with all zeros inside its blocks."""
        return self.pixels * self.weight.size

    def rows(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """See `Gather.rows`."""
        return self.gather.rows(x)

    def restore(self, y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """See `Gather.restore`."""
        return self.gather.restore(y)


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operator. ``inputs`` are all tensors it reads: omitted ones left out, those its subgraphs capture at the end.

    Of these ``constants`` are weights; shapes and types run in parallel with the names. ``attributes`` holds the
    plain ones (numbers, strings, tuples of them); for a convolution ``kernel_shape``, ``strides``, ``pads``,
    ``dilations`` and ``group`` are always there, defaults filled in. ``work`` is the matrix product or None, and then
    ``reason`` says why.
    """

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    input_dtypes: tuple[str, ...]
    output_dtypes: tuple[str, ...]
    constants: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    work: MatMul | None = None
    reason: str = ""
    domain: str = ""


@dataclass(frozen=True, eq=False)
class Graph:
    """What a model computes. ``model`` is the folded ONNX model with the batch fixed: treat it as read-only.

    ``nodes`` are in topological order with unique names. ``tensors`` has every tensor, weights included.
    """

    name: str
    batch: int
    model: onnx.ModelProto
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    nodes: tuple[Node, ...]
    tensors: Mapping[str, TensorSpec]

    @cached_property
    def work(self) -> tuple[MatMul, ...]:
        """All matrix products, of every kind, in topological order."""
        return tuple(node.work for node in self.nodes if node.work is not None)

    def node(self, name: str) -> Node:
        """The node of that name. Raises `ModelError` for an unknown one."""
        if name not in self._by_name:
            raise ModelError("no such node", where=self.name, value=name, bound=near_matches(name, self._by_name))
        return self._by_name[name]

    def spec(self, tensor: str) -> TensorSpec:
        """Name, shape and type of a tensor. Raises `ModelError` for an unknown one."""
        if tensor not in self.tensors:
            raise ModelError("no such tensor", where=self.name, value=tensor, bound=near_matches(tensor, self.tensors))
        return self.tensors[tensor]

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Shape of a tensor, in elements. Raises `ModelError` for an unknown one."""
        return self.spec(tensor).shape

    def producer(self, tensor: str) -> Node | None:
        """The node that makes ``tensor``; None for a graph input or a weight."""
        return self._producers.get(self.spec(tensor).name)

    def consumers(self, tensor: str) -> tuple[Node, ...]:
        """The nodes that read ``tensor``, in topological order, each once."""
        return self._consumers.get(self.spec(tensor).name, ())

    @cached_property
    def _by_name(self) -> Mapping[str, Node]:
        return MappingProxyType({node.name: node for node in self.nodes})

    @cached_property
    def _producers(self) -> Mapping[str, Node]:
        return MappingProxyType({tensor: node for node in self.nodes for tensor in node.outputs})

    @cached_property
    def _consumers(self) -> Mapping[str, tuple[Node, ...]]:
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for tensor in dict.fromkeys(node.inputs):
                found.setdefault(tensor, []).append(node)
        return MappingProxyType({tensor: tuple(nodes) for tensor, nodes in found.items()})


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A part that the host runs at one go: ``model`` is complete, with exactly the inputs needed and outputs used."""

    name: str
    model: onnx.ModelProto
    nodes: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
