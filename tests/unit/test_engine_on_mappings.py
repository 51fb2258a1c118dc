"""The fast engine equals the reference on what the compiler writes: rings of columns, rows reused, reads and fills between."""

from __future__ import annotations

import pytest

from nearbank.devices import device, names
from nearbank.pim import MAPPINGS, Product, compile_product
from nearbank.sim import time_program, time_program_reference

PRODUCTS = [Product(150, 144, 40), Product(90, 24, 144), Product(40, 600, 40)]


MODAL = ("serial", "host")
PAIRS = [
    (n, m)
    for n in names()
    for m in MAPPINGS
    if m in ("search", "unsplit") or (m in MODAL) == bool(device(n).by_role("mode"))
]


@pytest.mark.parametrize(("name", "mapping"), PAIRS)
@pytest.mark.parametrize("product", PRODUCTS, ids=str)
def test_engines_agree_on_mappings(name: str, mapping: str, product: Product) -> None:
    unit = device(name)
    program = compile_product(unit, product, 2, mapping).program
    assert time_program(unit, program) == time_program_reference(unit, program)
