"""Published tables for a person, ours beside."""

from __future__ import annotations

from collections.abc import Sequence

from nearbank.report.tables import console, table
from nearbank.reproduce import TABLES, Row, settings

__all__ = ["print_rows"]


def print_rows(name: str, rows: Sequence[Row]) -> None:
    """A table a setting: published and ours, as speedups over the GPU alone, and what no plan can be above."""
    out = console()
    out.print(f"{name}: {TABLES[name][0]}; speedup over the GPU alone")
    for setting in settings(name):
        mine = [row for row in rows if row.setting == setting.name]
        if not mine:
            continue
        out.print(f"\n{setting.name}: {setting.about}")
        made = table(
            "model",
            "policy",
            "scope",
            "batch",
            "GPU us",
            "planned us",
            "published",
            "ours",
            "bound",
            "energy published",
            "energy",
            left=("model", "policy", "scope"),
        )
        for row in mine:
            said = f"{row.published:.3f}x" if row.published else ""
            made.add_row(
                row.model, row.policy, row.scope, str(row.batch), f"{row.gpu_us:.1f}", f"{row.planned_us:.1f}", said,
                f"{row.ours:.3f}x", f"{row.bound:.2f}x", f"{row.energy_published - 1:+.0%}" if row.energy_published else "",
                f"{row.energy - 1:+.0%}" if row.energy else "",
            )  # fmt: skip
        out.print(made)
