"""The search is never slower than a named baseline, never faster than the bound, and deterministic, on shapes nobody listed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearbank.devices import PimDevice, device
from nearbank.pim import Product, bound, compile_product
from nearbank.pim.search import search
from nearbank.sim import time_program


@settings(max_examples=15, deadline=None)
@given(
    name=st.sampled_from(["newton-gddr6", "newton-gddr6-pimflow", "newton-hbm2"]), pixels=st.integers(1, 400),
    inputs=st.integers(1, 1500), outputs=st.integers(1, 600), channels=st.sampled_from([1, 3, 16, 32]),
)  # fmt: skip
def test_search(name: str, pixels: int, inputs: int, outputs: int, channels: int) -> None:
    check(device(name), Product(pixels, inputs, outputs), channels)


@pytest.mark.parametrize("name", ["newton-gddr6", "newton-gddr6-pimflow", "newton-hbm2"])
@pytest.mark.parametrize(
    "shape", [(1, 4096, 4096, 64), (64, 4096, 4095, 33), (64 * 49, 17, 4096, 64), (64 * 196, 4096, 1, 7)]
)
def test_the_largest(name: str, shape: tuple[int, int, int, int]) -> None:
    """Batches to 64, inputs and outputs to 4096, on a memory of 64 channels."""
    unit = device(name)
    many = replace(unit, organization=replace(unit.organization, channels=64))
    check(many, Product(*shape[:3]), shape[3])


def check(unit: PimDevice, product: Product, channels: int) -> None:
    found = search(unit, product, channels)
    cycles = time_program(unit, found.program).cycles
    assert cycles >= bound(unit, product, channels).cycles
    for mapping in ("newton+", "newton++", "resident"):
        assert cycles <= time_program(unit, compile_product(unit, product, channels, mapping).program).cycles
    assert search(unit, product, channels).program == found.program
