"""In: a machine with a GPU and torch. Out: times of single kernels and of sequences, and a whole GPU profile. torch is imported
only when a bench is made."""

from __future__ import annotations

from nearbank.plan.measure.asked import graph_kernels
from nearbank.plan.measure.bench import Bench, Facts
from nearbank.plan.measure.calibrate import calibrate, profile_lines
from nearbank.plan.measure.kernels import ConvKernel, GapKernel, Kernel, MapKernel, MatmulKernel
from nearbank.plan.measure.shapes import Shapes, shapes
from nearbank.plan.measure.torch_bench import TorchBench

__all__ = [
    "Bench",
    "ConvKernel",
    "Facts",
    "GapKernel",
    "Kernel",
    "MapKernel",
    "MatmulKernel",
    "Shapes",
    "TorchBench",
    "calibrate",
    "graph_kernels",
    "profile_lines",
    "shapes",
]
