"""One channel's share laid out: which weights lie in which row and column, and which pixels are taken with which of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nearbank.pim.modal.clocks import Clocks
from nearbank.pim.modal.shares import Piece, Share
from nearbank.pim.product import ceil_div

__all__ = ["Area", "Layout", "cost", "lay_out"]


@dataclass(frozen=True)
class Area:
    """Pixels ``start`` to ``stop``, taken with the same groups: ``rows`` names, by row, the groups of it that take part. They
    pass through the buffer in ``tiles`` tiles of ``size`` pixels, the last one perhaps smaller. With ``forward`` the first tile
    begins at the first row, else at the last; each further tile begins in the row in which the one before it ended."""

    piece: int
    start: int
    stop: int
    rows: tuple[tuple[int, tuple[int, ...]], ...]
    size: int
    forward: bool

    @property
    def tiles(self) -> int:
        """How often the buffer is filled."""
        return ceil_div(self.stop - self.start, self.size)

    @property
    def first(self) -> int:
        """The row open at the start."""
        return self.rows[0 if self.forward else -1][0]

    @property
    def final(self) -> int:
        """The row open at the end."""
        return self.rows[0 if self.forward == (self.tiles % 2 == 0) else -1][0]


@dataclass(frozen=True)
class Layout:
    """``places``: (piece, group) to the row and column at which its weights begin. ``areas`` in the order of time."""

    places: dict[tuple[int, int], tuple[int, int]]
    areas: tuple[Area, ...]


def lay_out(share: Share, pieces: Sequence[Piece], last: int, columns: int, capacity: int) -> Layout:
    """Rows are filled group by group; areas change where the set of groups does. ``last``: the group that may be packed."""
    places: dict[tuple[int, int], tuple[int, int]] = {}
    areas: list[Area] = []
    row, column, at = -1, columns, -1
    for number in dict.fromkeys(run.piece for run in share):
        runs, piece, column = [run for run in share if run.piece == number], pieces[number], columns
        for run in runs:
            width = piece.count * (piece.pack if run.group == last else 1)
            if column + width > columns:
                row, column = row + 1, 0
            places[number, run.group] = (row, column)
            column += width
        bounds = sorted({run.start for run in runs} | {run.stop for run in runs})
        for start, stop in pairwise(bounds):
            rows: dict[int, list[int]] = {}
            for run in runs:
                if run.start <= start < run.stop:
                    rows.setdefault(places[number, run.group][0], []).append(run.group)
            if not rows:
                continue
            pack = piece.pack if any(last in groups for groups in rows.values()) else 1
            most = capacity // piece.count // pack
            size = ceil_div(ceil_div(stop - start, pack), ceil_div(ceil_div(stop - start, pack), most)) * pack
            ordered = tuple((r, tuple(groups)) for r, groups in sorted(rows.items()))
            area = Area(number, start, stop, ordered, size, forward=at != ordered[-1][0])
            areas.append(area)
            at = area.final
    return Layout(places, tuple(areas))


def cost(layout: Layout, pieces: Sequence[Piece], last: int, clocks: Clocks) -> int:
    """Clocks of the channel without refresh and functions: what the program of `emit` takes."""
    total, at = 0, -1
    for area in layout.areas:
        piece, pixels = pieces[area.piece], area.stop - area.start
        one = clocks.between + clocks.step * (piece.count - 1)
        total += clocks.fill * piece.count * pixels
        total += clocks.row * ((at not in (-1, area.first)) + area.tiles * (len(area.rows) - 1))
        at = area.final
        for _, groups in area.rows:
            packed = piece.pack > 1 and last in groups
            total += one * pixels * (len(groups) - packed)
            if packed:
                # The multiplications are those of the pixels, the switches those of the sums.
                total += (
                    ceil_div(pixels, piece.pack) * (clocks.between - clocks.step) + clocks.step * piece.count * pixels
                )
    return total + clocks.start - clocks.between - clocks.fill + clocks.end
