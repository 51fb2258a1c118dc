"""In: a Graph, a PIM device and a GPU profile. Out: a Plan: who does what part when, and why. Computes no values."""

import sys
from types import ModuleType
from typing import Unpack

from nearbank.graph import Groups
from nearbank.models import ModelLike
from nearbank.plan.call import DeviceLike, GpuLike, PlanOptions, device_of, gpu_of, plan_model
from nearbank.plan.check import check_plan
from nearbank.plan.compare import Comparison, SystemRow, compare_systems
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
    "Comparison",
    "Costs",
    "DeviceLike",
    "Explanation",
    "GpuLike",
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
    "PlanOptions",
    "Point",
    "Stretch",
    "Sweep",
    "System",
    "SystemRow",
    "Task",
    "Window",
    "blocks_of",
    "board_energy",
    "break_even",
    "check_plan",
    "compare_systems",
    "device_of",
    "explain",
    "floor_us",
    "gpu",
    "gpu_names",
    "gpu_of",
    "kernels",
    "make_plan",
    "place_plan",
    "place_weights",
    "plan_energy",
    "plan_model",
    "product_of",
    "sweep",
]


class _Room(ModuleType):
    """This room, which can also be called, as `plan_model`.

    ``nb.plan`` is one object in whatever order things are imported: importing a submodule sets an attribute of that name in its
    package, so a function `nearbank.plan` would be replaced by this module as soon as anything imports it. Giving a module a class
    of its own is what Python's data model describes for such a case ("Customizing module attribute access").
    """

    def __call__(
        self, model: ModelLike, device: DeviceLike = "newton-gddr6", gpu: GpuLike = "h200", *, batch: int = 1,
        groups: Groups = "gpu", **options: Unpack[PlanOptions],
    ) -> Plan:  # fmt: skip
        """Plan a model; see `plan_model`."""
        return plan_model(model, device, gpu, batch=batch, groups=groups, **options)


sys.modules[__name__].__class__ = _Room
