"""What a plan's layers cost in the memory: by the commands where there is a program, and over the bus to the GPU; and what the
GPU's board draws meanwhile, where its power is known.

Functions of a finished plan, so that planning does not depend on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from nearbank.devices import PimDevice
from nearbank.graph import Graph
from nearbank.pim import NO_EPILOGUE, Epilogue, time_product
from nearbank.plan.costs import product_of
from nearbank.plan.gpu import GpuModel
from nearbank.plan.gpu_time import is_free
from nearbank.plan.kernels import Kernel, kernels
from nearbank.plan.types import WHOLE, Layer, Part, Plan
from nearbank.sim.energy import Energy, energy, read_energy

__all__ = ["BoardEnergy", "LayerEnergy", "PlanEnergy", "Traffic", "board_energy", "plan_energy", "traffic"]

_SHORT = 8
"""A kernel shorter than so many empty ones leaves most of the board idle: it draws what small kernels do (assumed)."""


@dataclass(frozen=True)
class Traffic:
    """Numbers (not bytes) that a kernel moves between GPU and memory if nothing stays in a cache."""

    weights: int
    inputs: int
    outputs: int


@dataclass(frozen=True)
class LayerEnergy:
    """Of one layer: ``memory`` by the commands of its programs (of its parts in memory, or of the whole were it there), None
    without one; ``bus``, were it all on the GPU: what a plain memory of the same kind spends on weights and activations in and
    activations out; ``bus_weights``, the weights alone."""

    name: str
    memory: Energy | None
    bus: Energy
    bus_weights: Energy


@dataclass(frozen=True)
class PlanEnergy:
    """A row a layer, in the plan's order, and sums: of what is in memory, by its commands (``memory``) and over the bus
    instead (``bus``, of that the weights ``bus_weights``); and of what is on the GPU, over the bus (``gpu_bus``). A divided layer
    counts on both sides, by its share."""

    layers: tuple[LayerEnergy, ...]
    memory: Energy
    bus: Energy
    bus_weights: Energy
    gpu_bus: Energy


def plan_energy(plan: Plan, device: PimDevice) -> PlanEnergy:
    """The energy of every layer of ``plan`` on ``device``.

    Raises:
        DeviceError: the device gives no energy model, or half of one.
    """
    known = {kernel.name: kernel for kernel in kernels(plan.graph)}
    rows = tuple(_layer(plan, device, layer, known[layer.name]) for layer in plan.layers)
    pairs = tuple(zip(plan.layers, rows, strict=True))
    return PlanEnergy(
        rows,
        sum((row.memory for layer, row in pairs if layer.share and row.memory is not None), Energy()),
        sum((layer.share * row.bus for layer, row in pairs if layer.share), Energy()),
        sum((layer.share * row.bus_weights for layer, row in pairs if layer.share), Energy()),
        sum(((1 - layer.share) * row.bus for layer, row in pairs if layer.share < 1), Energy()),
    )


@dataclass(frozen=True)
class BoardEnergy:
    """Microjoules of the GPU's board, its own memory included: ``busy`` and ``idle`` by the plan, ``alone`` without the memory's
    help. A plan's total is ``busy`` + ``idle`` + what the memory spends by its commands."""

    busy: float
    idle: float
    alone: float


def board_energy(plan: Plan, gpu: GpuModel) -> BoardEnergy | None:
    """Power times time, by each kernel's load: "small" if it is short, "tensor" for products, "memory" for the rest; "idle" while
    the GPU waits. None where the power is not known."""
    power = gpu.power_w
    if not {"idle", "small", "memory", "tensor"} <= set(power):
        return None
    kinds = {layer.name: layer.kind for layer in plan.layers}

    def spent(kind: str, us: float) -> float:
        load = (
            "small"
            if us < _SHORT * gpu.launch_us
            else "tensor"
            if kind in ("pointwise", "linear", "conv")
            else "memory"
        )
        return power[load] * us

    tasks = [task for task in plan.tasks if task.resource == "gpu"]
    busy = sum(spent(kinds[task.kernel] if task.role == "work" else task.role, task.us) for task in tasks)
    idle = power["idle"] * max(plan.planned_us - sum(task.us for task in tasks), 0.0)
    return BoardEnergy(busy, idle, sum(spent(layer.kind, layer.gpu_us) for layer in plan.layers))


def _layer(plan: Plan, device: PimDevice, layer: Layer, kernel: Kernel) -> LayerEnergy:
    parts = [(task.part, task.mapping, task.timed) for task in plan.tasks_of(layer.name) if task.resource == "pim"]
    if not parts and layer.pim_cycles is not None:
        parts = [(WHOLE, plan.system.mapping, NO_EPILOGUE)]
    memory = sum((_memory(plan, device, kernel, *part) for part in parts), Energy()) if parts else None
    moved = traffic(plan.graph, layer.nodes)
    size = device.organization.column_bytes // device.organization.lanes
    bus = read_energy(device, size * (moved.weights + moved.inputs), write_bytes=size * moved.outputs)
    return LayerEnergy(layer.name, memory, bus, read_energy(device, size * moved.weights))


def _memory(plan: Plan, device: PimDevice, kernel: Kernel, part: Part, mapping: str, epilogue: Epilogue) -> Energy:
    # The timing is remembered from planning.
    timing = time_product(device, product_of(kernel, part), plan.system.channels, mapping, epilogue)
    return energy(device, timing.timing)


def traffic(graph: Graph, nodes: tuple[str, ...]) -> Traffic:
    """What the kernel of ``nodes`` reads and writes, each tensor once; of a product's input no more than its rows hold."""
    members = [graph.node(name) for name in nodes]
    if is_free(members[0]):
        return Traffic(0, 0, 0)
    made = {tensor for node in members for tensor in node.outputs}
    constants = {tensor for node in members for tensor in node.constants}
    read = {tensor for node in members for tensor in node.inputs} - made - constants
    results = {spec.name for spec in graph.outputs}
    seen = {t for t in made if t in results or any(user.name not in nodes for user in graph.consumers(t))}
    work = members[0].work
    rows = {work.source: work.pixels * work.in_channels * work.blocks} if work is not None else {}
    return Traffic(
        sum(_size(graph, tensor) for tensor in constants if graph.spec(tensor).dtype.startswith("float")),
        sum(min(_size(graph, tensor), rows.get(tensor, _size(graph, tensor))) for tensor in read),
        sum(_size(graph, tensor) for tensor in seen),
    )


def _size(graph: Graph, tensor: str) -> int:
    return prod(graph.shape(tensor))
