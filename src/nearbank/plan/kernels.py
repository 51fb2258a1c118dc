"""What the planner sees of a graph: kernels, what each reads, and along which axes it may be cut."""

from __future__ import annotations

from dataclasses import dataclass

from nearbank.graph import Graph, MatMul, Node, fused_groups
from nearbank.plan.types import Axis

__all__ = ["Kernel", "Window", "kernel_of", "kernels"]

_ELEMENTWISE = {"Clip", "Relu", "HardSwish", "Add", "Mul", "Sigmoid", "HardSigmoid", "Sub", "Div", "LeakyRelu", "Tanh"}
_POOLS = ("MaxPool", "AveragePool")


@dataclass(frozen=True)
class Window:
    """Which input rows an output row needs: row r needs ``stride * r - pad`` to that plus ``reach`` - 1, those that exist."""

    reach: int = 1
    stride: int = 1
    pad: int = 0

    def first(self, row: int) -> int:
        """The first input row of output row ``row``; may be negative, where the padding is."""
        return self.stride * row - self.pad

    def stop(self, row: int) -> int:
        """One past the last input row of output row ``row``; may lie beyond the input."""
        return self.first(row) + self.reach


@dataclass(frozen=True, eq=False)
class Kernel:
    """Nodes that a GPU runs as one kernel, named after the first.

    ``sources`` are the tensors it reads, weights left out; ``banded`` those of them of which a row of the output needs the
    rows of `window` only, the others are needed whole. ``window`` is None where rows of the output cannot be told apart.
    ``work`` is what the memory can do of it: the product of the first node.
    """

    name: str
    kind: str
    nodes: tuple[Node, ...]
    sources: tuple[str, ...]
    banded: tuple[str, ...]
    output: str
    shape: tuple[int, ...]
    window: Window | None
    work: MatMul | None
    reason: str

    @property
    def is_image(self) -> bool:
        """Whether the output is batch x channels x height x width."""
        return len(self.shape) == 4

    def extent(self, axis: Axis) -> int:
        """How far the output reaches along an axis; 0 if it has none."""
        if axis == "pixels":
            return self.work.pixels if self.work else 0
        if axis == "channels":
            return self.work.out_channels if self.work else 0
        if axis == "images":
            return self.shape[0] if self.is_image else 0
        return self.shape[2] if axis == "rows" and self.window else 0


def kernels(graph: Graph) -> tuple[Kernel, ...]:
    """The kernels of a graph in an order that can be run."""
    return tuple(kernel_of(graph, names) for names in fused_groups(graph))


def kernel_of(graph: Graph, names: tuple[str, ...]) -> Kernel:
    """The kernel of the nodes of these names, one of `fused_groups`."""
    nodes = tuple(graph.node(name) for name in names)
    first, made = nodes[0], {tensor for node in nodes for tensor in node.outputs}
    read = dict.fromkeys(t for node in nodes for t in node.inputs if t not in made and t not in node.constants)
    output = nodes[-1].outputs[0] if nodes[-1].outputs else first.name
    shape = nodes[-1].output_shapes[0] if nodes[-1].output_shapes else ()
    window, banded = _window(graph, nodes, tuple(read), shape)
    return Kernel(
        name=first.name, kind=kind_of(first), nodes=nodes, sources=tuple(read), banded=banded, output=output, shape=shape,
        window=window, work=first.work, reason=first.reason,
    )  # fmt: skip


def kind_of(node: Node) -> str:
    """In a word: pointwise, linear, conv, depthwise, pool, elementwise, or the operator's own name."""
    if node.work is not None:
        return node.work.kind
    if node.op_type == "Conv":
        return "depthwise" if 1 < node.attributes["group"] == node.input_shapes[0][1] else "conv"
    if "Pool" in node.op_type or node.op_type.startswith("Reduce"):
        return "pool"
    return "elementwise" if node.op_type in _ELEMENTWISE else node.op_type.lower()


def _window(
    graph: Graph, nodes: tuple[Node, ...], sources: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[Window | None, tuple[str, ...]]:
    """The window of the first node, if all behind it is elementwise along the rows."""
    first = nodes[0]
    if len(shape) != 4 or any(len(node.outputs) != 1 or node.domain for node in nodes):
        return None, ()
    behind = nodes
    window, banded = Window(), tuple(t for t in sources if len(graph.shape(t)) == 4 and graph.shape(t)[2] != 1)
    if first.op_type == "Conv" or first.op_type in _POOLS:
        a = first.attributes
        if len(first.input_shapes[0]) != 4 or a.get("ceil_mode", 0) or len(sources) != 1:
            return None, ()
        window = Window((a["kernel_shape"][0] - 1) * a["dilations"][0] + 1, a["strides"][0], a["pads"][0])
        if max(a["pads"][0], a["pads"][2]) >= window.reach:
            return None, ()  # some rows would be made of padding alone, from no row of the input
        behind, banded = nodes[1:], (first.inputs[0],)
    for node in behind:
        if node.op_type not in _ELEMENTWISE or node.output_shapes[0] != shape:
            return None, ()
        for name, size in zip(node.inputs, node.input_shapes, strict=True):
            rows = size[-2] if len(size) >= 2 else 1
            if rows not in (1, shape[2]) or (rows != 1 and (name in node.constants or len(size) != 4)):
                return None, ()
            if name in node.constants and len(size) == 4 and size[0] != 1:
                return None, ()  # a constant with images of its own
    if shape[2] == 1:
        banded = sources if first.op_type == "Conv" or first.op_type in _POOLS else ()
    return window, banded
