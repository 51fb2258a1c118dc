import time
from itertools import pairwise, product

import pytest

from nearbank.devices.gpu import load_profile, load_spec
from nearbank.errors import DeviceError, PlanError
from nearbank.plan.gpu import AnalyticGpu, gpu, gpu_names

PROFILE = load_profile("h200")


def test_every_grid_row_is_answered_exactly():
    best, cudnn = gpu("h200:best"), gpu("h200")
    for r in PROFILE.grid:
        sizes = {"pixels": r.pixels, "in_channels": r.in_channels, "out_channels": r.out_channels}
        assert best.matmul(**sizes).us == min(r.cublas_us, r.cudnn_us)
        assert best.matmul(**sizes).note == ""
        assert cudnn.matmul_us(**sizes) == r.cudnn_us


def test_every_measured_layer_and_operator_is_answered():
    model = gpu("h200", library="cudnn")
    for r in PROFILE.convs:
        answer = model.conv(r.batch, r.in_channels, r.out_channels, r.height, r.width, r.kernel, r.stride, r.groups)
        # networks share shapes and were measured apart, so the answer may be another network's lower time
        assert answer.us <= r.us
        assert answer.us > 0.85 * r.us
        assert answer.note == ""
    for row in PROFILE.ops:
        if row.name == "gap":
            assert model.reduction("gap", *row.size).us == row.us
        elif row.name != "dw":
            assert model.elementwise(row.name, *row.size).us == max(row.us, model.launch_us)


def test_best_is_never_slower_than_cudnn_on_a_measured_layer():
    best = gpu("h200:best")
    for r in PROFILE.convs:
        assert (
            best.conv(r.batch, r.in_channels, r.out_channels, r.height, r.width, r.kernel, r.stride, r.groups).us
            <= r.us
        )


def test_notes_say_what_was_not_measured():
    model = gpu("h200:best")
    assert model.matmul(pixels=100352, in_channels=16, out_channels=16).note == "off the grid: pixels 100352 > 50176"
    assert model.matmul(pixels=3136, in_channels=24, out_channels=1000).note == ""
    assert "k x k" in model.conv(1, 48, 48, 40, 40, 3).note
    assert "4 groups" in model.conv(1, 64, 64, 40, 40, 3, groups=4).note
    assert "depthwise" in model.depthwise(1, 100, 20, 3).note
    assert model.elementwise("mul", 4096 * 4).note == "mul timed as add"
    assert model.elementwise("add", 10**9).note == "off the rows: 1000000000 > 67108864 elements"
    assert "gap rows" in model.reduction("gap", 2, 100, 9).note
    assert "raised to an empty kernel's" in model.elementwise("add", 4096).note


def test_a_dense_layer_off_the_grid_is_answered_as_measured():
    assert gpu("h200").matmul_us(pixels=1, in_channels=2048, out_channels=1000) == 12.656


def test_far_off_the_grid_the_measured_peak_bounds():
    us = gpu("h200").matmul_us(pixels=49, in_channels=960, out_channels=10**7)
    assert us >= 2 * 49 * 960 * 10**7 / 693.5e6


@pytest.mark.parametrize("name", gpu_names())
@pytest.mark.parametrize("library", ["best", "cudnn"])
def test_no_time_is_below_the_launch(name, library):
    model = gpu(name, library=library)
    for m, k, n in product((1, 7, 49, 3000, 200000), (3, 24, 144, 4000), (8, 1000, 5000)):
        assert model.matmul_us(pixels=m, in_channels=k, out_channels=n) >= model.launch_us
    for b, c, h, k, s in product((1, 64), (8, 2000), (1, 7, 224), (3, 7), (1, 2)):
        assert model.depthwise(b, c, h, k, s).us >= model.launch_us
        assert model.conv(b, c, c, h, h, k, s).us >= model.launch_us
        assert model.reduction("gap", b, c, h).us >= model.launch_us
    for op in ("add", "relu6", "silu", "hardswish", "clip"):
        assert model.elementwise(op, 1).us >= model.launch_us


@pytest.mark.parametrize("name", ["rtx2060", "h200-analytic"])
def test_analytic_time_grows_with_pixels_where_the_operands_stay_in_one_memory(name):
    model = gpu(name)
    # below 50 MB in all, so the H200's operands stay in its L2
    times = [model.matmul_us(pixels=p, in_channels=96, out_channels=576) for p in (49, 196, 784, 3136, 12544, 37000)]
    assert all(a <= b for a, b in pairwise(times))
    assert times[-1] > times[0]


def test_analytic_arithmetic_by_hand():
    # 12544 x 16 -> 96 on 128 x 128 tiles: 98 tiles on 30 SMs are 4 waves, one k step of 1024 clocks each
    spec = load_spec("rtx2060")
    clocks = 4 * (128 * 128 * 32 / 512 + spec.epilogue_clocks * 4)
    traffic = 2 * (12544 * 16 + 16 * 96 + 12544 * 96) / 336e3
    expected = spec.launch_us + spec.gemm_start_clocks / 1365 + max(clocks / 1365, traffic)
    assert gpu("rtx2060").matmul_us(pixels=12544, in_channels=16, out_channels=96) == pytest.approx(expected)


def test_half_the_channels_double_the_traffic():
    spec = load_spec("rtx2060")
    whole, half = (AnalyticGpu(spec, memory_channels=c).elementwise("add", 10**7).us for c in (32, 16))
    start = spec.launch_us + spec.elementwise_start_clocks / spec.clock_mhz
    assert half - start == pytest.approx(2 * (whole - start))


@pytest.mark.parametrize("channels", [0, 33, -1])
def test_channels_out_of_range(channels):
    with pytest.raises(DeviceError, match="must be 1 to 32"):
        gpu("rtx2060", memory_channels=channels)


def test_a_measured_gpu_has_no_channels_to_give():
    with pytest.raises(DeviceError, match="h200-analytic"):
        gpu("h200", memory_channels=16)


@pytest.mark.parametrize("name", gpu_names())
def test_bad_queries(name):
    model = gpu(name)
    with pytest.raises(PlanError, match=r"pixels.*got 0"):
        model.matmul(pixels=0, in_channels=1, out_channels=1)
    with pytest.raises(PlanError, match="stride"):
        model.conv(1, 1, 1, 1, 1, 1, 0)
    with pytest.raises(DeviceError, match=r"'ad'.*did you mean add"):
        model.elementwise("ad", 4)
    with pytest.raises(DeviceError, match=r"'max'.*gap"):
        model.reduction("max", 1, 1, 1)


@pytest.mark.parametrize("name", gpu_names())
def test_a_query_takes_less_than_a_millisecond(name):
    model = gpu(name)
    model.conv(1, 48, 48, 40, 40, 3)
    model.depthwise(1, 100, 20, 3)
    start = time.perf_counter()
    for i in range(100):
        model.matmul(pixels=1000 + i, in_channels=100, out_channels=100)
        model.conv(1, 48 + i, 48, 40, 40, 3)
        model.depthwise(1, 100 + i, 20, 3)
    assert (time.perf_counter() - start) / 300 < 1e-3
    assert gpu(name) is model
