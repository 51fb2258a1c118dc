"""Which nodes a GPU engine runs as one kernel."""

from __future__ import annotations

from nearbank.graph.reasons import is_elementwise
from nearbank.graph.types import Graph, Node

__all__ = ["fused_groups"]

_HEAVY = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def fused_groups(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Names of nodes, grouped as kernels: each node in one group, groups in an order that can be run.

    A convolution or product takes its bias, and the activation behind it, if nothing else reads what lies between (also
    Sigmoid and Mul of SiLU). Elementwise operators of one shape that feed only each other make one kernel. Everything
    else is alone.
    """
    kernels: list[list[Node]] = []
    kernel_of: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if node.name in kernel_of:
            continue
        home = _kernel_before(graph, node, kernel_of)
        if home is None:
            home = []
            kernels.append(home)
        for member in (node, *_activation_pair(graph, node)):
            home.append(member)
            kernel_of[member.name] = home
    # Only the last member's output is seen outside, so ordering by it respects every dependency.
    position = {node.name: index for index, node in enumerate(graph.nodes)}
    kernels.sort(key=lambda kernel: position[kernel[-1].name])
    return tuple(tuple(node.name for node in kernel) for kernel in kernels)


def _kernel_before(graph: Graph, node: Node, kernel_of: dict[str, list[Node]]) -> list[Node] | None:
    """The kernel whose result ``node`` can be computed on before it leaves the registers."""
    if not is_elementwise(node.domain, node.op_type):
        return None
    for tensor in node.inputs:
        maker = graph.producer(tensor)
        if maker is None or not _only_reader(graph, tensor, node) or graph.shape(tensor) != node.output_shapes[0]:
            continue
        kernel = kernel_of[maker.name]
        if kernel[-1] is not maker or len(maker.outputs) != 1:
            continue
        if is_elementwise(kernel[0].domain, kernel[0].op_type) or _takes(graph, kernel, node):
            return kernel
    return None


def _takes(graph: Graph, kernel: list[Node], node: Node) -> bool:
    """Whether a convolution or product ends with ``node``: a constant bias first, then one activation."""
    if kernel[0].op_type not in _HEAVY or kernel[0].domain:
        return False
    unary = sum(tensor not in node.constants for tensor in node.inputs) == 1
    bias = node.op_type == "Add" and len(kernel) == 1
    activated = any(member.op_type != "Add" for member in kernel[1:])
    return unary and not activated and (bias or node.op_type not in ("Add", "Sub", "Mul", "Div"))


def _activation_pair(graph: Graph, node: Node) -> tuple[Node, ...]:
    """Sigmoid (or HardSigmoid) and Mul, if they alone read what ``node`` makes: they join its kernel at once."""
    fusible = (node.op_type in _HEAVY and not node.domain) or is_elementwise(node.domain, node.op_type)
    if not fusible or len(node.outputs) != 1 or _is_output(graph, node.outputs[0]):
        return ()
    readers = graph.consumers(node.outputs[0])
    if len(readers) != 2:
        return ()
    gate, product = sorted(readers, key=lambda reader: reader.op_type == "Mul")
    if gate.op_type not in ("Sigmoid", "HardSigmoid") or product.op_type != "Mul" or gate.domain or product.domain:
        return ()
    return (gate, product) if _only_reader(graph, gate.outputs[0], product) else ()


def _is_output(graph: Graph, tensor: str) -> bool:
    return any(spec.name == tensor for spec in graph.outputs)


def _only_reader(graph: Graph, tensor: str, node: Node) -> bool:
    return graph.consumers(tensor) == (node,) and not _is_output(graph, tensor)
