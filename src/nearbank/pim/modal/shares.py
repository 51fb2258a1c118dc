"""How work is cut and dealt on a device that switches modes: pieces of the reduction, and runs of pixels for each channel.

A sum is one pixel and one group of outputs, or, of the last group, as many pixels as fit its idle banks. Work is put in a line
and cut where each channel has the same clocks of sums, to a sum.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import lcm

from nearbank.devices import PimDevice
from nearbank.pim.modal.clocks import Clocks
from nearbank.pim.product import Product, ceil_div

__all__ = ["Piece", "Run", "Share", "by_groups", "by_pixels", "cuts", "pieces_of"]


@dataclass(frozen=True)
class Piece:
    """``count`` chunks of the reduction from ``first``, summed apart. The last group of outputs, if it fills so few banks that
    ``pack`` > 1 pixels fit side by side, is computed for that many pixels in one sum: the weights of each stand in banks of
    their own, and are zero where the inputs of the others pass."""

    first: int
    count: int
    pack: int


@dataclass(frozen=True, order=True)
class Run:
    """Pixels ``start`` to ``stop`` of output group ``group``, in the piece of number ``piece``."""

    piece: int
    group: int
    start: int
    stop: int


Share = tuple[Run, ...]
"""The runs of one channel, by piece and group."""


def cuts(chunks: int, most: int, units: int, channels: int) -> list[tuple[int, ...]]:
    """Lengths of the pieces, none over ``most``: full ones and a rest, so that the rest packs well; even ones; and, where there
    are fewer ``units`` of work than ``channels`` could share, finer ones for several channels to share a sum."""
    fewest = ceil_div(chunks, most)
    found = [(most,) * (fewest - 1) + (chunks - (fewest - 1) * most,), _even(chunks, fewest)]
    finer = [min(times * channels // units, chunks) for times in (1, 2, 3)]
    found += [_even(chunks, count) for count in finer if count > fewest]
    return list(dict.fromkeys(found))


def _even(total: int, parts: int) -> tuple[int, ...]:
    return tuple(b - a for a, b in pairwise(total * i // parts for i in range(parts + 1)))


def pieces_of(device: PimDevice, product: Product, lengths: Sequence[int], *, packed: bool) -> tuple[Piece, ...]:
    """The pieces of those lengths; ``packed``: several pixels share the sums of the last group where they fit."""
    sizes = device.organization
    used = product.out_channels % sizes.banks
    out, first = [], 0
    for count in lengths:
        room = sizes.longest_sum // count
        pack = min(sizes.banks // used, room, product.pixels) if packed and used else 1
        out.append(Piece(first, count, max(pack, 1)))
        first += count
    return tuple(out)


@dataclass(frozen=True)
class _Set:
    """The sums of one group in one piece: each takes ``pack`` pixels and ``cost`` clocks."""

    piece: int
    group: int
    pack: int
    cost: int


def _sets(pieces: tuple[Piece, ...], groups: range, last: int, clocks: Clocks) -> list[_Set]:
    out = []
    for number, piece in enumerate(pieces):
        for group in groups:
            pack = piece.pack if group == last else 1
            out.append(_Set(number, group, pack, clocks.between + clocks.step * (pack * piece.count - 1)))
    return out


def by_groups(pieces: tuple[Piece, ...], pixels: int, groups: int, clocks: Clocks, channels: int) -> list[Share]:
    """A line of all pixels of a group, then the next group, then the next piece."""
    sets = _sets(pieces, range(groups), groups - 1, clocks)
    ends = list(accumulate((ceil_div(pixels, s.pack) * s.cost for s in sets), initial=0))
    shares: list[list[Run]] = [[] for _ in range(channels)]
    for s, begin in zip(sets, ends[:-1], strict=True):
        at = 0
        for channel in range(channels):
            behind = (ends[-1] * (channel + 1) // channels - begin + s.cost // 2) // s.cost * s.pack
            upto = pixels if channel + 1 == channels else min(max(behind, at), pixels)
            if upto > at:
                shares[channel].append(Run(s.piece, s.group, at, upto))
            at = upto
    return [tuple(share) for share in shares if share]


def by_pixels(
    pieces: tuple[Piece, ...], pixels: int, groups: int, clocks: Clocks, channels: int, down: int, *, whole: bool
) -> list[Share]:
    """Groups cut into ``down`` blocks, channels divided over the blocks by their work, and in a block a line of all groups of a
    pixel, then the next pixel; ``whole``: cut between pixels only."""
    blocks = [_sets(pieces, range(low, high), groups - 1, clocks) for low, high in pairwise(range_cuts(groups, down))]
    costs = [sum(s.cost / s.pack for s in block) for block in blocks]
    shares: list[Share] = []
    for block, count in zip(blocks, _divide(costs, channels), strict=True):
        ends = _ends(block, pixels, count, whole)
        for low, high in pairwise(ends):
            runs = [Run(s.piece, s.group, a, b) for s, a, b in zip(block, low, high, strict=True) if b > a]
            if runs:
                shares.append(tuple(runs))
    return shares


def range_cuts(total: int, parts: int) -> list[int]:
    """The ends of ``parts`` ranges that differ by one at most."""
    return [total * i // parts for i in range(parts + 1)]


def _divide(costs: Sequence[float], channels: int) -> list[int]:
    """Channels for blocks of work, at least one each, so that the block with most work a channel has least."""
    counts = [1] * len(costs)
    for _ in range(channels - len(costs)):
        counts[max(range(len(costs)), key=lambda i: (costs[i] / counts[i], -i))] += 1
    return counts


def _ends(block: list[_Set], pixels: int, count: int, whole: bool) -> list[list[int]]:
    """For each cut, the pixel before which each set is cut. The line repeats every ``tuple_of`` pixels."""
    tuple_of = lcm(*(s.pack for s in block))
    order = [(i, j + 1) for j in range(tuple_of) for i, s in enumerate(block) if s.pack == 1]
    order += [(i, (j + 1) * s.pack) for i, s in enumerate(block) if s.pack > 1 for j in range(tuple_of // s.pack)]
    reached = list(accumulate((block[i].cost for i, _ in order), initial=0))
    total = pixels / tuple_of * reached[-1]
    out = []
    for cut in range(count + 1):
        if cut == count:
            out.append([pixels] * len(block))
            continue
        tuples, rest = divmod(total * cut / count, reached[-1])
        taken = bisect_left(reached, rest)
        taken -= taken > 0 and rest - reached[taken - 1] < reached[taken] - rest
        done = [0] * len(block)
        for i, upto in order[:taken]:
            done[i] = upto
        if whole:
            per = round(rest / reached[-1] * tuple_of) if tuple_of == 1 else round(rest / reached[-1]) * tuple_of
            done = [per] * len(block)
        out.append([min(int(tuples) * tuple_of + d, pixels) for d in done])
    return out
