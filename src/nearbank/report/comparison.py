"""Systems side by side: a table for a person, and a plot."""

from __future__ import annotations

from typing import Any

from nearbank.plan import Comparison
from nearbank.report.plots import plotly_graphs
from nearbank.report.tables import console, table

__all__ = ["comparison_figure", "print_comparison"]

# Colour and pattern of each bar, so that it reads in black and white.
_BARS = (
    ("GPU only", "gpu_only_us", "#5b8db8", ""),
    ("planned", "planned_us", "#b45309", "/"),
    ("floor of any plan", "floor_us", "#e5e7eb", "."),
)


def print_comparison(found: Comparison) -> None:
    """A row a system, and which is shortest and which gains most."""
    out = console()
    out.print(
        f"{found.model}, batch {found.batch}, policy {found.policy}, scope {found.scope}, {found.channels} channels, mapping "
        f"{found.mapping}"
    )
    made = table(
        "device", "GPU", "GPU only us", "planned us", "speedup", "proven us", "floor us", "in memory", "PIM uJ",
        "board and PIM uJ", "board alone uJ", "chosen", left=("device", "GPU", "chosen"),
    )  # fmt: skip
    for x in found.rows:
        made.add_row(
            x.device, x.gpu, f"{x.gpu_only_us:.1f}", f"{x.planned_us:.1f}", f"{x.speedup:.3f}x", f"{x.proven_us:.1f}",
            f"{x.floor_us:.1f}", f"{x.offloaded} of {x.layers}", _uj(x.memory_uj), _uj(x.system_uj), _uj(x.alone_uj), x.chosen,
        )  # fmt: skip
    out.print(made)
    best, gains = found.best, max(found.rows, key=lambda row: row.speedup)
    out.print(
        f"shortest: {best.device} + {best.gpu}, {best.planned_us:.1f} us; largest gain over its own GPU: {gains.device} + "
        f"{gains.gpu}, {gains.speedup:.3f}x"
    )


def _uj(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def comparison_figure(found: Comparison) -> Any:
    """Bars of microseconds, a group a system."""
    go = plotly_graphs()
    names = [f"{row.device}<br>{row.gpu}" for row in found.rows]
    places = list(range(len(names)))  # two devices may bear one name: bars stand by number
    bars = [
        go.Bar(
            name=name, x=places, y=[getattr(row, field) for row in found.rows], texttemplate="%{y:.1f}", textposition="outside",
            marker={"color": colour, "line": {"color": "#1f2933", "width": 1}, "pattern": {"shape": shape}},
            customdata=[[row.speedup, row.chosen, label] for row, label in zip(found.rows, names, strict=True)],
            hovertemplate=(
                "%{customdata[2]}<br>%{y:.1f} us<br>speedup %{customdata[0]:.3f}x by %{customdata[1]}"
                "<extra>%{fullData.name}</extra>"
            ),
        )
        for name, field, colour, shape in _BARS
    ]  # fmt: skip
    figure = go.Figure(bars)
    figure.update_layout(
        title=f"{found.model}, batch {found.batch}, policy {found.policy}, scope {found.scope}, {found.channels} channels",
        yaxis_title="microseconds", barmode="group", template="plotly_white", legend={"orientation": "h", "y": -0.2},
    )  # fmt: skip
    figure.update_xaxes(tickvals=places, ticktext=names)
    return figure
