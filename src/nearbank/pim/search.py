"""The search: candidate mappings in the order of what they cannot undercut, each timed exactly, until none can be better."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim.baselines import newton_plus, newton_plus_plus
from nearbank.pim.bound import bound
from nearbank.pim.division import deals
from nearbank.pim.modal import serial
from nearbank.pim.product import Compiled, Product, ceil_div
from nearbank.pim.resident import resident
from nearbank.pim.streams import ceiling, ranked, streamed
from nearbank.pim.whole import Choice, samples, whole
from nearbank.program import commands
from nearbank.sim import time_program

__all__ = ["search"]

_DEALS, _TRIED, _HOPELESS = 5, 7, 1.35
"""Deals looked at, fewest units in the fullest channel first; mappings timed exactly; and how much worse than the best a rough
count may be. Wider ones cost search time in proportion."""


def search(device: PimDevice, product: Product, channels: int) -> Compiled:
    """The fastest program found; never slower than a named baseline that fits. Deterministic.

    Raises:
        Infeasible: no mapping fits the device.
    """
    if device.by_role("mode"):
        return serial(device, product, channels)
    found = _streams(device, product, channels) if device.one("fill").columns == 1 else _wholes(device, product, channels)
    return _or_baseline(device, product, channels, found)


Found = tuple[int, Compiled]
"""A program, and clocks that it takes at most."""


def _streams(device: PimDevice, product: Product, channels: int) -> Found | None:
    """The best of those that fill column by column."""
    found = ranked(device, product, channels)
    if not found:
        return None
    clocks, choice = found[0]
    return ceiling(device, clocks), streamed(device, product, channels, choice)


def _wholes(device: PimDevice, product: Product, channels: int) -> Found | None:
    """The best of those that fill whole buffers, timed in the order of what they cannot undercut until none can be better."""
    least = bound(device, product, channels).cycles
    best: tuple[int, Choice] | None = None
    for floor, choice in _choices(device, product, channels):
        if best is not None and (floor >= best[0] or best[0] <= least):
            continue
        cycles = _cycles(device, product, choice, best[0] if best else None)
        if cycles is not None and (best is None or cycles < best[0]):
            best = (cycles, choice)
    return (best[0], whole(device, product, channels, best[1])) if best else None


def _or_baseline(device: PimDevice, product: Product, channels: int, found: Found | None) -> Compiled:
    """What was found, or the first of the fastest baselines if one is faster; nothing is timed if none can be."""
    problem: Infeasible | None = None
    rivals = [] if found is None else [found[1]]
    for baseline in _BASELINES:
        try:
            compiled = baseline(device, product, channels)
        except Infeasible as error:
            problem = error
            continue
        if found is None or _floor(device, compiled) < found[0]:
            rivals.append(compiled)
    if not rivals:
        raise problem or Infeasible("no mapping fits", demand=1, bound=0, unit="mappings", where=str(product))
    return rivals[0] if len(rivals) == 1 else min(rivals, key=lambda c: time_program(device, c.program).cycles)


_Compiler = Callable[[PimDevice, Product, int], Compiled]
_BASELINES: tuple[_Compiler, ...] = (resident, newton_plus_plus, newton_plus)


def _cycles(device: PimDevice, product: Product, choice: Choice, limit: int | None) -> int | None:
    """Clocks of the slowest channel; None as soon as they reach ``limit``."""
    most = 0
    for program in samples(device, product, choice):
        most = max(most, time_program(device, program).cycles)
        if limit is not None and most >= limit:
            return None
    return most


def _floor(device: PimDevice, compiled: Compiled) -> int:
    """Clocks that a baseline cannot undercut: in its first channel every opening of a row waits for the multiplications before
    it and is waited for by those behind it; and they all sum in one latch, so a sum waits for the read of the one before."""
    opens, macs, reads = 0, 0, 0
    activate, mac, read = device.by_role("activate")[0].name, device.one("mac").name, device.one("read").name
    for command, times in commands(compiled.program.sections[0].body):
        opens += times if command == activate else 0
        macs += times if command == mac else 0
        reads += times if command == read else 0
    names = [c.name for c in device.by_role("activate")]
    opening = sum(max(device.gap(a, b), 1) for a, b in pairwise(names)) + max(device.gap(names[-1], mac), 1)
    step, tree = max(device.gap(mac, mac), 1), max(device.gap(mac, read), 1)
    return opens * opening + (macs - opens) * step + max(reads - opens, 0) * max(tree + 1 - step, 0)


def _choices(device: PimDevice, product: Product, channels: int) -> list[tuple[int, Choice]]:
    """(clocks it cannot undercut, choice): the most promising by a rough count of clocks, best first."""
    sizes = device.organization
    chunks, groups = product.chunks(device), product.groups(device)
    costs = _Costs(device)
    lag = 0 if costs.tree <= 1 or sizes.result_latches < 2 else costs.tree // costs.step
    fewest = ceil_div(chunks, min(sizes.columns, sizes.buffer_columns))
    out: list[tuple[float, int, Choice]] = []
    units = product.pixels * groups
    sets = [n for n in (1, 2, 4, 8, 16) if n == 1 or (n <= channels and n <= chunks and units < 4 * channels)]
    dealt = [(n, deal) for n in sets for deal in deals(product.pixels, groups, channels // n)[:_DEALS]]
    for n, deal in dealt:
        for pieces in _pieces(device, chunks, max(fewest, n), n):
            choice = Choice(deal, pieces, lag, n)
            out.append((costs.rough(choice, chunks), deal.most * (chunks // n) * costs.step, choice))
    out.sort(key=lambda item: item[0])
    return [(floor, choice) for rough, floor, choice in out[:_TRIED] if rough < _HOPELESS * out[0][0]]


class _Costs:
    """A device's clocks for a rough count: what the fullest channel's parts take, added or overlapped as the fill does."""

    def __init__(self, device: PimDevice) -> None:
        mac, read, fill = device.one("mac").name, device.one("read").name, device.one("fill")
        names = [c.name for c in device.by_role("activate")]
        self.device = device
        self.step, self.tree = max(device.gap(mac, mac), 1), max(device.gap(mac, read), 1)
        self.fill_step, self.width = max(device.gap(fill.name, fill.name), 1), fill.columns
        self.turn = device.gap(read, fill.name) + device.gap(fill.name, read)
        self.wait = device.gap(fill.name, mac)
        self.open = sum(max(device.gap(a, b), 1) for a, b in pairwise(names)) + max(device.gap(names[-1], mac), 1)
        if device.state_checks:
            self.open += device.gap(device.one("precharge").name, names[0]) + device.gap(
                mac, device.one("precharge").name
            )

    def rough(self, choice: Choice, chunks: int) -> float:
        """Clocks of the fullest channel, to choose by and not to report."""
        sizes = self.device.organization
        share = max(choice.deal.shares, key=lambda s: sum(r.units for r in s))
        one = ceil_div(chunks, choice.pieces)
        latched = max(
            one * self.step,
            (one * self.step + self.tree + 1 - self.step) / sizes.result_latches if self.tree > 1 else 0,
        )
        total = 0.0
        for r in share:
            rows = ceil_div(r.groups, max(sizes.columns // one, 1))
            tiles = ceil_div(r.pixels, max(sizes.buffer_capacity // one, 1))
            sums, fills = r.units * latched, r.pixels * ceil_div(one, self.width) * self.fill_step
            seams = tiles - 1 if rows > 1 else 0
            total += sums + fills + tiles * (self.turn + self.wait) + (tiles * rows - seams) * self.open
        return total * choice.pieces / choice.sets


def _pieces(device: PimDevice, chunks: int, fewest: int, sets: int) -> list[int]:
    """In how many pieces to cut the reduction: as few as fit, and finer, since with shorter pieces a row serves more groups and
    the buffers more pixels; the more so where a read costs no bus (a simulator's shortcut). A multiple of the sets."""
    finest = 3 if not device.state_checks else 8
    found = {ceil_div(n * fewest, sets) * sets for n in (1, 2, 3, 4, 6) if n == 1 or chunks // (n * fewest) >= finest}
    return sorted(n for n in found if n <= chunks)
