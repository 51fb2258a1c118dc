"""The schedule as a timeline to zoom into, and the roofline."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from typing import Any

import plotly.graph_objects as go

from nearbank.plan import Plan, Task
from nearbank.plan.roofline import Roof
from nearbank.report.html.content import Content
from nearbank.report.html.markup import esc
from nearbank.report.html.style import GPU, INK, PALE, PIM, figure, pattern, wrapped

__all__ = ["roofline", "timeline"]

_ALONE, _GPU, _PIM = "GPU alone", "GPU", "memory"


def timeline(content: Content) -> go.Figure:
    """A lane for each side, and above them the baseline: the same layers on the GPU alone. Hovering says why."""
    plan = content.plan
    reasons = {layer.name: layer.reason for layer in plan.layers}
    work = [task for task in plan.tasks if task.resource == "gpu" and task.role == "work"]
    behind = (("sum", "adding partial sums", "x"), ("finish", "bias and activation for the memory", "."))
    memory = [task for task in plan.tasks if task.resource == "pim"]
    traces = [_baseline(plan), _lane(plan, work, reasons, "on the GPU", _GPU, GPU, "")]
    for role, title, shape in behind:
        if mine := [task for task in plan.tasks if task.role == role]:
            traces.append(_lane(plan, mine, reasons, title, _GPU, "#7f9bb3", shape))
    if memory:
        traces.append(_lane(plan, memory, reasons, "in memory", _PIM, PIM, "/"))
        launches = [min(plan.system.launch_us, task.us) for task in memory]
        traces.append(
            go.Bar(
                orientation="h", name="launch", y=[_PIM] * len(memory), base=[t.start_us for t in memory], x=launches, width=0.3,
                marker={"color": INK, "line": {"width": 0}}, hoverinfo="skip",
            )
        )  # fmt: skip
    ends = max(plan.planned_us, plan.gpu_only_us)
    made = figure(
        traces, 300, barmode="overlay", bargap=0.12, dragmode="pan", hovermode="closest",
        uniformtext={"mode": "hide", "minsize": 9},
    )  # fmt: skip
    made.update_xaxes(
        title_text="microseconds from the start",
        range=[0, ends * 1.005],
        minallowed=-0.02 * ends,
        maxallowed=1.02 * ends,
    )
    made.update_yaxes(categoryorder="array", categoryarray=[_PIM, _GPU, _ALONE], fixedrange=True, showgrid=False)
    made.add_vline(
        plan.planned_us, line={"color": INK, "width": 1, "dash": "dash"}, annotation_text=f"{plan.planned_us:,.1f} us",
        annotation_position="top left" if plan.planned_us > ends / 2 else "top right",  # inside the plot
    )  # fmt: skip
    return made


def _baseline(plan: Plan) -> Any:
    starts, now = [], 0.0
    for layer in plan.layers:
        starts.append(now)
        now += layer.gpu_us
    data = [[esc(x.name), wrapped(esc(x.gpu_note or x.kind)), x.gpu_us] for x in plan.layers]
    return go.Bar(
        orientation="h", name="on the GPU alone, for comparison", y=[_ALONE] * len(starts), base=starts,
        x=[x.gpu_us for x in plan.layers], customdata=data, text=[esc(x.name) for x in plan.layers], width=0.5,
        textposition="inside", insidetextanchor="middle", textangle=0, textfont={"color": INK},
        marker={"color": PALE, "line": {"color": "#fff", "width": 0.6}},
        hovertemplate="<b>%{customdata[0]}</b>, GPU alone<br>%{customdata[2]:.2f} us<br>%{customdata[1]}<extra></extra>",
    )  # fmt: skip


def _lane(
    plan: Plan, tasks: Sequence[Task], reasons: dict[str, str], name: str, lane: str, colour: str, shape: str
) -> Any:
    data = [
        [esc(t.name), esc(t.part), t.start_us, t.end_us, t.us, wrapped("why: " + esc(reasons[t.kernel])), _extra(t)]
        for t in tasks
    ]
    return go.Bar(
        orientation="h", name=name, y=[lane] * len(tasks), base=[t.start_us for t in tasks], x=[t.us for t in tasks], width=0.84,
        customdata=data, text=[esc(t.name) for t in tasks], textposition="inside", insidetextanchor="middle", textangle=0,
        textfont={"color": "#fff" if not shape else INK},
        marker={"color": colour, "line": {"color": "#fff", "width": 0.6}, "pattern": pattern(shape, "rgba(255,255,255,.55)")},
        hovertemplate=(
            f"<b>%{{customdata[0]}}</b> {name}: %{{customdata[1]}}<br>%{{customdata[2]:.2f}} to %{{customdata[3]:.2f}} us "
            "(%{customdata[4]:.2f} us)%{customdata[6]}<br>%{customdata[5]}<extra></extra>"
        ),
    )  # fmt: skip


def _extra(task: Task) -> str:
    return f"<br>{task.cycles:,} cycles, mapping {esc(task.mapping)}" if task.resource == "pim" else ""


def roofline(content: Content) -> go.Figure:
    """Both sides' roofs, and every layer that multiplies below them."""
    traces: list[Any] = []
    points = [mark.intensity for mark in content.marks] or [1.0]
    low, high = min(points) / 1.5, max(points) * 1.5
    for index, roof in enumerate(content.roofs):
        memory = index == len(content.roofs) - 1
        less = not memory and index == 1
        rate = "beside the memory" if less else f"{roof.gops / 1e3:,.1f} TFLOP/s, {roof.gb_s:,.0f} GB/s"
        dash = "dash" if memory else "dot" if less else "solid"
        traces.append(_roof(roof, low, high, f"{roof.name}, {rate}", PIM if memory else GPU, dash))
    for side, place, colour, symbol in (("gpu", "on the GPU", GPU, "circle-open"), ("pim", "in memory", PIM, "square")):
        mine = [mark for mark in content.marks if mark.side == side]
        hover = f"<b>%{{text}}</b> {place}<br>%{{x:.1f}} operations a byte<br>%{{y:,.0f}} GFLOP/s<extra></extra>"
        if mine:
            traces.append(
                go.Scatter(
                    mode="markers", name=f"a layer {place}", x=[m.intensity for m in mine], y=[m.gops for m in mine],
                    text=[esc(m.layer) for m in mine], hovertemplate=hover,
                    marker={"color": colour, "symbol": symbol, "size": 8, "line": {"width": 1.5, "color": colour}},
                )
            )  # fmt: skip
    made = figure(traces, 440, hovermode="closest")
    made.update_layout(legend={"y": -0.16, "yanchor": "top"}, margin={"t": 8})
    made.update_xaxes(
        type="log",
        title_text="operations for each byte over the memory's bus",
        range=[log10(low), log10(high)],
        dtick=1,
    )
    made.update_yaxes(type="log", title_text="GFLOP/s", dtick=1)
    return made


def _roof(roof: Roof, low: float, high: float, label: str, colour: str, dash: str) -> Any:
    ridge = roof.gops / roof.gb_s
    xs = sorted({low, min(max(ridge, low), high), high})
    return go.Scatter(
        mode="lines", name=label, x=xs, y=[min(roof.gops, x * roof.gb_s) for x in xs],
        line={"color": colour, "width": 2, "dash": dash},
        hovertemplate=f"{esc(roof.name)}: %{{y:,.0f}} GFLOP/s at most<extra></extra>",
    )  # fmt: skip
