"""A channel's work in the order its banks do it: visits of rows, and the loads of the buffers that they need.

An item is one group of outputs, one piece of the reduction and a range of pixels. Items that lie in one row are visited together,
pixel by pixel, so that a pixel's inputs are brought once for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from nearbank.devices import PimDevice
from nearbank.pim.product import Tile, ceil_div

__all__ = ["Item", "Load", "Part", "Visit", "Work", "lay_out"]


@dataclass(frozen=True, order=True, slots=True)
class Item:
    """Outputs of ``group`` from piece ``piece`` of the reduction, for ``pixels`` pixels from ``pixel``."""

    piece: int
    group: int
    pixel: int
    pixels: int


@dataclass(frozen=True, slots=True)
class Part:
    """A sum of a visited pixel: weights from ``column`` of the row, inputs from ``offset`` of the pixel's place in the buffers.
    ``last``: no later part of the pixel wants these inputs."""

    column: int
    group: int
    piece: int
    count: int
    offset: int
    last: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay on an open row: each pixel of the range, all parts. ``opens``: the row must be opened; ``place``: the first pixel's
    place in the buffers, counted on without end, and ``base`` that of the load it is from; ``retires``: the inputs are not wanted
    again; ``sums`` are done with the ``columns`` of the load, all its visits together."""

    row: int
    opens: bool
    pixel: int
    pixels: int
    parts: tuple[Part, ...]
    place: int
    base: int
    retires: bool
    columns: int
    sums: int


@dataclass(frozen=True, slots=True)
class Load:
    """Inputs of a range of pixels on their way to the buffers: of each pixel, for each span, ``count`` columns from chunk ``start``
    of the reduction (as (start, count)). ``place`` as in `Visit`."""

    pixel: int
    pixels: int
    spans: tuple[tuple[int, int], ...]
    place: int

    @property
    def columns(self) -> int:
        """Columns of one pixel."""
        return sum(count for _, count in self.spans)


@dataclass(frozen=True, slots=True)
class Work:
    """All of a channel: ``stride`` columns of the buffers are a place, of which there are ``places``."""

    visits: tuple[Visit, ...]
    loads: tuple[Load, ...]
    tiles: tuple[Tile, ...]
    stride: int
    places: int


def lay_out(device: PimDevice, pieces: tuple[tuple[int, int], ...], items: tuple[Item, ...], tile: int) -> Work:
    """Rows packed with items, then visited: each row once, for all its pixels (``tile`` 0), or all rows in turn for ``tile``
    pixels that stay in the buffers, forth and back, so that the row that is open need not be opened."""
    rows = _rows(device.organization.columns, pieces, items)
    tiles = tuple(
        Tile(row, column, item.group, pieces[item.piece][0], _length(pieces, item.piece))
        for row, placed in enumerate(rows)
        for item, column in placed
    )
    stride = max(_wanted(pieces, [item for item, _ in placed]) for placed in rows)
    stride = min(stride, device.organization.buffer_capacity)
    places = device.organization.buffer_capacity // stride
    visits: list[Visit] = []
    loads: list[Load] = []
    place = 0
    for low, high, members in _stretches(rows, tile, places):
        segments = [(number, *s) for number in members for s in _segments(rows[number], low, high)]
        used = sorted({item.piece for *_, here in segments for item, _ in here})
        spans = tuple((pieces[p][0], _length(pieces, p)) for p in used)
        columns = (high - low) * sum(count for _, count in spans)
        sums = sum((end - first) * len(here) for _, first, end, here in segments)
        loads.append(Load(low, high - low, spans, place))
        for number, first, end, here in segments:
            opens = not visits or visits[-1].row != number
            retires = number == members[-1]
            parts = _parts(pieces, here, used)
            visits.append(
                Visit(number, opens, first, end - first, parts, place + first - low, place, retires, columns, sums)
            )
        place += high - low
    return Work(tuple(visits), tuple(loads), tiles, stride, places)


Placed = list[tuple[Item, int]]


def _length(pieces: tuple[tuple[int, int], ...], piece: int) -> int:
    first, last = pieces[piece]
    return last - first


def _wanted(pieces: tuple[tuple[int, int], ...], items: list[Item]) -> int:
    return sum(_length(pieces, p) for p in {item.piece for item in items})


def _rows(columns: int, pieces: tuple[tuple[int, int], ...], items: tuple[Item, ...]) -> list[Placed]:
    """Items packed into rows in their order: a piece's by themselves, evenly, unless fewer rows hold the pieces mixed."""
    by_piece: dict[int, list[Item]] = {}
    for item in items:
        by_piece.setdefault(item.piece, []).append(item)
    apart: list[Placed] = []
    for piece, members in sorted(by_piece.items()):
        length = _length(pieces, piece)
        count = ceil_div(len(members), max(columns // length, 1))
        for low, high in pairwise(len(members) * i // count for i in range(count + 1)):
            apart.append([(item, i * length) for i, item in enumerate(members[low:high])])
    mixed: list[Placed] = [[]]
    at = 0
    for item in items:
        length = _length(pieces, item.piece)
        if at + length > columns:
            mixed.append([])
            at = 0
        mixed[-1].append((item, at))
        at += length
    return mixed if len(mixed) < len(apart) else apart


def _parts(pieces: tuple[tuple[int, int], ...], placed: Placed, used: list[int]) -> tuple[Part, ...]:
    """The sums of a pixel whose inputs are those of the pieces ``used``, one behind the other."""
    offsets, at = {}, 0
    for piece in used:
        offsets[piece] = at
        at += _length(pieces, piece)
    ordered = sorted(placed, key=lambda p: (p[0].piece, p[1]))
    following = [*(item.piece for item, _ in ordered[1:]), -1]
    return tuple(
        Part(column, item.group, item.piece, _length(pieces, item.piece), offsets[item.piece], item.piece != after)
        for (item, column), after in zip(ordered, following, strict=True)
    )


def _segments(placed: Placed, low: int, high: int) -> list[tuple[int, int, Placed]]:
    """(first pixel, last + 1, items that have them) of a row, within a range of pixels."""
    ends = {e for item, _ in placed for e in (item.pixel, item.pixel + item.pixels)}
    edges = sorted({low, high} | {e for e in ends if low < e < high})
    cut = [(a, b, [(i, c) for i, c in placed if i.pixel <= a and b <= i.pixel + i.pixels]) for a, b in pairwise(edges)]
    return [part for part in cut if part[2]]


def _stretches(rows: list[Placed], tile: int, places: int) -> Iterator[tuple[int, int, list[int]]]:
    """(first pixel, last + 1, rows in their order) of what is brought at one go."""
    if not tile:
        for number, placed in enumerate(rows):
            first, last = _range([placed])
            for low, high, _ in _segments(placed, first, last):
                yield low, high, [number]
        return
    alike: dict[frozenset[int], list[int]] = {}
    for number, placed in enumerate(rows):
        alike.setdefault(frozenset(item.piece for item, _ in placed), []).append(number)
    for members in alike.values():
        first, last = _range([rows[number] for number in members])
        count = ceil_div(last - first, min(tile, places))
        each, more = divmod(last - first, count)
        # Larger tiles first: alike ones behind one another are loops.
        for low, high in pairwise(first + each * i + min(i, more) for i in range(count + 1)):
            used = [number for number in members if _segments(rows[number], low, high)]
            if used:
                yield low, high, used
            members = members[::-1]


def _range(rows: list[Placed]) -> tuple[int, int]:
    items = [item for placed in rows for item, _ in placed]
    return min(i.pixel for i in items), max(i.pixel + i.pixels for i in items)
