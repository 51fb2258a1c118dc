"""Choices in the order of a rough count of their clocks; the most promising merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

from nearbank.devices import PimDevice
from nearbank.pim.product import Product, ceil_div
from nearbank.pim.streams.choice import Choice, cut, kinds, shares
from nearbank.pim.streams.gaps import gaps
from nearbank.pim.streams.skip import Merged, merge
from nearbank.pim.streams.work import Item, lay_out

__all__ = ["ceiling", "ranked"]

_COUNTED, _HOPELESS = 48, 1.3
"""Choices laid out of those counted as if all were even, and how much worse than the best a count may be."""

_FEWEST, _MERGED, _WORTH = 4, 24, 1.01
"""Choices merged: so many at least, and so many at most; and between as long as the best merged is that much above the next count,
which is seldom too high. Search time is in proportion."""

_VISITS = 2048
"""Visits of rows of a channel, above which tiles are not tried: with so many pixels rows resident are as good."""

_FEW = 4
"""Pixels up to which every division of the reduction a little finer than it must be is tried."""

_WHOLE = 1 << 20
"""A tile of as many pixels as the buffers hold."""


def ranked(
    device: PimDevice, product: Product, channels: int, *, unsplit: bool = False
) -> list[tuple[int, Choice, Mapping[tuple[Item, ...], Merged]]]:
    """(clocks of the slowest channel, choice, shares merged for that), best first; refresh estimated. ``unsplit``: only of choices
    that cut the reduction in as few pieces as they must."""
    rough = sorted(_even(device, product, channels, unsplit=unsplit))[:_COUNTED]
    counted = sorted(
        (_count(device, product, channels, choice), choice)
        for count, choice in rough
        if count <= _HOPELESS * rough[0][0]
    )
    best, out = 1 << 60, list[tuple[int, Choice, Mapping[tuple[Item, ...], Merged]]]()
    for number, (count, choice) in enumerate(counted[:_MERGED]):
        if count == inf or (number >= _FEWEST and count * _WORTH > best):
            break
        # One as fast may still come first among equals; a slower one never wins.
        merged = _merged(device, product, channels, choice, best + 1)
        if merged is not None:
            clocks = max(found.clocks for found in merged.values())
            best = min(best, clocks)
            out.append((_refreshed(device, clocks), choice, merged))
    return sorted(out, key=lambda found: found[:2])


def _refreshed(device: PimDevice, clocks: int) -> int:
    """With the refreshes that fall due, as if each but the last kept the banks from their work."""
    if not device.refresh.enabled:
        return clocks
    blocked = max(device.gap(device.one("refresh").name, device.by_role("activate")[0].name), 1)
    return clocks + max(clocks // max(device.refresh.interval - blocked, 1) - 1, 0) * blocked


def ceiling(device: PimDevice, clocks: int) -> int:
    """Clocks that a choice ranked with ``clocks`` takes at most. A refresh in a row's closing costs what it blocks, which is
    counted but for the last; one for which the row is closed, when as many are owed as may be postponed, costs the reopening
    too."""
    tail = max((gap for _, gap in device.end), default=0) + 1
    if not device.refresh.enabled:
        return clocks + tail
    gap = gaps(device)
    blocked = max(device.gap(device.one("refresh").name, gap.acts[0]), 1)
    closings = clocks // (device.refresh.postpone * device.refresh.interval) + 1
    return clocks + tail + 2 * blocked + closings * (gap.reopening + gap.act_close)


def _merged(
    device: PimDevice, product: Product, channels: int, choice: Choice, limit: int
) -> dict[tuple[Item, ...], Merged] | None:
    """The shares that differ in time, merged; None if one of them reaches the limit."""
    chunks, groups = product.chunks(device), product.groups(device)
    pieces = cut(chunks, choice.pieces)
    lengths = tuple(last - first for first, last in pieces)
    dealt = shares(product, chunks, groups, channels, choice.across, choice.pieces)
    out: dict[tuple[Item, ...], Merged] = {}
    for share in kinds(dealt, lengths):
        merged = merge(device, product, lay_out(device, pieces, share, choice.tile), choice.reads, limit)
        if merged is None:
            return None
        out[share] = merged
    return out


def _even(device: PimDevice, product: Product, channels: int, *, unsplit: bool) -> Iterator[tuple[float, Choice]]:
    """(rough clocks, choice) of all choices, as if every channel's share were the mean."""
    chunks, groups = product.chunks(device), product.groups(device)
    sizes = device.organization
    fewest = ceil_div(chunks, sizes.longest_sum)
    # With few pixels the division of the reduction is what shares the work evenly, and a finer look costs little.
    near = range(fewest + 1, fewest + (4 if product.pixels <= _FEW else 2))
    finer = () if unsplit else (*(fewest * n for n in (2, 3, 4, 6, 8)), *near)
    for pieces in sorted({min(n, chunks) for n in (fewest, *finer)}):
        one = ceil_div(chunks, pieces)
        places = sizes.buffer_capacity // one
        for across in range(1, min(channels, product.pixels) + 1):
            pixels = ceil_div(product.pixels, across)
            items = max(pieces * groups * across / channels, 1 / pixels)
            rows = ceil_div(ceil_div(pieces * groups * across, channels), max(sizes.columns // one, 1))
            sums = pixels * items
            for tile in (0, _WHOLE) if rows > 1 else (0,):
                blocks = ceil_div(rows, max(groups * across // channels, 1)) if tile else rows
                openings, fills = rows, blocks * min(pixels, ceil_div(int(sums), 1) or 1) * one
                if tile:
                    openings += (ceil_div(pixels, places) - 1) * max(rows - blocks, 0)
                    if openings > _VISITS:
                        continue
                for reads in _bursts(places * one, one, fills / sums):
                    clocks = _time(device, sums * one, sums, fills, openings, reads)
                    yield clocks, Choice(across, pieces, tile, reads)


def _bursts(ring: int, one: int, each: float) -> set[int]:
    """Reads between bursts that are worth a try: few, or as many as a full store lasts."""
    return {1, 2, 4, 8, max(int((ring - 2 * one) / each), 1)}


def _count(device: PimDevice, product: Product, channels: int, choice: Choice) -> float:
    """Rough clocks of the fullest share as it is laid out; infinite if the banks are too small for it."""
    chunks, groups = product.chunks(device), product.groups(device)
    pieces = cut(chunks, choice.pieces)
    dealt = shares(product, chunks, groups, channels, choice.across, choice.pieces)
    share = max(dealt, key=lambda s: sum(i.pixels * (pieces[i.piece][1] - pieces[i.piece][0]) for i in s))
    work = lay_out(device, pieces, share, choice.tile)
    if any(tile.row >= device.organization.rows for tile in work.tiles):
        return inf
    sums = sum(v.pixels * len(v.parts) for v in work.visits)
    macs = sum(v.pixels * sum(p.count for p in v.parts) for v in work.visits)
    fills = sum(load.pixels * load.columns for load in work.loads)
    return _time(device, macs, sums, fills, sum(v.opens for v in work.visits), choice.reads)


def _time(device: PimDevice, macs: float, sums: float, fills: float, openings: int, reads: int) -> float:
    """The slowest of multiplications, latches and bus, with the stalls that bursts of fills every ``reads`` reads cost; and the
    openings of rows, under which some fills hide."""
    gap, latches = gaps(device), device.organization.result_latches
    one = gap.step * macs / sums
    each = max(one, (one + gap.tree + 1 - gap.step) / latches)
    hidden = min(openings * gap.reopening / gap.fill_step / 2, fills)
    burst = reads * (fills - hidden) / sums
    window = latches * each + gap.step - gap.tree
    stall = max(gap.turn + gap.fill_step * burst - window, 0) / {1: 3, 2: 2}.get(reads, 1)
    a_burst = max(reads * each + stall, gap.turn + gap.fill_step * burst + gap.read_step * reads)
    return sums / reads * a_burst + openings * gap.reopening
