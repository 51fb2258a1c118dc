"""Executing a plan: what is wrong shows, and nothing is kept longer than it is read."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from tests.planning import convolutions, plan_of

import nearbank as nb
from nearbank.errors import InputError, PlanError
from nearbank.plan import Part
from nearbank.runtime import OnnxHost
from nearbank.sim import oracle

DEVICE = nb.device("newton-gddr6")


def feed(*shape: int) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(2).standard_normal(shape).astype(np.float32)}


def rows(on: str, *cuts: tuple[int, int]):
    return tuple((on, Part("rows", a, b)) for a, b in cuts)


GRAPH = convolutions((24, 1, {}), (24, 3, {"group": 24, "pads": [1] * 4}), (8, 1, {}), channels=8, size=(8, 8))
STAGED = plan_of(
    GRAPH,
    DEVICE,
    {"c0": rows("pim", (0, 5), (5, 8)), "c1": rows("gpu", (0, 4), (4, 8)), "c2": rows("pim", (0, 4), (4, 8))},
)


def test_each_task_in_its_order():
    seen: list[str] = []
    nb.execute(STAGED, DEVICE, feed(1, 8, 8, 8), seen.append)
    assert seen == [t.name for t in STAGED.tasks]
    # Both sides at work at once: the memory has the second stage when the GPU has the first.
    assert seen.index("c0#2") < seen.index("c1#2")


def test_a_split_product_is_two_products():
    """Pixels in memory with its arithmetic, bit for bit that of the oracle; the rest in float32."""
    graph = convolutions((8, 1, {}), channels=40, size=(5, 5))
    plan = plan_of(graph, DEVICE, {"c0": (("pim", Part("pixels", 0, 13)), ("gpu", Part("pixels", 13, 25)))})
    feeds = feed(1, 40, 5, 5)
    ours = nb.execute(plan, DEVICE, feeds)["r0"].transpose(0, 2, 3, 1).reshape(25, 8)
    (work,) = graph.work
    matrix = work.rows(feeds["x"])
    assert work.bias is not None
    in_memory = np.maximum(oracle(DEVICE, matrix[:13], work.weight, ((0, 3),)) + work.bias, 0)
    np.testing.assert_array_equal(ours[:13], in_memory)
    np.testing.assert_allclose(ours[13:], np.maximum(matrix[13:] @ work.weight + work.bias, 0), rtol=1e-5, atol=1e-5)
    assert not np.array_equal(ours[:13], np.maximum(matrix[:13] @ work.weight + work.bias, 0))


def test_what_is_read_too_early_or_never_made_is_nan():
    tasks = {t.name: t for t in STAGED.tasks}
    early = [tasks[n] for n in ("c0#1", "c1#1", "c1#2", "c0#2", "c2#1", "c2#2")]
    assert np.isnan(nb.execute(replace(STAGED, tasks=tuple(early)), DEVICE, feed(1, 8, 8, 8))["r2"]).any()
    short = tuple(t for t in STAGED.tasks if t.name != "c2#2")
    found = nb.execute(replace(STAGED, tasks=short), DEVICE, feed(1, 8, 8, 8))["r2"]
    assert np.isnan(found[:, :, 4:]).all()
    assert not np.isnan(found[:, :, :4]).any()
    with pytest.raises(PlanError, match="no task before it"):
        nb.execute(replace(STAGED, tasks=STAGED.tasks[::-1]), DEVICE, feed(1, 8, 8, 8))


def test_tensors_are_let_go():
    """When the last reader is over, nothing of a tensor is left: half of 6 equal ones at the most are there at once."""
    graph = convolutions(*[(8, 3, {"pads": [1] * 4})] * 6, channels=8, size=(6, 6))
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    class Spy(OnnxHost):
        def run(self, name, nodes, inputs, pads):
            nonlocal most
            found = super().run(name, nodes, inputs, pads)
            alive.extend(weakref.ref(a) for a in found.values())
            gc.collect()
            most = max(most, sum(r() is not None for r in alive))
            return found

    nb.execute(plan_of(graph, DEVICE, {}), DEVICE, feed(1, 8, 6, 6), host=Spy(graph))
    assert len(alive) == 6
    assert most <= 3


def test_one_session_for_stages_that_look_alike():
    graph = convolutions((8, 3, {"pads": [1] * 4}), (8, 3, {"pads": [1] * 4}), channels=8, size=(16, 6))
    cuts = [(i, i + 2) for i in range(0, 16, 2)]
    host = OnnxHost(graph)
    plan = plan_of(graph, DEVICE, {"c1": rows("gpu", *cuts)})
    nb.execute(plan, DEVICE, feed(1, 8, 16, 6), host=host)
    # The first, the last and all between differ by their padding; and c0 whole.
    assert len(host._sessions) == 4


@pytest.mark.parametrize(
    ("feeds", "match"),
    [
        ({}, "missing input"),
        ({"x": np.zeros((1, 8, 8, 7), np.float32)}, "shape of input x"),
        ({"x": np.zeros((1, 8, 8, 8), np.float64)}, "type of input x"),
        ({"x": np.zeros((1, 8, 8, 8), np.float32), "y": np.zeros(1)}, "no such input"),
    ],
)
def test_feeds_that_do_not_fit(feeds, match):
    with pytest.raises(InputError, match=match):
        nb.execute(STAGED, DEVICE, feeds)
    with pytest.raises(InputError, match=match):
        nb.reference(GRAPH, feeds)


def test_the_memory_of_the_plan():
    with pytest.raises(InputError, match="another memory"):
        nb.execute(STAGED, nb.device("aim-gddr6"), feed(1, 8, 8, 8))
