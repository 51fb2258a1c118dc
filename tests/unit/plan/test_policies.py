"""Policies and scopes over small networks: what each allows, and what counts."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper
from tests.planning import model_of

import nearbank as nb
from nearbank.errors import InputError
from nearbank.graph import Graph
from nearbank.plan import POLICIES, SCOPES, Plan, check_plan, kernels

DEVICE = nb.device("newton-gddr6")
SAME = [1, 1, 1, 1]


@pytest.fixture(scope="module")
def graph() -> Graph:
    """An inverted residual with a gate, behind a stem and before a dense layer."""
    rng = np.random.default_rng(0)
    node = helper.make_node
    shapes = {
        "stem": (16, 3, 3, 3), "up": (96, 16, 1, 1), "dw": (96, 1, 3, 3), "less": (4, 96, 1, 1), "more": (96, 4, 1, 1),
        "down": (16, 96, 1, 1),
    }  # fmt: skip
    weights = {k: (rng.standard_normal(s) / np.sqrt(np.prod(s[1:]))).astype(np.float32) for k, s in shapes.items()}
    weights["fc"] = (rng.standard_normal((16, 40)) / 4).astype(np.float32)
    nodes = [
        node("Conv", ["x", "stem"], ["s"], "stem", pads=SAME, strides=[2, 2]), node("Relu", ["s"], ["a"], "stem.relu"),
        node("Conv", ["a", "up"], ["b"], "up"), node("Conv", ["b", "dw"], ["c"], "dw", pads=SAME, group=96),
        node("GlobalAveragePool", ["c"], ["p"], "squeeze"), node("Conv", ["p", "less"], ["q"], "less"),
        node("Conv", ["q", "more"], ["r"], "more"), node("Sigmoid", ["r"], ["g"], "gate"),
        node("Mul", ["c", "g"], ["d"], "scale"), node("Conv", ["d", "down"], ["e"], "down"), node("Add", ["e", "a"], ["f"], "add"),
        node("GlobalAveragePool", ["f"], ["h"], "pool"), node("Flatten", ["h"], ["i"], "flat"),
        node("MatMul", ["i", "fc"], ["y"], "fc"),
    ]  # fmt: skip
    return nb.load(model_of(nodes, ("n", 3, 56, 56), ["y"], weights), batch=1, name="block")


def planned(graph: Graph, policy: str, **more) -> Plan:
    options = {"launch_us": 0.2, "join_us": 0.2, "mapping": "resident", **more}
    plan = nb.make_plan(graph, DEVICE, nb.gpu("rtx2060"), policy=policy, **options)
    check_plan(plan)
    return plan


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("scope", SCOPES)
def test_what_counts(graph: Graph, policy: str, scope: str) -> None:
    plan, gpu, kinds = planned(graph, policy, scope=scope), nb.gpu("rtx2060"), SCOPES[scope]
    assert (plan.policy, plan.scope) == (policy, scope)
    assert [x.name for x in plan.layers] == [k.name for k in kernels(graph)]
    counted = [x for x in plan.layers if kinds is None or x.kind in kinds]
    assert plan.gpu_only_us == pytest.approx(sum(x.gpu_us for x in counted))
    assert all(x.gpu_us == 0 and not x.share for x in plan.layers if x not in counted)
    assert all(task.us == 0 for task in plan.tasks if task.kernel not in {x.name for x in counted})
    if scope == "pointwise":
        # up, less, more and down, by hand.
        sizes = [(784, 16, 96), (1, 96, 4), (1, 4, 96), (784, 96, 16)]
        alone = sum(gpu.matmul_us(pixels=p, in_channels=i, out_channels=o) for p, i, o in sizes)
        assert plan.gpu_only_us == pytest.approx(alone)
    if policy not in ("pim",):
        assert plan.planned_us <= plan.gpu_only_us
    assert plan.floor_us <= plan.planned_us
    assert plan.proven_us <= plan.planned_us


def test_what_each_policy_allows(graph: Graph) -> None:
    allowed = {
        "gpu-only": {"gpu"}, "newton+": {"gpu", "pim"}, "newton++": {"gpu", "pim"}, "pim": {"gpu", "pim"}, "best": {"gpu", "pim"},
        "split": {"gpu", "pim", "split"}, "pipeline": {"gpu", "pim", "pipeline"},
        "auto": {"gpu", "pim", "split", "pipeline"},
    }  # fmt: skip
    assert allowed.keys() == POLICIES.keys()
    for policy, targets in allowed.items():
        plan = planned(graph, policy)
        assert {x.target for x in plan.layers} <= targets
        mappings = {t.mapping for t in plan.tasks if t.resource == "pim"}
        assert mappings <= ({policy} if policy.startswith("newton") else {"resident", "newton+", "newton++"})
        assert all(x.reason for x in plan.layers)
    moved = {x.name for x in planned(graph, "pim").layers if x.target == "pim"}
    assert moved == {"stem", "up", "less", "more", "down", "fc"}


def test_the_gpu_alone_has_all_channels(graph: Graph) -> None:
    plan = planned(graph, "gpu-only")
    assert plan.planned_us == plan.gpu_only_us
    assert (plan.speedup, plan.offloaded, plan.busy_us("pim")) == (1, (), 0)
    shared = sum(x.gpu_shared_us for x in plan.layers)
    assert shared > plan.gpu_only_us


def test_pim_stays_in_memory_even_where_it_loses(graph: Graph) -> None:
    plan = planned(graph, "pim", launch_us=1000.0)
    assert plan.planned_us > plan.gpu_only_us
    assert planned(graph, "best", launch_us=1000.0).offloaded == ()


def test_totals_by_hand(graph: Graph) -> None:
    plan = planned(graph, "pim")
    lag = {"gpu": 0.0, "pim": plan.system.join_us}
    assert plan.planned_us == max(t.end_us + lag[t.resource] for t in plan.tasks)
    for resource in ("gpu", "pim"):
        assert plan.busy_us(resource) == sum(t.us for t in plan.tasks if t.resource == resource)  # type: ignore[arg-type]
    assert plan.both_us <= min(plan.busy_us("gpu"), plan.busy_us("pim"))
    # The last layer is in memory: the GPU sees it a join later.
    assert plan.tasks[-1].resource == "pim"
    assert plan.planned_us == plan.tasks[-1].end_us + plan.system.join_us


def test_launch_and_join_are_charged(graph: Graph) -> None:
    free = planned(graph, "pim", launch_us=0.0, join_us=0.0)
    launched = planned(graph, "pim", launch_us=3.0, join_us=0.0)
    moved = sum(t.resource == "pim" for t in free.tasks)
    assert launched.busy_us("pim") == pytest.approx(free.busy_us("pim") + 3.0 * moved)
    joined = planned(graph, "pim", launch_us=0.0, join_us=3.0)
    assert joined.busy_us("pim") == pytest.approx(free.busy_us("pim"))
    assert joined.planned_us > free.planned_us
    default = nb.make_plan(graph, DEVICE, nb.gpu("h200"), policy="gpu-only").system
    assert default.launch_us == default.join_us == nb.gpu("h200").launch_us


def test_bad_arguments(graph: Graph) -> None:
    for bad in (
        {"policy": "atuo"}, {"scope": "pointwis"}, {"mapping": "newton"}, {"channels": 0}, {"channels": 33},
        {"launch_us": -1.0}, {"join_us": float("nan")}, {"launch_us": 1e6},
    ):  # fmt: skip
        with pytest.raises(InputError):
            nb.make_plan(graph, DEVICE, nb.gpu("h200"), **bad)  # type: ignore[arg-type]
