"""What a plan's tasks do in memory, and rooflines, against hand arithmetic."""

from __future__ import annotations

import pytest
from tests.e2e.models import network

import nearbank as nb
from nearbank.plan.details import memory_tasks
from nearbank.plan.roofline import Mark, gpu_roof, memory_roof, roofline


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    path = network(tmp_path_factory.mktemp("models") / "n.onnx", channels=(16, 32, 32, 32, 8))
    return nb.make_plan(
        nb.load(path), nb.device("newton-gddr6"), nb.gpu("h200"), policy="pim", channels=2, mapping="resident"
    )


def test_tasks_in_memory(plan):
    memory = nb.device("newton-gddr6")
    found = memory_tasks(plan, memory)
    assert [x.task for x in found] == [task for task in plan.tasks if task.resource == "pim"]
    assert len(found) == 4
    for x in found:
        assert x.clocks is not None
        assert x.clocks.cycles == x.task.cycles == x.timing.timing.cycles


def test_tasks_beyond_the_budget_have_no_clocks(plan):
    memory = nb.device("newton-gddr6")
    found = memory_tasks(plan, memory)
    one, two = (sum(x.timing.timing.channels[x.timing.timing.slowest].commands.values()) for x in found[:2])
    # The second and third are the same product: played once, and told for both.
    some = memory_tasks(plan, memory, most=one + two)
    assert [x.clocks is None for x in some] == [False, False, False, True]
    assert [x.clocks for x in memory_tasks(plan, memory, most=0)] == [None] * 4


def test_roofs_by_hand():
    # 16 channels x 16 banks x 16 lanes, a COMP every 2 clocks of 875 MHz; 32 B a channel every 2 clocks.
    roof = memory_roof(nb.device("newton-gddr6"), 16)
    assert roof.gops == pytest.approx(2 * 16 * 256 * 0.875 / 2)
    assert roof.gb_s == pytest.approx(16 * 32 * 0.875 / 2)
    # The simulator of that device fills 32 columns in a clock.
    assert memory_roof(nb.device("newton-gddr6-pimflow"), 16).gb_s == pytest.approx(16 * 1024 * 0.875)
    # 30 SMs x 512 FMA at 1365 MHz.
    half = gpu_roof(nb.gpu("rtx2060"), 0.5)
    assert half is not None
    assert (half.gops, half.gb_s) == (pytest.approx(2 * 30 * 512 * 1.365), 168)
    measured = gpu_roof(nb.gpu("h200"))
    assert measured is not None
    assert (measured.gops, measured.gb_s) == (693_500, 2_530)


def test_marks_by_hand(plan):
    memory = nb.device("newton-gddr6")
    marks = {(mark.layer, mark.side): mark for mark in roofline(plan, memory)}
    layer = plan.layers[0]
    operations = 2 * 36 * 16 * 32
    # 16 x 32 weights and 32 biases, 36 x 16 in and 36 x 32 out, 2 B each.
    spent = 2 * (16 * 32 + 32 + 36 * 16 + 36 * 32)
    assert marks["conv0", "gpu"] == Mark(
        "conv0", "gpu", operations / spent, pytest.approx(1e-3 * operations / layer.gpu_us)
    )
    # A pixel's 16 inputs are one column, its 32 outputs two reads; 32 B each.
    crossed = 32 * (36 + 2 * 36)
    assert marks["conv0", "pim"].intensity == operations / crossed
    assert marks["conv0", "pim"].gops == pytest.approx(1e-3 * operations / layer.pim_us)
    for (_, side), mark in marks.items():
        roof = memory_roof(memory, 2) if side == "pim" else gpu_roof(nb.gpu("h200"))
        assert roof is not None
        assert mark.gops <= min(roof.gops, mark.intensity * roof.gb_s)
