"""Good plans, broken in every way that the checker must see."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from onnx import helper
from tests.planning import convolutions, model_of, plan_of

import nearbank as nb
from nearbank.errors import PlanError
from nearbank.plan import Part, Plan, Task, check_plan

SAME = [1, 1, 1, 1]


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    """Plans with a residual: whole kernels with partial sums, a split one, and stages with either halo."""
    import numpy as np

    device = nb.device("newton-gddr6")
    rng = np.random.default_rng(0)
    node = helper.make_node
    weights = {
        "wa": rng.standard_normal((600, 8, 1, 1)),
        "wb": rng.standard_normal((600, 1, 3, 3)),
        "wc": rng.standard_normal((8, 600, 1, 1)),
    }
    nodes = [
        node("Conv", ["x", "wa"], ["a"], "a"), node("Conv", ["a", "wb"], ["b"], "b", pads=SAME, group=600),
        node("Conv", ["b", "wc"], ["c"], "c"), node("Add", ["c", "x"], ["d"], "d"), node("Relu", ["a"], ["e"], "e"),
    ]  # fmt: skip
    made = model_of(nodes, (1, 8, 8, 6), ["d", "e"], {k: w.astype(np.float32) for k, w in weights.items()})
    graph = nb.load(made, batch=1, name="residual")
    whole = Part()

    def rows(on: str, *cuts: tuple[int, int]):
        return tuple((on, Part("rows", a, b)) for a, b in cuts)

    carried = {"a": rows("pim", (0, 5), (5, 8)), "b": rows("gpu", (0, 4), (4, 8)), "c": rows("pim", (0, 4), (4, 8)),
               "d": rows("gpu", (0, 4), (4, 8))}  # fmt: skip
    again = {"a": rows("pim", (0, 5), (3, 8)), "b": rows("gpu", (0, 4), (4, 8))}
    split = {"a": (("pim", Part("pixels", 0, 31)), ("gpu", Part("pixels", 31, 48))),
             "c": (("pim", Part("channels", 0, 4)), ("gpu", Part("channels", 4, 8)))}  # fmt: skip
    decisions = {
        "whole": {"a": (("pim", whole),), "c": (("pim", whole),)},
        "split": split,
        "carried": carried,
        "again": again,
    }
    return {name: plan_of(graph, device, decision) for name, decision in decisions.items()}


NAMES = ["whole", "split", "carried", "again"]


@pytest.mark.parametrize("name", NAMES)
def test_they_are_good(plans, name):
    check_plan(plans[name])
    assert (any(t.role == "sum" for t in plans[name].tasks)) == (name in ("whole", "split", "carried"))


def broken(plan: Plan, change: Callable[[list[Task]], list[Task] | None]) -> Plan:
    tasks = list(plan.tasks)
    return replace(plan, tasks=tuple(change(tasks) or tasks))


def changed(plan: Plan, index: int, **fields) -> Plan:
    tasks = list(plan.tasks)
    tasks[index] = replace(tasks[index], **fields)
    return replace(plan, tasks=tuple(tasks))


def refused(plan: Plan, match: str | None = None) -> None:
    with pytest.raises(PlanError, match=match):
        check_plan(plan)


@pytest.mark.parametrize("name", NAMES)
def test_a_dropped_task(plans, name):
    tasks = plans[name].tasks
    for task in tasks:
        refused(broken(plans[name], lambda found, task=task: [t for t in found if t is not task]))  # type: ignore[misc]
        # Nor if nobody says that he needs it.
        rest = [replace(t, needs=tuple(n for n in t.needs if n != task.name)) for t in tasks if t is not task]
        if task.role == "work" or any(task.name in t.needs for t in tasks):
            refused(replace(plans[name], tasks=tuple(rest)))


@pytest.mark.parametrize("name", NAMES)
def test_a_dropped_need(plans, name):
    plan = plans[name]
    for index, task in enumerate(plan.tasks):
        for need in task.needs:
            rest = tuple(n for n in task.needs if n != need)
            through = any(need in ancestors(plan, other) for other in rest)
            if not through:
                refused(changed(plan, index, needs=rest), "not be there yet|nothing made")


def ancestors(plan: Plan, name: str) -> set[str]:
    needs = {t.name: t.needs for t in plan.tasks}
    found: set[str] = set()
    queue = [name]
    while queue:
        new = [n for n in needs[queue.pop()] if n not in found]
        found.update(new)
        queue += new
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_start_before_a_need_is_over(plans, name):
    plan = plans[name]
    ends = {t.name: t for t in plan.tasks}
    for index, task in enumerate(plan.tasks):
        if not task.needs or not task.us:
            continue
        ready = max(
            ends[n].end_us + (1.28 if ends[n].resource == "pim" and task.resource == "gpu" else 0) for n in task.needs
        )
        earlier = ready - 0.01
        refused(changed(plan, index, start_us=earlier, end_us=earlier + task.us), "too early|two things at once")
        # In the middle of the join.
        if (
            any(ends[n].resource == "pim" and ends[n].end_us > ready - 1.3 for n in task.needs)
            and task.resource == "gpu"
        ):
            refused(changed(plan, index, start_us=ready - 0.64, end_us=ready), "too early")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("resource", ["gpu", "pim"])
def test_two_things_at_once(plans, name, resource):
    plan = plans[name]
    mine = [i for i, t in enumerate(plan.tasks) if t.resource == resource and t.us > 0]
    for one, two in itertools.pairwise(mine):
        longer = plan.tasks[two].start_us + 0.01
        refused(changed(plan, one, end_us=longer), "two things at once|too early")


@pytest.mark.parametrize("name", NAMES)
def test_work_done_twice(plans, name):
    plan = plans[name]
    for task in plan.tasks:
        if task.role == "work":
            end = plan.planned_us + 5
            twin = replace(task, name=f"{task.name} again", start_us=end, end_us=end + task.us)
            refused(replace(plan, tasks=(*plan.tasks, twin)), "made twice|overlap|not be there")
            refused(replace(plan, tasks=(*plan.tasks, task)), "two tasks of one name")


@pytest.mark.parametrize("name", ["split", "carried", "again"])
def test_gaps_and_ends(plans, name):
    plan = plans[name]
    for index, task in enumerate(plan.tasks):
        part = task.part
        if task.role == "work" and part.axis != "whole":
            for start, stop in ((part.start + 1, part.stop), (part.start, part.stop - 1), (part.start, part.stop + 9)):
                if name == "again" and task.kernel == "a" and (start, stop) in ((4, 8), (0, 4)):
                    continue  # rows that the other stage makes too
                refused(changed(plan, index, part=replace(part, start=start, stop=stop)))
            refused(changed(plan, index, part=Part()))
            refused(changed(plan, index, part=replace(part, stop=part.start)), "empty")


@pytest.mark.parametrize("name", NAMES)
def test_another_order(plans, name):
    plan = plans[name]
    position = {t.name: i for i, t in enumerate(plan.tasks)}
    for task in plan.tasks:
        for need in task.needs:
            tasks = list(plan.tasks)
            i, j = position[task.name], position[need]
            tasks[i], tasks[j] = tasks[j], tasks[i]
            refused(replace(plan, tasks=tuple(tasks)), "stands before")


def test_what_is_no_task(plans):
    plan = plans["whole"]
    depthwise = next(i for i, t in enumerate(plan.tasks) if t.kernel == "b")
    first = next(i for i, t in enumerate(plan.tasks) if t.kernel == "a")
    total = next(i for i, t in enumerate(plan.tasks) if t.role == "sum")
    refused(changed(plan, depthwise, resource="pim", mapping="resident"), "cannot be in memory")
    refused(changed(plan, total, resource="pim", mapping="resident"), "cannot be in memory")
    refused(changed(plan, first, mapping=""), "mapping")
    refused(changed(plan, depthwise, mapping="resident"), "mapping")
    refused(changed(plan, first, kernel="nobody"), "no kernel")
    refused(changed(plan, first, start_us=-1.0), "no time")
    refused(changed(plan, first, end_us=math.nan), "no time")
    refused(changed(plan, first, start_us=math.nan), "no time")
    refused(changed(plan, depthwise, end_us=plan.tasks[depthwise].start_us - 1), "no time")
    refused(changed(plan, depthwise, needs=("nobody",)), "not in the plan")
    refused(changed(plan, total, needs=()), "nothing made")


def test_blocks_stay_whole():
    graph = convolutions((48, 3, {"group": 48, "pads": SAME}), channels=48, size=(5, 5), groups="all")
    device = nb.device("newton-gddr6")
    good = plan_of(graph, device, {"c0": (("pim", Part("channels", 0, 16)), ("gpu", Part("channels", 16, 48)))})
    check_plan(good)
    moved = [replace(t, part=Part("channels", *((0, 17) if t.part.start == 0 else (17, 48)))) for t in good.tasks]
    refused(replace(good, tasks=tuple(moved)), "cuts a block")


def test_a_circle(plans):
    plan = plans["whole"]
    last = plan.tasks[-1]
    refused(changed(plan, 0, needs=(last.name,)))


@pytest.fixture(scope="module")
def chained() -> Plan:
    """Three layers with bias and activation in memory, the first two in stages, the last at one go."""
    graph = convolutions((24, 1, {}), (24, 3, {"pads": SAME}), (8, 1, {}), channels=8, size=(8, 6))
    bands = {"c0": ((0, 5), (5, 8)), "c1": ((0, 4), (4, 8))}
    decision = {name: tuple(("pim", Part("rows", a, b)) for a, b in cuts) for name, cuts in bands.items()}
    return plan_of(graph, nb.device("newton-gddr6"), {**decision, "c2": (("pim", Part()),)})


def test_what_memory_reads_is_finished(chained):
    check_plan(chained)
    finishes = [t for t in chained.tasks if t.role == "finish"]
    assert [t.name for t in finishes] == ["c0#1~", "c0#2~", "c1#1~", "c1#2~"]
    for task in finishes:
        # Its readers read what the memory made instead.
        rest = [
            replace(t, needs=tuple(task.needs[0] if n == task.name else n for n in t.needs))
            for t in chained.tasks
            if t is not task
        ]
        unfinished = replace(chained, tasks=tuple(rest))
        refused(unfinished, "nothing has finished")
        check_plan(replace(unfinished, system=replace(chained.system, charge_epilogue=False)))
        inside = [
            replace(t, epilogue=nb.pim.Epilogue(bias=True, function="relu")) if t.name == task.needs[0] else t for t in rest
        ]  # fmt: skip
        check_plan(replace(chained, tasks=tuple(inside)))


def test_nothing_is_finished_twice_or_for_nothing(chained):
    index, task = next((i, t) for i, t in enumerate(chained.tasks) if t.role == "finish")
    twin = replace(task, name="twin", start_us=chained.planned_us, end_us=chained.planned_us + task.us)
    refused(replace(chained, tasks=(*chained.tasks, twin)), "finished twice")
    refused(changed(chained, index, part=Part("rows", 0, 4)), "nothing made")
    refused(changed(chained, index, resource="pim", mapping="resident"), "cannot be in memory")
    maker = next(i for i, t in enumerate(chained.tasks) if t.name == task.needs[0])
    done = nb.pim.Epilogue(bias=True, function="relu")
    refused(changed(chained, maker, epilogue=done), "nothing left to finish")
    plain = plan_of(chained.graph, nb.device("newton-gddr6"), {"c0": (("pim", Part()),), "c2": (("pim", Part()),)})
    assert all(t.role == "work" for t in plain.tasks)  # the GPU reads each, and finishes as it does


def test_renaming_finishes_nothing():
    import numpy as np

    node, rng = helper.make_node, np.random.default_rng(0)
    weights = {
        "wa": rng.standard_normal((8, 8, 1, 1)),
        "ba": rng.standard_normal(8),
        "wb": rng.standard_normal((32, 4)),
    }
    nodes = [
        node("Conv", ["x", "wa", "ba"], ["a"], "a"), node("Flatten", ["a"], ["f"], "f"), node("Gemm", ["f", "wb"], ["b"], "b")
    ]  # fmt: skip
    made = model_of(nodes, (1, 8, 2, 2), ["b"], {k: w.astype(np.float32) for k, w in weights.items()})
    plan = plan_of(
        nb.load(made, batch=1, name="flat"), nb.device("newton-gddr6"), dict.fromkeys("ab", (("pim", Part()),))
    )
    check_plan(plan)
    assert [t.name for t in plan.tasks] == ["a", "a~", "f", "b"]
    rest = [replace(t, needs=tuple(n.rstrip("~") for n in t.needs)) for t in plan.tasks if t.role == "work"]
    refused(replace(plan, tasks=tuple(rest)), "nothing has finished")
