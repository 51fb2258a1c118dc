"""A product and a mapping's name to its program; and one product, end to end: compile, time, check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible, InputError, near_matches
from nearbank.pim.baselines import newton_plus, newton_plus_plus
from nearbank.pim.blocks import compile_blocks
from nearbank.pim.bound import Bound, bound
from nearbank.pim.cache import kept
from nearbank.pim.modal import serial
from nearbank.pim.product import Compiled, Product, ceil_div
from nearbank.pim.resident import resident
from nearbank.pim.search import search
from nearbank.pim.stored import compiled_from, compiled_to, timing_from, timing_to
from nearbank.sim import Timing, time_program

__all__ = ["MAPPINGS", "LayerTiming", "compile_product", "time_product"]

MAPPINGS: Mapping[str, Callable[[PimDevice, Product, int], Compiled]] = {
    "newton+": newton_plus,
    "newton++": newton_plus_plus,
    "resident": resident,
    "serial": serial,
    "search": search,
}


@dataclass(frozen=True)
class LayerTiming:
    """One product on one device: clocks, the bound, and the MAC units' share of the time in which they did useful work."""

    product: Product
    mapping: str
    timing: Timing
    bound: Bound
    time_us: float
    utilization: float


@lru_cache(maxsize=512)
def compile_product(device: PimDevice, product: Product, channels: int, mapping: str) -> Compiled:
    """The program of ``product`` on ``channels`` channels; remembered for the life of the process.

    Raises:
        InputError: unknown mapping, or channels outside 1 to the device's number.
        Infeasible: the mapping does not fit the device.
    """
    if mapping not in MAPPINGS:
        raise InputError("unknown mapping", value=mapping, bound=near_matches(mapping, MAPPINGS))
    if not 1 <= channels <= device.organization.channels:
        raise InputError("channels", where=device.name, value=channels, bound=f"1 to {device.organization.channels}")
    _check_capacity(device, product, channels)
    return kept(
        "program", (device.hash, product, channels, mapping), lambda: _compiled(device, product, channels, mapping),
        compiled_to, lambda stored: compiled_from(stored, device, product, channels),
    )  # fmt: skip


def _compiled(device: PimDevice, product: Product, channels: int, mapping: str) -> Compiled:
    if product.blocks > 1:
        return compile_blocks(device, product, channels, mapping, MAPPINGS[mapping])
    return MAPPINGS[mapping](device, product, channels)


def _check_capacity(device: PimDevice, product: Product, channels: int) -> None:
    """Infeasible, before any search, if the weights fit the channels in no arrangement."""
    sizes = device.organization
    columns = product.groups(device) * product.chunks(device) * product.blocks
    rows = ceil_div(ceil_div(columns, sizes.columns), channels)
    if rows > sizes.rows:
        raise Infeasible("weights do not fit a bank", demand=rows, bound=sizes.rows, unit="rows", where=str(product))


@lru_cache(maxsize=4096)
def time_product(device: PimDevice, product: Product, channels: int, mapping: str) -> LayerTiming:
    """Compile and time; remembered for the life of the process, since networks repeat their layers.

    Raises:
        InputError, Infeasible: as `compile_product`.
    """
    timing = kept(
        "timing", (device.hash, product, channels, mapping),
        lambda: time_program(device, compile_product(device, product, channels, mapping).program),
        timing_to, timing_from,
    )  # fmt: skip
    sizes = device.organization
    peak = (
        timing.cycles
        * channels
        * sizes.banks
        * sizes.lanes
        / max(device.gap(device.one("mac").name, device.one("mac").name), 1)
    )
    return LayerTiming(
        product,
        mapping,
        timing,
        bound(device, product, channels),
        device.microseconds(timing.cycles),
        product.macs / peak,
    )
