"""Products of several blocks: bit-equal to the oracle of each block, timed alike by both engines, never below the bound."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearbank.devices import device
from nearbank.errors import Infeasible, InputError
from nearbank.pim import MAPPINGS, Product, bound, compile_product
from nearbank.pim.blocks import BlockCompiled, Run
from nearbank.pim.blocks.apart import apart
from nearbank.pim.blocks.shared import shared
from nearbank.pim.blocks.types import deal
from nearbank.program import commands
from nearbank.sim import oracle, play_values, time_program
from nearbank.sim.reference import time_program as reference_time

DEVICES = ("newton-gddr6-pimflow", "newton-gddr6", "newton-hbm2", "aim-gddr6")


def all_ways(name: str, product: Product, channels: int) -> list[BlockCompiled]:
    """Every way there is to lay the blocks out."""
    unit = device(name)
    names = ("search",) if unit.by_role("mode") else ("search", "resident")
    found = [apart(unit, product, channels, MAPPINGS[single], single) for single in names]
    ways = [partial(shared, unit, product, channels, by_row=by_row) for by_row in (False, True)]
    if product.groups(unit) == 1 and product.chunks(unit) <= 32 and not unit.by_role("mode"):
        return [*found, *(way() for way in ways)]
    for way in ways:
        with pytest.raises(Infeasible):
            way()
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(DEVICES), st.integers(1, 60), st.integers(1, 600), st.integers(1, 40), st.integers(2, 30),
    st.integers(1, 16), st.integers(0, 2**32),
)  # fmt: skip
def test_values_and_time(
    name: str, pixels: int, inputs: int, outputs: int, blocks: int, channels: int, seed: int
) -> None:
    unit, product = device(name), Product(pixels, inputs, outputs, blocks)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((pixels, blocks, inputs)).astype(np.float32)
    w = rng.standard_normal((blocks, inputs, outputs)).astype(np.float32)
    for compiled in all_ways(name, product, channels):
        cycles = time_program(unit, compiled.program).cycles
        assert cycles == reference_time(unit, compiled.program).cycles
        assert cycles >= bound(unit, product, channels).cycles
        results = play_values(unit, compiled.program, compiled.weights(w), compiled.inputs(x), compiled.result_count)
        ours, plain = compiled.outputs(results), np.full((pixels, blocks, outputs), np.nan, np.float32)
        for laid in compiled.runs:
            run, pieces = laid.run, laid.pieces
            some = slice(run.pixel, run.pixel + run.pixels)
            plain[some, run.block] = oracle(unit, x[some, run.block], w[run.block], pieces)
        assert np.array_equal(ours, plain)


@given(st.integers(1, 300), st.integers(2, 300), st.integers(1, 32))
def test_the_deal_is_even_and_whole(pixels: int, blocks: int, channels: int) -> None:
    shares = deal(Product(pixels, 1, 1, blocks), channels)
    sizes = [sum(run.pixels for run in share) for share in shares]
    assert max(sizes) - min(sizes) <= 1
    assert len(shares) == min(channels, pixels * blocks)
    line = [
        (run.block, pixel) for share in shares for run in share for pixel in range(run.pixel, run.pixel + run.pixels)
    ]
    assert line == [(block, pixel) for block in range(blocks) for pixel in range(pixels)]
    assert all(run.block == share[0].block + i for share in shares for i, run in enumerate(share))


def test_deal_by_hand() -> None:
    assert deal(Product(3, 1, 1, 3), 2) == ((Run(0, 0, 3), Run(1, 0, 2)), (Run(1, 2, 1), Run(2, 0, 3)))


@pytest.mark.parametrize("name", ["newton-gddr6-pimflow", "newton-gddr6"])
def test_search_is_the_best_way(name: str) -> None:
    for sizes in ((49, 144, 16, 60), (4, 36, 14, 96), (100, 60, 40, 3)):
        product, unit = Product(*sizes), device(name)
        found = compile_product(unit, product, 16, "search")
        ways = all_ways(name, product, 16)
        assert time_program(unit, found.program).cycles == min(time_program(unit, w.program).cycles for w in ways)


def test_blocks_share_rows() -> None:
    # 9 columns a block: 3 blocks in a row of 32. 48 blocks on 16 channels: one row each, opened once (no refresh that soon).
    unit = device("newton-gddr6")
    for compiled in all_ways("newton-gddr6", Product(10, 144, 16, 48), 16):
        if "resident" in compiled.mapping:
            continue
        assert {max(t.row for t in tiles) for tiles in compiled.tiles.values()} == {0}
        (section,) = compiled.program.sections
        opens = [times for name, times in commands(section.body) if name == unit.by_role("activate")[0].name]
        assert sum(opens) == 1
        assert len(section.channels) == 16


def test_zero_blocks_are_neither_stored_nor_multiplied() -> None:
    # 4 blocks of 2 pixels x 32 -> 16: 2 columns of weights each, 2 x 2 multiplications each; as one matrix 4 x 4 times that.
    unit = device("newton-gddr6")
    compiled = compile_product(unit, Product(2, 32, 16, 4), 1, "search")
    (section,), mac = compiled.program.sections, unit.one("mac").name
    assert sum(times for name, times in commands(section.body) if name == mac) == 4 * 2 * 2
    assert sum(tile.count for tile in compiled.tiles[0]) == 4 * 2
    fills = sum(times for name, times in commands(section.body) if name == unit.one("fill").name)
    assert fills == 4 * 2 * 2


@pytest.mark.parametrize("mapping", ["newton+", "newton++"])
def test_published_mappings_have_no_blocks(mapping: str) -> None:
    with pytest.raises(Infeasible, match="3 blocks of 4 x 9 -> 16"):
        compile_product(device("newton-gddr6-pimflow"), Product(4, 9, 16, 3), 16, mapping)


def test_sizes_are_checked() -> None:
    with pytest.raises(InputError, match="blocks"):
        Product(1, 1, 1, 0)
    with pytest.raises(Infeasible, match="weights do not fit a bank"):
        compile_product(device("newton-gddr6"), Product(1, 144, 16, 1 << 30), 16, "search")
    assert Product(2, 3, 5, 7).macs == 210
    assert str(Product(2, 3, 5)) == "2 x 3 -> 5"
