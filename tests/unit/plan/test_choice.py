"""Decisions against those found by hand, or by trying everything."""

from __future__ import annotations

from itertools import permutations
from itertools import product as every

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning import HandCosts, hand_kernel, product, table

from nearbank.plan import Part
from nearbank.plan.assembly import GPU, PIM, dispatch, drafts, span
from nearbank.plan.choose import Rules, choose
from nearbank.plan.exact import is_chain, prove
from nearbank.plan.split import best_split

EVERYTHING = Rules(split=True, chains=True, improve=True)


def line(count: int):
    names = ["x", *"abcdefgh"]
    return [hand_kernel(names[i + 1], names[i], work=product(names[i + 1], 64)) for i in range(count)]


def makespan(kernels, decision, costs) -> float:
    return span(dispatch(drafts(kernels, decision, costs), costs.system.join_us), costs.system.join_us)


def test_memory_reads_memory_without_a_join():
    # Alone each layer is slower in memory (4 + 2 > 5.5); together they join once: 4 + 4 + 2 < 5.5 + 5.5.
    kernels, costs = line(2), table({"a": 5.5, "b": 5.5}, {"a": 4, "b": 4}, join_us=2.0)
    assert choose(kernels, costs, EVERYTHING) == {"a": PIM, "b": PIM}  # type: ignore[arg-type]
    assert choose(kernels, costs, Rules()) == {"a": GPU, "b": GPU}  # type: ignore[arg-type]


def test_what_is_finished_between_may_not_pay():
    # As above, but finishing a for b takes a join and 3 on the GPU: 4 + 2 + 3 + 4 + 2 > 5.5 + 5.5. By the memory it takes 0.5.
    kernels, finishes = line(2), {"a": 3.0, "b": 3.0}
    costs = table({"a": 5.5, "b": 5.5}, {"a": 4, "b": 4}, join_us=2.0, finishes=finishes)
    assert choose(kernels, costs, EVERYTHING) == {"a": GPU, "b": GPU}  # type: ignore[arg-type]
    costs = table({"a": 5.5, "b": 5.5}, {"a": 4, "b": 4}, join_us=2.0, finishes=finishes, insides={"a": 4.5})
    assert choose(kernels, costs, EVERYTHING) == {"a": PIM, "b": PIM}  # type: ignore[arg-type]
    assert makespan(kernels, {"a": PIM, "b": PIM}, costs) == 4.5 + 4 + 2


times = st.integers(1, 9).map(float)
finishing = st.dictionaries(st.sampled_from("abcde"), times)


def longer(pim: dict[str, float], by: dict[str, float]) -> dict[str, float]:
    """What the memory takes when it finishes, too."""
    return {name: us + by[name] for name, us in pim.items() if name in by}


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(times, times), min_size=1, max_size=5), st.integers(0, 6), st.integers(0, 3), finishing, finishing,
)  # fmt: skip
def test_over_a_chain_nothing_beats_dynamic_programming(pairs, join: int, launch: int, finishes, insides):
    kernels = line(len(pairs))
    names = [k.name for k in kernels]
    gpu, pim = ({n: pair[i] for n, pair in zip(names, pairs, strict=True)} for i in (0, 1))
    costs = table(
        gpu,
        pim,
        join_us=float(join),
        launch_us=float(launch),
        finishes=finishes,
        insides=longer(pim, insides),
        sums={"c": 1.0},
    )
    chosen = choose(kernels, costs, Rules(improve=True))  # type: ignore[arg-type]
    best = min(
        makespan(kernels, dict(zip(names, found, strict=True)), costs) for found in every((GPU, PIM), repeat=len(names))
    )
    assert makespan(kernels, chosen, costs) == pytest.approx(best)
    assert is_chain(kernels)
    plain = dict.fromkeys(names, GPU)
    known = dispatch(drafts(kernels, plain, costs), costs.join_us)  # type: ignore[arg-type]
    proof = prove(kernels, costs, dict.fromkeys(names, (GPU, PIM)), plain, known)  # type: ignore[arg-type]
    assert proof.bound_us == pytest.approx(best, abs=0.02)
    assert "optimal" in proof.method


def diamond():
    a, b, c = hand_kernel("a", "x", work=product("a", 64)), hand_kernel("b", "a", work=product("b", 64)), None
    c = hand_kernel("c", "a", work=product("c", 64))
    return [a, b, c, hand_kernel("d", "b", "c")]


def test_branches_run_at_the_same_time():
    # a 2, then b 6 on the GPU beside c 1 + 4 and its join in memory, then d.
    kernels = diamond()
    costs = table({"a": 2, "b": 6, "c": 6, "d": 1}, {"a": 9, "b": 9, "c": 4}, launch_us=1.0, join_us=0.5)
    decision = choose(kernels, costs, EVERYTHING)  # type: ignore[arg-type]
    assert decision == {"a": GPU, "b": GPU, "c": PIM, "d": GPU}
    assert makespan(kernels, decision, costs) == 9
    known = dispatch(drafts(kernels, decision, costs), 0.5)  # type: ignore[arg-type]
    proof = prove(kernels, costs, {**dict.fromkeys("abc", (GPU, PIM)), "d": (GPU,)}, decision, known)  # type: ignore[arg-type]
    assert (proof.bound_us, proof.method) == (pytest.approx(9, abs=0.01), "constraint programming, optimal")


def test_the_proof_finds_what_the_search_did_not():
    kernels = diamond()
    costs = table({"a": 2, "b": 6, "c": 6, "d": 1}, {"c": 4}, launch_us=1.0, join_us=0.5)
    plain = dict.fromkeys("abcd", GPU)
    known = dispatch(drafts(kernels, plain, costs), 0.5)  # type: ignore[arg-type]
    choices = {**dict.fromkeys("abd", (GPU,)), "c": (GPU, PIM)}
    proof = prove(kernels, costs, choices, plain, known)  # type: ignore[arg-type]
    assert proof.decision == {**plain, "c": PIM}
    assert proof.bound_us == pytest.approx(9, abs=0.01)


def least_makespan(kernels, decision, costs) -> float:
    """Over all orders of the tasks, each as early as what stands before it allows."""
    queue, join = drafts(kernels, decision, costs), costs.join_us
    best = float("inf")
    for order in permutations(queue):
        free, ends = {"gpu": 0.0, "pim": 0.0}, {}
        for draft in order:
            if any(name not in ends for name in draft.needs):
                break
            seen = [ends[n][0] + (join if (ends[n][1], draft.resource) == ("pim", "gpu") else 0) for n in draft.needs]
            free[draft.resource] = max([free[draft.resource], *seen]) + draft.us
            ends[draft.name] = free[draft.resource], draft.resource
        else:
            best = min(best, max(end + (join if on == "pim" else 0) for end, on in ends.values()))
    return best


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_proof_is_the_best_of_all_decisions_in_all_orders(data):
    kernels = diamond()
    gpu, pim = ({n: data.draw(times) for n in names} for names in ("abcd", "abc"))
    costs = table(
        gpu, pim, launch_us=0.5, join_us=data.draw(st.integers(0, 3)) * 0.5, sums={"b": 1.0},
        finishes=data.draw(finishing), insides=longer(pim, data.draw(finishing)),
    )  # fmt: skip
    choices = {**dict.fromkeys("abc", (GPU, PIM)), "d": (GPU,)}
    decisions = [{**dict(zip("abc", found, strict=True)), "d": GPU} for found in every((GPU, PIM), repeat=3)]
    best = min(least_makespan(kernels, decision, costs) for decision in decisions)
    plain = dict.fromkeys("abcd", GPU)
    known = dispatch(drafts(kernels, plain, costs), costs.join_us)  # type: ignore[arg-type]
    proof = prove(kernels, costs, choices, plain, known)  # type: ignore[arg-type]
    assert proof.bound_us == pytest.approx(best, abs=0.01)  # lengths are cut to nanoseconds


def test_a_split_where_the_curves_meet():
    # 1000 pixels: GPU 1 + 9 p, memory 2 + 4 p + join 1, p of the pixels each: 10 - 9 p = 3 + 4 p at p = 7 / 13.
    def gpu(name: str, part: Part) -> float:
        return 10.0 if part.axis == "whole" else 1 + 9 * part.size / 1000 if part.axis == "pixels" else 99.0

    def pim(name: str, part: Part) -> float:
        return 6.0 if part.axis == "whole" else 2 + 4 * part.size / 1000 if part.axis == "pixels" else 99.0

    kernel = hand_kernel("a", "x", work=product("a", 1000))
    costs = HandCosts(gpu, pim, join_us=1.0, opening_us=2.0)
    found = best_split(kernel, costs, 7.0)  # type: ignore[arg-type]
    assert found is not None
    shares, us = found
    # They meet at 538.46: with 538 the GPU takes 5.158, with 539 the memory 5.156.
    assert shares == (("pim", Part("pixels", 0, 539)), ("gpu", Part("pixels", 539, 1000)))
    assert us == pytest.approx(5.156)
    # It is what everything tried one by one gives.
    tried = min(max(10 - 9 * n / 1000, 3 + 4 * n / 1000) for n in range(1, 1000))
    assert us == pytest.approx(tried)


def test_a_split_by_channels_takes_whole_groups_of_banks():
    # 100 outputs, 16 banks: 1 to 6 groups. The GPU 0.1 a channel, memory 0.05 a channel: 2/3 are 66.7, so 4 groups of 16.
    def gpu(name: str, part: Part) -> float:
        return 99.0 if part.axis == "pixels" else 0.1 * (part.size or 100)

    def pim(name: str, part: Part) -> float:
        return 99.0 if part.axis == "pixels" else 0.05 * (part.size or 100)

    kernel = hand_kernel("a", "x", work=product("a", 50, outputs=100))
    found = best_split(kernel, HandCosts(gpu, pim), 5.0)  # type: ignore[arg-type]
    assert found is not None
    assert found[0] == (("pim", Part("channels", 0, 64)), ("gpu", Part("channels", 64, 100)))
    assert found[1] == pytest.approx(3.6)


def test_no_split_where_none_is_faster():
    flat = HandCosts(lambda name, part: 5.0, lambda name, part: 5.0)
    assert best_split(hand_kernel("a", "x", work=product("a", 1000)), flat, 5.0) is None  # type: ignore[arg-type]
    assert best_split(hand_kernel("a", "x"), flat, 5.0) is None  # type: ignore[arg-type]
    one = HandCosts(lambda name, part: 0.01, lambda name, part: 0.01)
    assert best_split(hand_kernel("a", "x", work=product("a", 1, outputs=16)), one, 5.0) is None  # type: ignore[arg-type]


def test_is_chain():
    assert is_chain(line(4))
    assert not is_chain(diamond())
    # One that is read in memory further on is to be finished for a block that is not the next.
    late = hand_kernel("e", "d", "b", work=product("e", 64))
    assert not is_chain([*line(4), late])
    assert is_chain([*line(4), hand_kernel("e", "d", "b")])
