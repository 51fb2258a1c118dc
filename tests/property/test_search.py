"""The search is never slower than a named baseline, never faster than the bound, and deterministic, on shapes nobody listed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearbank.devices import PimDevice, device
from nearbank.pim import Product, bound, compile_product
from nearbank.pim.search import search
from nearbank.pim.streams.choice import cut, shares
from nearbank.pim.streams.search import _even
from nearbank.pim.streams.skip import merge
from nearbank.pim.streams.work import lay_out
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


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(["newton-gddr6", "newton-gddr6-pimflow"]), pixels=st.integers(1, 300),
    inputs=st.integers(1, 1500), outputs=st.integers(1, 400), number=st.integers(0, 40), less=st.integers(0, 3000),
)  # fmt: skip
def test_what_is_given_up_early_could_not_be_faster(
    name: str, pixels: int, inputs: int, outputs: int, number: int, less: int
) -> None:
    unit, product = device(name), Product(pixels, inputs, outputs)
    choices = sorted(choice for _, choice in _even(unit, product, 16, unsplit=False))
    choice = choices[number % len(choices)]
    chunks = product.chunks(unit)
    pieces = cut(chunks, choice.pieces)
    dealt = shares(product, chunks, product.groups(unit), 16, choice.across, choice.pieces)
    work = lay_out(unit, pieces, dealt[number % len(dealt)], choice.tile)
    whole = merge(unit, product, work, choice.reads)
    assert whole is not None
    assert merge(unit, product, work, choice.reads, whole.clocks + 1) == whole
    assert merge(unit, product, work, choice.reads, whole.clocks - less) is None


def check(unit: PimDevice, product: Product, channels: int) -> None:
    found = search(unit, product, channels)
    cycles = time_program(unit, found.program).cycles
    assert cycles >= bound(unit, product, channels).cycles
    for mapping in ("newton+", "newton++", "resident"):
        assert cycles <= time_program(unit, compile_product(unit, product, channels, mapping).program).cycles
    assert search(unit, product, channels).program == found.program
