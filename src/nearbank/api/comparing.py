"""A network on several systems, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Unpack

from nearbank.errors import InputError
from nearbank.graph import Groups
from nearbank.models import ModelLike, open_model
from nearbank.plan import Comparison, DeviceLike, GpuLike, PlanOptions, compare_systems, device_of, gpu_of

__all__ = ["compare"]


def compare(
    model: ModelLike, devices: Sequence[DeviceLike], gpus: Sequence[GpuLike] = ("h200",), *, batch: int = 1,
    groups: Groups = "gpu", tick: Callable[[str], None] = lambda name: None, **options: Unpack[PlanOptions],
) -> Comparison:  # fmt: skip
    """Plan a network for every memory beside every GPU: ``nb.compare("resnet-50", ["newton-gddr6", "my.toml"])``.

    Args:
        model: a built-in model's name, an .onnx or .pt2 file's path, what such a file holds, or a graph (with its own batch).
        devices: the memories, by name, by the path of their .toml files, or themselves; at least one. A single name may come bare.
        gpus: the GPUs, likewise.
        batch: images at a time.
        groups: which convolutions with groups count as products, one of `nearbank.graph.GROUPS`.
        tick: called with the name of each system, for progress.
        options: policy, scope, channels, launch_us, join_us, charge_epilogue and mapping, as `nearbank.make_plan` has them.

    Raises:
        InputError: no memory or no GPU. NearbankError: what cannot be read, is unknown or out of range.
    """
    if not devices or not gpus:
        raise InputError(
            "systems to compare", value=f"{len(devices)} memories, {len(gpus)} GPUs", bound="at least one of each"
        )
    if isinstance(devices, str) or isinstance(gpus, str):  # a sequence too, of letters
        devices, gpus = [devices] if isinstance(devices, str) else devices, [gpus] if isinstance(gpus, str) else gpus
    units, costs = [device_of(device) for device in devices], [gpu_of(gpu) for gpu in gpus]
    graph, _ = open_model(model, batch=batch, groups=groups)
    return compare_systems(graph, units, costs, tick, **options)
