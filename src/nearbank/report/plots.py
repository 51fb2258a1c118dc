"""Plots in HTML files that need no network."""

from __future__ import annotations

from importlib import import_module, util
from pathlib import Path
from typing import Any

from nearbank.errors import InputError
from nearbank.report.output import check_writable, write_lines

__all__ = ["check_plot", "plotly_graphs", "write_plot"]


def check_plot(path: Path | None) -> None:
    """InputError unless the plot can be made and written."""
    if path is None:
        return
    if path.suffix != ".html":
        raise InputError("--plot", value=str(path), bound="an .html file")
    if util.find_spec("plotly") is None:
        raise InputError("a plot needs plotly", bound='installed: pip install "nearbank[report]"')
    check_writable(path)


def plotly_graphs() -> Any:
    """plotly's module of figures, imported on first use."""
    return import_module("plotly.graph_objects")


def write_plot(path: Path, figure: Any, name: str) -> None:
    """A figure, with plotly itself, in one file; ``name`` is its element's.

    Raises:
        InputError: plotly is not there, or the file cannot be written.
    """
    check_plot(path)
    page = figure.to_html(include_plotlyjs=True, full_html=True, div_id=name, config={"displaylogo": False})
    write_lines(path, [page, "\n"])
