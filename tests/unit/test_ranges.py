"""Operands out of range: the first is found in the order of playing, without playing, and named as the reference names it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearbank.devices import device
from nearbank.errors import ProgramError
from nearbank.program import Affine, parse_program
from nearbank.sim import time_program, time_program_reference
from nearbank.sim.fast.faults import _first_outside

OPEN = ["G_ACT0 0", "G_ACT1 0", "G_ACT2 0", "G_ACT3 0"]


def failure(engine, lines: list[str], name: str = "newton-gddr6") -> ProgramError:
    program = parse_program("\n".join([f"program {name}", "channels 3 5", *lines]))
    with pytest.raises(ProgramError) as caught:
        engine(device(name), program)
    return caught.value


CASES = {
    "in a loop": ["loop i 200 {", "GWRITE i i", "}"],
    "in the loop behind": [*OPEN, "loop i 9 {", "GWRITE i i", "}", "loop j 9 {", "COMP 2*j+20 j 0", "READRES 0 j", "}"],
    "below zero": [*OPEN, "GWRITE 0 0", "loop i 9 {", "COMP -3*i+12 0 0", "READRES 0 i", "}"],
    "the earlier of two": [*OPEN, "loop i 90 {", "GWRITE 2*i 0", "COMP i 0 0", "READRES 0 0", "}"],
    "wrong state before it": [*OPEN, "loop i 200 {", "GWRITE i 0", "COMP 0 i+5 0", "}"],
    "a closed row first": ["GWRITE 0 0", "COMP 99 0 0"],
    "an unfilled column last": [*OPEN, "COMP 0 5 9"],
    "of one channel": ["loop i 4 {", "G_ACT0 16380*c+i+2", "PREA", "}"],
    "wrapped": [*OPEN, "GWRITE 0 0", "loop i 40 {", "COMP (7*i)%50 0 0", "READRES 0 0", "}"],
    "two operands of one command": [*OPEN, "GWRITE 0 0", "COMP 40 200 3"],
    "behind refreshes": [*OPEN, "GWRITE 0 0", "loop i 9000 {", "COMP 0 0 0", "}", "READRES 4 0"],
}


@pytest.mark.parametrize("lines", CASES.values(), ids=CASES)
def test_the_engines_say_the_same(lines: list[str]) -> None:
    first, second = (failure(engine, lines) for engine in (time_program_reference, time_program))
    assert str(second) == str(first)


def test_the_mode_comes_before_the_operand() -> None:
    errors = [failure(engine, ["WRGB 70 0"], "aim-gddr6") for engine in (time_program_reference, time_program)]
    assert [error.what for error in errors] == ["needs a switch of the mode before it"] * 2


def test_a_thousand_million_commands_are_not_played_to_find_one() -> None:
    """Row 16384 is opened in the trip behind 16384 whole ones of 1 + 4 + 60000 + 1 commands, by the second command of it."""
    opens = [f"G_ACT{i} r" for i in range(4)]
    lines = ["GWRITE 0 0", "loop r 20000 {", "PREA", *opens, "loop k 60000 {", "COMP 0 0 0", "}", "READRES 0 r", "}"]
    error = failure(time_program, lines)
    assert error.where == f"channel 3, command {1 + 16384 * 60006 + 2}, G_ACT0"
    assert error.value == 16384


def test_values_that_a_modulus_never_reaches_are_no_error() -> None:
    """3 * i modulo 36 is a multiple of 3, and with i below 11 is 30 at the most: 32 columns are enough."""
    lines = [*OPEN, "GWRITE 0 0", "loop i 11 {", "COMP (3*i+36)%36 0 0", "READRES 0 0", "}"]
    program = parse_program("\n".join(["program newton-gddr6", "channels 0", *lines]))
    unit = device("newton-gddr6")
    assert time_program(unit, program) == time_program_reference(unit, program)


@given(
    const=st.integers(-20, 60), mod=st.sampled_from([0, 0, 7, 36, 50]), limit=st.integers(1, 60),
    loops=st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 9)), max_size=3), far=st.integers(0, 9),
)  # fmt: skip
def test_the_first_trips_are_those_that_counting_finds(
    const: int, mod: int, limit: int, loops: list[tuple[int, int]], far: int
) -> None:
    names = [f"v{i}" for i in range(len(loops))]
    arg = Affine(const, tuple((n, f) for n, (f, _) in zip(names, loops, strict=True) if f), mod)
    ranges = [(0, limit)] + ([(limit + 5, limit + 5 + far)] if far else [])
    expected = None
    for trips in itertools.product(*(range(count) for _, count in loops)):
        value = arg.value(dict(zip(names, trips, strict=True)))
        if not any(low <= value < end for low, end in ranges):
            expected = trips
            break
    around = tuple(zip(names, (count for _, count in loops), strict=True))
    assert _first_outside(arg, around, ranges) == expected
