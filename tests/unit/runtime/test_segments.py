"""Segments of a plan's GPU tasks, with a timer that only counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from onnx import helper
from tests.planning import convolutions, model_of, plan_of

import nearbank as nb
from nearbank.errors import InputError
from nearbank.plan import Part, check_plan, kernels
from nearbank.runtime import TorchHost, gpu_segments, measure_gpu

DEVICE = nb.device("newton-gddr6")


class Counter:
    """Runs every call twice, as a timer's warm-up and replay do, and makes up a time: ten a call."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, calls: Sequence[Callable[[], object]]) -> float:
        for _ in range(2):
            for call in calls:
                call()
        self.seen.append(len(calls))
        return 10.0 * len(calls)


def network():
    return convolutions(
        (16, 1, {}),
        (16, 3, {"group": 16, "pads": [1] * 4}),
        (8, 1, {}),
        (8, 3, {"pads": [1] * 4}),
        channels=8,
        size=(8, 8),
    )


def measured(plan, kind: str = "float32"):
    timer = Counter()
    return measure_gpu(plan, DEVICE, timer, TorchHost(plan.graph, "cpu", kind)), timer  # type: ignore[arg-type]


def test_all_on_the_gpu_is_one_segment():
    plan = plan_of(network(), DEVICE, {})
    found, timer = measured(plan)
    assert [(s.name, s.tasks, s.measured_us) for s in found] == [("c0", ("c0", "c1", "c2", "c3"), 40.0)]
    assert found[0].modelled_us == pytest.approx(plan.planned_us)
    assert timer.seen == [4]


def test_a_segment_ends_where_the_memory_is_waited_for():
    plan = plan_of(network(), DEVICE, {"c1": (("gpu", Part()),), "c2": (("pim", Part()),)})
    assert [[t.name for t in s] for s in gpu_segments(plan)] == [["c0", "c1"], ["c3"]]
    found, _ = measured(plan)
    assert [s.modelled_us for s in found] == [
        pytest.approx(sum(t.us for t in plan.tasks if t.name in names)) for names in (("c0", "c1"), ("c3",))
    ]


def test_also_if_the_gpu_was_busy_until_then():
    # c1 in memory beside nothing: with no launch, join or idle time between, the need alone parts them.
    plan = plan_of(network(), DEVICE, {"c0": (("pim", Part()),)}, launch_us=0.0, join_us=0.0)
    assert [[t.name for t in s] for s in gpu_segments(plan)] == [["c1", "c2", "c3"]]
    split = (("pim", Part("pixels", 0, 32)), ("gpu", Part("pixels", 32, 64)))
    plan = plan_of(network(), DEVICE, {"c2": split})
    assert [[t.name for t in s] for s in gpu_segments(plan)] == [["c0", "c1", "c2#2"], ["c3"]]


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_parts_of_all_kinds_run(kind: str):
    bands = [Part("rows", 0, 5), Part("rows", 5, 8)], [Part("rows", 0, 4), Part("rows", 4, 8)]
    decision = {
        "c0": tuple(("pim", p) for p in bands[0]), "c1": tuple(("gpu", p) for p in bands[1]),
        "c2": (("pim", Part("channels", 0, 5)), ("gpu", Part("channels", 5, 8))),
        "c3": (("pim", Part("pixels", 0, 20)), ("gpu", Part("pixels", 20, 64))),
    }  # fmt: skip
    plan = plan_of(network(), DEVICE, decision)
    check_plan(plan)
    found, timer = measured(plan, kind)
    assert [s.tasks for s in found] == [("c1#1",), ("c1#2", "c2#2"), ("c2#1~", "c3#2")]
    assert timer.seen == [1, 2, 2]


@pytest.mark.parametrize("groups", ["all", "tiles"])
@pytest.mark.parametrize("axis", ["pixels", "channels"])
@pytest.mark.parametrize("count", [3, 48])
def test_parts_of_convolutions_in_groups(groups, axis, count: int):
    graph = convolutions((48, 3, {"group": count, "pads": [1] * 4}), channels=48, size=(8, 8), groups=groups)
    (kernel,) = kernels(graph)
    assert kernel.work is not None
    assert kernel.work.blocks == (48 if (groups, count) == ("tiles", 48) else 3)
    most = kernel.extent(axis)
    cut = 16 if axis == "channels" else most // 3
    plan = plan_of(graph, DEVICE, {"c0": (("pim", Part(axis, 0, cut)), ("gpu", Part(axis, cut, most)))})
    check_plan(plan)
    host = TorchHost(graph, "cpu")
    shapes = []

    def timer(calls) -> float:
        shapes.extend(call().shape for call in calls)
        return 1.0

    (segment,) = measure_gpu(plan, DEVICE, timer, host)
    assert segment.tasks == ("c0#2",)
    # 32 of the channels on all 8 rows; or the rows that hold two thirds of the pixels, which tiles may round up.
    (shape,) = shapes
    assert shape[:2] == (1, 32 if axis == "channels" else 48)
    assert shape[3] == 8
    assert shape[2] == 8 if axis == "channels" else 5 <= shape[2] <= 8


def test_sums_are_kernels_of_their_own():
    graph = convolutions((8, 1, {}), channels=1200, size=(4, 4))
    plan = plan_of(graph, DEVICE, {"c0": (("pim", Part()),)})
    found, _ = measured(plan)
    assert [s.tasks for s in found] == [("c0+",)]
    assert found[0].modelled_us == plan.tasks[-1].us


def test_what_takes_no_time_is_not_run():
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], "r"), helper.make_node("Flatten", ["r"], ["f"], "f"),
        helper.make_node("Gemm", ["f", "w"], ["g"], "g"),
    ]  # fmt: skip
    graph = nb.load(model_of(nodes, (1, 8, 4, 4), ["g"], {"w": np.ones((128, 5), np.float32)}), batch=1)
    found, timer = measured(plan_of(graph, DEVICE, {}))
    assert [s.tasks for s in found] == [("r", "f", "g")]
    assert timer.seen == [2]
    scoped = nb.make_plan(graph, DEVICE, nb.gpu("h200"), policy="gpu-only", scope="pointwise")
    assert measured(scoped)[0] == ()


def test_within_a_segment_each_reads_what_the_one_before_wrote():
    plan = plan_of(network(), DEVICE, {})
    host = TorchHost(plan.graph, "cpu")
    inputs: list[dict[str, object]] = []
    outputs: list[dict[str, object]] = []
    compute = host.compute

    def spy(nodes, given, pads):
        inputs.append(dict(given))
        outputs.append(compute(nodes, given, pads))
        return outputs[-1]

    host.compute = spy  # type: ignore[method-assign]
    measure_gpu(plan, DEVICE, Counter(), host)
    assert inputs[1]["r0"] is outputs[0]["r0"]
    assert inputs[5]["r0"] is outputs[4]["r0"]  # of the same replay


def test_without_a_gpu():
    plan = plan_of(network(), DEVICE, {})
    import torch

    if torch.cuda.is_available():
        assert measure_gpu(plan, DEVICE)[0].measured_us > 0
        return
    with pytest.raises(InputError, match="needs an NVIDIA GPU"):
        measure_gpu(plan, DEVICE)
