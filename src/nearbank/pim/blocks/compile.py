"""A block product and a mapping's name to its program."""

from __future__ import annotations

from collections.abc import Iterator

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim.blocks.apart import Single, apart
from nearbank.pim.blocks.shared import shared
from nearbank.pim.blocks.types import BlockCompiled
from nearbank.pim.product import Product
from nearbank.sim import time_program

__all__ = ["compile_blocks"]

_PUBLISHED = ("newton+", "newton++")


def compile_blocks(device: PimDevice, product: Product, channels: int, mapping: str, single: Single) -> BlockCompiled:
    """Compile ``product`` with the mapping named ``mapping``, which is ``single`` for ordinary products. ``search`` takes the
    fastest of what it finds for each block by itself and of what several blocks can share.

    Raises:
        Infeasible: the mapping knows no blocks, or does not fit the device.
    """
    if mapping in _PUBLISHED:
        raise Infeasible(
            f"mapping {mapping} has no blocks: the published generator leaves these to the GPU",
            demand=product.blocks, bound=1, unit="blocks", where=str(product),
        )  # fmt: skip
    by_itself = apart(device, product, channels, single, mapping)
    if mapping != "search":
        return by_itself
    # The first of equals.
    return min(
        (by_itself, *_shared(device, product, channels)), key=lambda one: time_program(device, one.program).cycles
    )


def _shared(device: PimDevice, product: Product, channels: int) -> Iterator[BlockCompiled]:
    for by_row in (False, True):
        try:
            yield shared(device, product, channels, by_row=by_row)
        except Infeasible:
            return
