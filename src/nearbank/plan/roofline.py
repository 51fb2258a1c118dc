"""Rooflines: what both sides can do at most, and what each layer does, in operations (two a MAC) and bytes over the memory's bus.

On the GPU a layer moves its weights, inputs and outputs once each, as `nearbank.plan.energy.traffic` counts them. In memory the
weights are there: what crosses the bus is what its program's fills bring and its reads take.
"""

from __future__ import annotations

from dataclasses import dataclass

from nearbank.devices import PimDevice
from nearbank.graph import Graph, Node
from nearbank.pim import LayerTiming, time_product
from nearbank.plan.costs import product_of
from nearbank.plan.energy import traffic
from nearbank.plan.gpu import AnalyticGpu, GpuModel, MeasuredGpu
from nearbank.plan.kernels import kernels
from nearbank.plan.types import WHOLE, Plan

__all__ = ["Mark", "Roof", "gpu_roof", "memory_roof", "roofline"]


@dataclass(frozen=True)
class Roof:
    """``gops``: 10^9 operations a second at most; ``gb_s``: 10^9 bytes a second over the bus at most; ``source`` of both."""

    name: str
    gops: float
    gb_s: float
    source: str


@dataclass(frozen=True)
class Mark:
    """A whole layer on one side: operations a byte and 10^9 operations a second."""

    layer: str
    side: str
    intensity: float
    gops: float


def gpu_roof(gpu: GpuModel, share: float = 1.0) -> Roof | None:
    """The GPU's with ``share`` of its bandwidth; None for a model that gives no peak."""
    if isinstance(gpu, AnalyticGpu):
        spec = gpu.spec
        gops = 2e-3 * spec.sms * spec.clock_mhz * spec.tensor_fma_per_clock_sm
        return Roof(
            gpu.name, gops, share * spec.memory_gb_s, f"{spec.gpu}: tensor cores, and {spec.sources['memory_gb_s']}"
        )
    if isinstance(gpu, MeasuredGpu):
        profile = gpu.profile
        source = f"{profile.gpu}: the largest measured product, and a measured copy"
        return Roof(gpu.name, 1e3 * profile.fp16_tflops, share * 1e3 * profile.copy_tb_s, source)
    return None


def memory_roof(device: PimDevice, channels: int) -> Roof:
    """The memory's, by its own rules: a MAC in every lane of every bank at each multiplying command, and columns filled or results
    read, whichever brings more, as close behind each other as they may be."""
    sizes, mac, fill, read = device.organization, device.one("mac").name, device.one("fill"), device.one("read").name
    per_us = channels * device.clock_mhz
    gops = 2e-3 * sizes.banks * sizes.lanes * per_us / max(device.gap(mac, mac), 1)
    columns = max(fill.columns / max(device.gap(fill.name, fill.name), 1), 1 / max(device.gap(read, read), 1))
    source = "the device's rules: multiplications, fills and reads as close as they may be"
    return Roof(device.name, gops, 1e-3 * sizes.column_bytes * columns * per_us, source)


def roofline(plan: Plan, device: PimDevice) -> tuple[Mark, ...]:
    """Every layer that multiplies, whole: on the GPU with all channels and, where it fits, in memory without launch."""
    everything, out = {kernel.name: kernel for kernel in kernels(plan.graph)}, []
    size = device.organization.column_bytes // device.organization.lanes
    for layer in plan.layers:
        kernel = everything[layer.name]
        operations = 2 * _macs(plan.graph, kernel.nodes[0])
        moved = traffic(plan.graph, layer.nodes)
        if not operations or not layer.gpu_us:
            continue
        spent = size * (moved.weights + moved.inputs + moved.outputs)
        out.append(Mark(layer.name, "gpu", operations / spent, 1e-3 * operations / layer.gpu_us))
        if layer.pim_us:
            timing = time_product(device, product_of(kernel, WHOLE), plan.system.channels, plan.system.mapping)
            crossed = _crossed(device, timing)
            out.append(Mark(layer.name, "pim", operations / crossed, 1e-3 * operations / layer.pim_us))
    return tuple(out)


def _macs(graph: Graph, node: Node) -> int:
    """Multiplications of a node, the zeros of expanded groups left out."""
    if node.op_type == "Conv":
        weight = graph.shape(node.inputs[1])
        batch, _, *image = node.output_shapes[0]
        total = batch
        for extent in (*weight, *image):
            total *= extent
        return total
    return node.work.macs if node.work is not None else 0


def _crossed(device: PimDevice, timing: LayerTiming) -> int:
    """Bytes that a program's commands move over the bus, all channels."""
    columns = {c.name: c.columns if c.role == "fill" else 1 for c in device.commands}
    moving = {c.name for c in device.commands if c.role in ("fill", "preset", "read", "read_function")}
    counts = timing.timing.commands
    return device.organization.column_bytes * sum(columns[n] * k for n, k in counts.items() if n in moving)
