"""Where the memory's time goes, what energy it takes, and where the weights lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from nearbank.plan import Placement, PlanEnergy, Stretch
from nearbank.report.html.content import Content
from nearbank.report.html.markup import esc, shortened
from nearbank.report.html.style import INK, PALE, PIM, figure, pattern, stacked
from nearbank.sim.energy import Energy
from nearbank.sim.watch import Clocks

__all__ = ["PARTS", "energy_chart", "memory_time", "weights_chart"]

PARTS = {
    "mac": "multiplying", "bus": "bus", "activation": "activation", "refresh": "refresh", "mode": "mode switches",
    "function": "activation functions", "adder_tree": "adder tree", "idle": "idle",
}  # fmt: skip
"""Names of `nearbank.sim.watch.Clocks` for a person."""
_LONG = 20


def memory_time(content: Content) -> go.Figure:
    """A stack of microseconds for every task in memory."""
    tasks = [x for x in content.memory if x.clocks is not None]
    parts = [name for name, clocks in content.clocks.components().items() if clocks]
    traces = []
    for index, name in enumerate(Clocks().components()):
        if name not in parts:
            continue
        spent = [getattr(x.clocks, name) for x in tasks]
        traces.append(
            go.Bar(
                name=PARTS[name], x=[x.task.name for x in tasks], y=[content.device.microseconds(c) for c in spent],
                customdata=spent, marker=stacked(index),
                hovertemplate=f"<b>%{{x}}</b><br>{PARTS[name]}: %{{y:.2f}} us, %{{customdata:,}} clocks<extra></extra>",
            )
        )  # fmt: skip
    made = figure(traces, 340, barmode="stack", bargap=0.15)
    made.update_xaxes(tickangle=-60, tickfont={"size": 10}, showgrid=False)
    names = [x.task.name for x in tasks]
    if max(map(len, names), default=0) > _LONG:  # long labels leave the bars no room; plotly thins out only its own
        some = names[:: -(-len(names) // 60)]
        made.update_xaxes(tickvals=some, ticktext=[esc(shortened(name, _LONG)) for name in some])
    made.update_yaxes(title_text="us, slowest channel")
    return made


def energy_chart(energy: PlanEnergy) -> go.Figure:
    """Stacks by component: the memory as planned, the same data over the bus instead, and the GPU's layers over the bus."""
    stacks: Sequence[tuple[str, Energy]] = (
        ("in memory", energy.memory),
        ("the same layers<br>over the bus", energy.bus),
        ("layers on the GPU,<br>over the bus", energy.gpu_bus),
    )
    labels = [label for label, _ in stacks]
    traces = []
    for index, name in enumerate(Energy().components()):
        title = name.replace("_", " ")
        traces.append(
            go.Bar(
                orientation="h", name=title, y=labels, x=[getattr(spent, name) for _, spent in stacks], marker=stacked(index),
                hovertemplate=f"{title}: %{{x:,.2f}} uJ<extra>%{{y}}</extra>",
            )
        )  # fmt: skip
    made = figure(traces, 270, barmode="stack", bargap=0.35)
    made.update_xaxes(title_text="microjoules")
    made.update_yaxes(autorange="reversed", showgrid=False)
    return made


def weights_chart(content: Content, placement: Placement) -> go.Figure:
    """Rows of the banks, channel by channel; channels that hold the same stretches stand together."""
    by_channel: dict[int, list[Stretch]] = {}
    for stretch in placement.stretches:
        by_channel.setdefault(stretch.channel, []).append(stretch)
    groups: dict[tuple[object, ...], list[int]] = {}
    for channel, stretches in by_channel.items():
        groups.setdefault(tuple((s.row, s.rows, s.kernel) for s in stretches), []).append(channel)
    # Two traces in turn, plain and hatched, so that neighbours differ.
    columns: list[dict[str, list[Any]]] = [{"x": [], "y": [], "base": [], "width": [], "data": []} for _ in range(2)]
    for members in groups.values():
        for first, last in _runs(members):
            for number, stretch in enumerate(by_channel[first]):
                column = columns[number % 2]
                column["x"].append((first + last) / 2)
                column["width"].append(last - first + 0.92)
                column["base"].append(stretch.row)
                column["y"].append(stretch.rows)
                named = f"channel {first}" if first == last else f"channels {first} to {last}"
                last_row = stretch.row + stretch.rows - 1
                column["data"].append([esc(stretch.kernel), named, stretch.row, last_row, len(stretch.tasks)])
    banks = content.device.organization.banks
    hover = (
        f"<b>%{{customdata[0]}}</b><br>%{{customdata[1]}}, rows %{{customdata[2]}} to %{{customdata[3]}} of all {banks} banks<br>"
        "tasks that read them: %{customdata[4]}<extra></extra>"
    )
    traces = [
        go.Bar(
            x=c["x"], y=c["y"], base=c["base"], width=c["width"], customdata=c["data"], showlegend=False, hovertemplate=hover,
            text=[d[0] for d in c["data"]], textposition="inside", insidetextanchor="middle", textangle=0, textfont={"color": INK},
            marker={"color": colour, "line": {"color": "#fff", "width": 0.5}, "pattern": pattern(shape)},
        )
        for c, colour, shape in zip(columns, (PIM, PALE), ("/", ""), strict=True)
    ]  # fmt: skip
    made = figure(traces, 420, barmode="overlay", hovermode="closest", uniformtext={"mode": "hide", "minsize": 8})
    made.update_xaxes(
        title_text=f"channel, {banks} banks each, all alike",
        dtick=1,
        showgrid=False,
        zeroline=False,
        range=[-0.6, len(by_channel) - 0.4],
    )
    made.update_yaxes(title_text="row", range=[placement.rows_used, 0], zeroline=False)
    if placement.rows_used < 8:
        made.update_yaxes(dtick=1)  # there is no half of a row
    made.update_layout(margin={"t": 8})
    return made


def _runs(members: list[int]) -> list[tuple[int, int]]:
    """Runs of consecutive numbers as (first, last)."""
    out: list[tuple[int, int]] = []
    for member in sorted(members):
        if out and out[-1][1] == member - 1:
            out[-1] = (out[-1][0], member)
        else:
            out.append((member, member))
    return out
