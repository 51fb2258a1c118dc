"""The JSON documents of the commands; every one can be traced to what made it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from nearbank import __version__
from nearbank.devices import DeviceCheck, PimDevice
from nearbank.pim import LayerTiming
from nearbank.plan import BoardEnergy, Comparison, Explanation, GpuModel, Placement, Plan, PlanEnergy, Sweep
from nearbank.report.output import command_line
from nearbank.reproduce import Row
from nearbank.runtime import SegmentTime, Values
from nearbank.sim.energy import Energy

__all__ = [
    "check_document",
    "compare_document",
    "explain_document",
    "layer_document",
    "plan_document",
    "rows_document",
    "segments_document",
    "sweep_document",
    "traces_document",
]


def _origin(device: PimDevice) -> dict[str, Any]:
    return {"version": __version__, "command": command_line(), "device_hash": device.hash,
            "options": {name: value for name, value, _ in device.options}}  # fmt: skip


def _energy(spent: Energy | None) -> dict[str, float] | None:
    return None if spent is None else spent.components() | {"total": spent.total_uj}


def plan_document(
    plan: Plan,
    device: PimDevice,
    gpu: GpuModel,
    placement: Placement,
    values: Values | None,
    energy: PlanEnergy | None,
    board: BoardEnergy | None,
) -> dict[str, Any]:
    """Of `nearbank run`. Energies are null for a device that gives no energy model."""
    system = plan.system
    layers = [
        {"name": x.name, "kind": x.kind, "pixels": x.pixels, "in_channels": x.in_channels, "out_channels": x.out_channels,
         "target": x.target, "share": x.share, "reason": x.reason, "gpu_us": x.gpu_us, "gpu_shared_us": x.gpu_shared_us,
         "pim_us": x.pim_us, "pim_cycles": x.pim_cycles, "bound_cycles": x.bound_cycles, "planned_us": x.planned_us,
         "gpu_note": x.gpu_note, "nodes": list(x.nodes),
         "energy_uj": _energy(spent.memory) if spent else None, "bus_energy_uj": _energy(spent.bus) if spent else None}
        for x, spent in zip(plan.layers, energy.layers if energy else [None] * len(plan.layers), strict=True)
    ]  # fmt: skip
    tasks = [
        {"name": t.name, "kernel": t.kernel, "resource": t.resource, "role": t.role, "axis": t.part.axis, "start": t.part.start,
         "stop": t.part.stop, "start_us": t.start_us, "end_us": t.end_us, "cycles": t.cycles, "needs": list(t.needs)}
        for t in plan.tasks
    ]  # fmt: skip
    document: dict[str, Any] = {
        "model": plan.graph.name, "device": device.name, "gpu": gpu.name, "library": gpu.library,
        "gpu_clock_mhz": system.gpu_clock_mhz,
        "policy": plan.policy, "chosen": plan.chosen, "scope": plan.scope, "batch": plan.graph.batch,
        "channels": system.channels, "mapping": system.mapping, "launch_us": system.launch_us, "join_us": system.join_us,
        "gpu_share": system.gpu_share, "charge_epilogue": system.charge_epilogue, "layers": layers, "tasks": tasks,
        "weights": asdict(placement),
        "totals": {
            "gpu_only_us": plan.gpu_only_us, "planned_us": plan.planned_us, "speedup": plan.speedup,
            "proven_us": plan.proven_us, "proof": plan.proof, "gap": plan.gap, "floor_us": plan.floor_us,
            "gpu_busy_us": plan.busy_us("gpu"), "pim_busy_us": plan.busy_us("pim"), "both_busy_us": plan.both_us,
            "energy_uj": _energy(energy.memory) if energy else None, "bus_energy_uj": _energy(energy.bus) if energy else None,
            "bus_weights_energy_uj": _energy(energy.bus_weights) if energy else None,
            "gpu_layers_bus_energy_uj": _energy(energy.gpu_bus) if energy else None,
            "board_energy_uj": asdict(board) if board else None,
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


def segments_document(segments: Sequence[SegmentTime]) -> list[dict[str, Any]]:
    """Of `nearbank run --measure`: runs of GPU tasks, modelled and measured."""
    return [
        {
            "name": s.name,
            "tasks": list(s.tasks),
            "modelled_us": s.modelled_us,
            "measured_us": s.measured_us,
            "fused_us": s.fused_us,
        }
        for s in segments
    ]


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


def explain_document(plan: Plan, device: PimDevice, gpu: GpuModel, found: Sequence[Explanation]) -> dict[str, Any]:
    """Of `nearbank explain`."""
    rows = [
        {"layer": x.layer.name, "chosen": x.chosen, "reason": x.layer.reason, "gpu_us": x.gpu_us, "gpu_alone_us": x.gpu_alone_us,
         "memory_us": dict(x.memory_us), "cycles": x.cycles, "bound_cycles": x.bound_cycles,
         "alternatives": [{"what": a.what, "plan_us": a.plan_us} for a in x.alternatives],
         "curve": [{"share": s, "memory_us": m, "gpu_us": g} for s, m, g in x.curve]}
        for x in found
    ]  # fmt: skip
    return {
        "model": plan.graph.name, "policy": plan.policy, "scope": plan.scope, "planned_us": plan.planned_us,
        "gpu_only_us": plan.gpu_only_us, "layers": rows,
        "origin": _origin(device) | {"gpu": gpu.name, "gpu_source": gpu.source, "gpu_date": gpu.date},
    }  # fmt: skip


def sweep_document(
    device: PimDevice, gpu: GpuModel, found: Sequence[Sweep], break_even_us: float | None
) -> dict[str, Any]:
    """Of `nearbank sensitivity`."""
    rows = [
        {"parameter": s.parameter, "unit": s.unit, "value": p.value, "in_use": p.value == s.now, "gpu_only_us": p.gpu_only_us,
         "planned_us": p.planned_us, "speedup": p.speedup, "offloaded": p.offloaded}
        for s in found for p in s.points
    ]  # fmt: skip
    return {
        "rows": rows, "break_even_launch_us": break_even_us,
        "origin": _origin(device) | {"gpu": gpu.name, "gpu_source": gpu.source, "gpu_date": gpu.date},
    }  # fmt: skip


def rows_document(rows: Sequence[Row]) -> dict[str, Any]:
    """Of `nearbank reproduce`."""
    return {
        "rows": [asdict(row) for row in rows],
        "origin": {"version": __version__, "command": command_line()},
    }


def check_document(check: DeviceCheck) -> dict[str, Any]:
    """Of `nearbank devices check`."""
    return {
        "device": check.device.name, "ok": check.ok, "findings": [asdict(found) for found in check.findings],
        "origin": _origin(check.device),
    }  # fmt: skip


def compare_document(found: Comparison, command: str = "") -> dict[str, Any]:
    """Of `nearbank compare`."""
    return asdict(found) | {"origin": {"version": __version__, "command": command}}
