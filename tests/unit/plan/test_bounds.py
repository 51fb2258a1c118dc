"""The floor below all plans, and where weights lie, worked by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from tests.planning import convolutions, hand_kernel, plan_of, product, table

import nearbank as nb
from nearbank.errors import Infeasible
from nearbank.pim import Product, compile_product
from nearbank.plan import Part, floor, floor_us, place_plan, place_weights


@pytest.fixture
def bounds(monkeypatch):
    """The floor of kernels with (GPU us, memory us or None) given."""

    def call(pairs, opening: float = 0.0) -> float:
        names = "abcdef"[: len(pairs)]
        gpu = {n: pair[0] for n, pair in zip(names, pairs, strict=True)}
        least = {i + 1: pair[1] for i, pair in enumerate(pairs)}
        kernels = [
            hand_kernel(n, "x", work=None if pair[1] is None else product(n, i + 1))
            for i, (n, pair) in enumerate(zip(names, pairs, strict=True))
        ]
        costs = table(gpu, {}, opening_us=opening)
        # The bound of a product in clocks, told apart by its pixels.
        monkeypatch.setattr(
            floor,
            "bound",
            lambda device, found, channels: SimpleNamespace(cycles=least[found.pixels] * device.clock_mhz),
        )
        return floor_us(kernels, costs)  # type: ignore[arg-type]

    return call


def test_floor_by_hand(bounds):
    assert bounds([(6, None), (4, None)]) == 10
    # One kernel, 6 or 3: x of it in memory, 6 - 6 x = 3 x at x = 2 / 3.
    assert bounds([(6, 3)]) == pytest.approx(2)
    # The first saves more for each microsecond: all of it moves, then 4 - 4 x = 2 + 8 x at x = 1 / 6.
    assert bounds([(6, 2), (4, 8)]) == pytest.approx(4 - 4 / 6)
    # A rest that must stay: all moves, and the GPU still has more to do than the memory.
    assert bounds([(9, None), (2, 1), (3, 2)]) == 9
    # In memory at no cost.
    assert bounds([(5, 0), (1, None)]) == 1
    # The start of a program is no part of what is certain to be there for each share.
    assert bounds([(6, 5)], opening=2.0) == pytest.approx(2)
    assert bounds([]) == 0


def test_floor_is_the_linear_programme(bounds):
    # Every share of three kernels in steps of a tenth.
    pairs = [(6, 2), (5, 3), (4, 5)]
    tenths = [i / 10 for i in range(11)]
    tried = min(
        max(
            sum((1 - x) * g for x, (g, _) in zip(s, pairs, strict=True)),
            sum(x * m for x, (_, m) in zip(s, pairs, strict=True)),
        )
        for s in ((a, b, c) for a in tenths for b in tenths for c in tenths)
    )
    assert tried - 0.3 < bounds(pairs) <= tried + 1e-9


def programs(device, *products: Product, mapping: str = "resident", channels: int = 2):
    return [(f"t{i}", f"k{i}", compile_product(device, p, channels, mapping)) for i, p in enumerate(products)]


def test_stretches_follow_each_other():
    device = nb.device("newton-gddr6")
    # A row is 32 columns of 16 numbers in each of 16 banks. 512 inputs x 1024 outputs are 64 groups of 32 columns: 64 rows;
    # x 64 outputs 4 rows. Pixels are dealt over the 2 channels, so each has all of it.
    found = place_weights(device, programs(device, Product(10, 512, 1024), Product(10, 512, 64)))
    assert [(s.channel, s.row, s.rows, s.kernel, s.tasks) for s in found.stretches] == [
        (0, 0, 64, "k0", ("t0",)), (0, 64, 4, "k1", ("t1",)), (1, 0, 64, "k0", ("t0",)), (1, 64, 4, "k1", ("t1",)),
    ]  # fmt: skip
    assert (found.rows_used, found.rows_there) == (68, device.organization.rows)
    assert found.once_bytes == 2 * 512 * (1024 + 64)
    assert found.weight_bytes == 2 * found.once_bytes
    assert found.replicas == 0  # none in its own channel
    # 68 rows of 32 columns in 16 banks, a column in 2 clocks of 875 MHz; the channels at the same time.
    assert found.load_us == pytest.approx(68 * 32 * 16 * 2 / 875)


def test_padding_to_columns_and_groups_of_banks():
    device = nb.device("newton-gddr6")
    # 17 inputs are 2 columns, 33 outputs 3 groups of banks: 6 columns x 16 banks x 32 bytes.
    found = place_weights(device, programs(device, Product(3, 17, 33), channels=1))
    assert (found.weight_bytes, found.once_bytes) == (3072, 3072)
    assert [(s.row, s.rows) for s in found.stretches] == [(0, 1)]


def test_the_same_weights_are_shared_and_others_are_replicas():
    device = nb.device("newton-gddr6")
    (_, _, a), (_, _, b) = programs(device, Product(10, 64, 96), Product(7, 64, 96), channels=1)
    shared = place_weights(device, [("k#1", "k", a), ("k#2", "k", b)])
    assert [(s.row, s.rows, s.tasks) for s in shared.stretches] == [(0, 1, ("k#1", "k#2"))]
    assert shared.replicas == 0
    # Of another kernel the same shape holds other weights.
    apart = place_weights(device, [("k", "k", a), ("l", "l", a)])
    assert [(s.row, s.tasks) for s in apart.stretches] == [(0, ("k",)), (1, ("l",))]
    assert (apart.replicas, apart.weight_bytes, apart.once_bytes) == (0, 2 * shared.weight_bytes, 2 * shared.once_bytes)
    # The same weights in another arrangement stand there twice.
    other = compile_product(device, Product(10, 64, 96), 1, "newton+")
    assert other.tiles != a.tiles
    twice = place_weights(device, [("k#1", "k", a), ("k#2", "k", other)])
    assert (twice.replicas, twice.once_bytes) == (1, shared.once_bytes)
    # There a row opens for 2 units of 16 outputs, and a group cut by that stands in two rows: 11 x 4 columns of 512 bytes.
    assert twice.weight_bytes == shared.weight_bytes + 11 * 4 * 512
    assert twice.stretches[1].row == 1


def test_ranges_of_output_channels_have_weights_of_their_own():
    device = nb.device("newton-gddr6")
    graph = convolutions((64, 1, {}), channels=16, size=(4, 4))
    halves = tuple(("pim", Part("channels", i, i + 32)) for i in (0, 32))
    bands = tuple(("pim", Part("rows", i, i + 2)) for i in (0, 2))
    apart, shared = (place_plan(plan_of(graph, device, {"c0": s}, channels=1), device) for s in (halves, bands))
    assert [(s.row, s.tasks) for s in apart.stretches] == [(0, ("c0#1",)), (1, ("c0#2",))]
    assert [(s.row, s.tasks) for s in shared.stretches] == [(0, ("c0#1", "c0#2"))]
    # 16 inputs a column, 4 groups of 16 outputs, 16 banks of 32 bytes.
    assert apart.weight_bytes == apart.once_bytes == shared.weight_bytes == 2 * 16 * 64


def test_blocks_have_weights_each():
    device = nb.device("newton-gddr6")
    graph = convolutions((48, 3, {"group": 48, "pads": [1] * 4}), channels=48, size=(5, 5), groups="all")
    found = place_plan(plan_of(graph, device, {"c0": (("pim", Part()),)}, channels=1, mapping="search"), device)
    # 3 blocks of 9 x 16 inputs by 16 outputs: 9 columns of 16 banks of 32 bytes each.
    assert (found.once_bytes, found.weight_bytes) == (3 * 9 * 512, 3 * 9 * 512)


def test_no_two_stretches_overlap_and_capacity_is_checked():
    device = nb.device("newton-gddr6")
    sizes = [Product(5 + i, 100 * i + 3, 40 * i + 1) for i in range(1, 6)]
    found = place_weights(device, programs(device, *sizes, channels=4))
    taken: set[tuple[int, int]] = set()
    for s in found.stretches:
        mine = {(s.channel, row) for row in range(s.row, s.row + s.rows)}
        assert mine.isdisjoint(taken)
        taken |= mine
    small = replace(device, organization=replace(device.organization, rows=found.rows_used))
    assert place_weights(small, programs(small, *sizes, channels=4)).rows_used == found.rows_used
    less = replace(device, organization=replace(device.organization, rows=found.rows_used - 1))
    with pytest.raises(Infeasible, match="do not fit a bank") as error:
        place_weights(less, programs(device, *sizes, channels=4))
    assert (error.value.demand, error.value.limit) == (found.rows_used, found.rows_used - 1)


def test_no_programs_no_rows():
    found = place_weights(nb.device("newton-gddr6"), [])
    assert (found.stretches, found.rows_used, found.weight_bytes, found.load_us) == ((), 0, 0, 0)
