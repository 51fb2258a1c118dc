"""The values of this room: what a kernel is to the planner, what a task is, and the plan: who does what part when, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from nearbank.graph import Graph
from nearbank.pim import NO_EPILOGUE, Epilogue
from nearbank.tabular import Table, Tabular

__all__ = [
    "POLICIES",
    "SCOPES",
    "WHOLE",
    "Axis",
    "Layer",
    "Part",
    "Plan",
    "Resource",
    "Role",
    "System",
    "Task",
]

Axis = Literal["whole", "pixels", "channels", "rows", "images"]
Resource = Literal["gpu", "pim"]
Role = Literal["work", "sum", "finish"]

POLICIES: Mapping[str, str] = {
    "gpu-only": "everything on the GPU, which has all memory channels to itself",
    "newton+": "each layer where it is faster, mapping newton+",
    "newton++": "each layer where it is faster, mapping newton++",
    "pim": "in memory whatever can be",
    "best": "each layer where it is faster",
    "split": "each layer where it is faster, or divided over both",
    "pipeline": "each layer where it is faster, or chains of layers in stages over both",
    "auto": "the fastest of all of these and their mixtures",
}
"""Names of the policies and what they decide."""

SCOPES: Mapping[str, frozenset[str] | None] = {
    "pointwise": frozenset({"pointwise"}),
    "convolutions": frozenset({"pointwise", "conv", "depthwise"}),
    "model": None,
}
"""Which kinds of kernels count; None: all. What does not count takes no time, in the plan as in its baseline."""


@dataclass(frozen=True, order=True)
class Part:
    """What a task does of its kernel's output: ``[start, stop)`` along ``axis``.

    pixels: batch x height x width of the output (in tiles, of a product that has them), or rows of a matrix, as one line;
    channels: output channels, whole blocks of a product that has several; rows: of every
    image of the batch; images: of the batch; whole: all of it, and then the range is 0 to 0.
    """

    axis: Axis = "whole"
    start: int = 0
    stop: int = 0

    @property
    def size(self) -> int:
        """Length of the range."""
        return self.stop - self.start

    @property
    def is_band(self) -> bool:
        """Whether it is one of the bands in which a chain of kernels is cut: the stages of a pipeline."""
        return self.axis in ("rows", "images")

    def __str__(self) -> str:
        return "all" if self.axis == "whole" else f"{self.axis} {self.start} to {self.stop}"


WHOLE = Part()


@dataclass(frozen=True)
class System:
    """What surrounds the memory.

    ``channels`` of the memory's ``all_channels`` compute, and then do not serve the GPU, whose bandwidth falls in proportion.
    ``launch_us``: to start a task in memory, during which the memory does nothing else; ``join_us``: until the GPU sees its
    result. ``charge_epilogue``: whether it takes a GPU kernel, or none, to add partial sums, and to finish (bias, activation) what
    the memory made and reads next. ``library``: whose kernels the GPU's times are of, the baseline;
    ``gpu_clock_mhz``: the clock that they are for, 0 if it is not recorded.
    """

    device: str
    gpu: str
    channels: int
    all_channels: int
    mapping: str
    launch_us: float
    join_us: float
    charge_epilogue: bool = True
    library: str = ""
    gpu_clock_mhz: float = 0.0

    @property
    def gpu_share(self) -> float:
        """The share of the memory's channels, and so of its bandwidth, that the GPU keeps; one channel's at least, which serves it
        between the memory's own tasks where all compute (assumed)."""
        return max(1 - self.channels / self.all_channels, 1 / self.all_channels)


@dataclass(frozen=True)
class Task:
    """Work on one resource from ``start_us`` to ``end_us``; ``needs`` are the tasks that must be over before.

    ``role``: "work" (``part`` of ``kernel``), or on the GPU "sum" (adding the partial sums that the memory read out, finishing them
    as it does) or "finish" (applying the bias and what else is fused behind the product, for a reader in memory).
    ``cycles``, ``mapping`` and ``epilogue`` (what it does to its sums) are of a task in memory, which holds its launch; a GPU task
    starts no earlier than ``join_us`` behind one in memory that it needs.
    """

    name: str
    kernel: str
    resource: Resource
    part: Part
    start_us: float
    end_us: float
    needs: tuple[str, ...]
    role: Role = "work"
    cycles: int = 0
    mapping: str = ""
    epilogue: Epilogue = NO_EPILOGUE

    @property
    def timed(self) -> Epilogue:
        """What its program was timed with: a bias by itself takes no time, and is left out."""
        return self.epilogue if self.epilogue.function else NO_EPILOGUE

    @property
    def us(self) -> float:
        """How long it takes."""
        return self.end_us - self.start_us


@dataclass(frozen=True)
class Layer:
    """One kernel of the network, for a table: a matrix product or another operator with what fuses into it.

    ``target``: "gpu", "pim", "split" or "pipeline"; ``reason`` why, in numbers. ``gpu_us`` on the GPU alone with all channels;
    ``pim_us`` whole in memory without launch and join, None where it cannot run there. ``planned_us`` from its first task's start
    to its last one's end. ``share``: of the work that the memory does. ``nodes`` are the graph's nodes that it stands for.
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
    gpu_shared_us: float
    pim_us: float | None
    pim_cycles: int | None
    bound_cycles: int | None
    planned_us: float
    share: float


@dataclass(frozen=True, repr=False)
class Plan(Tabular):
    """Who does what part when. Times in microseconds from the start.

    ``tasks`` in the order in which they are executed, which respects all needs. ``gpu_only_us``: the baseline, all on the GPU
    with all channels. ``proven_us``: no schedule of these kinds of tasks is shorter (see `proof`); ``floor_us``: no plan at
    all, even with perfect overlap of both sides, is (see `nearbank.plan.floor`).
    """

    graph: Graph
    system: System
    policy: str
    scope: str
    layers: tuple[Layer, ...]
    tasks: tuple[Task, ...]
    gpu_only_us: float
    floor_us: float
    proven_us: float
    proof: str
    chosen: str = ""

    @property
    def planned_us(self) -> float:
        """When the GPU sees the end of the last task."""
        lag = {"gpu": 0.0, "pim": self.system.join_us}
        return max((task.end_us + lag[task.resource] for task in self.tasks), default=0.0)

    def busy_us(self, resource: Resource) -> float:
        """How long a resource has work."""
        return sum(task.us for task in self.tasks if task.resource == resource)

    @cached_property
    def both_us(self) -> float:
        """How long both have work at the same time."""
        gpu = [task for task in self.tasks if task.resource == "gpu"]
        memory = [task for task in self.tasks if task.resource == "pim"]
        return sum(max(min(a.end_us, b.end_us) - max(a.start_us, b.start_us), 0.0) for a in gpu for b in memory)

    @property
    def gap(self) -> float:
        """How far below the plan's time the proven bound is, as a share of that time."""
        return 1 - self.proven_us / self.planned_us if self.planned_us else 0.0

    @property
    def speedup(self) -> float:
        """GPU only over planned; 1 for a plan that takes no time."""
        return self.gpu_only_us / self.planned_us if self.planned_us else 1.0

    @cached_property
    def offloaded(self) -> tuple[str, ...]:
        """Kernels of which the memory computes at least a part."""
        return tuple(dict.fromkeys(task.kernel for task in self.tasks if task.resource == "pim"))

    def tasks_of(self, kernel: str) -> tuple[Task, ...]:
        """The tasks of one kernel, in order."""
        return tuple(task for task in self.tasks if task.kernel == kernel)

    def table(self) -> Table:
        """A row a layer, in the plan's order."""
        columns = (
            "layer", "kind", "pixels", "in_channels", "out_channels", "on", "share", "gpu_us", "gpu_shared_us", "pim_us",
            "pim_cycles", "bound_cycles", "planned_us", "reason",
        )  # fmt: skip
        rows = tuple(
            (x.name, x.kind, x.pixels, x.in_channels, x.out_channels, x.target, x.share, x.gpu_us, x.gpu_shared_us, x.pim_us,
             x.pim_cycles, x.bound_cycles, x.planned_us, x.reason)
            for x in self.layers
        )  # fmt: skip
        system = self.system
        caption = (
            f"{self.graph.name}, batch {self.graph.batch}: {system.device} + {system.gpu}, policy {self.policy}, "
            f"scope {self.scope}: {self.planned_us:.1f} us, GPU alone {self.gpu_only_us:.1f} us, {self.speedup:.3f}x"
        )
        return Table(caption, columns, rows)
