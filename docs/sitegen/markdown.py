"""Markdown out of plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["code", "figure", "table"]


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, left: Sequence[str] = ()) -> str:
    """A table; columns are right-aligned but those of ``left``. Whole numbers are written with commas."""
    marks = [":---" if column in left else "---:" for column in columns]
    lines = [list(columns), marks, *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def code(text: str, language: str = "text") -> str:
    """A fenced block."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def figure(value: float) -> str:
    """A number of a device file, in as many digits as it has."""
    return f"{value:.10g}"
