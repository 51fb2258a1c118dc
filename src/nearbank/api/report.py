"""A network's run, whole: the plan, the values, the energies and where they are from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from nearbank.api.provenance import Provenance
from nearbank.devices import PimDevice
from nearbank.plan import BoardEnergy, GpuModel, Placement, Plan, PlanEnergy
from nearbank.report import documents, html, plan_tables
from nearbank.report.html import Content
from nearbank.report.trace import check_level, write_plan_trace
from nearbank.runtime import Values
from nearbank.tabular import Table, Tabular

__all__ = ["Report"]


@dataclass(frozen=True, eq=False, repr=False)
class Report(Tabular):
    """What `nearbank.run` returns.

    ``outputs``: the network's, by name, computed through memory; empty, and ``values`` None, for a plan without values. ``values``:
    the first output beside float32. ``labels``: names of its classes, if they are ImageNet's. ``energy`` is None for a memory
    without energy constants, ``board`` for a GPU whose power is not known. ``placement``: of the weights.
    """

    plan: Plan
    device: PimDevice
    gpu: GpuModel
    outputs: Mapping[str, NDArray[Any]]
    values: Values | None
    labels: tuple[str, ...] | None
    placement: Placement
    energy: PlanEnergy | None
    board: BoardEnergy | None
    provenance: Provenance

    @property
    def planned_us(self) -> float:
        """Microseconds that the plan takes."""
        return self.plan.planned_us

    @property
    def gpu_only_us(self) -> float:
        """Microseconds that the GPU alone takes."""
        return self.plan.gpu_only_us

    @property
    def speedup(self) -> float:
        """GPU only over planned."""
        return self.plan.speedup

    @property
    def classes(self) -> tuple[tuple[str, float], ...]:
        """The best classes of the first image and their probabilities, through memory; empty without values."""
        if self.values is None:
            return ()
        return tuple((self._class(i), p) for i, p in zip(self.values.top, self.values.probabilities, strict=True))

    def table(self) -> Table:
        """The plan's layers, with the energy of each where it is known."""
        made = self.plan.table()
        if self.energy is None:
            return made
        spent = [(x.memory.total_uj if x.memory else None, x.bus.total_uj) for x in self.energy.layers]
        rows = tuple((*row[:-1], *uj, row[-1]) for row, uj in zip(made.rows, spent, strict=True))
        return Table(made.caption, (*made.columns[:-1], "pim_uj", "bus_uj", made.columns[-1]), rows)

    def document(self) -> dict[str, Any]:
        """All of it for programs to read: what `nearbank run --json` writes."""
        made = documents.plan_document(
            self.plan, self.device, self.gpu, self.placement, self.values, self.energy, self.board
        )
        origin = asdict(self.provenance)
        return made | {"origin": {key: value for key, value in origin.items() if key not in ("device", "gpu")}}

    def print(self) -> None:
        """All of it for a person, on standard output: what `nearbank run` prints."""
        if self.values is not None:
            plan_tables.print_values(self.values, self.labels)
        plan_tables.print_plan(self.plan, self.device, self.placement, self.energy, self.board)

    def look(self, tick: Callable[[str], None] = lambda name: None) -> Content:
        """What a page and a timeline show beyond the plan: every program played again, to see where its clocks go.

        Args:
            tick: called with the name of each step, for progress.
        """
        return html.gather(
            self.plan, self.device, self.gpu, self.placement, self.energy, values=self.values, tick=tick,
            command=self.provenance.command or "nearbank.run, from Python",
        )  # fmt: skip

    def write_html(self, path: str | os.PathLike[str], content: Content | None = None) -> None:
        """Write one page that needs no network: what `nearbank run --html` writes.

        Args:
            path: the file.
            content: what `look` gives, where it is at hand.

        Raises:
            InputError: plotly is not installed (extra ``report``), or the file cannot be written.
        """
        html.check_plotly()
        html.write_html(Path(path), content or self.look())

    def write_trace(self, path: str | os.PathLike[str], level: str = "tasks", content: Content | None = None) -> None:
        """Write the schedule as trace events, for Perfetto: what `nearbank run --trace` writes.

        Args:
            path: the file.
            level: "tasks", or "commands" down to those of the slowest channel.
            content: what `look` gives, where it is at hand.

        Raises:
            InputError: an unknown level, too many commands, or the file cannot be written.
        """
        check_level(level)
        seen = content or self.look()
        write_plan_trace(
            Path(path), self.plan, self.device, seen.memory, seen.weights, level=level, command=seen.command
        )

    def _class(self, index: int) -> str:
        return self.labels[index] if self.labels and index < len(self.labels) else f"class {index}"

    def _repr_html_(self) -> str:
        if self.values is None:
            return super()._repr_html_()
        worst, norm = self.values.max_abs_error, self.values.relative_l2_error
        said = f"through memory; against float32: largest error {worst:.3g}, relative L2 error {norm:.3g}"
        best = Table(said, ("class", "p"), self.classes)
        return best.html() + super()._repr_html_()
