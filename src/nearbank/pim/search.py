"""The search: the device's own family of mappings, `streams` or `whole` or `modal`, and the named baselines beside it."""

from __future__ import annotations

from collections.abc import Callable

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim.baselines import newton_plus, newton_plus_plus
from nearbank.pim.modal import search_modal
from nearbank.pim.product import NO_EPILOGUE, Compiled, Epilogue, Product
from nearbank.pim.resident import resident
from nearbank.pim.streams import ceiling, ranked, streamed
from nearbank.pim.whole import best, whole
from nearbank.program import commands
from nearbank.sim import time_program

__all__ = ["search", "unsplit", "unsplit_modal"]

Found = tuple[int, Compiled]
"""Clocks that a program takes at most, and the program."""


def search(device: PimDevice, product: Product, channels: int) -> Compiled:
    """The fastest program found; never slower than a named baseline that fits. Deterministic.

    Raises:
        Infeasible: no mapping fits the device.
    """
    if device.by_role("mode"):
        return search_modal(device, product, channels)
    return _or_baseline(device, product, channels, _found(device, product, channels))


def unsplit(device: PimDevice, product: Product, channels: int) -> Compiled:
    """The fastest program found of those that cut the reduction in as few pieces as a row and the buffers need, so that few partial
    sums, or none, are left to add. Deterministic.

    Raises:
        Infeasible: no such mapping fits the device.
    """
    if device.by_role("mode"):
        return unsplit_modal(device, product, channels)
    found = _found(device, product, channels, unsplit=True)
    if found is None:
        raise Infeasible("no mapping fits", demand=1, bound=0, unit="mappings", where=str(product))
    return found[1]


def unsplit_modal(device: PimDevice, product: Product, channels: int, epilogue: Epilogue = NO_EPILOGUE) -> Compiled:
    """`unsplit` on a device with modes, with what memory does to the sums."""
    most = device.organization.longest_sum
    return search_modal(device, product, channels, epilogue, whole=product.chunks(device) <= most)


def _found(device: PimDevice, product: Product, channels: int, *, unsplit: bool = False) -> Found | None:
    """The best of the device's family."""
    if device.one("fill").columns == 1:
        if ranking := ranked(device, product, channels, unsplit=unsplit):
            clocks, choice, merged = ranking[0]
            return ceiling(device, clocks), streamed(device, product, channels, choice, merged)
    elif fastest := best(device, product, channels, unsplit=unsplit):
        return fastest[0], whole(device, product, channels, fastest[1])
    return None


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


def _floor(device: PimDevice, compiled: Compiled) -> int:
    """Clocks that a baseline cannot undercut: in its first channel every opening of a row waits for the multiplications before
    it and is waited for by those behind it; and they all sum in one latch, so a sum waits for the read of the one before."""
    opens, macs, reads = 0, 0, 0
    activate, mac, read = device.by_role("activate")[0].name, device.one("mac").name, device.one("read").name
    for command, times in commands(compiled.program.sections[0].body):
        opens += times if command == activate else 0
        macs += times if command == mac else 0
        reads += times if command == read else 0
    step, tree = max(device.gap(mac, mac), 1), max(device.gap(mac, read), 1)
    return opens * device.opening() + (macs - opens) * step + max(reads - opens, 0) * max(tree + 1 - step, 0)
