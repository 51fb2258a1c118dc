"""The JSON documents of the commands; every one can be traced to what made it."""

from __future__ import annotations

import sys
from typing import Any

from nearbank import __version__
from nearbank.devices import PimDevice
from nearbank.pim import LayerTiming
from nearbank.plan import GpuModel, Plan, PlanEnergy
from nearbank.runtime import Values
from nearbank.sim.energy import Energy

__all__ = ["layer_document", "plan_document", "traces_document"]


def _origin(device: PimDevice) -> dict[str, Any]:
    return {"version": __version__, "command": " ".join(sys.argv[1:]), "device_hash": device.hash,
            "options": {name: value for name, value, _ in device.options}}  # fmt: skip


def _energy(spent: Energy | None) -> dict[str, float] | None:
    return None if spent is None else spent.components() | {"total": spent.total_uj}


def plan_document(
    plan: Plan, device: PimDevice, gpu: GpuModel, values: Values | None, energy: PlanEnergy | None
) -> dict[str, Any]:
    """Of `nearbank run`. Energies are null for a device that gives no energy model."""
    totals = plan.totals
    layers = [
        {"name": x.name, "kind": x.kind, "pixels": x.pixels, "in_channels": x.in_channels, "out_channels": x.out_channels,
         "target": x.target, "reason": x.reason, "gpu_us": x.gpu_us, "pim_us": x.pim_us, "pim_cycles": x.pim_cycles,
         "bound_cycles": x.bound_cycles, "planned_us": x.planned_us, "gpu_note": x.gpu_note, "nodes": list(x.nodes),
         "energy_uj": _energy(spent.memory) if spent else None, "bus_energy_uj": _energy(spent.bus) if spent else None}
        for x, spent in zip(plan.layers, energy.layers if energy else [None] * len(plan.layers), strict=True)
    ]  # fmt: skip
    document: dict[str, Any] = {
        "model": plan.graph.name, "device": device.name, "gpu": gpu.name, "policy": plan.policy, "batch": plan.graph.batch,
        "channels": plan.system.channels, "mapping": plan.system.mapping, "launch_us": plan.system.launch_us, "layers": layers,
        "totals": {
            "gpu_only_us": totals.gpu_only_us, "planned_us": totals.planned_us, "speedup": totals.speedup,
            "pointwise_gpu_us": totals.pointwise_gpu_us, "pointwise_planned_us": totals.pointwise_planned_us,
            "pointwise_speedup": totals.pointwise_speedup, "convolutions_gpu_us": totals.convolutions_gpu_us,
            "convolutions_planned_us": totals.convolutions_planned_us, "convolutions_speedup": totals.convolutions_speedup,
            "energy_uj": _energy(energy.memory) if energy else None, "bus_energy_uj": _energy(energy.bus) if energy else None,
            "bus_weights_energy_uj": _energy(energy.bus_weights) if energy else None,
            "gpu_layers_bus_energy_uj": _energy(energy.gpu_bus) if energy else None,
        },
    }  # fmt: skip
    if values is not None:
        document["values"] = {
            "top1": values.top[0], "top1_reference": values.top_reference[0], "max_abs_error": values.max_abs_error,
            "relative_l2_error": values.relative_l2_error, "top5": list(values.top), "top5_reference": list(values.top_reference),
        }  # fmt: skip
    return document | {
        "origin": _origin(device) | {"gpu_source": gpu.source, "gpu_date": gpu.date, "gpu_versions": gpu.versions}
    }


def layer_document(
    timing: LayerTiming, device: PimDevice, channels: int, spent: Energy | None, bus: tuple[Energy, Energy] | None
) -> dict[str, Any]:
    """Of `nearbank layer`; ``bus``: the same data over the bus, and its weights alone."""
    whole, weights = bus or (None, None)
    return {
        "pixels": timing.product.pixels, "in_channels": timing.product.in_channels, "out_channels": timing.product.out_channels,
        "device": device.name, "channels": channels, "mapping": timing.mapping, "cycles": timing.timing.cycles,
        "time_us": timing.time_us, "bound_cycles": timing.bound.cycles, "bound_by": timing.bound.binding,
        "bound_resources": dict(timing.bound.by_resource), "utilization": timing.utilization,
        "commands": timing.timing.commands, "bias": timing.epilogue.bias, "function": timing.epilogue.function,
        "energy_uj": _energy(spent), "bus_energy_uj": _energy(whole),
        "bus_weights_energy_uj": _energy(weights), "origin": _origin(device),
    }  # fmt: skip


def traces_document(rows: list[tuple[str, int, float, dict[str, int]]], device: PimDevice) -> dict[str, Any]:
    """Of `nearbank simulate`."""
    traces = [{"file": f, "cycles": c, "time_us": us, "commands": commands} for f, c, us, commands in rows]
    return {"device": device.name, "traces": traces, "origin": _origin(device)}
