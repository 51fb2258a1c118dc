"""What is left of a GPU's speed when the memory computes on some channels."""

import itertools

import pytest

from nearbank.errors import DeviceError
from nearbank.plan.gpu import GpuModel, gpu
from nearbank.plan.gpu.types import GpuTime

NAMES = ("h200", "h100", "h200-analytic", "rtx2060")


def answers(model: GpuModel) -> list[GpuTime]:
    return [
        model.matmul(pixels=12544, in_channels=16, out_channels=96),
        model.matmul(pixels=49, in_channels=960, out_channels=160),
        model.conv(32, 64, 64, 56, 56, 3),
        model.conv(32, 64, 128, 57, 57, 3, 2),
        model.depthwise(32, 96, 112, 3, 2),
        model.depthwise(32, 100, 112, 3, 2),
        model.elementwise("add", 1 << 26),
        model.elementwise("relu", 1000),
        model.reduction("gap", 32, 960, 7),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_less_bandwidth_is_never_faster_and_all_of_it_changes_nothing(name):
    model = gpu(name)
    assert answers(model.with_bandwidth(1)) == answers(model)
    times = [[t.us for t in answers(model.with_bandwidth(share))] for share in (1, 0.75, 0.5, 0.25, 0.01)]
    for more, less in itertools.pairwise(times):
        assert all(a <= b for a, b in zip(more, less, strict=True))
    assert all(a < b for a, b in zip(times[0], times[-1], strict=True) if b > 1.2 * a)
    assert model.bandwidth == 1


@pytest.mark.parametrize("name", ["h200", "h100", "h200-analytic"])
def test_memory_bound_doubles_and_compute_bound_stays_at_half(name):
    whole, half = gpu(name), gpu(name).with_bandwidth(0.5)
    elements = 1 << 26
    work = whole.elementwise("add", elements).us - whole.launch_us
    assert half.elementwise("add", elements).us - whole.launch_us == pytest.approx(2 * work, rel=0.15)
    sizes = {"pixels": 12544, "in_channels": 960, "out_channels": 960}
    assert half.matmul_us(**sizes) == whole.matmul_us(**sizes)


def test_measured_by_hand():
    """h100: 2**26 additions move 402.7 MB, at 2 x 1.5054 TB/s 133.74 us; measured 133.71 - 1.195 without the launch."""
    model = gpu("h100")
    moved_us = 6 * (1 << 26) / (2 * 1.5054e6)
    us = model.elementwise("add", 1 << 26).us
    half = model.with_bandwidth(0.5).elementwise("add", 1 << 26)
    assert half.us == pytest.approx(us + 2 * moved_us - max(moved_us, us - model.launch_us), rel=1e-9)
    assert half.note == "modelled at 0.5 of the memory bandwidth"


def test_channels_and_bandwidth_are_one_thing_on_an_analytic_gpu():
    model = gpu("rtx2060", memory_channels=16)
    assert model.bandwidth == 0.5
    assert answers(model) == answers(gpu("rtx2060").with_bandwidth(16 / 32))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0, -1, 1.01, float("nan")])
def test_bad_shares(name, share):
    with pytest.raises(DeviceError, match="share of the bandwidth"):
        gpu(name).with_bandwidth(share)


def test_power():
    assert dict(gpu("h100").power_w) == {"idle": 125.5, "tensor": 699.5, "memory": 396.0, "small": 245.9}
    assert dict(gpu("h200").power_w) == {}
    assert dict(gpu("rtx2060").power_w) == {"idle": 28.6, "small": 56.3, "memory": 90.7, "tensor": 160.0}
