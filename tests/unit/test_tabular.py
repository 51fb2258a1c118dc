"""Tables of results: what a notebook shows, what pandas gets, and what is said where pandas is not installed."""

from __future__ import annotations

import sys

import pytest

from nearbank.errors import InputError
from nearbank.tabular import Table, Tabular


class Result(Tabular):
    def table(self) -> Table:
        return Table("a < b", ("name", "n", "us"), (("x&y", 12345, 0.01234), ("z", None, 3.14159), ("w", True, 1234.5)))


def test_html_is_escaped_and_numbers_read() -> None:
    html = Result()._repr_html_()
    assert "<caption" in html
    for part in ("a &lt; b", "x&amp;y", ">12,345<", ">0.0123<", "<td></td>", ">3.142<", ">True<", ">1,234.50<"):
        assert part in html


def test_long_tables_say_what_they_leave_out() -> None:
    table = Table("t", ("n",), tuple((i,) for i in range(70)))
    assert "10 more rows" in table.html()
    assert ">59<" in table.html()
    assert ">60<" not in table.html()
    assert "more rows" not in table.html(70)


def test_pandas_gets_numbers_as_they_are() -> None:
    frame = Result().to_pandas()
    assert list(frame.columns) == ["name", "n", "us"]
    assert frame.us.tolist() == [0.01234, 3.14159, 1234.5]
    assert frame.attrs == {"caption": "a < b"}


def test_without_pandas(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(
        InputError, match=r"pandas is not installed; must be installed: pip install .nearbank\[pandas\]"
    ):
        Result().to_pandas()
