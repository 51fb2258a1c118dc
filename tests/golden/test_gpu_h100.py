"""The profile of an H100: rows foretold from the others, networks beside their own measured run, the analytic model beside it."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from nearbank import zoo
from nearbank.devices.gpu import GpuProfile, load_profile, load_spec
from nearbank.graph import load
from nearbank.plan.gpu import AnalyticGpu, MeasuredGpu, gpu
from nearbank.plan.gpu.grid import LogGrid
from nearbank.plan.gpu.near import Neighbours
from nearbank.plan.gpu_time import gpu_time
from nearbank.plan.kernels import kernels


@cache
def h100() -> GpuProfile:
    return load_profile("h100")


def figures(errors: list[float]) -> tuple[float, float]:
    """Median and 90th percentile of the absolute errors, in percent."""
    return tuple(float(np.percentile(np.abs(errors), q)) * 100 for q in (50, 90))  # type: ignore[return-value]


def grid_times(library: str) -> dict[tuple[int, int, int], float]:
    return {
        (r.pixels, r.in_channels, r.out_channels): min(r.cublas_us, r.cudnn_us) if library == "best" else r.cudnn_us
        for r in h100().grid
    }


@pytest.mark.parametrize(("library", "median", "p90"), [("cudnn", 1.99, 8.42), ("best", 1.82, 7.81)])
def test_interior_grid_rows_left_out(library: str, median: float, p90: float):
    rows = grid_times(library)
    axes = [sorted({p[i] for p in rows}) for i in range(3)]
    inner = [p for p in rows if all(axis[0] < x < axis[-1] for x, axis in zip(p, axes, strict=True))]
    assert len(inner) == 2940
    # a seeded seventh of them, since each costs a new grid
    chosen = [inner[i] for i in np.random.default_rng(0).permutation(len(inner))[:420]]
    errors = [LogGrid((q, t) for q, t in rows.items() if q != p).at(p)[0] / rows[p] - 1 for p in chosen]
    assert figures(errors)[0] <= 5
    assert figures(errors) == pytest.approx((median, p90), abs=0.02)


@pytest.mark.parametrize(("library", "median", "p90"), [("cudnn", 4.29, 28.57), ("best", 3.92, 13.30)])
def test_pointwise_layers_of_networks_from_the_grid(library: str, median: float, p90: float):
    grid = LogGrid(grid_times(library).items())
    layers = {
        (r.batch * r.height * r.width, r.in_channels, r.out_channels): min(r.us, r.cublas_us)
        if library == "best"
        else r.us
        for r in h100().convs
        if r.cublas_us is not None
    }
    errors = [grid.at(p)[0] / us - 1 for p, us in layers.items() if not grid.measured(p)]
    assert len(errors) == 114
    assert figures(errors)[0] <= 5
    assert figures(errors) == pytest.approx((median, p90), abs=0.02)


@pytest.mark.parametrize(
    ("rows", "count", "median", "p90"),
    [("_depthwise", 428, 7.17, 36.56), ("_dense", 117, 4.50, 24.53), ("_gap", 232, 3.14, 26.89)],
)
def test_neighbours_on_rows_left_out(rows: str, count: int, median: float, p90: float):
    model = getattr(MeasuredGpu(h100()), rows)
    errors = [
        Neighbours(model.rows[:i] + model.rows[i + 1 :], model.scale).estimate(sizes, rough) / us - 1
        for i, (sizes, rough, us) in enumerate(model.rows)
    ]
    assert len(errors) == count
    assert figures(errors) == pytest.approx((median, p90), abs=0.02)


def test_the_analytic_model_of_the_h200_on_a_card_it_was_not_fitted_on():
    # the H100 has the H200's processor; its launch and memory rate are of this profile (ReLU over 256 MiB), all else stays
    profile = h100()
    spec = replace(load_spec("h200-analytic"), memory_gb_s=2e3 * profile.copy_tb_s, launch_us=profile.empty_kernel_us)
    best, cudnn = AnalyticGpu(spec, "best"), AnalyticGpu(spec, "cudnn")
    errors = [
        best.matmul_us(pixels=p, in_channels=i, out_channels=o) / us - 1 for (p, i, o), us in grid_times("best").items()
    ]
    shapes = {
        (r.batch, r.in_channels, r.out_channels, r.height, r.width, r.kernel, r.stride, r.groups): r.us
        for r in profile.convs
    }
    errors += [cudnn.conv(*shape).us / us - 1 for shape, us in shapes.items()]
    for row in profile.ops:
        if row.name == "dw":
            errors.append(best.depthwise(*row.size).us / row.us - 1)
        elif row.name == "gap":
            errors.append(best.reduction("gap", *row.size).us / row.us - 1)
        else:
            errors.append(best.elementwise(row.name, *row.size).us / row.us - 1)
    assert len(errors) == 5548
    assert figures(errors)[0] <= 15
    assert figures(errors) == pytest.approx((9.91, 33.27), abs=0.02)


def network_us(model: str) -> Iterator[tuple[int, float, float]]:
    """(batch, sum of the kernels' times, the same kernels measured behind one another in one graph)."""
    built = zoo.build(model, weights="random")
    for batch in (1, 8, 32):
        graph = load(built, batch=batch, name=model)
        total = sum(gpu_time(kernel, gpu("h100")).us for kernel in kernels(graph))
        yield batch, total, h100().whole_model_us[model][f"batch {batch}"]["kernels in one graph, cudnn"]


def test_sums_beside_measured_runs_of_the_same_kernels():
    # alone and repeated, a kernel finds its operands in the L2; in a network's run not always: at batches 8 and 32 the sums
    # are 5 to 26 % short, which makes the GPU look faster than it was
    errors = {(m, b): total / measured - 1 for m in zoo.names() for b, total, measured in network_us(m)}
    assert len(errors) == 18
    assert figures(list(errors.values())) == pytest.approx((13.97, 23.81), abs=0.02)
    assert max(errors.values()) < 0.06
    assert errors["mobilenet-v2", 1] == pytest.approx(0.044, abs=0.001)


def test_mobilenet_v2_lies_between_its_convolutions_and_the_best_measured_engine():
    runs = h100().whole_model_us["mobilenet-v2"]["batch 1"]
    convolutions = sum(r.us for r in h100().convs if (r.model, r.batch) == ("mobilenet-v2", 1))
    engine = min(us for how, us in runs.items() if how.startswith("torchvision"))
    (_, total, _) = next(network_us("mobilenet-v2"))
    assert convolutions < total < engine
    assert (convolutions, total, engine) == pytest.approx((159.18, 185.0, 245.89), abs=0.1)


def test_profile_says_where_it_is_from():
    profile = h100()
    assert (profile.gpu, profile.date) == ("NVIDIA H100 80GB HBM3", "2026-11-25")
    assert profile.versions == "torch 2.11.0+cu130, cuda 13.0, cudnn 91900, driver 580.159.04"
    assert (len(profile.grid), len(profile.convs), len(profile.linears), len(profile.ops)) == (4321, 1083, 165, 746)
