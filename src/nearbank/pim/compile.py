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
from nearbank.pim.modal import host, search_modal, serial
from nearbank.pim.pause import uncollected
from nearbank.pim.product import NO_EPILOGUE, Compiled, Epilogue, Product, ceil_div
from nearbank.pim.resident import resident
from nearbank.pim.search import search, unsplit, unsplit_modal
from nearbank.pim.stored import compiled_from, compiled_to, timing_from, timing_to
from nearbank.sim import Timing, time_program
from nearbank.tabular import Table, Tabular

__all__ = ["MAPPINGS", "LayerTiming", "compile_product", "time_product"]

MAPPINGS: Mapping[str, Callable[[PimDevice, Product, int], Compiled]] = {
    "newton+": newton_plus,
    "newton++": newton_plus_plus,
    "resident": resident,
    "serial": serial,
    "host": host,
    "search": search,
    "unsplit": unsplit,
}

_WITH_EPILOGUE: Mapping[str, Callable[[PimDevice, Product, int, Epilogue], Compiled]] = {
    "host": host,
    "search": search_modal,
    "unsplit": unsplit_modal,
}


@dataclass(frozen=True)
class LayerTiming(Tabular):
    """One product on one device: clocks, the bound, and the MAC units' share of the time in which they did useful work.
    ``epilogue`` is what memory does to the sums; ``pieces``, in how many the reduction is divided, for the host to add."""

    product: Product
    mapping: str
    timing: Timing
    bound: Bound
    time_us: float
    utilization: float
    epilogue: Epilogue
    pieces: int

    def table(self) -> Table:
        """One row."""
        columns = ("product", "mapping", "cycles", "time_us", "bound_cycles", "bound_by", "utilization")
        row = (
            str(self.product), self.mapping, self.timing.cycles, self.time_us, self.bound.cycles, self.bound.binding,
            self.utilization,
        )  # fmt: skip
        return Table(f"{self.product}: {self.timing.cycles:,} cycles", columns, (row,))


@lru_cache(maxsize=512)
@uncollected()
def compile_product(
    device: PimDevice, product: Product, channels: int, mapping: str, epilogue: Epilogue = NO_EPILOGUE
) -> Compiled:
    """The program of ``product`` on ``channels`` channels; remembered for the life of the process.

    Raises:
        InputError: unknown mapping, or channels outside 1 to the device's number.
        Infeasible: the mapping does not fit the device, or cannot have the epilogue.
    """
    if mapping not in MAPPINGS:
        raise InputError("unknown mapping", value=mapping, bound=near_matches(mapping, MAPPINGS))
    if not 1 <= channels <= device.organization.channels:
        raise InputError("channels", where=device.name, value=channels, bound=f"1 to {device.organization.channels}")
    _check_capacity(device, product, channels)
    return kept(
        "program", _question(device, product, channels, mapping, epilogue),
        lambda: _compiled(device, product, channels, mapping, epilogue),
        compiled_to, lambda stored: compiled_from(stored, device, product, channels, epilogue),
    )  # fmt: skip


def _question(
    device: PimDevice, product: Product, channels: int, mapping: str, epilogue: Epilogue
) -> tuple[object, ...]:
    return (device.hash, product, channels, mapping, epilogue)


def _compiled(device: PimDevice, product: Product, channels: int, mapping: str, epilogue: Epilogue) -> Compiled:
    if not epilogue:
        if product.blocks > 1:
            return compile_blocks(device, product, channels, mapping, MAPPINGS[mapping])
        return MAPPINGS[mapping](device, product, channels)
    if mapping not in _WITH_EPILOGUE or product.blocks > 1:
        what = f"mapping {mapping} leaves bias and activation to the host; {' and '.join(_WITH_EPILOGUE)} can have them"
        raise Infeasible(what, demand=1, bound=0, unit="epilogues", where=str(product))
    return _WITH_EPILOGUE[mapping](device, product, channels, epilogue)


def _check_capacity(device: PimDevice, product: Product, channels: int) -> None:
    """Infeasible, before any search, if the weights fit the channels in no arrangement."""
    sizes = device.organization
    columns = product.groups(device) * product.chunks(device) * product.blocks
    rows = ceil_div(ceil_div(columns, sizes.columns), channels)
    if rows > sizes.rows:
        raise Infeasible("weights do not fit a bank", demand=rows, bound=sizes.rows, unit="rows", where=str(product))


@lru_cache(maxsize=4096)
def time_product(
    device: PimDevice, product: Product, channels: int, mapping: str, epilogue: Epilogue = NO_EPILOGUE
) -> LayerTiming:
    """Compile and time; remembered for the life of the process, since networks repeat their layers.

    Raises:
        InputError, Infeasible: as `compile_product`.
    """

    def played() -> tuple[Timing, int]:
        compiled = compile_product(device, product, channels, mapping, epilogue)
        return time_program(device, compiled.program), len(compiled.pieces)

    # A file of its own beside the program's, so that planning again reads no programs.
    timing, pieces = kept(
        "timing", _question(device, product, channels, mapping, epilogue), played,
        lambda answer: [timing_to(answer[0]), answer[1]], lambda stored: (timing_from(stored[0]), int(stored[1])),
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
        bound(device, product, channels, epilogue),
        device.microseconds(timing.cycles),
        product.macs / peak,
        epilogue,
        pieces,
    )
