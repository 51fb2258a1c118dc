"""A choice of mapping, and the program it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from types import MappingProxyType

from nearbank.devices import PimDevice
from nearbank.pim.product import Compiled, Product, Tile
from nearbank.pim.streams.gaps import gaps
from nearbank.pim.streams.repeat import Entry, Repeat, nodes, repeated
from nearbank.pim.streams.skip import Merged, merge, operands
from nearbank.pim.streams.work import Item, lay_out
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
    small, larger = divmod(channels, across)
    # Sets of one channel more first; sets of as many channels have as many pixels or one more.
    middle = round(product.pixels * larger * (small + 1) / channels)
    out: list[Share] = []
    for count, size, low, high in ((larger, small + 1, 0, middle), (across - larger, small, middle, product.pixels)):
        for i in range(count):
            each, more = divmod(high - low, count)
            first, last = (low + j * each + min(j, more) for j in (i, i + 1))
            if last > first:
                out += _line(lengths, groups, first, last - first, size)
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


def kinds(shares: tuple[Share, ...], lengths: tuple[int, ...]) -> list[Share]:
    """The shares that differ in more than where they lie, which does not matter to time; the fullest first."""
    found: dict[object, Share] = {}
    for share in shares:
        piece, pixel = min(item.piece for item in share), min(item.pixel for item in share)
        found.setdefault(tuple((i.piece - piece, lengths[i.piece], i.pixel - pixel, i.pixels) for i in share), share)
    return sorted(found.values(), key=lambda share: -sum(i.pixels * lengths[i.piece] for i in share))


def streamed(
    device: PimDevice, product: Product, channels: int, choice: Choice, known: Mapping[Share, Merged] = MappingProxyType({})
) -> Compiled:  # fmt: skip
    """Compile with the given choice; shares ``known`` are merged already. The caller sees to it that pieces fit a row and the
    buffers."""
    chunks, groups = product.chunks(device), product.groups(device)
    pieces = cut(chunks, choice.pieces)
    sections: list[Section] = []
    tiles: dict[int, tuple[Tile, ...]] = {}
    dealt = shares(product, chunks, groups, channels, choice.across, choice.pieces)
    for members in _alike(dealt):
        works = [lay_out(device, pieces, dealt[channel], choice.tile) for channel in members]
        tiles.update((channel, work.tiles) for channel, work in zip(members, works, strict=True))
        merged = known.get(dealt[members[0]]) or merge(device, product, works[0], choice.reads)
        assert merged is not None
        entries: tuple[Entry | Repeat, ...] = merged.entries
        if len(works) > 1:
            pixels, further = _apart(*(_corner(dealt[channel]) for channel in members[:2]))
            entries = repeated("c", 1, entries, partial(_moved, gaps(device).read, pixels, further, groups)).body
        sections.append(Section(members, nodes(entries, operands(device, works[0]))))
    spans = tuple((first, last - first) for first, last in pieces)
    program = Program(device.name, tuple(sorted(sections, key=lambda s: s.channels)))
    return Compiled(product, device, f"search: {choice}", channels, program, pieces, dict(sorted(tiles.items())), spans)


def _alike(dealt: tuple[Share, ...]) -> list[tuple[int, ...]]:
    """Channels whose shares differ by the same numbers of pixels and of groups from each to the next, and in nothing else."""
    found: dict[object, list[int]] = {}
    out: list[tuple[int, ...]] = []
    base = [_corner(share) for share in dealt]
    for channel, share in enumerate(dealt):
        pixel, group = base[channel]
        key = tuple((i.piece, i.group - group, i.pixel - pixel, i.pixels) for i in share)
        found.setdefault(key, []).append(channel)
    for members in found.values():
        run = members[:1]
        for channel in members[1:]:
            if len(run) > 1 and _apart(base[run[-1]], base[channel]) != _apart(base[run[0]], base[run[1]]):
                out.append(tuple(run))
                run = []
            run.append(channel)
        out.append(tuple(run))
    return out


def _corner(share: Share) -> tuple[int, int]:
    """The first pixel and the first group."""
    return min(item.pixel for item in share), min(item.group for item in share)


def _apart(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    return b[0] - a[0], b[1] - a[1]


def _moved(read: str, pixels: int, further: int, groups: int, entry: Entry) -> tuple[int, ...]:
    """By how much a command's operands grow for a channel whose share is ``pixels`` pixels and ``further`` groups further."""
    if entry.owner < 0:
        return (0, pixels * entry.pixel[1])
    return (0, pixels * groups + further) if entry.command == read else (0,) * len(entry.args)
