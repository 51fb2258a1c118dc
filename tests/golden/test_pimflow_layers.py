"""The baselines `newton+` and `newton++` give the cycles and command counts of the public code generator and simulator, on
every pointwise layer of MobileNetV2 and ResNet-50 in which that generator drops no work."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nearbank.devices import device
from nearbank.pim import Product, compile_product
from nearbank.sim import Timing, time_program, time_program_reference

CHANNELS = 16
# mapping: the option of the device, and how the columns of the data file end.
MAPPINGS = {"newton+": ("off", "plus"), "newton++": ("on", "pp")}
# The data file's 74111 is two clocks more than the description of that simulator gives; all of its counts agree.
BY_DESCRIPTION = {("newton+", 784, 128, 512): (74111, 74109)}

with (Path(__file__).parent / "data" / "pimflow_layers.csv").open(newline="") as _file:
    ROWS = list(csv.DictReader(_file))
WHOLE = [row for row in ROWS if row["comp_useful"] == row["comp_expected"]]


def product_of(row: dict[str, str]) -> Product:
    return Product(int(row["H"]) * int(row["W"]), int(row["Cin"]), int(row["Cout"]))


def played(mapping: str, product: Product) -> Timing:
    unit = device("newton-gddr6-pimflow", {"gwrite_hiding": MAPPINGS[mapping][0]})
    return time_program(unit, compile_product(unit, product, CHANNELS, mapping).program)


def label(row: dict[str, str]) -> str:
    return str(product_of(row)).replace(" ", "")


def test_no_row_is_lost():
    assert len(ROWS) == 33
    assert len(WHOLE) == 22


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("row", WHOLE, ids=label)
def test_cycles_and_counts_of_the_public_generator(row: dict[str, str], mapping: str) -> None:
    product, end = product_of(row), MAPPINGS[mapping][1]
    timing = played(mapping, product)
    assert timing.slowest == 0
    commands = timing.commands
    activations = sum(count for name, count in commands.items() if name.startswith("G_ACT"))
    found = commands["GWRITE"], activations, commands["COMP"], commands["READRES"]
    assert found == tuple(int(row[f"{column}_{end}"]) for column in ("gwrite", "gact", "comp", "readres"))
    cycles = int(row[f"cycles_newton_{end}"])
    exception = BY_DESCRIPTION.get((mapping, product.pixels, product.in_channels, product.out_channels))
    if exception is None:
        assert timing.cycles == cycles
        if len({channel.cycles for channel in timing.channels.values()}) == 1:
            # Elsewhere that simulator's idle channels went on refreshing until the last was done.
            assert commands.get("REF", 0) == int(row[f"ref_{end}"])
    else:
        assert (cycles, timing.cycles) == exception


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_both_engines_agree_on_a_whole_layer(mapping: str) -> None:
    unit = device("newton-gddr6-pimflow", {"gwrite_hiding": MAPPINGS[mapping][0]})
    program = compile_product(unit, Product(196, 384, 64), CHANNELS, mapping).program
    assert time_program_reference(unit, program) == time_program(unit, program)


def work_of(product: Product) -> int:
    """COMPs that the whole product needs: 16 inputs to 16 outputs of a pixel each."""
    return product.pixels * -(-product.in_channels // 16) * -(-product.out_channels // 16)


OTHERS = [row for row in ROWS if row not in WHOLE]
# Sizes that are no multiples of 16, but the generator issues what is needed, no more and no less.
ALSO_EXACT = [row for row in OTHERS if {int(row["comp_plus"]), int(row["comp_pp"])} == {work_of(product_of(row))}]
DROPPED = [row for row in OTHERS if max(int(row["comp_plus"]), int(row["comp_pp"])) < work_of(product_of(row))]


def test_rows_in_which_the_generator_does_more_or_less():
    assert [label(row) for row in ALSO_EXACT] == ["3136x24->144", "1x2048->1000"]
    assert [label(row) for row in DROPPED] == ["3136x144->24", "784x144->32"]
    assert len(OTHERS) == 11


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("row", ALSO_EXACT, ids=label)
def test_cycles_where_sizes_are_ragged_but_the_work_is_the_same(row: dict[str, str], mapping: str) -> None:
    assert played(mapping, product_of(row)).cycles == int(row[f"cycles_newton_{MAPPINGS[mapping][1]}"])


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("row", OTHERS, ids=label)
def test_the_whole_product_is_computed_and_no_more(row: dict[str, str], mapping: str) -> None:
    product = product_of(row)
    timing = played(mapping, product)
    assert timing.commands["COMP"] == work_of(product)
    if row not in DROPPED:  # elsewhere that generator also computes pixels that are not there
        assert timing.cycles <= int(row[f"cycles_newton_{MAPPINGS[mapping][1]}"])
