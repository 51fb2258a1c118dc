"""Timelines worked by hand: two resources, joins, ties; and what tasks a decision makes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.planning import HandCosts, hand_kernel, product, table

from nearbank.errors import PlanError
from nearbank.plan import WHOLE, Part, Window
from nearbank.plan.assembly import Draft, dispatch, drafts, span


def task(name: str, us: float, *needs: str, on: str = "gpu") -> Draft:
    return Draft(name, name, on, WHOLE, us, needs)  # type: ignore[arg-type]


def times(tasks) -> dict[str, tuple[float, float]]:
    return {t.name: (t.start_us, t.end_us) for t in tasks}


def test_a_join_lags_from_memory_to_the_gpu_alone():
    queue = [
        task("a", 2), task("b", 3, "a", on="pim"), task("c", 4, "b", on="pim"), task("d", 1, "b"), task("e", 1, "c", "d")
    ]  # fmt: skip
    made = dispatch(queue, 0.5)
    # a 0-2; b reads a at once; c reads b at once, both in memory; d waits for b and its join; e for c's.
    assert times(made) == {"a": (0, 2), "b": (2, 5), "c": (5, 9), "d": (5.5, 6.5), "e": (9.5, 10.5)}
    assert [t.name for t in made] == ["a", "b", "c", "d", "e"]
    assert span(made) == 10.5


def test_the_end_of_memory_is_seen_a_join_later():
    made = dispatch([task("a", 2), task("b", 2, "a", on="pim")], 0.5)
    assert (span(made), span(made, 0.5)) == (4, 4.5)
    assert span([]) == 0


def test_among_ready_tasks_the_first_in_the_queue():
    # b and c are both ready when the GPU is free at 2, though c was ready earlier: b stands first.
    queue = [task("a", 2), task("b", 1, "m"), task("c", 1), task("m", 1, on="pim")]
    assert times(dispatch(queue, 0.0)) == {"a": (0, 2), "m": (0, 1), "b": (2, 3), "c": (3, 4)}


def test_what_can_start_earlier_goes_first_whatever_its_place():
    # b may start at 3, c at 1: the GPU does not wait.
    queue = [task("a", 1), task("b", 1, "m"), task("c", 5), task("m", 3, on="pim")]
    assert times(dispatch(queue, 0.0)) == {"a": (0, 1), "m": (0, 3), "c": (1, 6), "b": (6, 7)}


def test_a_task_that_takes_no_time():
    queue = [task("a", 0), task("b", 0, "a"), task("c", 1, "b", on="pim")]
    assert times(dispatch(queue, 1.0)) == {"a": (0, 0), "b": (0, 0), "c": (0, 1)}


def test_tasks_that_wait_for_each_other():
    with pytest.raises(PlanError, match="wait for each other"):
        dispatch([task("a", 1, "b"), task("b", 1, "a")], 0.0)


def test_needs_outside_are_there_from_the_beginning():
    assert times(dispatch([task("a", 1, "elsewhere")], 5.0)) == {"a": (0, 1)}


def curve(name: str, part: Part) -> float:
    return 8.0 if part.axis == "whole" else float(part.size)


def test_stages_need_the_bands_that_their_window_reaches():
    a = hand_kernel("a", "x", window=Window(), work=product("a", 64))
    b = hand_kernel("b", "a", window=Window(3, 1, 1))
    rows = [Part("rows", 0, 5), Part("rows", 5, 8)], [Part("rows", 0, 4), Part("rows", 4, 8)]
    decision = {"a": tuple(("pim", p) for p in rows[0]), "b": tuple(("gpu", p) for p in rows[1])}
    costs = HandCosts(curve, curve, launch_us=1.0, join_us=0.5)
    queue = drafts([a, b], decision, costs)  # type: ignore[arg-type]
    assert [(d.name, d.needs) for d in queue] == [
        ("a#1", ()), ("b#1", ("a#1",)), ("a#2", ()), ("b#2", ("a#1", "a#2")),
    ]  # fmt: skip
    # a#1 0 to 1 + 5, a#2 6 to 10; b#1 from 6.5, b#2 from 10.5.
    assert times(dispatch(queue, 0.5)) == {"a#1": (0, 6), "a#2": (6, 10), "b#1": (6.5, 10.5), "b#2": (10.5, 14.5)}


def test_partial_sums_are_added_on_the_gpu_before_anyone_reads():
    a = hand_kernel("a", "x", work=product("a", 64))
    b = hand_kernel("b", "a")
    costs = table({"a": 9, "b": 2}, {"a": 4}, launch_us=1.0, join_us=0.5, sums={"a": 3.0})
    queue = drafts([a, b], {"a": (("pim", WHOLE),), "b": (("gpu", WHOLE),)}, costs)  # type: ignore[arg-type]
    assert [(d.name, d.role, d.resource, d.needs) for d in queue] == [
        ("a", "work", "pim", ()), ("a+", "sum", "gpu", ("a",)), ("b", "work", "gpu", ("a+",)),
    ]  # fmt: skip
    assert times(dispatch(queue, 0.5)) == {"a": (0, 5), "a+": (5.5, 8.5), "b": (8.5, 10.5)}


def test_images_need_their_own_images():
    a, b = hand_kernel("a", "x", window=Window()), hand_kernel("b", "a", window=Window(3, 1, 1))
    images = tuple(("gpu", Part("images", i, i + 1)) for i in range(3))
    queue = drafts([a, b], {"a": images, "b": images}, HandCosts(curve, curve))  # type: ignore[arg-type]
    assert {d.name: d.needs for d in queue if d.kernel == "b"} == {f"b#{i}": (f"a#{i}",) for i in (1, 2, 3)}


def test_a_part_that_the_memory_cannot_do_is_an_error():
    with pytest.raises(PlanError, match="cannot run in memory"):
        drafts([hand_kernel("a", "x")], {"a": (("pim", WHOLE),)}, table({"a": 1}, {}))  # type: ignore[arg-type]


def two_in_memory(**costs):
    """x -> a -> b, both in memory; a is read by c on the GPU too."""
    a, b, c = (
        hand_kernel("a", "x", work=product("a", 64)),
        hand_kernel("b", "a", work=product("b", 64)),
        hand_kernel("c", "a"),
    )
    decision = {"a": (("pim", WHOLE),), "b": (("pim", WHOLE),), "c": (("gpu", WHOLE),)}
    found = table({"a": 9, "b": 9, "c": 2}, {"a": 4, "b": 6}, launch_us=1.0, join_us=0.5, **costs)
    return drafts([a, b, c], decision, found)  # type: ignore[arg-type]


def test_with_nothing_to_finish_memory_reads_what_it_made_at_once():
    # a 0 to 1 + 4, b 5 to 5 + 1 + 6; c waits for a's join.
    assert times(dispatch(two_in_memory(), 0.5)) == {"a": (0, 5), "b": (5, 12), "c": (5.5, 7.5)}


def test_what_memory_reads_next_is_finished_on_the_gpu():
    queue = two_in_memory(finishes={"a": 2.5, "b": 2.5})
    assert [(d.name, d.role, d.resource, d.us, d.needs) for d in queue if d.role != "work"] == [
        ("a~", "finish", "gpu", 2.5, ("a",))
    ]  # b, which nobody reads in memory, is finished by whoever reads it
    # a 0 to 5, joined at 5.5, finished 5.5 to 8; b 8 to 8 + 1 + 6 without a join, c behind the finish too.
    assert times(dispatch(queue, 0.5)) == {"a": (0, 5), "a~": (5.5, 8), "b": (8, 15), "c": (8, 10)}


def test_adding_partial_sums_finishes_them():
    queue = two_in_memory(finishes={"a": 2.5}, sums={"a": 3.0})
    assert [(d.name, d.role) for d in queue if d.role != "work"] == [("a+", "sum")]
    assert times(dispatch(queue, 0.5)) == {"a": (0, 5), "a+": (5.5, 8.5), "b": (8.5, 15.5), "c": (8.5, 10.5)}


def test_memory_finishes_itself_where_that_takes_less():
    queue = two_in_memory(finishes={"a": 2.5}, sums={"a": 3.0}, insides={"a": 4.5})
    assert {d.name: d.epilogue.function for d in queue} == {"a": "relu", "b": None, "c": None}
    # a 0 to 1 + 4.5, b at once behind it.
    assert times(dispatch(queue, 0.5)) == {"a": (0, 5.5), "b": (5.5, 12.5), "c": (6, 8)}


def test_where_the_gpu_reads_its_kernel_finishes():
    a, b = hand_kernel("a", "x", work=product("a", 64)), hand_kernel("b", "a")
    costs = table({"a": 9, "b": 2}, {"a": 4}, launch_us=1.0, join_us=0.5, finishes={"a": 2.5})
    queue = drafts([a, b], {"a": (("pim", WHOLE),), "b": (("gpu", WHOLE),)}, costs)  # type: ignore[arg-type]
    assert [d.name for d in queue] == ["a", "b"]
    # But not where its output is read in memory further on.
    queue = drafts([a], {"a": (("pim", WHOLE),)}, costs, finished=("a",))  # type: ignore[arg-type]
    assert [d.name for d in queue] == ["a", "a~"]


def test_a_kernel_that_only_renames_finishes_nothing():
    a, c = hand_kernel("a", "x", work=product("a", 64)), hand_kernel("c", "b", work=product("c", 64))
    b = hand_kernel("b", "a")
    b = replace(b, nodes=(replace(b.nodes[0], op_type="Reshape"),))
    decision = {"a": (("pim", WHOLE),), "b": (("gpu", WHOLE),), "c": (("pim", WHOLE),)}
    costs = table({"a": 9, "b": 0, "c": 9}, {"a": 4, "c": 6}, finishes={"a": 2.5})
    assert [d.name for d in drafts([a, b, c], decision, costs)] == ["a", "a~", "b", "c"]  # type: ignore[arg-type]


def test_only_bands_that_memory_reads_are_finished():
    a = hand_kernel("a", "x", window=Window(), work=product("a", 64))
    b = hand_kernel("b", "a", window=Window(3, 1, 1), work=product("b", 64))
    rows = tuple(Part("rows", i, i + 2) for i in range(0, 8, 2))
    decision = {"a": tuple(("pim", p) for p in rows), "b": (("pim", rows[0]), *(("gpu", p) for p in rows[1:]))}
    costs = HandCosts(curve, curve, finishes={"a": 1.0})
    # Rows 0 and 1 of b read rows 0 to 2 of a: its first two bands.
    queue = drafts([a, b], decision, costs)  # type: ignore[arg-type]
    assert [d.name for d in queue if d.role == "finish"] == ["a#1~", "a#2~"]
