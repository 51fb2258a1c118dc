"""Planning for a person: models, memories and GPUs by their names."""

from __future__ import annotations

import os
from typing import TypedDict, Unpack

from nearbank.devices import PimDevice
from nearbank.devices import device as named_device
from nearbank.graph import Groups
from nearbank.models import ModelLike, open_model
from nearbank.plan.gpu import GpuModel
from nearbank.plan.gpu import gpu as named_gpu
from nearbank.plan.make import make_plan
from nearbank.plan.types import Plan

__all__ = ["DeviceLike", "GpuLike", "PlanOptions", "device_of", "gpu_of", "plan_model"]

DeviceLike = str | os.PathLike[str] | PimDevice
"""A built-in memory's name, a .toml file's path, or a memory."""

GpuLike = str | os.PathLike[str] | GpuModel
"""A built-in GPU's name, a profile's path, or a GPU."""


class PlanOptions(TypedDict, total=False):
    """Keyword arguments of `nearbank.make_plan`, with its defaults."""

    policy: str
    scope: str
    channels: int
    launch_us: float | None
    join_us: float | None
    charge_epilogue: bool
    mapping: str


def device_of(device: DeviceLike) -> PimDevice:
    """The memory that is meant. Raises `DeviceError` as `nearbank.device`."""
    return device if isinstance(device, PimDevice) else named_device(os.fspath(device))


def gpu_of(gpu: GpuLike) -> GpuModel:
    """The GPU that is meant. Raises `DeviceError` as `nearbank.gpu`."""
    return named_gpu(os.fspath(gpu)) if isinstance(gpu, str | os.PathLike) else gpu


def plan_model(
    model: ModelLike, device: DeviceLike = "newton-gddr6", gpu: GpuLike = "h200", *, batch: int = 1,
    groups: Groups = "gpu", **options: Unpack[PlanOptions],
) -> Plan:  # fmt: skip
    """Decide which part of a model runs where and when: ``nb.plan("mobilenet-v2", gpu="rtx2060", policy="best")``.

    Args:
        model: a built-in model's name, an .onnx or .pt2 file's path, what such a file holds, or a graph (with its own batch).
        device: the memory, by name, by the path of its .toml file, or itself.
        gpu: the GPU, by name, by the path of its profile, or itself.
        batch: images at a time.
        groups: which convolutions with groups count as products, one of `nearbank.graph.GROUPS`.
        options: policy, scope, channels, launch_us, join_us, charge_epilogue and mapping, as `nearbank.make_plan` has them.

    Raises:
        NearbankError: what cannot be read, is unknown or out of range.
    """
    graph, _ = open_model(model, batch=batch, groups=groups)
    return make_plan(graph, device_of(device), gpu_of(gpu), **options)
