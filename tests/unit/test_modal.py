"""Mappings of devices that switch modes: their clocks, what shares a sum, what is infeasible, and where activations belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearbank.devices import device
from nearbank.errors import Infeasible, InputError
from nearbank.pim import Epilogue, Product, bias_in_memory, bound, choose_epilogue, compile_product, time_product
from nearbank.pim.modal.clocks import clocks
from nearbank.pim.modal.shares import cuts
from nearbank.sim import time_program

UNIT, OFF = device("aim-gddr6"), device("aim-gddr6", {"refresh": "off"})


def test_clocks_by_hand() -> None:
    ours = clocks(UNIT)
    assert ours.start == 1 + 1 + 32 + 2 + 1 + 32  # ACT16, TMOD, WRGB, WRMAC16, TMOD, MAC16
    assert ours.between == 2 + 32 + 5 + 1 + 32  # MAC16, TMOD, RDMAC16, WRMAC16, TMOD, MAC16
    assert ours.row == 12 + 32 + 1 - 2  # MAC16, PREA, ACT16, TMOD for MAC16, TMOD
    assert ours.function == 12 + 32 + 86 + 12 + 32 + 1 - 2  # PREA, ACT16, AF16, PREA, ACT16, TMOD for TMOD
    assert ours.end == 2 + 32 + 2


@pytest.mark.parametrize("shape", [(49, 1152, 192), (196, 576, 96), (40, 72, 24), (1, 1280, 1000), (7, 1100, 40)])
def test_one_channel_takes_what_its_parts_take(shape: tuple[int, int, int]) -> None:
    """By commands: each sum but the first costs `between`, each further column a step, each row its opening."""
    ours, program = clocks(OFF), compile_product(OFF, Product(*shape), 1, "search").program
    timing = time_program(OFF, program)
    n = timing.commands
    sums, rows = n["RDMAC16"], n["ACT16"]
    parts = (
        (sums - 1) * ours.between
        + (n["MAC16"] - sums) * ours.step
        + (n["WRGB"] - 1) * ours.fill
        + (rows - 1) * ours.row
    )
    assert timing.cycles == ours.start + parts + ours.end


def test_pixels_share_the_sums_of_a_group_with_idle_banks() -> None:
    """24 outputs: a group of 16, and one of 8 in which two pixels stand side by side. Three sums for two pixels."""
    timing = time_product(UNIT, Product(3136, 72, 24), 16, "search")
    assert timing.timing.commands["RDMAC16"] == 3136 * 3 // 2
    assert timing.timing.commands["MAC16"] == 3136 * 5 + 3136 * 5
    assert timing.bound.cycles <= timing.timing.cycles <= 1.05 * timing.bound.cycles


def test_an_idle_bank_s_zeros_do_not_reach_the_neighbour() -> None:
    """Weights of a packed group, pixel by pixel: columns of zeros but for the banks of that pixel."""
    compiled = compile_product(UNIT, Product(2, 32, 8), 1, "search")
    banks = compiled.weights(np.ones((32, 8), np.float32))[0]
    assert np.array_equal(banks[0, :4].any(axis=2), np.repeat(np.eye(2, dtype=bool), 2, axis=0).repeat(8, axis=1))


def test_cuts() -> None:
    assert cuts(80, 64, 1000, 16) == [(64, 16), (40, 40)]
    assert cuts(64, 64, 1000, 16) == [(64,)]
    # One unit for sixteen channels: sixteen pieces of it, for each channel one.
    assert (1,) * 16 in cuts(16, 64, 1, 16)


@pytest.mark.parametrize("channels", [1, 5, 32])
def test_the_bound_at_its_tightest(channels: int) -> None:
    """One sum a channel: nothing can be left out, so that the bound is the time."""
    product = Product(1, 64, 16 * channels)
    assert time_product(UNIT, product, channels, "search").timing.cycles == bound(UNIT, product, channels).cycles


@pytest.mark.parametrize(
    ("product", "mapping", "epilogue", "unit", "demand", "limit"),
    [
        (Product(4, 1040, 16), "search", Epilogue(function="silu"), "pieces", 2, 1),
        (Product(4, 1040, 16), "host", Epilogue(function="silu"), "pieces", 2, 1),
        (Product(4, 40, 16), "search", Epilogue(function="swish"), "tables", 1, 0),
        (Product(4, 40, 16), "serial", Epilogue(bias=True), "epilogues", 1, 0),
        (Product(4, 1024, 1 << 19), "search", Epilogue(bias=True), "rows", 32768, 16384),
    ],
)
def test_infeasible(product: Product, mapping: str, epilogue: Epilogue, unit: str, demand: int, limit: int) -> None:
    with pytest.raises(Infeasible) as error:
        compile_product(UNIT, product, 1, mapping, epilogue)
    assert (error.value.unit, error.value.demand, error.value.limit) == (unit, demand, limit)


def test_weights_that_fit_only_when_rows_are_shared(tmp_path: Path) -> None:
    """Four groups of 16 columns in a row: `host`, with a row for each group, does not fit; the search does."""
    file = tmp_path / "small.toml"
    file.write_text('base = "aim-gddr6"\n[organization]\nrows = 2\n')
    small, product = device(file), Product(9, 256, 128)
    with pytest.raises(Infeasible, match="weights do not fit a bank; got '8 rows'"):
        compile_product(small, product, 1, "host")
    assert time_product(small, product, 1, "search").timing.commands["ACT16"] >= 2


def test_an_epilogue_on_a_device_without_presets() -> None:
    with pytest.raises(Infeasible, match="presets"):
        compile_product(device("newton-gddr6"), Product(4, 40, 16), 4, "search", Epilogue(bias=True))


def test_a_bias_must_come_where_it_is_preset() -> None:
    x, b = np.ones((4, 40), np.float32), np.ones(16, np.float32)
    for epilogue, given in ((Epilogue(), b), (Epilogue(bias=True), None)):
        with pytest.raises(InputError, match="bias"):
            compile_product(UNIT, Product(4, 40, 16), 1, "search", epilogue).inputs(x, given)


def test_where_the_bias_costs_nothing() -> None:
    assert bias_in_memory(UNIT, "search", bias=True) == Epilogue(bias=True)
    for unit, mapping, bias in (
        (UNIT, "serial", True),
        (UNIT, "search", False),
        (device("newton-gddr6"), "search", True),
    ):
        assert not bias_in_memory(unit, mapping, bias=bias)


def test_where_the_activation_is_faster() -> None:
    """One pixel: a few sums, each a function's clocks longer, against a kernel. Many pixels: the other way round."""
    few = choose_epilogue(UNIT, Product(1, 960, 240), 16, "search", bias=True, function="silu", function_us=1.5)
    assert few.epilogue == Epilogue(True, "silu")
    assert few.time_us == few.timing.time_us < 1.5
    assert few.reason.startswith("activation in memory: with silu 0.2")
    many = choose_epilogue(UNIT, Product(784, 40, 240), 16, "search", bias=True, function="silu", function_us=1.5)
    assert many.epilogue == Epilogue(bias=True)
    assert many.time_us == many.timing.time_us + 1.5
    assert many.reason.startswith("activation outside memory: with silu")
    free = choose_epilogue(UNIT, Product(1, 960, 240), 16, "search", bias=False, function="relu", function_us=0)
    assert not free.epilogue
    long = choose_epilogue(UNIT, Product(1, 1280, 240), 16, "search", bias=False, function="relu", function_us=9)
    assert "not divided" in long.reason
    none = choose_epilogue(UNIT, Product(1, 960, 240), 16, "search", bias=True, function=None, function_us=9)
    assert (none.epilogue, none.time_us) == (Epilogue(bias=True), none.timing.time_us)
    with pytest.raises(InputError):
        choose_epilogue(UNIT, Product(1, 960, 240), 16, "search", bias=False, function="relu", function_us=-1)
