"""In: a Graph, a PIM device and a GPU profile. Out: a Plan: who does what, when, and why. Computes no values."""

from nearbank.plan.energy import LayerEnergy, PlanEnergy, plan_energy
from nearbank.plan.gpu import GpuModel, GpuTime, gpu, gpu_names
from nearbank.plan.make import make_plan
from nearbank.plan.types import POLICIES, Layer, Plan, System, Totals

__all__ = [
    "POLICIES",
    "GpuModel",
    "GpuTime",
    "Layer",
    "LayerEnergy",
    "Plan",
    "PlanEnergy",
    "System",
    "Totals",
    "gpu",
    "gpu_names",
    "make_plan",
    "plan_energy",
]
