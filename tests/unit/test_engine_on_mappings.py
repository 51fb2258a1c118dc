"""The fast engine equals the reference on what the compiler writes: rings of columns, rows reused, reads and fills between."""

from __future__ import annotations

import pytest

from nearbank.devices import device, names
from nearbank.errors import Infeasible
from nearbank.pim import MAPPINGS, Product, compile_product
from nearbank.sim import time_program, time_program_reference

PRODUCTS = [Product(150, 144, 40), Product(90, 24, 144), Product(40, 600, 40)]


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("product", PRODUCTS, ids=str)
def test_engines_agree_on_mappings(name: str, mapping: str, product: Product) -> None:
    unit = device(name)
    try:
        program = compile_product(unit, product, 2, mapping).program
    except Infeasible:
        pytest.skip("the mapping is not for this device")
    assert time_program(unit, program) == time_program_reference(unit, program)
