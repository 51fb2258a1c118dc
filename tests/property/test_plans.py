"""Any decision over any network makes a plan that the checker accepts and that computes the network."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

import nearbank as nb
from nearbank.graph import GROUPS, Graph
from nearbank.plan import POLICIES, Part, check_plan, kernels
from nearbank.plan.assembly import Share
from nearbank.plan.pipeline import chains, stages
from tests.planning import model_of, plan_of
from tests.property.test_graph import networks

DEVICE = nb.device("newton-gddr6")


@st.composite
def images(draw) -> Graph:
    """A random network of convolutions of all geometries, pools, activations, residual sums and gates on small images."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    channels = draw(st.sampled_from([4, 24]))  # of 24, depthwise ones are two blocks
    batch = draw(st.sampled_from([1, 1, 1, 2, 3]))
    nodes, weights, last, tensors = [], {}, "x", {"x": (9, 7)}

    def add(op: str, inputs: list[str], size: tuple[int, int], *arrays: np.ndarray, **attributes) -> str:
        name, names = f"t{len(nodes)}", []
        for array in arrays:
            names.append(f"w{len(weights)}")
            weights[names[-1]] = array.astype(np.float32)
        nodes.append(helper.make_node(op, [*inputs, *names], [name], name=name, **attributes))
        tensors[name] = size
        return name

    for _ in range(draw(st.integers(2, 6))):
        size = tensors[last]
        kind = draw(
            st.sampled_from(
                ["Point", "Conv", "Depthwise", "Grouped", "Relu", "HardSwish", "Add", "Gate", "MaxPool", "AveragePool"]
            )
        )
        if kind in ("Conv", "Depthwise", "Grouped", "Point", "MaxPool", "AveragePool"):
            k = 1 if kind == "Point" else draw(st.sampled_from([2, 3, 3]))
            stride = draw(st.sampled_from([1, 1, 2]))
            dilation = 1 if kind.endswith("Pool") else draw(st.sampled_from([1, 1, 2]))
            reach = (k - 1) * dilation + 1
            pads = [draw(st.integers(0, min(reach - 1, k - 1))) for _ in range(4)]
            new = tuple((s + pads[i] + pads[i + 2] - reach) // stride + 1 for i, s in enumerate(size))
            if min(s + pads[i] + pads[i + 2] - reach for i, s in enumerate(size)) < 0:
                continue
            geometry = {"kernel_shape": [k, k], "strides": [stride, stride], "pads": pads}
            if kind.endswith("Pool"):
                last = add(kind, [last], new, **geometry)  # type: ignore[arg-type]
                continue
            groups = {"Depthwise": channels, "Grouped": 2}.get(kind, 1)
            array = rng.standard_normal((channels, channels // groups, k, k)) / (k * np.sqrt(channels / groups))
            last = add(
                "Conv",
                [last],
                new,
                array,
                rng.standard_normal(channels),
                group=groups,
                dilations=[dilation] * 2,
                **geometry,
            )  # type: ignore[arg-type]
        elif kind == "Add":
            last = add(kind, [last, draw(st.sampled_from([t for t, s in tensors.items() if s == size]))], size)
        elif kind == "Gate":
            pooled = add("GlobalAveragePool", [last], (1, 1))
            last = add("Mul", [last, add("Sigmoid", [pooled], (1, 1))], size)
        else:
            last = add(kind, [last], size)
    if not nodes:
        last = add("Relu", [last], (9, 7))
    model, groups = model_of(nodes, ("n", channels, 9, 7), [last], weights), draw(st.sampled_from(list(GROUPS)))
    return nb.load(model, batch=batch, name="images", groups=groups)  # type: ignore[arg-type]


@st.composite
def decisions(draw, graph: Graph, *, only_memory: bool = False) -> dict[str, tuple[Share, ...]]:
    """Chains in stages and split kernels, wherever there are any, drawn at random."""
    everything = kernels(graph)
    out: dict[str, tuple[Share, ...]] = {}
    for first, last in chains(everything):
        chain = everything[first : last + 1]
        if any(k.name in out for k in chain) or draw(st.booleans()):
            continue
        able = ["pim" if k.work else "gpu" for k in chain]
        on = able if only_memory else [draw(st.sampled_from(["gpu", side])) for side in able]
        halo = draw(st.sampled_from(["carried", "recomputed"]))
        made = stages(chain, on, draw(st.integers(2, 5)), halo=halo)  # type: ignore[arg-type]
        if made is not None:
            out.update({k.name: shares for k, shares in zip(chain, made, strict=True)})
    for kernel in everything:
        if kernel.name in out or kernel.work is None:
            continue
        axis = draw(st.sampled_from(["whole", "pixels", "channels"]))
        most = kernel.extent(axis)  # type: ignore[arg-type]
        unit = (
            kernel.work.gather.block_channels if axis == "channels" and kernel.work.blocks > 1 else 1
        )  # blocks stay whole
        cuts = sorted(draw(st.sets(st.integers(1, (most - 1) // unit), min_size=1, max_size=3))) if most > unit else []
        cuts = [unit * cut for cut in cuts]
        parts = [Part(axis, a, b) for a, b in zip([0, *cuts], [*cuts, most], strict=True)] if cuts else [Part()]  # type: ignore[arg-type]
        sides = ["pim"] * len(parts) if only_memory else [draw(st.sampled_from(["pim", "gpu"])) for _ in parts]
        out[kernel.name] = tuple(zip(sides, parts, strict=True))  # type: ignore[arg-type]
    return out


def feeds_of(graph: Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {spec.name: rng.standard_normal(spec.shape).astype(np.float32) for spec in graph.inputs}


def check_values(graph: Graph, plan) -> None:
    feeds = feeds_of(graph)
    plain, ours = nb.reference(graph, feeds), nb.execute(plan, DEVICE, feeds)
    assert ours.keys() == plain.keys()
    for name, want in plain.items():
        assert ours[name].shape == want.shape
        assert not np.isnan(ours[name]).any()
        # fp16 keeps 11 bits; a few layers, and sums that cancel, make more of it.
        assert np.linalg.norm(ours[name] - want) <= 0.01 * np.linalg.norm(want) + 0.01


def carried_out(graph: Graph, decision, **system) -> None:
    plan = plan_of(graph, DEVICE, decision, **system)
    check_plan(plan)
    check_values(graph, plan)


@settings(max_examples=60, deadline=None)
@given(images(), st.data())
def test_any_decision_over_convolutions(graph: Graph, data) -> None:
    blocks = any(k.work and k.work.blocks > 1 for k in kernels(graph))  # which the published generator has none of
    mapping = data.draw(st.sampled_from(["resident", "search"] if blocks else ["resident", "newton++", "search"]))
    carried_out(graph, data.draw(decisions(graph)), mapping=mapping, launch_us=data.draw(st.sampled_from([0.0, 0.5])))


@settings(max_examples=40, deadline=None)
@given(networks(), st.integers(1, 3), st.data())
def test_any_decision_over_a_graph(model, batch: int, data) -> None:
    graph = nb.load(model, batch=batch)
    carried_out(graph, data.draw(decisions(graph)))


@settings(max_examples=40, deadline=None)
@given(images(), st.data())
def test_in_memory_parts_are_bit_for_bit_the_whole(graph: Graph, data) -> None:
    """Where every product is in memory, whole or in any parts, and the same rows are laid the same way."""
    feeds = feeds_of(graph)
    whole = {k.name: (("pim", Part()),) for k in kernels(graph) if k.work}
    cut = data.draw(decisions(graph, only_memory=True))
    # Depthwise convolutions and pools in bands are the host's, and another size may be summed in another order.
    hosted = any(
        k.name in cut and len(cut[k.name]) > 1 and not k.work and k.nodes[0].op_type in ("Conv", "AveragePool")
        for k in kernels(graph)
    )
    ours, plain = (nb.execute(plan_of(graph, DEVICE, d), DEVICE, feeds) for d in (cut, whole))
    for name, want in plain.items():
        if hosted:
            np.testing.assert_allclose(ours[name], want, rtol=2e-3, atol=2e-3)
        else:
            np.testing.assert_array_equal(ours[name], want)


@settings(max_examples=30, deadline=None)
@given(images(), st.data())
def test_gpu_parts_are_float32(graph: Graph, data) -> None:
    """With nothing in memory, any cut differs from the whole by the order of summation alone."""
    decision = {
        name: tuple(("gpu", part) for _, part in shares) for name, shares in data.draw(decisions(graph)).items()
    }
    plan = plan_of(graph, DEVICE, decision)
    check_plan(plan)
    feeds = feeds_of(graph)
    ours, plain = nb.execute(plan, DEVICE, feeds), nb.reference(graph, feeds)
    for name, want in plain.items():
        assert np.linalg.norm(ours[name] - want) <= 1e-5 * np.linalg.norm(want) + 1e-5


costs = st.sampled_from([0.0, 0.02, 0.3, 1.28, 4.0])


@settings(max_examples=25, deadline=None)
@given(st.one_of(images(), networks().map(nb.load)), costs, costs, st.sampled_from(["h200", "rtx2060"]), st.booleans())
def test_auto_is_never_slower_than_any_policy(graph: Graph, launch: float, join: float, gpu: str, sums: bool) -> None:
    plans = {
        policy: nb.make_plan(
            graph,
            DEVICE,
            nb.gpu(gpu),
            policy=policy,
            mapping="resident",
            launch_us=launch,
            join_us=join,
            charge_epilogue=sums,
        )
        for policy in POLICIES
    }
    for policy, plan in plans.items():
        check_plan(plan)
        assert plans["auto"].planned_us <= plan.planned_us
        assert plan.policy == policy
        assert plan.gpu_only_us == plans["gpu-only"].planned_us
        assert plan.floor_us <= plan.planned_us
        assert plan.proven_us <= plan.planned_us
    auto = plans["auto"]
    assert auto.floor_us <= auto.proven_us + 0.01
    if auto.offloaded:
        check_values(graph, auto)


@pytest.mark.parametrize("policy", [p for p in POLICIES if p != "gpu-only"])
def test_no_policy_but_pim_is_slower_than_the_gpu(policy: str) -> None:
    from tests.planning import convolutions

    graph = convolutions((96, 1, {}), (96, 3, {"group": 96, "pads": [1] * 4}), (16, 1, {}), channels=16, size=(28, 28))
    plan = nb.make_plan(graph, DEVICE, nb.gpu("rtx2060"), policy=policy, mapping="resident", launch_us=0.0, join_us=0.0)
    check_plan(plan)
    if policy != "pim":
        assert plan.planned_us <= plan.gpu_only_us
    check_values(graph, plan)
