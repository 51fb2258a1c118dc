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
    place in the buffers, counted on without end; ``retires``: the inputs are not wanted again; ``sums`` are done with the ``columns`` of a load, all its visits together."""

    row: int
    opens: bool
    pixel: int
    pixels: int
    parts: tuple[Part, ...]
    place: int
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
    place = columns = sums = 0
    for turn in _turns(rows, tile, places):
        if turn.loads:
            spans = tuple(
                (pieces[p][0], _length(pieces, p)) for p in sorted({item.piece for item, _ in turn.placed})
            )
            loads.append(Load(turn.pixel, turn.pixels, spans, place))
            place += turn.pixels
            columns = sum(count for _, count in spans)
            sums = turn.parts
        opens = not visits or visits[-1].row != turn.row
        parts = _parts(pieces, turn.placed)
        visits.append(Visit(turn.row, opens, turn.pixel, turn.pixels, parts, place - turn.pixels, turn.retires, turn.pixels * columns, turn.pixels * sums))
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


def _parts(pieces: tuple[tuple[int, int], ...], placed: Placed) -> tuple[Part, ...]:
    offsets, at = {}, 0
    for piece in sorted({item.piece for item, _ in placed}):
        offsets[piece] = at
        at += _length(pieces, piece)
    ordered = sorted(placed, key=lambda p: (p[0].piece, p[1]))
    following = [*(item.piece for item, _ in ordered[1:]), -1]
    return tuple(
        Part(column, item.group, item.piece, _length(pieces, item.piece), offsets[item.piece], item.piece != after)
        for (item, column), after in zip(ordered, following, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Turn:
    row: int
    pixel: int
    pixels: int
    placed: Placed
    parts: int
    loads: bool
    retires: bool


def _turns(rows: list[Placed], tile: int, places: int) -> Iterator[_Turn]:
    """What is done one after the other, with the pixels at which the parts change as further boundaries."""
    if not tile:
        for number, placed in enumerate(rows):
            edges = sorted({e for item, _ in placed for e in (item.pixel, item.pixel + item.pixels)})
            for low, high in pairwise(edges):
                here = [(i, c) for i, c in placed if i.pixel <= low and high <= i.pixel + i.pixels]
                if here:
                    yield _Turn(number, low, high - low, here, len(here), loads=True, retires=True)
        return
    # Rows that want the same inputs: a piece's.
    order = list(range(len(rows)))
    blocks: dict[tuple[frozenset[int], int, int], list[int]] = {}
    for number in order:
        items = [item for item, _ in rows[number]]
        key = (frozenset(i.piece for i in items), items[0].pixel, items[0].pixels)
        blocks.setdefault(key, []).append(number)
    for (_, first, total), members in blocks.items():
        count = ceil_div(total, min(tile, places))
        parts = sum(len(rows[number]) for number in members)
        for low, high in pairwise(total * i // count for i in range(count + 1)):
            for i, number in enumerate(members):
                ends = i == len(members) - 1
                yield _Turn(number, first + low, high - low, rows[number], parts, loads=i == 0, retires=ends)
            members = members[::-1]
