"""Halo arithmetic of stages, worked by hand."""

from __future__ import annotations

import pytest
from tests.planning import hand_kernel

from nearbank.plan import Part, Window
from nearbank.plan.pipeline import Halo, chains, stages

POINT, SAME = Window(), Window(3, 1, 1)


def chain(*layers: tuple[int, Window], batch: int = 1):
    """Kernels a, b, .. of (rows, window), each reading the one before."""
    names = ["x", *"abcdefgh"]
    return [
        hand_kernel(names[i + 1], names[i], shape=(batch, 16, rows, 8), window=window)
        for i, (rows, window) in enumerate(layers)
    ]


def bands(layers, count: int, halo: Halo = "carried"):
    kernels = chain(*layers)
    resources = ["gpu", "pim"] * 4
    made = stages(kernels, resources[: len(kernels)], count, halo=halo)
    assert made is not None
    for shares, resource in zip(made, resources, strict=False):
        assert {r for r, _ in shares} == {resource}
        assert {part.axis for _, part in shares} == {"rows"}
    return [[(part.start, part.stop) for _, part in shares] for shares in made]


@pytest.mark.parametrize(
    ("layers", "count", "carried", "recomputed"),
    [
        # 3x3 behind a point: rows 0 to 3 need rows -1 to 4, so the first stage makes 5 rows; the second needs row 3 on.
        ([(8, POINT), (8, SAME)], 2, [[(0, 5), (5, 8)], [(0, 4), (4, 8)]], [[(0, 5), (3, 8)], [(0, 4), (4, 8)]]),
        # A point behind 3x3 needs no halo.
        ([(8, SAME), (8, POINT)], 2, [[(0, 4), (4, 8)], [(0, 4), (4, 8)]], [[(0, 4), (4, 8)], [(0, 4), (4, 8)]]),
        # Two 3x3: halos add up.
        (
            [(8, POINT), (8, SAME), (8, SAME)], 2,
            [[(0, 6), (6, 8)], [(0, 5), (5, 8)], [(0, 4), (4, 8)]],
            [[(0, 6), (2, 8)], [(0, 5), (3, 8)], [(0, 4), (4, 8)]],
        ),
        # Stride 2, pads 1: output rows 0, 1 need rows -1 to 3; row 2 needs row 3 on.
        ([(8, POINT), (4, Window(3, 2, 1))], 2, [[(0, 4), (4, 8)], [(0, 2), (2, 4)]], [[(0, 4), (3, 8)], [(0, 2), (2, 4)]]),
        # Stride 2, no padding above, one row below: rows 0, 1 need rows 0 to 4; row 2 needs row 4 on.
        ([(8, POINT), (4, Window(3, 2, 0))], 2, [[(0, 5), (5, 8)], [(0, 2), (2, 4)]], [[(0, 5), (4, 8)], [(0, 2), (2, 4)]]),
        # Dilation 2 (reach 5, pads 2): rows 0 to 2 need -2 to 4, 3 to 5 need 1 to 7, 6 to 8 need 4 to 10.
        (
            [(9, POINT), (9, Window(5, 1, 2))], 3,
            [[(0, 5), (5, 8), (8, 9)], [(0, 3), (3, 6), (6, 9)]],
            [[(0, 5), (1, 8), (4, 9)], [(0, 3), (3, 6), (6, 9)]],
        ),
        # A 1x1 of stride 2 reads rows 0, 2, 4: row 5 is read by nobody and made all the same.
        ([(6, POINT), (3, Window(1, 2, 0))], 3, [[(0, 1), (1, 3), (3, 6)], [(0, 1), (1, 2), (2, 3)]],
         [[(0, 1), (1, 3), (3, 6)], [(0, 1), (1, 2), (2, 3)]]),
    ],
    ids=["halo", "none", "two halos", "stride", "asymmetric", "dilation", "unread"],
)  # fmt: skip
def test_by_hand(layers, count, carried, recomputed):
    assert bands(layers, count) == carried
    assert bands(layers, count, "recomputed") == recomputed


def test_a_stage_that_makes_nothing_new_is_left_out():
    # The first of 3 stages needs rows up to 6 of 7, the second all, the third nothing new.
    assert bands([(7, POINT), (3, Window(7, 2, 2))], 3) == [[(0, 5), (5, 7)], [(0, 1), (1, 2), (2, 3)]]


def test_a_residual_needs_no_more_than_its_branch():
    a, b = chain((8, POINT), (8, SAME))
    add = hand_kernel("c", "b", "a", shape=a.shape, window=POINT)
    made = stages([a, b, add], ["gpu", "gpu", "pim"], 2)
    assert made == (
        (("gpu", Part("rows", 0, 5)), ("gpu", Part("rows", 5, 8))),
        (("gpu", Part("rows", 0, 4)), ("gpu", Part("rows", 4, 8))),
        (("pim", Part("rows", 0, 4)), ("pim", Part("rows", 4, 8))),
    )


def test_a_batch_is_cut_by_images():
    made = stages(chain((8, POINT), (8, SAME), batch=5), ["pim", "gpu"], 3)
    assert made is not None
    assert [[(p.axis, p.start, p.stop) for _, p in shares] for shares in made] == [
        [("images", 0, 1), ("images", 1, 3), ("images", 3, 5)]
    ] * 2


def test_what_cannot_be_cut():
    assert stages(chain((3, POINT), (3, SAME)), ["pim", "gpu"], 4) is None  # 4 stages of 3 rows
    assert stages(chain((8, POINT), (8, SAME), batch=2), ["pim", "gpu"], 3) is None  # 3 stages of 2 images
    one, many = chain((8, POINT)), hand_kernel("b", "a", shape=(4, 16, 8, 8), window=POINT)
    assert stages([*one, many], ["pim", "gpu"], 2) is None  # one image that is added to each of 4
    # Rows 0 and 1 need rows -2 to 3, which is all there is: nothing to overlap. Of five rows the last is left for stage 2.
    assert stages(chain((4, POINT), (4, Window(5, 1, 2))), ["pim", "gpu"], 2) is None
    assert stages(chain((5, POINT), (5, Window(5, 1, 2))), ["pim", "gpu"], 2) is not None


def test_chains_are_runs_that_read_each_other_by_rows():
    a, b, c = chain((8, POINT), (8, SAME), (8, POINT))
    gate = hand_kernel("d", "c", shape=(1, 16, 1, 1))
    scaled = hand_kernel("e", "c", "d", banded=("c",), window=POINT)
    assert list(chains([a, b, c])) == [(0, 1), (0, 2), (1, 2)]
    # The gate has no rows, and what it scales needs all of it.
    assert list(chains([a, b, c, gate, scaled])) == [(0, 1), (0, 2), (1, 2)]
    other = hand_kernel("e", "x", window=POINT)
    assert list(chains([a, other])) == []
    long = chain(*[(8, POINT)] * 8)
    assert max(last - first for first, last in chains([*long, hand_kernel("i", "h", window=POINT)])) == 7
