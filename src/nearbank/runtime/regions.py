"""Which region of what a kernel reads makes a part of its output, and how its geometry looks from there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from nearbank.graph import Gather, Graph, Node
from nearbank.plan import Kernel, Part

__all__ = ["Region", "gather_of", "output_slices", "read_by", "region", "row_pads", "take"]

Array = NDArray[Any]
Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Region:
    """Rows ``[low, high)`` of what is read by rows, and the zero rows that padding puts ``above`` and ``below`` them."""

    low: int
    high: int
    above: int
    below: int


def region(kernel: Kernel, part: Part, rows: int) -> Region:
    """What a band of output rows needs of an input with ``rows`` rows."""
    window = kernel.window
    assert window is not None
    first, stop = window.first(part.start), window.stop(part.stop - 1)
    return Region(max(first, 0), min(stop, rows), max(-first, 0), max(stop - rows, 0))


def read_by(nodes: Sequence[Node]) -> tuple[str, ...]:
    """The tensors that ``nodes`` read and do not make, weights left out."""
    own = {tensor for node in nodes for tensor in (*node.outputs, *node.constants)}
    return tuple(dict.fromkeys(tensor for node in nodes for tensor in node.inputs if tensor not in own))


def row_pads(graph: Graph, kernel: Kernel, part: Part, nodes: Sequence[Node]) -> tuple[int, int] | None:
    """Rows of padding above and below that the first of ``nodes``, some or all of a kernel's, adds for a part that is a band;
    None for the whole."""
    if part.axis not in ("rows", "images"):
        return None
    if part.axis == "rows" and nodes[0] is kernel.nodes[0]:
        found = region(kernel, part, graph.shape(kernel.banded[0])[2])
        return found.above, found.below
    pads = nodes[0].attributes.get("pads", (0, 0, 0, 0))
    return pads[0], pads[2]


def take(kernel: Kernel, part: Part, tensor: str, value: Array) -> Array:
    """The region of one source that ``part`` reads; all of it for parts that are no bands."""
    if part.axis == "images" and value.ndim == 4 and value.shape[0] == kernel.shape[0]:
        return value[part.start : part.stop]
    if part.axis == "rows" and tensor in kernel.banded:
        found = region(kernel, part, value.shape[2])
        return value[:, :, found.low : found.high]
    return value


def output_slices(part: Part) -> Slices:
    """Where a band lies in the output, batch x channels x height x width; everywhere for parts that are no bands."""
    if part.axis == "images":
        return (slice(part.start, part.stop),)
    if part.axis == "rows":
        return (slice(None), slice(None), slice(part.start, part.stop))
    return (slice(None),)


def gather_of(kernel: Kernel, part: Part, gather: Gather) -> Gather:
    """The gather of a band's own rows from the region that `take` gives."""
    if part.axis == "images":
        return replace(
            gather, input_shape=(part.size, *gather.input_shape[1:]), output_shape=(part.size, *gather.output_shape[1:])
        )
    if part.axis != "rows":
        return gather
    batch, channels, rows, width = gather.input_shape
    found = region(kernel, part, rows)
    _, left, _, right = gather.pads
    return replace(
        gather,
        input_shape=(batch, channels, found.high - found.low, width),
        output_shape=(*gather.output_shape[:2], part.size, gather.output_shape[3]),
        pads=(found.above, left, found.below, right),
    )
