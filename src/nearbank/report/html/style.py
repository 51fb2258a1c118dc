"""What the plots have in common. Every side has a colour and a pattern or a symbol, so that colour alone says nothing."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

__all__ = ["GPU", "INK", "PALE", "PIM", "figure", "pattern", "stacked", "wrapped"]

GPU, PIM, PALE, INK = "#2b6cb0", "#dd7f1a", "#c3ccd6", "#1f2933"

_COMPONENTS: tuple[tuple[str, str], ...] = (
    ("#b45309", ""), ("#5b8db8", "/"), ("#8a6fb0", "x"), ("#4b5563", "."), ("#b3b9c2", "-"), ("#2f8f83", "\\"), ("#d8b365", "+"),
    ("#e5e7eb", "|"),
)  # fmt: skip
_FONT = "'Segoe UI', 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"


def pattern(shape: str, ink: str = "rgba(255,255,255,.85)") -> dict[str, Any]:
    """A pattern over a bar's colour; none for an empty shape."""
    return {"shape": shape, "fgcolor": ink, "size": 6, "solidity": 0.3, "fillmode": "overlay"} if shape else {}


def stacked(index: int) -> dict[str, Any]:
    """How the bars of the ``index``-th part of a stack look."""
    colour, shape = _COMPONENTS[index]
    return {"color": colour, "line": {"color": INK, "width": 0.5}, "pattern": pattern(shape)}


def figure(traces: list[Any], height: int, **layout: Any) -> go.Figure:
    """A figure in the report's style."""
    made = go.Figure(traces)
    axis = {
        "gridcolor": "#e4e7eb", "zerolinecolor": "#cbd2d9", "linecolor": "#7b8794", "ticks": "outside", "tickcolor": "#7b8794",
        "automargin": True, "title": {"standoff": 8},
    }  # fmt: skip
    label = {"color": INK, "size": 12}
    legend = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal", "font": {"size": 12}}
    made.update_layout(
        template=None, height=height, font={"family": _FONT, **label}, paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)", margin={"l": 8, "r": 8, "t": 28, "b": 8}, legend=legend, xaxis=axis, yaxis=axis,
        hoverlabel={"align": "left", "bgcolor": "#fff", "bordercolor": INK, "font": label},
    )  # fmt: skip
    made.update_layout(**layout)
    return made


def wrapped(text: str, width: int = 72) -> str:
    """Text in lines of at most ``width``, for a hover label."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "<br>".join([*lines, line])
