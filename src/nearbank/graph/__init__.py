"""In: an ONNX model. Out: a Graph (what is computed, which of it is matrix work). Knows no DRAM, no GPU, no time."""

from nearbank.graph.blocks import GROUPS, Groups
from nearbank.graph.cutting import cut, segment
from nearbank.graph.fusion import fused_groups
from nearbank.graph.gather import Gather
from nearbank.graph.loader import load
from nearbank.graph.types import Activation, Graph, Kind, MatMul, Node, Segment, TensorSpec

__all__ = [
    "GROUPS",
    "Activation",
    "Gather",
    "Graph",
    "Groups",
    "Kind",
    "MatMul",
    "Node",
    "Segment",
    "TensorSpec",
    "cut",
    "fused_groups",
    "load",
    "segment",
]
