"""Choices in the order of a rough count of their clocks; the most promising timed until none can be better."""

from __future__ import annotations

from nearbank.devices import PimDevice
from nearbank.pim.bound import bound
from nearbank.pim.division import deals
from nearbank.pim.product import Product, ceil_div
from nearbank.pim.whole.write import Choice, samples
from nearbank.sim import time_program

__all__ = ["best"]

_DEALS, _TRIED, _HOPELESS = 5, 7, 1.35
"""Deals looked at, fewest units in the fullest channel first; mappings timed exactly; and how much worse than the best a rough
count may be. Wider ones cost search time in proportion."""


def best(device: PimDevice, product: Product, channels: int, *, unsplit: bool = False) -> tuple[int, Choice] | None:
    """(clocks, choice) of the fastest, timed in the order of what they cannot undercut. ``unsplit``: only of choices that cut the
    reduction in as few pieces as they must."""
    least = bound(device, product, channels).cycles
    found: tuple[int, Choice] | None = None
    for floor, choice in _choices(device, product, channels, unsplit=unsplit):
        if found is not None and (floor >= found[0] or found[0] <= least):
            continue
        cycles = _cycles(device, product, choice, found[0] if found else None)
        if cycles is not None and (found is None or cycles < found[0]):
            found = (cycles, choice)
    return found


def _cycles(device: PimDevice, product: Product, choice: Choice, limit: int | None) -> int | None:
    """Clocks of the slowest channel; None as soon as they reach ``limit``."""
    most = 0
    for program in samples(device, product, choice):
        most = max(most, time_program(device, program).cycles)
        if limit is not None and most >= limit:
            return None
    return most


def _choices(device: PimDevice, product: Product, channels: int, *, unsplit: bool) -> list[tuple[int, Choice]]:
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
            if unsplit and pieces > fewest:
                continue
            choice = Choice(deal, pieces, lag, n)
            out.append((costs.rough(choice, chunks), deal.most * (chunks // n) * costs.step, choice))
    out.sort(key=lambda item: item[0])
    return [(floor, choice) for rough, floor, choice in out[:_TRIED] if rough < _HOPELESS * out[0][0]]


class _Costs:
    """A device's clocks for a rough count: what the fullest channel's parts take, added or overlapped as the fill does."""

    def __init__(self, device: PimDevice) -> None:
        mac, read, fill = device.one("mac").name, device.one("read").name, device.one("fill")
        self.device = device
        self.step, self.tree = max(device.gap(mac, mac), 1), max(device.gap(mac, read), 1)
        self.fill_step, self.width = max(device.gap(fill.name, fill.name), 1), fill.columns
        self.turn = device.gap(read, fill.name) + device.gap(fill.name, read)
        self.wait = device.gap(fill.name, mac)
        self.open = device.opening()
        if device.state_checks:
            close, first = device.one("precharge").name, device.by_role("activate")[0].name
            self.open += device.gap(close, first) + device.gap(mac, close)

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
