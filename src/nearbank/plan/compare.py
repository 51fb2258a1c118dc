"""Systems side by side: the same network planned for several memories and GPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Unpack

from nearbank.devices import PimDevice
from nearbank.graph import Graph
from nearbank.plan.call import PlanOptions
from nearbank.plan.energy import board_energy, plan_energy
from nearbank.plan.gpu import GpuModel
from nearbank.plan.make import make_plan
from nearbank.plan.types import Plan
from nearbank.tabular import Table, Tabular

__all__ = ["Comparison", "SystemRow", "compare_systems"]


@dataclass(frozen=True)
class SystemRow:
    """One memory beside one GPU. Times in microseconds; energies in microjoules, None where they are not known.

    ``memory_uj``: what the memory spends on its commands; ``system_uj``: that and the GPU's board; ``alone_uj``: the board's
    without the memory's help. ``offloaded`` of ``layers`` have at least a part in memory.
    """

    device: str
    device_hash: str
    gpu: str
    gpu_only_us: float
    planned_us: float
    speedup: float
    proven_us: float
    floor_us: float
    chosen: str
    offloaded: int
    layers: int
    memory_uj: float | None
    system_uj: float | None
    alone_uj: float | None


@dataclass(frozen=True, repr=False)
class Comparison(Tabular):
    """All systems, GPU by GPU, memories in the order asked for; and what was the same for all."""

    model: str
    batch: int
    policy: str
    scope: str
    channels: int
    mapping: str
    rows: tuple[SystemRow, ...]

    @property
    def best(self) -> SystemRow:
        """The system whose plan is shortest."""
        return min(self.rows, key=lambda row: row.planned_us)

    def table(self) -> Table:
        """A row a system."""
        caption = (
            f"{self.model}, batch {self.batch}, policy {self.policy}, scope {self.scope}, {self.channels} channels"
        )
        columns = ("device", "gpu", "gpu_only_us", "planned_us", "speedup", "proven_us", "floor_us", "offloaded", "layers",
                   "memory_uj", "system_uj", "alone_uj")  # fmt: skip
        return Table(caption, columns, tuple(tuple(getattr(row, name) for name in columns) for row in self.rows))


def compare_systems(
    graph: Graph, devices: Sequence[PimDevice], gpus: Sequence[GpuModel],
    tick: Callable[[str], None] = lambda name: None, **options: Unpack[PlanOptions],
) -> Comparison:  # fmt: skip
    """Plan ``graph`` for every memory beside every GPU.

    Args:
        graph: what is computed.
        devices: the memories, at least one.
        gpus: the GPUs, at least one.
        tick: called with the name of each system, for progress.
        options: as `make_plan` has them, the same for all systems.

    Raises:
        InputError: as `make_plan`.
    """
    found = []
    for cost in gpus:
        for unit in devices:
            tick(f"{unit.name} + {cost.name}")
            found.append((make_plan(graph, unit, cost, tick=tick, **options), unit, cost))
    first = found[0][0]
    return Comparison(
        first.graph.name, first.graph.batch, first.policy, first.scope, first.system.channels,
        options.get("mapping", "search"), tuple(_row(*one) for one in found),
    )  # fmt: skip


def _row(plan: Plan, device: PimDevice, gpu: GpuModel) -> SystemRow:
    memory = plan_energy(plan, device).memory.total_uj if device.energy else None
    board = board_energy(plan, gpu)
    return SystemRow(
        device=device.name, device_hash=device.hash, gpu=gpu.name, gpu_only_us=plan.gpu_only_us, planned_us=plan.planned_us,
        speedup=plan.speedup, proven_us=plan.proven_us, floor_us=plan.floor_us, chosen=plan.chosen,
        offloaded=len(plan.offloaded), layers=len(plan.layers), memory_uj=memory,
        system_uj=board.busy + board.idle + memory if board and memory is not None else None,
        alone_uj=board.alone if board else None,
    )  # fmt: skip
