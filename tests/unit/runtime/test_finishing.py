"""What one layer in memory makes for the next: finished on the GPU between the two, or by the memory itself; the same values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper
from tests.planning import convolutions, model_of, plan_of

import nearbank as nb
from nearbank.errors import PlanError
from nearbank.graph import Graph
from nearbank.plan import Part, Plan, board_energy, check_plan, plan_energy
from nearbank.plan.details import memory_tasks

PIM = (("pim", Part()),)


def gate(activation: bool) -> Graph:
    """A squeeze-and-excitation branch: 40 -> 24, SiLU, 24 -> 40, of one pixel."""
    rng, node = np.random.default_rng(0), helper.make_node
    weights = {
        "wa": rng.standard_normal((24, 40, 1, 1)) / 6, "ba": rng.standard_normal(24),
        "wb": rng.standard_normal((40, 24, 1, 1)) / 5, "bb": rng.standard_normal(40),
    }  # fmt: skip
    nodes = [
        node("Conv", ["x", "wa", "ba"], ["a"], "a"),
        node("Conv", ["m" if activation else "a", "wb", "bb"], ["b"], "b"),
    ]
    if activation:
        nodes[1:1] = [node("Sigmoid", ["a"], ["s"], "s"), node("Mul", ["a", "s"], ["m"], "m")]
    made = model_of(nodes, (1, 40, 1, 1), ["b"], {k: w.astype(np.float32) for k, w in weights.items()})
    return nb.load(made, batch=1, name="gate")


def error(plan: Plan, device: nb.PimDevice) -> float:
    feeds = {"x": np.random.default_rng(1).standard_normal(plan.graph.inputs[0].shape).astype(np.float32)}
    ours, plain = nb.execute(plan, device, feeds), nb.reference(plan.graph, feeds)
    return max(float(np.linalg.norm(ours[n] - plain[n]) / np.linalg.norm(plain[n])) for n in plain)


def test_the_memory_applies_an_activation_where_that_takes_less():
    device = nb.device("aim-gddr6")
    plan = plan_of(gate(True), device, {"a": PIM, "b": PIM}, mapping="search", channels=16)
    check_plan(plan)
    first, second = (next(t for t in plan.tasks if t.name == name) for name in "ab")
    assert (first.epilogue.bias, first.epilogue.function) == (True, "silu")
    assert (second.epilogue.bias, second.epilogue.function) == (True, None)
    assert second.start_us == first.end_us  # no join, no kernel between
    assert not any(t.kernel == "a" and t.resource == "gpu" for t in plan.tasks)
    assert first.us - plan.system.launch_us == pytest.approx(device.microseconds(first.cycles))
    # What is told of the task is of the program with the activation, which reads through its table.
    found = memory_tasks(plan, device)[0]
    assert found.compiled.epilogue.function == "silu"
    assert found.timing.timing.cycles == first.cycles
    # bf16 keeps 8 bits.
    assert error(plan, device) < 0.01


def test_a_bias_in_memory_leaves_nothing_to_finish():
    device = nb.device("aim-gddr6")
    plan = plan_of(gate(False), device, {"a": PIM, "b": PIM}, mapping="host", channels=16)
    check_plan(plan)
    assert [t.role for t in plan.tasks if t.kernel == "a"] == ["work"]
    assert error(plan, device) < 0.01


def test_a_finish_is_a_task_of_its_own():
    device, gpu = nb.device("newton-gddr6"), nb.gpu("h200")
    graph = convolutions((24, 1, {}), (8, 1, {}), channels=8, size=(8, 6))
    plan = plan_of(graph, device, {"c0": PIM, "c1": PIM})
    check_plan(plan)
    assert [t.name for t in plan.tasks] == ["c0", "c0~", "c1"]
    finish = plan.tasks[1]
    # An elementwise kernel over 24 x 8 x 6 outputs, on a GPU that keeps 30 of 32 channels.
    assert finish.us == pytest.approx(gpu.with_bandwidth(30 / 32).elementwise("relu", 24 * 8 * 6).us)
    assert error(plan, device) < 0.002
    free = plan_of(graph, device, {"c0": PIM, "c1": PIM}, charge_epilogue=False)
    check_plan(free)
    assert [t.name for t in free.tasks] == ["c0", "c1"]
    assert error(free, device) == error(plan, device)
    assert plan.planned_us - free.planned_us == pytest.approx(plan.system.join_us + finish.us)
    # The memory spends the same.
    assert plan_energy(plan, device).memory.total_uj == plan_energy(free, device).memory.total_uj
    assert board_energy(plan, gpu) is None


def test_nothing_is_there_before_it_is_finished():
    device = nb.device("newton-gddr6")
    graph = convolutions((24, 1, {}), (8, 1, {}), channels=8, size=(8, 6))
    plan = plan_of(graph, device, {"c0": PIM, "c1": PIM})
    early = replace(plan, tasks=(plan.tasks[0], plan.tasks[2], plan.tasks[1]))
    with pytest.raises(PlanError, match="no task before it has made"):
        error(early, device)
