"""Convolutions of every geometry through memory: bit-equal to the oracle of the device, close to ONNX Runtime."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import numpy as np
import pytest

import nearbank as nb
from nearbank.pim import compile_product
from nearbank.sim import oracle
from tests.e2e.models import convolution

CASES = {
    "valid": {},
    "same": {"pads": (1, 1, 1, 1)},
    "stride-2": {"strides": (2, 2), "pads": (1, 1, 1, 1)},
    "stride-3": {"strides": (3, 3), "pads": (2, 2, 2, 2), "shape": (1, 5, 8, 10)},
    "strides-differ": {"strides": (1, 2)},
    "asymmetric-pads": {"pads": (0, 1, 2, 3)},
    "odd-pads-stride-2": {"pads": (0, 0, 1, 1), "strides": (2, 2), "shape": (1, 5, 8, 8)},
    "dilation": {"dilations": (2, 2), "pads": (2, 2, 2, 2)},
    "dilations-differ": {"dilations": (1, 3), "kernel": (2, 3)},
    "same-upper": {"auto_pad": "SAME_UPPER", "strides": (2, 2), "shape": (1, 5, 8, 8)},
    "same-lower": {"auto_pad": "SAME_LOWER", "strides": (2, 2), "shape": (1, 5, 8, 8)},
    "auto-valid": {"auto_pad": "VALID", "strides": (2, 2)},
    "row-kernel": {"kernel": (1, 5)},
    "column-kernel": {"kernel": (5, 1), "pads": (2, 0, 2, 0)},
    "even-kernel": {"kernel": (2, 2), "strides": (2, 2)},
    "batch": {"shape": (3, 5, 6, 6), "pads": (1, 1, 1, 1)},
    "one-pixel": {"shape": (1, 40, 3, 3), "out_channels": 35},
    "one-channel": {"shape": (1, 1, 7, 7), "out_channels": 1},
    "deep": {"shape": (1, 130, 4, 4), "out_channels": 17, "pads": (1, 1, 1, 1)},
    "pointwise-stride-2": {"kernel": (1, 1), "strides": (2, 2)},
    "pointwise-padded": {"kernel": (1, 1), "pads": (1, 0, 0, 1)},
}


def through_memory(model: Path, device: str, mapping: str = "search", *, expand_groups: bool = False, batch: int = 1):
    """The plan, and the outputs: through memory, by the oracle, by ONNX Runtime."""
    graph, memory = nb.load(model, batch=batch, expand_groups=expand_groups), nb.device(device)
    plan = nb.make_plan(graph, memory, nb.gpu("h200"), policy="pim", mapping=mapping)
    assert [layer.target for layer in plan.layers] == ["pim"]
    (spec,) = graph.inputs
    feeds = {spec.name: np.random.default_rng(2).standard_normal(spec.shape).astype(np.float32)}
    (work,) = graph.work
    product = nb.Product(work.pixels, work.in_channels, work.out_channels)
    pieces = compile_product(memory, product, plan.system.channels, mapping).pieces
    plain = oracle(memory, work.rows(feeds["input"]), work.weight, pieces) + work.bias
    ours = nb.execute(plan, memory, feeds)["output"]
    return plan, ours, work.restore(plain), nb.reference(graph, feeds)["output"]


def check(ours: np.ndarray, plain: np.ndarray, float32: np.ndarray, tolerance: float = 0.002) -> None:
    assert ours.shape == plain.shape == float32.shape
    assert np.array_equal(ours.view(np.uint32), plain.view(np.uint32))
    assert np.linalg.norm(ours - float32) < tolerance * np.linalg.norm(float32)


@pytest.mark.parametrize("case", CASES)
def test_geometries(tmp_path: Path, case: str) -> None:
    shape = CASES[case].get("shape", (1,))
    plan, *values = through_memory(convolution(tmp_path / "m.onnx", **CASES[case]), "newton-gddr6", batch=shape[0])
    check(*values)
    (layer,) = plan.layers
    batch, channels, height, width = values[0].shape
    assert (layer.pixels, layer.out_channels) == (batch * height * width, channels)
    kernel, inputs = CASES[case].get("kernel", (3, 3)), CASES[case].get("shape", (1, 5))[1]
    assert layer.in_channels == prod(kernel) * inputs


@pytest.mark.parametrize(
    ("device", "mapping", "tolerance"),
    [
        ("newton-gddr6", "newton++", 0.002),
        ("newton-gddr6-pimflow", "newton+", 0.002),
        ("newton-hbm2", "resident", 0.002),
        ("aim-gddr6", "search", 0.02),  # bf16 keeps 8 bits where fp16 keeps 11
    ],
)
@pytest.mark.parametrize("case", ["stride-2", "deep"])
def test_devices_and_mappings(tmp_path: Path, device: str, mapping: str, tolerance: float, case: str) -> None:
    _, *values = through_memory(convolution(tmp_path / "m.onnx", **CASES[case]), device, mapping)
    check(*values, tolerance)


def test_the_fill_sends_every_patch_whole(tmp_path: Path) -> None:
    # 10 x 10 outputs of 9 x 32 inputs: 1800 columns of 16; the image itself is 12 x 12 x 32: 288.
    model = convolution(tmp_path / "m.onnx", shape=(1, 32, 12, 12), out_channels=16)
    memory = nb.device("newton-gddr6")
    plan = nb.make_plan(nb.load(model), memory, nb.gpu("h200"), policy="pim", mapping="resident", channels=1)
    (layer,) = plan.layers
    timed = nb.time_product(memory, nb.Product(layer.pixels, layer.in_channels, layer.out_channels), 1, "resident")
    assert timed.timing.commands["GWRITE"] == 100 * 18
    assert timed.timing.cycles == layer.pim_cycles


@pytest.mark.parametrize("kernel", [(1, 1), (3, 3)])
def test_groups_only_when_asked_for(tmp_path: Path, kernel: tuple[int, int]) -> None:
    model = convolution(tmp_path / "m.onnx", shape=(1, 12, 5, 5), out_channels=9, kernel=kernel, groups=3)
    (layer,) = nb.make_plan(nb.load(model), nb.device("newton-gddr6"), nb.gpu("h200"), policy="pim").layers
    assert (layer.target, layer.kind, layer.pim_us) == ("gpu", "conv", None)
    assert "3 groups of 4 input channels" in layer.reason
    plan, *values = through_memory(model, "newton-gddr6", expand_groups=True)
    check(*values)
    assert plan.layers[0].in_channels == prod(kernel) * 12  # zeros of the other groups included
    assert plan.layers[0].gpu_us == layer.gpu_us  # the GPU skips them


def test_groups_on_the_command_line(nearbank, tmp_path: Path) -> None:
    model, out = convolution(tmp_path / "m.onnx", shape=(1, 12, 5, 5), out_channels=9, groups=3), tmp_path / "r.json"
    for groups, target in (("gpu", "gpu"), ("block-diagonal", "pim")):
        done = nearbank("run", model, "--policy", "pim", "--groups", groups, "--json", out)
        assert done.status == 0, done.err
        document = json.loads(out.read_text())
        assert [layer["target"] for layer in document["layers"]] == [target]
        assert document["values"]["relative_l2_error"] < 0.002
    assert "block-diagonal" in nearbank("run", model, "--groups", "blocks").fails()


def test_depthwise_stays_with_its_reason(tmp_path: Path) -> None:
    model = convolution(tmp_path / "m.onnx", shape=(1, 8, 5, 5), out_channels=8, groups=8)
    graph = nb.load(model, expand_groups=True)
    (layer,) = nb.make_plan(graph, nb.device("newton-gddr6"), nb.gpu("h200"), policy="pim").layers
    assert (layer.target, layer.kind) == ("gpu", "depthwise")
    assert layer.reason.startswith("depthwise convolution")


def test_policy_best_weighs_convolutions(tmp_path: Path) -> None:
    memory, gpu = nb.device("newton-gddr6"), nb.gpu("h200")
    for shape, launch in (((1, 64, 3, 3), 0.0), ((1, 64, 30, 30), None)):
        graph = nb.load(convolution(tmp_path / "m.onnx", shape=shape, out_channels=32))
        plan = nb.make_plan(graph, memory, gpu, policy="best", launch_us=launch, join_us=launch, charge_sums=False)
        (layer,) = plan.layers
        costs = plan.system.launch_us + plan.system.join_us
        assert layer.target == ("pim" if layer.pim_us + costs < layer.gpu_us else "gpu")
        assert layer.target == ("pim" if shape[2] == 3 else "gpu")
        assert plan.planned_us == layer.planned_us == pytest.approx(min(layer.pim_us + costs, layer.gpu_us))
        assert plan.gpu_only_us == layer.gpu_us
