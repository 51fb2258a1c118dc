"""Sweeps for a person: a table a parameter, with bars."""

from __future__ import annotations

from collections.abc import Sequence

from nearbank.plan import Sweep, System
from nearbank.report.tables import console, table

__all__ = ["print_sweeps"]

_WIDE = 40


def print_sweeps(system: System, found: Sequence[Sweep], break_even_us: float | None, *, asked: bool) -> None:
    """Each sweep, and at which launch cost memory stops to pay."""
    out = console()
    out.print(f"{system.device} + {system.gpu}, mapping {system.mapping}; the value in use is marked *")
    for sweep in found:
        most = max(max(point.speedup for point in sweep.points), 1.0)
        rows = table(
            f"{sweep.parameter}", "GPU only us", "planned us", "in memory", "speedup", "1.0x = |", left=("1.0x = |",)
        )
        for point in sweep.points:
            mark = "*" if point.value == sweep.now else ""
            length, one = round(_WIDE * point.speedup / most), round(_WIDE / most)
            bar = "".join("|" if i == one - 1 else ("█" if i < length else " ") for i in range(_WIDE))
            rows.add_row(
                f"{point.value:g}{mark}", f"{point.gpu_only_us:.1f}", f"{point.planned_us:.1f}", f"{point.offloaded}",
                f"{point.speedup:.3f}x", bar.rstrip(),
            )  # fmt: skip
        out.print(rows)
    if not asked:
        return
    if break_even_us is None:
        out.print("PIM does not pay at any launch cost: the GPU is faster on every layer even if a launch is free.")
    else:
        out.print(f"PIM stops paying at a launch cost of {break_even_us:.2f} us (and as much to join).")
