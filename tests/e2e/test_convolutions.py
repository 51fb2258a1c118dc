"""Convolutions of every geometry through memory: bit-equal to the oracle of the device, close to ONNX Runtime."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from math import prod
from pathlib import Path

import numpy as np
import pytest

import nearbank as nb
from nearbank.devices import PimDevice
from nearbank.errors import PlanError
from nearbank.graph import Groups
from nearbank.pim import bias_in_memory, compile_product
from nearbank.pim.blocks import BlockCompiled
from nearbank.plan import Costs, Part, kernels, product_of
from nearbank.plan.types import Axis
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


def through_memory(model: Path, device: str, mapping: str = "search", *, groups: Groups = "gpu", batch: int = 1):
    """The plan, and the outputs: through memory, by the oracle, by ONNX Runtime."""
    graph, memory = nb.load(model, batch=batch, groups=groups), nb.device(device)
    plan = nb.make_plan(graph, memory, nb.gpu("h200"), policy="pim", mapping=mapping)
    assert [layer.target for layer in plan.layers] == ["pim"]
    (spec,) = graph.inputs
    feeds = {spec.name: np.random.default_rng(2).standard_normal(spec.shape).astype(np.float32)}
    (work,) = graph.work
    product = nb.Product(work.pixels, work.in_channels, work.gather.columns, work.blocks)
    mapping = next(task.mapping for task in plan.tasks if task.resource == "pim")
    compiled = compile_product(memory, product, plan.system.channels, mapping)
    rows = work.rows(feeds["input"])
    if isinstance(compiled, BlockCompiled):
        plain = by_blocks(memory, compiled, rows, work.weight) + work.bias
    elif bias_in_memory(memory, mapping, bias=True):
        plain = oracle(memory, rows, work.weight, compiled.pieces, bias=work.bias)
    else:
        plain = oracle(memory, rows, work.weight, compiled.pieces) + work.bias
    ours = nb.execute(plan, memory, feeds)["output"]
    return plan, ours, work.restore(plain), nb.reference(graph, feeds)["output"]


def by_blocks(memory: PimDevice, compiled: BlockCompiled, rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Each run by the oracle of an ordinary product."""
    plain = np.full((*rows.shape[:2], weight.shape[2]), np.nan, np.float32)
    for laid in compiled.runs:
        run, pieces = laid.run, laid.pieces
        pixels = slice(run.pixel, run.pixel + run.pixels)
        plain[pixels, run.block] = oracle(memory, rows[pixels, run.block], weight[run.block], pieces)
    return plain


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
    plan, *values = through_memory(model, "newton-gddr6", groups="block-diagonal")
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
    for groups in ("gpu", "block-diagonal"):
        graph = nb.load(model, groups=groups)
        (layer,) = nb.make_plan(graph, nb.device("newton-gddr6"), nb.gpu("h200"), policy="pim").layers
        assert (layer.target, layer.kind) == ("gpu", "depthwise")
        assert layer.reason.startswith("depthwise convolution")
        assert "--groups all" in layer.reason


DEPTHWISE = {
    "3x3": {"shape": (1, 32, 9, 9), "kernel": (3, 3), "pads": (1, 1, 1, 1)},
    "3x3-stride-2": {"shape": (2, 40, 9, 8), "kernel": (3, 3), "pads": (0, 0, 1, 1), "strides": (2, 2)},
    "5x5": {"shape": (1, 33, 7, 7), "kernel": (5, 5), "pads": (2, 2, 2, 2)},
    "5x5-stride-2": {"shape": (1, 48, 14, 14), "kernel": (5, 5), "auto_pad": "SAME_UPPER", "strides": (2, 2)},
    "dilated": {"shape": (1, 18, 9, 9), "kernel": (3, 3), "dilations": (2, 2)},
}


@pytest.mark.parametrize("groups", ["all", "tiles"])
@pytest.mark.parametrize("case", DEPTHWISE)
def test_depthwise_in_memory(tmp_path: Path, case: str, groups: Groups) -> None:
    shape = DEPTHWISE[case]["shape"]
    model = convolution(tmp_path / "m.onnx", out_channels=shape[1], groups=shape[1], **DEPTHWISE[case])
    plan, *values = through_memory(model, "newton-gddr6", groups=groups, batch=shape[0])
    check(*values)
    (layer,) = plan.layers
    on_gpu = nb.make_plan(nb.load(model, batch=shape[0]), nb.device("newton-gddr6"), nb.gpu("h200")).layers[0]
    for found in ("kind", "pixels", "in_channels", "out_channels", "gpu_us"):  # the layer, not how it is done
        assert getattr(layer, found) == getattr(on_gpu, found)


@pytest.mark.parametrize(
    ("device", "mapping", "tolerance"),
    [("newton-gddr6-pimflow", "search", 0.002), ("newton-hbm2", "resident", 0.002), ("aim-gddr6", "search", 0.02)],
)
@pytest.mark.parametrize(("channels", "outputs", "count"), [(40, 40, 40), (48, 144, 4), (64, 64, 16)])
def test_blocks_on_every_device(tmp_path: Path, device, mapping, tolerance, channels, outputs, count) -> None:
    shape = {"shape": (1, channels, 6, 6), "out_channels": outputs, "groups": count}
    _, *values = through_memory(convolution(tmp_path / "m.onnx", **shape), device, mapping, groups="all")
    check(*values, tolerance)


@pytest.mark.parametrize("mapping", ["newton+", "newton++"])
def test_published_mappings_leave_blocks_to_the_gpu(tmp_path: Path, mapping: str) -> None:
    model = convolution(tmp_path / "m.onnx", shape=(1, 32, 5, 5), out_channels=32, groups=32)
    graph = nb.load(model, groups="all")
    (layer,) = nb.make_plan(graph, nb.device("newton-gddr6"), nb.gpu("h200"), policy="pim", mapping=mapping).layers
    assert layer.target == "gpu"
    assert f"mapping {mapping} has no blocks" in layer.reason


@pytest.mark.parametrize("groups", ["all", "tiles"])
@pytest.mark.parametrize(
    ("axis", "edges"),
    [("pixels", (0, 5, None)), ("channels", (0, None)), ("rows", (0, 4, 5, None)), ("images", (0, 1, None))],
)
def test_parts_of_a_depthwise_layer(tmp_path: Path, groups: Groups, axis: Axis, edges: tuple[int | None, ...]) -> None:
    """Parts in memory and on the host in turn join to the whole."""
    path = convolution(
        tmp_path / "m.onnx", shape=(2, 40, 9, 9), out_channels=40, groups=40, pads=(1, 1, 1, 1), strides=(1, 2)
    )
    graph, memory = nb.load(path, batch=2, groups=groups), nb.device("newton-gddr6-pimflow")
    (kernel,) = kernels(graph)
    plan = nb.make_plan(graph, memory, nb.gpu("rtx2060"), policy="pim")
    if axis == "channels":
        edges = (0, kernel.work.gather.block_channels, None)
    cut = [edge if edge is not None else kernel.extent(axis) for edge in edges]
    (whole,) = plan.tasks
    tasks = [
        replace(
            whole, name=f"{i}", resource=("pim", "gpu")[i % 2], part=Part(axis, *ends), mapping=("search", "")[i % 2]
        )
        for i, ends in enumerate(pairwise(cut))
    ]
    feeds = {"input": np.random.default_rng(2).standard_normal(graph.shape("input")).astype(np.float32)}
    ours, plain = (
        found["output"]
        for found in (nb.execute(replace(plan, tasks=tuple(tasks)), memory, feeds), nb.reference(graph, feeds))
    )
    assert 0 < np.linalg.norm(ours - plain) < 0.002 * np.linalg.norm(plain)
    costs = Costs(memory, nb.gpu("rtx2060"), plan.system)
    for task in tasks:
        assert 0 < costs.memory(kernel, task.part).us <= costs.memory(kernel).us
        assert 0 < costs.gpu_us(kernel, task.part) <= costs.gpu_us(kernel)
    assert sum(product_of(kernel, task.part).macs for task in tasks) >= product_of(kernel, Part()).macs


def test_a_part_cuts_no_block(tmp_path: Path) -> None:
    path = convolution(tmp_path / "m.onnx", shape=(1, 40, 9, 9), out_channels=40, groups=40)
    (kernel,) = kernels(nb.load(path, groups="all"))
    with pytest.raises(PlanError, match="a part cuts a block"):
        product_of(kernel, Part("channels", 0, 15))


def test_policy_best_weighs_convolutions(tmp_path: Path) -> None:
    memory, gpu = nb.device("newton-gddr6"), nb.gpu("h200")
    for shape, launch in (((1, 64, 3, 3), 0.0), ((1, 64, 30, 30), None)):
        graph = nb.load(convolution(tmp_path / "m.onnx", shape=shape, out_channels=32))
        plan = nb.make_plan(graph, memory, gpu, policy="best", launch_us=launch, join_us=launch, charge_epilogue=False)
        (layer,) = plan.layers
        costs = plan.system.launch_us + plan.system.join_us
        assert layer.target == ("pim" if layer.pim_us + costs < layer.gpu_us else "gpu")
        assert layer.target == ("pim" if shape[2] == 3 else "gpu")
        assert plan.planned_us == layer.planned_us == pytest.approx(min(layer.pim_us + costs, layer.gpu_us))
        assert plan.gpu_only_us == layer.gpu_us
