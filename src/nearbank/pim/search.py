"""The search: candidate mappings in the order of what they cannot undercut, each timed exactly, until none can be better."""

from __future__ import annotations

from collections.abc import Iterator

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim.baselines import newton_plus, newton_plus_plus
from nearbank.pim.bound import bound
from nearbank.pim.division import Deal, deals
from nearbank.pim.product import Compiled, Product, ceil_div
from nearbank.pim.resident import resident
from nearbank.pim.tiled import Choice, tiled
from nearbank.sim import time_program

__all__ = ["search"]

_DEALS = 3
"""Deals tried, fewest units in the fullest channel first."""


def search(device: PimDevice, product: Product, channels: int) -> Compiled:
    """The fastest program found; never slower than a named baseline that fits. Deterministic.

    Raises:
        Infeasible: no mapping fits the device.
    """
    least = bound(device, product, channels).cycles
    best: tuple[int, Compiled] | None = None
    problem: Infeasible | None = None
    for floor, candidate in _candidates(device, product, channels):
        if best is not None and floor >= best[0]:
            continue
        try:
            compiled = candidate()
        except Infeasible as error:
            problem = error
            continue
        cycles = time_program(device, compiled.program).cycles
        if best is None or cycles < best[0]:
            best = (cycles, compiled)
        if best[0] <= least:
            break
    if best is None:
        raise problem or Infeasible("no mapping fits", demand=1, bound=0, unit="mappings", where=str(product))
    return best[1]


class _Candidate:
    """A mapping not yet compiled."""

    def __init__(self, device: PimDevice, product: Product, channels: int, choice: Choice) -> None:
        self.device, self.product, self.channels, self.choice = device, product, channels, choice

    def __call__(self) -> Compiled:
        return tiled(self.device, self.product, self.channels, self.choice)


def _candidates(device: PimDevice, product: Product, channels: int) -> Iterator[tuple[int, object]]:
    """(clocks it cannot undercut, mapping), promising ones first; the baselines last."""
    sizes = device.organization
    chunks, groups = product.chunks(device), product.groups(device)
    step = max(device.gap(device.one("mac").name, device.one("mac").name), 1)
    tree = max(device.gap(device.one("mac").name, device.one("read").name), 1)
    wide = min(sizes.columns, sizes.buffer_columns)
    lags = (0,) if tree <= 1 or sizes.result_latches < 2 else (tree // step,)
    fills = ["whole"]
    if device.one("fill").columns == 1 and sizes.result_latches == 2:
        fills += ["between", "between, pairs"]
    fewest = ceil_div(chunks, wide)
    out = []
    for deal in deals(product.pixels, groups, channels)[:_DEALS]:
        for pieces in _pieces(device, chunks, fewest):
            floor = deal.most * chunks * step
            for fill in fills:
                if fill != "whole" and ceil_div(chunks, pieces) * 4 > sizes.buffer_capacity:
                    continue
                for lag in lags:
                    out.append((floor, _Candidate(device, product, channels, Choice(deal, pieces, fill, lag))))
    out.sort(key=lambda item: item[0])
    yield from out
    for baseline in (resident, newton_plus_plus, newton_plus):
        yield 0, lambda baseline=baseline: baseline(device, product, channels)


def _pieces(device: PimDevice, chunks: int, fewest: int) -> list[int]:
    """In how many pieces to cut the reduction: as few as fit; and, where a read costs no bus (a simulator's shortcut), finer,
    since a shorter piece lets a row serve more pixels and groups."""
    out = [fewest]
    if not device.state_checks:
        out += [n for n in (2 * fewest, 3 * fewest, 4 * fewest, 6 * fewest) if chunks // n >= 3]
    return out
