"""Tables for a person: where they are printed, and how they look."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["console", "table"]


def console() -> Console:
    """Standard output; wide where it is no terminal, so that tables in files do not break."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=180)


def table(*columns: str, left: Sequence[str] = ()) -> Table:
    """An empty table; columns are right-aligned but those of ``left``."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(
            column, justify="left" if column in left else "right", no_wrap=column not in left, overflow="fold"
        )
    return made
