"""A choice of mapping, and the program it gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from nearbank.devices import PimDevice
from nearbank.pim.product import Compiled, Product, Tile
from nearbank.pim.streams.gaps import gaps
from nearbank.pim.streams.repeat import Entry, moved, nodes
from nearbank.pim.streams.skip import merge, operands
from nearbank.pim.streams.work import Item, Work, lay_out
from nearbank.program import Program, Section

__all__ = ["Choice", "cut", "kinds", "shares", "streamed"]

Share = tuple[Item, ...]


@dataclass(frozen=True, order=True)
class Choice:
    """Channels in ``across`` sets, each with its range of pixels; within a set the sums of all outputs and of all ``pieces`` of the
    reduction stand in a line that is cut evenly. ``tile``: pixels that stay in the buffers while the rows change, 0 if the rows
    stay open while the pixels change. ``reads``: results read between two bursts of fills."""

    across: int
    pieces: int
    tile: int
    reads: int

    def __str__(self) -> str:
        cut = f", reduction in {self.pieces}" if self.pieces > 1 else ""
        keep = f"tiles of {self.tile} pixels resident" if self.tile else "rows resident"
        return f"{self.across} over pixels{cut}, {keep}, fills every {self.reads} reads"


def cut(chunks: int, count: int) -> tuple[tuple[int, int], ...]:
    """``chunks`` in ``count`` pieces (first, last + 1) that differ by one at most."""
    return tuple(pairwise(chunks * i // count for i in range(count + 1)))


@lru_cache(maxsize=1024)
def shares(product: Product, chunks: int, groups: int, channels: int, across: int, pieces: int) -> tuple[Share, ...]:
    """What each channel does; channels without work are left out."""
    lengths = [last - first for first, last in cut(chunks, pieces)]
    edges = [channels * i // across for i in range(across + 1)]
    out: list[Share] = []
    for low, high in pairwise(edges):
        first, last = (round(product.pixels * e / channels) for e in (low, high))
        if last > first:
            out += _line(lengths, groups, first, last - first, high - low)
    return tuple(out)


def _line(lengths: list[int], groups: int, first: int, pixels: int, channels: int) -> Iterator[Share]:
    """The line of (piece, group, pixel), cut where each channel's multiplications are full."""
    total = sum(lengths) * groups * pixels
    ends = [total * (i + 1) // channels for i in range(channels)]
    share: list[Item] = []
    done, which = 0, 0
    for piece, length in enumerate(lengths):
        for group in range(groups):
            pixel = 0
            while pixel < pixels:
                fits = min(max((ends[which] - done + length // 2) // length, 0), pixels - pixel)
                if fits:
                    share.append(Item(piece, group, first + pixel, fits))
                    pixel += fits
                    done += fits * length
                if pixel < pixels and which < channels - 1:
                    if share:
                        yield tuple(share)
                    share, which = [], which + 1
                elif pixel < pixels:
                    share.append(Item(piece, group, first + pixel, pixels - pixel))
                    done += (pixels - pixel) * length
                    pixel = pixels
    if share:
        yield tuple(share)


def kinds(shares: tuple[Share, ...], lengths: tuple[int, ...], *, exact: bool) -> list[tuple[Share, list[int]]]:
    """Channels with alike shares, the fullest first, with the share of the first of them: alike in all but where they lie; if
    ``exact``, one is the other moved by some pieces, groups and pixels."""
    found: dict[object, tuple[Share, list[int]]] = {}
    for channel, share in enumerate(shares):
        piece, group, pixel = (min(getattr(item, what) for item in share) for what in ("piece", "group", "pixel"))
        key = tuple(
            (i.piece - piece, lengths[i.piece], i.pixel - pixel, i.pixels, i.group - group if exact else 0) for i in share
        )
        found.setdefault(key, (share, []))[1].append(channel)
    return sorted(found.values(), key=lambda f: -sum(i.pixels * lengths[i.piece] for i in f[0]))


def streamed(device: PimDevice, product: Product, channels: int, choice: Choice) -> Compiled:
    """Compile with the given choice. The caller sees to it that pieces fit a row and the buffers."""
    chunks, groups = product.chunks(device), product.groups(device)
    pieces = cut(chunks, choice.pieces)
    lengths = tuple(last - first for first, last in pieces)
    sections: list[Section] = []
    tiles: dict[int, tuple[Tile, ...]] = {}
    dealt = shares(product, chunks, groups, channels, choice.across, choice.pieces)
    for share, members in kinds(dealt, lengths, exact=True):
        work = lay_out(device, pieces, share, choice.tile)
        merged = merge(device, product, work, choice.reads)
        assert merged is not None
        for channel in members:
            other = work if channel == members[0] else lay_out(device, pieces, dealt[channel], choice.tile)
            tiles[channel] = other.tiles
            entries = moved(merged.entries, _Move(product, groups, gaps(device).read, work, other))
            sections.append(Section((channel,), nodes(entries, operands(device, work))))
    spans = tuple((first, last - first) for first, last in pieces)
    program = Program(device.name, tuple(sorted(sections, key=lambda s: s.channels)))
    return Compiled(product, device, f"search: {choice}", channels, program, pieces, dict(sorted(tiles.items())), spans)


@dataclass(frozen=True, slots=True)
class _Move:
    """From a channel's entries to those of one with an alike share: what is added to a command's operands."""

    product: Product
    groups: int
    read: str
    here: Work
    there: Work

    def __call__(self, entry: Entry) -> tuple[int, ...]:
        if entry.owner < 0:
            a, b = self.here.loads[-1 - entry.owner], self.there.loads[-1 - entry.owner]
            chunks = b.spans[0][0] - a.spans[0][0]
            return (0, self.product.pixels * chunks + (b.pixel - a.pixel) * entry.pixel[1])
        if entry.command != self.read:
            return (0,) * len(entry.args)
        x, y = self.here.visits[entry.owner], self.there.visits[entry.owner]
        p, q = x.parts[0], y.parts[0]
        pixels = (q.piece - p.piece) * self.product.pixels + y.pixel - x.pixel
        return (0, pixels * self.groups + q.group - p.group)
