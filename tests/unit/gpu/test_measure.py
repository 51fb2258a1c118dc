import json
import sys

import pytest

from nearbank import zoo
from nearbank.cli import main
from nearbank.devices.gpu import load_profile, parse_profile
from nearbank.errors import DeviceError, InputError
from nearbank.graph import load
from nearbank.plan.gpu import gpu
from nearbank.plan.measure import (
    ConvKernel,
    Facts,
    GapKernel,
    MapKernel,
    MatmulKernel,
    Shapes,
    TorchBench,
    calibrate,
    graph_kernels,
    profile_lines,
    shapes,
)
from nearbank.plan.measure.kernels import image_of
from nearbank.plan.measure.torch_kernels import MAPS, build_call

NET = (
    ConvKernel(1, 8, 16, 4, 4, 1),
    ConvKernel(1, 16, 16, 4, 4, 3, 2, 16),
    GapKernel(1, 16, 2, 2),
    MatmulKernel(1, 16, 10),
)
SMALL = Shapes(
    grid=(MatmulKernel(16, 8, 8), MatmulKernel(64, 8, 8)),
    convs=(ConvKernel(1, 8, 8, 4, 4, 3),),
    maps=(MapKernel("add", 1024),),
    gaps=(GapKernel(1, 8, 4, 4),),
    depthwise=(ConvKernel(8, 32, 32, 7, 7, 5, 1, 32),),
    networks={("net", 1): NET},
)


class FakeBench:
    """Every kernel takes 2 us and a nanosecond for each that came before; cuBLAS is asked first for products."""

    def __init__(self, power=None):
        self.asked, self.power = [], {} if power is None else power

    def facts(self):
        return Facts("none", "2.9", "580", {"cudnn": "9"}, {"sm": 1000.0}, 1 << 20)

    def empty_us(self):
        return 1.23456

    def kernel_us(self, kernel, by="cudnn"):
        self.asked.append((kernel, by))
        return 2 + len(self.asked) / 1000

    def sequence_us(self, kernels):
        return 3.0 * len(kernels)

    def fp16_tflops(self):
        return 100.0

    def copy_tb_s(self):
        return 1.5

    def power_w(self):
        return self.power


def test_a_calibration_is_a_profile_that_gpu_reads(tmp_path):
    bench, steps = FakeBench({"idle": 70.5, "tensor": 700.0}), []
    table = calibrate(bench, SMALL, "2026-01-02", steps.append)
    path = tmp_path / "mine.json"
    path.write_text("".join(profile_lines(table)))
    assert json.loads(path.read_text()) == table
    model = gpu(path)
    assert (model.date, model.launch_us, dict(model.power_w)) == ("2026-01-02", 1.235, {"idle": 70.5, "tensor": 700.0})
    assert model.versions == "torch 2.9, cudnn 9, driver 580"
    measured = {key: 2 + (i + 1) / 1000 for i, key in enumerate(bench.asked)}
    assert len(measured) == len(bench.asked)  # nothing is measured twice
    assert model.matmul_us(pixels=16, in_channels=8, out_channels=8) == measured[SMALL.grid[0], "cudnn"]
    both = min(measured[NET[0], "cublas"], measured[NET[0], "cudnn"])
    assert gpu(f"{path}:best").conv(1, 8, 16, 4, 4, 1).us == both
    assert model.conv(1, 8, 16, 4, 4, 1).us == measured[NET[0], "cudnn"]
    assert model.matmul_us(pixels=16, in_channels=8, out_channels=16) == measured[NET[0], "cudnn"]
    assert model.depthwise(8, 32, 7, 5).us == measured[SMALL.depthwise[0], "cudnn"]
    assert model.depthwise(1, 16, 4, 3, 2).us == measured[NET[1], "cudnn"]
    assert model.reduction("gap", 1, 8, 4).us == measured[SMALL.gaps[0], "cudnn"]
    assert table["whole_model_us"]["net"]["batch 1"]["kernels in one graph, cudnn"] == 12.0
    assert len(steps) > len(bench.asked)


def test_what_no_machine_told_is_left_out():
    table = calibrate(FakeBench(), SMALL, "2026-01-02")
    assert "power_w" not in table
    assert parse_profile("x", "".join(profile_lines(table))).power_w == {}


def test_shapes_of_the_packaged_grid():
    full, quick = shapes(), shapes(quick=True)
    assert {m for m, _ in full.networks} == set(zoo.names())
    assert len(quick.grid) < len(full.grid) / 10
    assert {(r.pixels, r.in_channels, r.out_channels) for r in load_profile("h100").grid} == {
        (k.pixels, k.in_channels, k.out_channels) for k in full.grid
    }


def test_kernels_of_a_graph_are_those_that_the_plan_costs():
    kernels = graph_kernels(load(zoo.build("mobilenet-v3-large", weights="random"), batch=8))
    assert kernels[0] == ConvKernel(8, 3, 16, 224, 224, 3, 2)
    # squeeze-excite: pool, two dense layers with their activations inside, the product; then the next layer
    at = kernels.index(GapKernel(8, 72, 28, 28))
    assert kernels[at + 1 : at + 5] == (
        MatmulKernel(8, 72, 24),
        MatmulKernel(8, 24, 72),
        MapKernel("mul", 8 * 72 * 28 * 28),
        ConvKernel(8, 72, 40, 28, 28, 1),
    )


@pytest.mark.parametrize("pixels", [1, 49, 98, 6272, 97])
def test_image_of(pixels):
    height, width = image_of(pixels)
    assert height * width == pixels
    assert height >= width


def test_torch_kernels_compute_what_they_say():
    torch = pytest.importorskip("torch")
    conv = ConvKernel(2, 8, 16, 7, 5, 3, 2)
    wanted = {
        (MatmulKernel(6, 8, 4), "cublas"): (6, 4),
        (MatmulKernel(6, 8, 4), "cudnn"): (1, 4, 3, 2),
        (ConvKernel(2, 8, 16, 3, 3, 1), "cublas"): (18, 16),
        (conv, "cudnn"): (2, 16, conv.out_height, conv.out_width),
        (ConvKernel(1, 8, 8, 7, 7, 5, 1, 8), "cudnn"): (1, 8, 7, 7),
        (GapKernel(2, 8, 4, 4), "cudnn"): (2, 8, 1, 1),
    } | {(MapKernel(op, 256), "cudnn"): (256,) for op in MAPS if op != "scale"}
    for (kernel, by), shape in wanted.items():
        out = build_call(torch, "cpu", kernel, by)()
        assert (tuple(out.shape), out.dtype) == (shape, torch.float16), kernel
    assert build_call(torch, "cpu", MapKernel("scale", 256))().numel() == 256
    bench = TorchBench("cpu")
    assert bench.kernel_us(conv) > 0
    assert bench.sequence_us([(conv, "cudnn")]) > 0
    assert (bench.facts().gpu, bench.power_w()) == ("cpu", {})


def run(monkeypatch, capsys, *args):
    monkeypatch.setattr(sys, "argv", ["nearbank", *args])
    with pytest.raises(SystemExit) as done:
        main()
    return done.value.code, capsys.readouterr()


def test_no_gpu_is_one_line_and_status_2(monkeypatch, capsys, tmp_path):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, printed = run(monkeypatch, capsys, "calibrate", "--out", str(tmp_path / "p.json"))
    assert code == 2
    assert printed.err.startswith("error: torch: measuring needs an NVIDIA GPU; got 'torch ")
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_no_torch_is_one_line_and_status_2(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    code, printed = run(monkeypatch, capsys, "calibrate", "--out", str(tmp_path / "p.json"))
    assert (code, printed.err) == (
        2,
        "error: torch: measuring needs torch; got 'not installed'; must be the extra [torch]\n",
    )


def test_the_command_writes_the_profile_or_nothing(monkeypatch, capsys, tmp_path):
    from nearbank.plan import measure

    class Interrupted(FakeBench):
        def kernel_us(self, kernel, by="cudnn"):
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return super().kernel_us(kernel, by)

    monkeypatch.setattr(measure, "shapes", lambda quick: SMALL)
    path = tmp_path / "p.json"
    monkeypatch.setattr(measure, "TorchBench", Interrupted)
    assert run(monkeypatch, capsys, "calibrate", "--out", str(path))[0] == 130
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(measure, "TorchBench", FakeBench)
    code, printed = run(monkeypatch, capsys, "calibrate", "--quick", "--out", str(path))
    assert code == 0
    assert f"--gpu {path}" in printed.out
    assert gpu(path).launch_us == 1.235
    assert run(monkeypatch, capsys, "calibrate", "--out", str(tmp_path))[0] == 2


def test_library_behind_a_colon():
    assert gpu("h200").library == "cudnn"
    assert gpu("h200:best").library == gpu("h200", library="best").library == "best"
    with pytest.raises(DeviceError, match="two libraries"):
        gpu("h200:best", library="cudnn")
    with pytest.raises(DeviceError, match="unknown GPU"):
        gpu("h200:bset")


def test_torch_bench_says_what_it_lacks(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="measuring needs torch"):
        TorchBench()
