"""The search on a device that switches modes: every way of cutting and dealing by its sum of clocks, which is exact but for
refresh: and that falls on all alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim.modal.clocks import Clocks, clocks
from nearbank.pim.modal.emit import Choice, build, function_of
from nearbank.pim.modal.host import host, host_floor
from nearbank.pim.modal.layout import cost, lay_out
from nearbank.pim.modal.serial import serial, serial_floor
from nearbank.pim.modal.shares import Share, by_groups, by_pixels, cuts, pieces_of
from nearbank.pim.product import NO_EPILOGUE, Compiled, Epilogue, Product, ceil_div
from nearbank.sim import time_program

__all__ = ["search_modal"]


def search_modal(
    device: PimDevice, product: Product, channels: int, epilogue: Epilogue = NO_EPILOGUE, *, whole: bool = False
) -> Compiled:
    """The fastest program found; never slower than `host`, nor, without an epilogue, than `serial`. Deterministic. ``whole``: only
    of those that leave no partial sums.

    Raises:
        Infeasible: no mapping fits the device, or none can have the epilogue.
    """
    ours = clocks(device)
    chunks, groups = product.chunks(device), product.groups(device)
    most = device.organization.longest_sum
    function_of(device, product, ceil_div(chunks, most), epilogue)
    ranked: dict[Choice, int] = {}
    for choice in _choices(device, product, channels, ours, whole=whole or epilogue.function is not None):
        ranked.setdefault(choice, _cost(device, groups - 1, choice, ours))
    found, problem = None, None
    for choice in sorted(ranked, key=lambda c: ranked[c]):
        try:
            found = build(device, product, channels, choice, epilogue)
            break
        except Infeasible as error:
            problem = problem or error
    if not whole or found is None:
        found = _better(device, product, channels, epilogue, found)
    if found is None:
        assert problem is not None
        raise problem
    return found


def _better(
    device: PimDevice, product: Product, channels: int, epilogue: Epilogue, found: Compiled | None
) -> Compiled | None:
    """``found``, or a named baseline that fits and is faster."""
    cycles = time_program(device, found.program).cycles if found else None
    rivals: list[tuple[int, Callable[[], Compiled]]] = [
        (host_floor(device, product, channels, epilogue), lambda: host(device, product, channels, epilogue))
    ]
    if not epilogue:
        rivals.append((serial_floor(device, product, channels), lambda: serial(device, product, channels)))
    for floor, rival in rivals:
        if cycles is not None and floor >= cycles:
            continue
        try:
            compiled = rival()
        except Infeasible:
            continue
        took = time_program(device, compiled.program).cycles
        if cycles is None or took < cycles:
            found, cycles = compiled, took
    return found


def _choices(device: PimDevice, product: Product, channels: int, ours: Clocks, *, whole: bool) -> Iterator[Choice]:
    """``whole``: only with a reduction that is not divided."""
    chunks, groups, pixels = product.chunks(device), product.groups(device), product.pixels
    most = device.organization.longest_sum
    for lengths in cuts(chunks, most, pixels * groups, channels):
        if whole and len(lengths) > 1:
            continue
        variants = [pieces_of(device, product, lengths, packed=p) for p in (True, False)]
        for pieces in dict.fromkeys(variants):
            name = f"{len(pieces)} pieces" if len(pieces) > 1 else "whole sums"
            name += ", packed" if any(p.pack > 1 for p in pieces) else ""
            shares = by_groups(pieces, pixels, groups, ours, channels)
            yield Choice(f"modal: {name}, by groups", pieces, tuple(shares))
            for down in _downs(groups, channels):
                for even in (False, True):
                    shares = by_pixels(pieces, pixels, groups, ours, channels, down, whole=even)
                    yield Choice(f"modal: {name}, by pixels in {down}", pieces, tuple(shares))


def _downs(groups: int, channels: int) -> list[int]:
    """Numbers of blocks of groups: each that gives the largest block another size."""
    found: dict[int, int] = {}
    for down in range(1, min(groups, channels) + 1):
        found.setdefault(ceil_div(groups, down), down)
    return list(found.values())


def _cost(device: PimDevice, last: int, choice: Choice, ours: Clocks) -> int:
    """Clocks of the slowest channel."""
    sizes, known = device.organization, dict[Share, int]()
    for share in choice.shares:
        key = share
        if key not in known:
            layout = lay_out(share, choice.pieces, last, sizes.columns, sizes.buffer_capacity)
            known[key] = cost(layout, choice.pieces, last, ours)
    return max(known.values())
