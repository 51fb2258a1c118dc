"""Programs played on bytes give, bit for bit, what the plain oracle gives: every mapping, device and ragged shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearbank.devices import device
from nearbank.errors import Infeasible
from nearbank.pim import MAPPINGS, Product, bound, compile_product
from nearbank.sim import oracle, play_values, time_program, time_program_reference

DEVICES = ("newton-gddr6-pimflow", "newton-gddr6", "newton-hbm2", "aim-gddr6")
PAIRS = [
    (d, m)
    for d in DEVICES
    for m in MAPPINGS
    if m in ("search", "unsplit") or (m in ("serial", "host")) == (d == "aim-gddr6")
]
EDGES = [(1, 1, 1), (1, 4097, 3), (17, 1, 33), (3, 16, 16), (5, 513, 20), (64, 24, 24), (7, 1100, 40)]

ROWS_MET_AGAIN = [(125, 782, 45, 3), (244, 703, 62, 1), (200, 1000, 60, 3)]
"""Pixels, inputs, outputs, channels: a row is left for another and met again, so that it must be opened again."""


def check(name: str, mapping: str, shape: tuple[int, int, int], channels: int, seed: int) -> None:
    unit, product = device(name), Product(*shape)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((product.pixels, product.in_channels), np.float32)
    w = rng.standard_normal((product.in_channels, product.out_channels), np.float32)
    compiled = compile_product(unit, product, channels, mapping)
    results = play_values(unit, compiled.program, compiled.weights(w), compiled.inputs(x), compiled.result_count)
    ours, plain = compiled.outputs(results), oracle(unit, x, w, compiled.pieces)
    assert np.array_equal(ours.view(np.uint32), plain.view(np.uint32))
    timing = time_program(unit, compiled.program)
    assert timing.cycles >= bound(unit, product, channels).cycles
    if product.pixels * product.in_channels * product.out_channels < 300_000:
        assert time_program_reference(unit, compiled.program) == timing


@pytest.mark.parametrize(("name", "mapping"), PAIRS)
@pytest.mark.parametrize("shape", EDGES)
def test_edges(name: str, mapping: str, shape: tuple[int, int, int]) -> None:
    for channels in (1, 5, 16):
        check(name, mapping, shape, channels, seed=7)


@pytest.mark.parametrize("shape", ROWS_MET_AGAIN)
def test_rows_met_again(shape: tuple[int, int, int, int]) -> None:
    check("newton-gddr6", "search", shape[:3], shape[3], seed=7)


@settings(max_examples=40, deadline=None)
@given(
    pair=st.sampled_from(PAIRS), pixels=st.integers(1, 260),
    inputs=st.integers(1, 1300), outputs=st.integers(1, 90), channels=st.integers(1, 32), seed=st.integers(0, 99),
)  # fmt: skip
def test_random_products(
    pair: tuple[str, str], pixels: int, inputs: int, outputs: int, channels: int, seed: int
) -> None:
    check(*pair, (pixels, inputs, outputs), channels, seed)


@pytest.mark.parametrize(("name", "mapping"), [(d, m) for d in DEVICES for m in MAPPINGS if (d, m) not in PAIRS])
def test_a_mapping_of_another_kind_of_device(name: str, mapping: str) -> None:
    with pytest.raises(Infeasible, match="mode"):
        compile_product(device(name), Product(4, 16, 16), 4, mapping)
