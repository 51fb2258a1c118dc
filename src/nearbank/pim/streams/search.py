"""Choices in the order of a rough count of their clocks; the most promising merged."""

from __future__ import annotations

from collections.abc import Iterator

from nearbank.devices import PimDevice
from nearbank.pim.product import Product, ceil_div
from nearbank.pim.streams.choice import Choice, Share, cut, kinds, shares
from nearbank.pim.streams.merge import Gaps, merge
from nearbank.pim.streams.work import Work, lay_out

__all__ = ["ranked"]

_MERGED = 24
"""Choices merged of those counted roughly."""


def ranked(device: PimDevice, product: Product, channels: int) -> list[tuple[int, Choice]]:
    """(clocks without refresh, choice), best first."""
    rough = sorted(_rough(device, product, channels))
    best, out = 1 << 60, []
    for _, choice in rough[:_MERGED]:
        clocks = _clocks(device, product, channels, choice, best + best // 64)
        if clocks is not None:
            best = min(best, clocks)
            out.append((clocks, choice))
    return sorted(out)


def _clocks(device: PimDevice, product: Product, channels: int, choice: Choice, limit: int) -> int | None:
    """Clocks of the slowest channel, refresh left out; None if they reach the limit."""
    chunks, groups = product.chunks(device), product.groups(device)
    pieces = cut(chunks, choice.pieces)
    lengths = tuple(last - first for first, last in pieces)
    most = 0
    for share in kinds(shares(product, chunks, groups, channels, choice.across, choice.pieces), lengths):
        merged = merge(device, product, lay_out(device, pieces, share, choice.tile), choice.reads, limit)
        if merged is None:
            return None
        most = max(most, merged.clocks)
    return most


def _rough(device: PimDevice, product: Product, channels: int) -> Iterator[tuple[int, Choice]]:
    """(rough clocks, choice) of all choices."""
    chunks, groups = product.chunks(device), product.groups(device)
    sizes = device.organization
    gaps = Gaps(device)
    fewest = ceil_div(chunks, min(sizes.columns, sizes.buffer_capacity))
    for pieces in sorted({min(fewest * n, chunks) for n in (1, 2, 3, 4, 6, 8)} | {min(fewest + 1, chunks)}):
        lengths = tuple(last - first for first, last in cut(chunks, pieces))
        for across in range(1, min(channels, product.pixels) + 1):
            dealt = shares(product, chunks, groups, channels, across, pieces)
            share = max(dealt, key=lambda s: sum(i.pixels * lengths[i.piece] for i in s))
            for tile in (0, 1 << 20) if len({(i.pixel, i.pixels) for i in share}) == 1 else (0,):
                work = lay_out(device, cut(chunks, pieces), share, tile)
                for reads in _bursts(work):
                    yield _count(gaps, work, reads), Choice(across, pieces, tile, reads)


def _bursts(work: Work) -> set[int]:
    first = work.visits[0]
    ring = work.places * work.stride
    return {1, 2, 4, 8, max((ring - 2 * work.stride) * first.sums // first.columns, 1)}


def _count(gaps: Gaps, work: Work, reads: int) -> int:
    """Clocks by visits: the slowest of multiplications, latches and bus, with the turns' stalls; and the openings."""
    total, spare = 0, 0
    opening = gaps.opening + gaps.mac_close + gaps.close_act
    turn = gaps.to_fill + gaps.to_read - gaps.fill_step
    for visit in work.visits:
        sums = visit.pixels * len(visit.parts)
        macs = visit.pixels * sum(p.count for p in visit.parts)
        one = max(gaps.step * macs // sums, (gaps.step * macs // sums + gaps.tree + 1 - gaps.step) // 2)
        fills = reads * visit.columns / visit.sums
        window = 2 * one + gaps.step - gaps.tree
        stall = max(turn + gaps.fill_step * fills - window, 0) / (3 if reads == 1 else 2 if reads == 2 else 1)
        a_burst = max(reads * one + stall, turn + gaps.fill_step * fills + gaps.read_step * reads)
        if visit.opens:
            total += opening
            spare += opening // gaps.fill_step // 2
        total += int(sums / reads * a_burst)
    return total
