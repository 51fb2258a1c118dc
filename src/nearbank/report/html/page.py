"""The page: one file that needs nothing else and asks the network for nothing.

Plots are plotly's: its bundle (4.8 MB) is one script to inline, draws SVG (so that labels are text, print well, and can be tested),
has bars with patterns and labels that hide where they do not fit, and is kept up by a company and many users. Bokeh's inlined
resources are smaller, but it draws on a canvas and has no such labels. The picture of the network and the bars in tables are plain
SVG and CSS. A content security policy in the page itself forbids every connection. Headings and prose stand in page.html.
"""

from __future__ import annotations

import importlib.util
import re
from importlib import resources
from pathlib import Path
from typing import Any

from nearbank.errors import InputError
from nearbank.report.html.content import Content
from nearbank.report.html.markup import esc
from nearbank.report.html.network import draw_network
from nearbank.report.output import write_lines
from nearbank.report.wording import said_of_weights

__all__ = ["check_plotly", "render", "write_html"]


def check_plotly() -> None:
    """InputError unless plotly is there."""
    if importlib.util.find_spec("plotly") is None:
        raise InputError("an HTML report needs plotly", bound='installed: pip install "nearbank[report]"')


def write_html(path: Path, content: Content) -> None:
    """Write the report of a plan to ``path``, whole or not at all. Raises `InputError` if it cannot be written."""
    write_lines(path, [render(content)])


def render(content: Content) -> str:
    """The page as text; the same content gives the same text."""
    from plotly.offline import get_plotlyjs

    from nearbank.report.html import charts, provenance, schedule, sections

    plan, energy = content.plan, content.energy
    parts = {
        "title": esc(f"{plan.graph.name} on {plan.system.device} + {plan.system.gpu}"),
        "about": esc(f"batch {plan.graph.batch}, policy {plan.policy}, scope {plan.scope}"),
        "headline": sections.headline(content),
        "network": draw_network(plan),
        "schedule": _plot("timeline", schedule.timeline(content)),
        "tasks": sections.tasks_table(plan),
        "layers": sections.layers_table(content),
        "roofline": _plot("roofline-plot", schedule.roofline(content)),
        "clocks": _clocks(content, sections.clocks_table(content), charts.memory_time(content)),
        "energy": sections.energy_table(content)
        + (_plot("energy-plot", charts.energy_chart(energy)) if energy else ""),
        "divided": sections.divided(plan),
        "weights": _weights(content, charts),
        "files": provenance.files(content),
        "proof": esc(plan.proof),
        "roofs": esc("; ".join(dict.fromkeys(f"{roof.name}: {roof.source}" for roof in content.roofs))),
        "sources": provenance.sources(content),
        "command": esc(content.command),
        "css": _data("report.css"),
        "js": _data("report.js"),
        "plotly": get_plotlyjs(),
    }
    return re.sub(r"<!--(\w+)-->", lambda match: parts[match[1]], _data("page.html"))


def _data(name: str) -> str:
    return resources.files("nearbank.report.html").joinpath(name).read_text(encoding="utf-8")


def _plot(name: str, figure: Any) -> str:
    """A place for a plot and its data, which a script draws."""
    text, height = figure.to_json().replace("</", "<\\/"), int(figure.layout.height)
    return (
        f'<div class="plot" id="{name}" style="height:{height}px"></div>'
        f'<script type="application/json" data-plot="{name}">{text}</script>'
    )


def _clocks(content: Content, numbers: str, figure: Any) -> str:
    if not content.memory:
        return "<p>Nothing runs in memory in this plan.</p>"
    left_out = sum(x.clocks is None for x in content.memory)
    note = f"<p>Of {left_out} tasks the clocks were not played: they have too many commands.</p>" if left_out else ""
    return note + numbers + _plot("clocks-plot", figure)


def _weights(content: Content, charts: Any) -> str:
    placement = content.weights
    if not placement.stretches:
        return "<p>No weights are in memory in this plan.</p>"
    about = said_of_weights(placement)
    return f"<p>{esc(about[0].upper() + about[1:])}</p>" + _plot(
        "weights-plot", charts.weights_chart(content, placement)
    )
