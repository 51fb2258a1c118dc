"""The search: candidate mappings in the order of what they cannot undercut, each timed exactly, until none can be better."""

from __future__ import annotations

from itertools import pairwise

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim.baselines import newton_plus, newton_plus_plus
from nearbank.pim.bound import bound
from nearbank.pim.division import Deal, deals
from nearbank.pim.product import Compiled, Product, ceil_div
from nearbank.pim.resident import resident
from nearbank.pim.tiled import Choice, samples, tiled
from nearbank.program import commands
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
    best: tuple[int, Choice | str] | None = None
    for floor, choice in _choices(device, product, channels):
        if best is not None and (floor >= best[0] or best[0] <= least):
            break
        cycles = _cycles(device, product, choice, best[0] if best else None)
        if cycles is not None and (best is None or cycles < best[0]):
            best = (cycles, choice)
    problem: Infeasible | None = None
    for name, baseline in _BASELINES.items():
        try:
            compiled = baseline(device, product, channels)
        except Infeasible as error:
            problem = error
            continue
        if best is None or (best[0] > least and _floor(device, compiled) < best[0]):
            cycles = time_program(device, compiled.program).cycles
            if best is None or cycles < best[0]:
                best = (cycles, name)
    if best is None:
        raise problem or Infeasible("no mapping fits", demand=1, bound=0, unit="mappings", where=str(product))
    choice = best[1]
    return _BASELINES[choice](device, product, channels) if isinstance(choice, str) else tiled(device, product, channels, choice)


_BASELINES = {"resident": resident, "newton++": newton_plus_plus, "newton+": newton_plus}


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
    it and is waited for by those behind it."""
    opens, macs = 0, 0
    activate, mac = device.by_role("activate")[0].name, device.one("mac").name
    for command, times in commands(compiled.program.sections[0].body):
        opens += times if command == activate else 0
        macs += times if command == mac else 0
    names = [c.name for c in device.by_role("activate")]
    opening = sum(max(device.gap(a, b), 1) for a, b in pairwise(names)) + max(device.gap(names[-1], mac), 1)
    return opens * opening + (macs - opens) * max(device.gap(mac, mac), 1)


def _choices(device: PimDevice, product: Product, channels: int) -> list[tuple[int, Choice]]:
    """(clocks it cannot undercut, choice), least first."""
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
    out: list[tuple[int, Choice]] = []
    for deal in deals(product.pixels, groups, channels)[:_DEALS]:
        for pieces in _pieces(device, chunks, fewest):
            floor = deal.most * chunks * step
            for fill in fills:
                if fill != "whole" and ceil_div(chunks, pieces) * 4 > sizes.buffer_capacity:
                    continue
                for lag in lags:
                    out.append((floor, Choice(deal, pieces, fill, lag)))
    return sorted(out, key=lambda item: item[0])


def _pieces(device: PimDevice, chunks: int, fewest: int) -> list[int]:
    """In how many pieces to cut the reduction: as few as fit, and finer, since with shorter pieces a row serves more groups and
    the buffers more pixels; the more so where a read costs no bus (a simulator's shortcut)."""
    finest = 3 if not device.state_checks else 8
    return [n * fewest for n in (1, 2, 3, 4, 6) if n == 1 or chunks // (n * fewest) >= finest]
