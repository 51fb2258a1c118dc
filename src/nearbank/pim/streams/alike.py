"""Whether visits and loads come again, further on, growing evenly."""

from __future__ import annotations

from collections.abc import Sequence

from nearbank.pim.streams.work import Load, Visit

__all__ = ["comes_again"]


def comes_again(items: Sequence[Visit] | Sequence[Load], first: int, count: int, step: int) -> int:
    """How many times the ``count`` items from ``first`` come again, ``step`` further each time, alike and growing evenly."""
    last = first + count - 1
    if last + step >= len(items):
        return 0
    once = [_apart(items[i], items[i + step]) for i in range(first, last + 1)]
    if None in once:
        return 0
    times = 1
    while last + (times + 1) * step < len(items) and all(
        _apart(items[i + times * step], items[i + (times + 1) * step]) == once[i - first]
        for i in range(first, last + 1)
    ):
        times += 1
    return times


def _apart(a: Visit | Load, b: Visit | Load) -> tuple[int, ...] | None:
    """By how much ``b`` is further than ``a``; None where they differ in kind."""
    if isinstance(a, Load) and isinstance(b, Load):
        if a.pixels != b.pixels or [c for _, c in a.spans] != [c for _, c in b.spans]:
            return None
        starts = {y - x for (x, _), (y, _) in zip(a.spans, b.spans, strict=True)}
        return (b.pixel - a.pixel, b.place - a.place, *starts) if len(starts) == 1 else None
    assert isinstance(a, Visit)
    assert isinstance(b, Visit)
    if (a.opens, a.pixels, a.retires, len(a.parts)) != (b.opens, b.pixels, b.retires, len(b.parts)):
        return None
    if a.columns * b.sums != b.columns * a.sums:
        return None
    steps = set()
    for x, y in zip(a.parts, b.parts, strict=True):
        if (x.column, x.count, x.offset, x.last) != (y.column, y.count, y.offset, y.last):
            return None
        steps.add((y.group - x.group, y.piece - x.piece))
    return (
        (b.row - a.row, b.pixel - a.pixel, b.place - a.place, b.base - a.base, *steps.pop())
        if len(steps) == 1
        else None
    )
