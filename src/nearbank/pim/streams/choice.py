"""A choice of mapping, and the program it gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from nearbank.devices import PimDevice
from nearbank.pim.product import Compiled, Product, Tile
from nearbank.pim.streams.merge import merge
from nearbank.pim.streams.repeat import nodes
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


def kinds(shares: tuple[Share, ...], lengths: tuple[int, ...]) -> dict[Share, list[int]]:
    """Channels with alike shares, the fullest first: alike in all but where they lie, which does not matter to time."""
    found: dict[object, tuple[Share, list[int]]] = {}
    for channel, share in enumerate(shares):
        base = min(item.pixel for item in share)
        pieces = {p: i for i, p in enumerate(sorted({item.piece for item in share}))}
        key = tuple((pieces[i.piece], lengths[i.piece], i.pixel - base, i.pixels) for i in share)
        found.setdefault(key, (share, []))[1].append(channel)
    return dict(sorted(found.values(), key=lambda f: -sum(i.pixels * lengths[i.piece] for i in f[0])))


def streamed(device: PimDevice, product: Product, channels: int, choice: Choice) -> Compiled:
    """Compile with the given choice. The caller sees to it that pieces fit a row and the buffers."""
    chunks, groups = product.chunks(device), product.groups(device)
    pieces = cut(chunks, choice.pieces)
    sections: list[Section] = []
    tiles: dict[int, tuple[Tile, ...]] = {}
    for channel, share in enumerate(shares(product, chunks, groups, channels, choice.across, choice.pieces)):
        work = lay_out(device, pieces, share, choice.tile)
        tiles[channel] = work.tiles
        sections.append(Section((channel,), _nodes(device, product, work, choice.reads)))
    spans = tuple((first, last - first) for first, last in pieces)
    return Compiled(
        product, device, f"search: {choice}", channels, Program(device.name, tuple(sections)), pieces, tiles, spans
    )


def _nodes(device: PimDevice, product: Product, work: Work, reads: int):  # type: ignore[no-untyped-def]
    merged = merge(device, product, work, reads)
    assert merged is not None
    return nodes(merged.entries)
