"""Small pieces of HTML: escaped text, numbers, facts, tables whose columns sort, cells with bars."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["bar", "cell", "esc", "facts", "num", "number", "shortened", "table", "track"]


def esc(value: object) -> str:
    """Text as it may stand in HTML, in attributes too."""
    return escape(str(value), quote=True)


def num(value: float, digits: int = 1) -> str:
    """A number with thousands separated."""
    return f"{value:,.{digits}f}"


def shortened(name: str, most: int) -> str:
    """A name of at most ``most`` characters: exporters' paths are long, and tell most at their ends."""
    head = (most - 1) * 2 // 5
    return name if len(name) <= most else f"{name[:head]}…{name[head + 1 - most :]}"


def cell(content: str, key: float | str = "", *, numeric: bool = False, title: str = "") -> str:
    """A table cell of HTML; sorted by ``key``."""
    attributes = f' data-key="{esc(key)}"' if key != "" else ""
    attributes += ' class="n"' if numeric else ""
    attributes += f' title="{esc(title)}"' if title else ""
    return f"<td{attributes}>{content}</td>"


def number(value: float | None) -> str:
    """A cell with a number of two decimals; empty for None, and then first when sorted."""
    return cell("", -1, numeric=True) if value is None else cell(num(value, 2), f"{value:.6g}", numeric=True)


def track(*parts: float | str) -> str:
    """A bar of pieces, each a share of the whole and a kind, which chooses colour and pattern."""
    pieces = zip(parts[::2], parts[1::2], strict=True)
    inner = "".join(f'<i class="{kind}" style="width:{100 * min(float(share), 1):.1f}%"></i>' for share, kind in pieces)
    return f'<span class="track">{inner}</span>'


def bar(value: float | None, most: float, kind: str, *, digits: int = 1, mark: str = "", title: str = "") -> str:
    """A cell with a number and a bar of its share of ``most``; empty for None."""
    if value is None:
        return '<td class="bar" data-key="-1"></td>'
    hint = f' title="{esc(title)}"' if title else ""
    return (
        f'<td class="bar" data-key="{value:.6g}"{hint}><div><span class="v">{num(value, digits)}{mark}</span>'
        f"{track(value / most if most else 0, kind)}</div></td>"
    )


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """A list of terms with what they are, in HTML."""
    return "<dl>" + "".join(f"<div><dt>{esc(term)}</dt><dd>{what}</dd></div>" for term, what in rows) + "</dl>"


def table(
    name: str, caption: str, columns: Sequence[tuple[str, str]], rows: Iterable[str], *, sortable: bool = False
) -> str:
    """A table; a column is (heading, class). Rows are HTML. Headings that sort are buttons."""

    def head(heading: str, kind: str) -> str:
        if not sortable:
            return f'<th scope="col" class="{kind}">{esc(heading)}</th>'
        return f'<th scope="col" class="{kind}" aria-sort="none"><button type="button">{esc(heading)}</button></th>'

    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{esc(caption)}"><table id="{name}"><caption>{esc(caption)}'
        f"</caption><thead><tr>{''.join(head(*c) for c in columns)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
