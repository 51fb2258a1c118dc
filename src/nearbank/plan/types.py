"""The values of this room: per kernel what it costs where, and for a whole network who does what."""

from __future__ import annotations

from dataclasses import dataclass

from nearbank.graph import Graph

__all__ = ["POLICIES", "Layer", "Plan", "System", "Totals"]

POLICIES = ("gpu-only", "pim", "best")


@dataclass(frozen=True)
class System:
    """What surrounds the memory: ``channels`` given to PIM, ``launch_us`` a layer sent there, the mapping used."""

    device: str
    gpu: str
    channels: int
    launch_us: float
    mapping: str


@dataclass(frozen=True)
class Layer:
    """One kernel of the network: a matrix product or another operator with what fuses into it.

    ``target`` is "gpu" or "pim", ``reason`` why, in numbers. Times in microseconds, ``pim_us`` without the launch, which
    ``planned_us`` includes; None where it cannot run. ``nodes`` are the graph's nodes that it stands for.
    """

    name: str
    kind: str
    nodes: tuple[str, ...]
    pixels: int
    in_channels: int
    out_channels: int
    target: str
    reason: str
    gpu_us: float
    gpu_note: str
    pim_us: float | None
    pim_cycles: int | None
    bound_cycles: int | None
    planned_us: float


@dataclass(frozen=True)
class Totals:
    """Sums in microseconds; a speedup is GPU only over planned."""

    gpu_only_us: float
    planned_us: float
    pointwise_gpu_us: float
    pointwise_planned_us: float
    convolutions_gpu_us: float
    convolutions_planned_us: float

    @property
    def speedup(self) -> float:
        """Of the whole network."""
        return self.gpu_only_us / self.planned_us if self.planned_us else 1.0

    @property
    def pointwise_speedup(self) -> float:
        """Of the pointwise layers alone; 1 if there are none."""
        return self.pointwise_gpu_us / self.pointwise_planned_us if self.pointwise_planned_us else 1.0

    @property
    def convolutions_speedup(self) -> float:
        """Of all convolutions, pointwise and depthwise ones included; 1 if there are none."""
        return self.convolutions_gpu_us / self.convolutions_planned_us if self.convolutions_planned_us else 1.0


@dataclass(frozen=True)
class Plan:
    """Who does what, layer after layer."""

    graph: Graph
    system: System
    policy: str
    layers: tuple[Layer, ...]

    @property
    def totals(self) -> Totals:
        """Sums over the layers."""
        points = [x for x in self.layers if x.kind == "pointwise"]
        convolutions = [x for x in self.layers if x.kind in ("pointwise", "conv", "depthwise")]
        return Totals(
            sum(x.gpu_us for x in self.layers), sum(x.planned_us for x in self.layers),
            sum(x.gpu_us for x in points), sum(x.planned_us for x in points),
            sum(x.gpu_us for x in convolutions), sum(x.planned_us for x in convolutions),
        )  # fmt: skip

    @property
    def offloaded(self) -> tuple[str, ...]:
        """Nodes whose product the memory computes."""
        return tuple(layer.nodes[0] for layer in self.layers if layer.target == "pim")
