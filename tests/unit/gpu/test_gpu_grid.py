import math

import pytest

from nearbank.plan.gpu.grid import LogGrid
from nearbank.plan.gpu.near import Neighbours

SIZES = (16, 64, 256)
POWER = {
    (p, k, n): p**0.5 * k**0.25 * n**0.125 for p in SIZES for k in SIZES for n in SIZES
}  # a straight plane in logs, which the interpolation must meet everywhere


def test_grid_points_are_exact():
    grid = LogGrid(POWER.items())
    assert all(grid.at(point) == (us, "") for point, us in POWER.items())


@pytest.mark.parametrize("point", [(20, 24, 200), (100, 65, 17), (255, 17, 64)])
def test_a_plane_in_logs_is_met_between_points(point):
    us, note = LogGrid(POWER.items()).at(point)
    assert us == pytest.approx(point[0] ** 0.5 * point[1] ** 0.25 * point[2] ** 0.125)
    assert note == ""


def test_holes_with_neighbours_on_both_sides_are_filled_from_them():
    holed = {p: us for p, us in POWER.items() if p not in {(64, 64, 64), (64, 16, 256)}}
    grid = LogGrid(holed.items())
    for hole in ((64, 64, 64), (64, 16, 256)):
        assert not grid.measured(hole)
        assert grid.at(hole)[0] == pytest.approx(POWER[hole])


def test_corner_holes_and_scattered_points_are_filled_too():
    holed = {p: us for p, us in POWER.items() if p != (16, 16, 16)}
    assert min(POWER.values()) <= LogGrid(holed.items()).at((16, 16, 16))[0] <= max(POWER.values())
    scattered = LogGrid([((1, 1, 1), 2.0), ((8, 8, 8), 4.0)])
    assert 2.0 <= scattered.at((2, 4, 8))[0] <= 4.0


def test_above_an_edge_time_grows_at_the_last_marginal_rate():
    us, note = LogGrid(POWER.items()).at((512, 64, 64))
    at, before = POWER[256, 64, 64], POWER[64, 64, 64]
    assert us == pytest.approx(at + (at - before) / (256 - 64) * (512 - 256))
    assert note == "off the grid: pixels 512 > 256"


def test_below_an_edge_time_stays():
    us, note = LogGrid(POWER.items()).at((1, 64, 8))
    assert us == pytest.approx(POWER[16, 64, 16])
    assert note == "off the grid: pixels 1 < 16, out_channels 8 < 16"


def test_falling_edge_never_turns_negative():
    falling = LogGrid([((16, 16, 16), 4.0), ((32, 16, 16), 2.0)])
    assert falling.at((10**6, 16, 16))[0] == pytest.approx(2.0)


def test_one_value_on_an_axis_is_taken_as_work():
    assert LogGrid([((16, 16, 16), 4.0)]).at((32, 16, 16))[0] == pytest.approx(8.0)


def test_crossing_an_edge_is_continuous():
    grid = LogGrid(POWER.items())
    assert grid.at((257, 64, 64))[0] == pytest.approx(grid.at((256, 64, 64))[0], rel=0.01)


def test_neighbours_carry_work_by_the_rough_time():
    rows = Neighbours([((4.0,), 1.0, 2.0), ((16.0,), 4.0, 8.0)], (1.0,))
    assert rows.estimate((8.0,), 2.0) == pytest.approx(4.0)
    assert rows.estimate((4.0,), 1.0) == pytest.approx(2.0)
    assert Neighbours([], (1.0,)).estimate((8.0,), 2.0) == 2.0
    assert not math.isnan(rows.estimate((1e9,), 1e9))
