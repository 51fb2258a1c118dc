"""Sweeps for a person: a table a parameter, with bars."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from nearbank.plan import Sweep, System
from nearbank.report.plots import plotly_graphs
from nearbank.report.tables import console, table

__all__ = ["print_sweeps", "sweeps_figure"]

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


def sweeps_figure(about: str, found: Sequence[Sweep]) -> Any:
    """A panel a parameter: the speedup over its values, the value in use marked, and the line at which nothing is gained."""
    go, subplots = plotly_graphs(), import_module("plotly.subplots")
    figure = subplots.make_subplots(
        rows=1, cols=len(found), shared_yaxes=True, subplot_titles=[s.parameter for s in found]
    )
    for column, sweep in enumerate(found, 1):
        points = sorted(sweep.points, key=lambda point: point.value)
        figure.add_trace(
            go.Scatter(
                name=sweep.parameter,
                x=[p.value for p in points],
                y=[p.speedup for p in points],
                mode="lines+markers",
                line={"color": "#b45309"},
                showlegend=False,
                marker={
                    "size": 9,
                    "symbol": ["star" if p.value == sweep.now else "circle" for p in points],
                    "line": {"color": "#1f2933", "width": 1},
                },
                customdata=[[p.planned_us, p.gpu_only_us, p.offloaded] for p in points],
                hovertemplate="%{x:g} "
                + sweep.unit
                + "<br>%{y:.3f}x: %{customdata[0]:.1f} us for %{customdata[1]:.1f} us"
                "<br>%{customdata[2]} layers in memory<extra></extra>",
            ),
            row=1,
            col=column,
        )
        figure.update_xaxes(title_text=f"{sweep.unit} (star: in use)", row=1, col=column)
    figure.add_hline(y=1, line={"dash": "dash", "color": "#5b8db8"})
    figure.update_yaxes(title_text="speedup over the GPU alone", row=1, col=1)
    figure.update_layout(title=about, template="plotly_white")
    return figure
