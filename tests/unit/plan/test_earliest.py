"""The bound along paths, against hand arithmetic."""

from __future__ import annotations

import sys

from tests.planning import hand_kernel, product, table

from nearbank.plan.assembly import GPU, PIM, dispatch, drafts
from nearbank.plan.earliest import earliest
from nearbank.plan.exact import prove
from nearbank.plan.ways import choices_of


def pair():
    return [hand_kernel("a", "x", work=product("a", 64)), hand_kernel("b", "a", work=product("b", 64))]


def found(kernels, costs, choices):
    return earliest(kernels, costs, choices_of(kernels, costs, choices), dict.fromkeys(choices, GPU))


def test_the_longest_path_of_the_least_choices():
    # a: 2 on the GPU, or launch 1 + 4. b behind a: 6, or 1 + 3 in memory, which the GPU sees a join of 0.5 later. d behind both.
    kernels = [
        hand_kernel("a", "x", work=product("a", 64)),
        hand_kernel("b", "a", work=product("b", 64)),
        hand_kernel("d", "b", "a"),
    ]
    costs = table({"a": 2, "b": 6, "d": 1}, {"a": 4, "b": 3}, launch_us=1.0, join_us=0.5)
    seen = found(kernels, costs, {"a": (GPU, PIM), "b": (GPU, PIM), "d": (GPU,)})
    assert seen["a"] == {"gpu": 2000, "pim": 2000}
    assert seen["b"] == {"gpu": 6500, "pim": 6000}
    assert seen["d"] == {"gpu": 7500, "pim": 7500}


def test_what_memory_reads_is_finished_and_what_the_gpu_reads_need_not_be():
    # a in memory alone: 1 + 1, then for memory a join of 0.5 and 2 on the GPU to finish.
    kernels = pair()
    costs = table({"a": 9, "b": 9}, {"a": 1, "b": 1}, launch_us=1.0, join_us=0.5, finishes={"a": 2.0})
    seen = found(kernels, costs, {"a": (PIM,), "b": (GPU, PIM)})
    assert seen["a"] == {"gpu": 2500, "pim": 4500}
    assert seen["b"] == {"gpu": 7000, "pim": 6500}


def test_the_bound_stands_in_where_the_solver_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    kernels, choices = [*pair(), hand_kernel("d", "b", "a")], {"a": (GPU, PIM), "b": (GPU, PIM), "d": (GPU,)}
    costs = table({"a": 2, "b": 6, "d": 1}, {"a": 4, "b": 3}, launch_us=1.0, join_us=0.5)
    plain = dict.fromkeys("abd", GPU)
    proof = prove(kernels, costs, choices, plain, dispatch(drafts(kernels, plain, costs), 0.5))  # type: ignore[arg-type]
    assert (proof.bound_us, proof.decision) == (7.5, None)
    assert "OR-tools is not installed" in proof.method
