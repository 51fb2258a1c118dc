"""A small table of results: what notebooks show of a result, and what pandas gets of it. Knows no result."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING

from nearbank.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cell", "Table", "Tabular"]

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Table:
    """Named columns, units in their names, and rows of as many cells; None where there is nothing to say."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def html(self, most: int = 60) -> str:
        """As an HTML table of at most ``most`` rows; it says how many it leaves out."""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in self.rows[:most])
        left = len(self.rows) - most
        more = f'<tr><td colspan="{len(self.columns)}">{left} more rows: to_pandas()</td></tr>' if left > 0 else ""
        caption = f'<caption style="text-align:left">{escape(self.caption)}</caption>'
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}{more}</tbody></table>"


class Tabular:
    """A result that has a table: it shows itself in notebooks and goes to pandas. Base of frozen results."""

    __slots__ = ()

    def table(self) -> Table:
        """The result as a table."""
        raise NotImplementedError

    def to_pandas(self) -> pd.DataFrame:
        """The table as a data frame, numbers as they are, the caption in ``attrs``.

        Raises:
            InputError: pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise InputError("pandas is not installed", bound='installed: pip install "nearbank[pandas]"') from None
        made = self.table()
        frame: pd.DataFrame = pandas.DataFrame(list(made.rows), columns=list(made.columns))
        frame.attrs["caption"] = made.caption
        return frame

    def __repr__(self) -> str:
        """A line, for prompts: the whole would be a network with all that is known of it."""
        return f"<{type(self).__name__}: {self.table().caption}>"

    def _repr_html_(self) -> str:
        return self.table().html()


def _cell(value: Cell) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f'<td style="text-align:right">{_number(value)}</td>'
    return f'<td style="text-align:left">{escape(str(value))}</td>'


def _number(value: float) -> str:
    """For reading: whole ones with separators, others with fewer decimals the larger they are."""
    return (
        f"{value:,}"
        if isinstance(value, int)
        else f"{value:,.{4 if abs(value) < 0.1 else 3 if abs(value) < 10 else 2}f}"
    )
