"""In: a Graph, a PIM device and a GPU profile. Out: a Plan: who does what part when, and why. Computes no values."""

from nearbank.plan.check import check_plan
from nearbank.plan.costs import Costs, MemoryCost, blocks_of, product_of
from nearbank.plan.energy import BoardEnergy, LayerEnergy, PlanEnergy, board_energy, plan_energy
from nearbank.plan.explain import Alternative, Explanation, explain
from nearbank.plan.floor import floor_us
from nearbank.plan.gpu import GpuModel, GpuTime, gpu, gpu_names
from nearbank.plan.kernels import Kernel, Window, kernels
from nearbank.plan.make import make_plan
from nearbank.plan.placement import Placement, Stretch, place_plan, place_weights
from nearbank.plan.sensitivity import Point, Sweep, break_even, sweep
from nearbank.plan.types import POLICIES, SCOPES, WHOLE, Layer, Part, Plan, System, Task

__all__ = [
    "POLICIES",
    "SCOPES",
    "WHOLE",
    "Alternative",
    "BoardEnergy",
    "Costs",
    "Explanation",
    "GpuModel",
    "GpuTime",
    "Kernel",
    "Layer",
    "LayerEnergy",
    "MemoryCost",
    "Part",
    "Placement",
    "Plan",
    "PlanEnergy",
    "Point",
    "Stretch",
    "Sweep",
    "System",
    "Task",
    "Window",
    "blocks_of",
    "board_energy",
    "break_even",
    "check_plan",
    "explain",
    "floor_us",
    "gpu",
    "gpu_names",
    "kernels",
    "make_plan",
    "place_plan",
    "place_weights",
    "plan_energy",
    "product_of",
    "sweep",
]
