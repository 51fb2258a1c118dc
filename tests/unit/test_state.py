"""A command whose state is not there is an error that says which command and why: in both engines, in the same words."""

from __future__ import annotations

import pytest

from nearbank.devices import device
from nearbank.errors import ProgramError
from nearbank.program import parse_program
from nearbank.sim import time_program, time_program_reference

OPEN = ["G_ACT0 0", "G_ACT1 0", "G_ACT2 0", "G_ACT3 0"]
CLOSED = "needs its row open in all banks, but a bank is closed"
CASES = {
    "closed row": (["GWRITE 0 0", "COMP 0 0 0"], 2, "COMP", CLOSED, None),
    "one bank group closed": ([*OPEN[:3], "GWRITE 0 0", "COMP 0 0 0"], 5, "COMP", CLOSED, None),
    "row closed again": (
        [*OPEN, "GWRITE 0 0", "COMP 0 0 0", "READRES 0 0", "PREA", "COMP 0 0 0"], 9, "COMP", CLOSED, None),
    "buffer never filled": (
        [*OPEN, "GWRITE 0 0", "COMP 0 1 0"], 6, "COMP", "reads a buffer column that was never filled", 1),
    "latch not read": (
        [*OPEN, "GWRITE 0 0", "COMP 0 0 0", "COMP 0 0 1", "COMP 0 0 0"], 8, "COMP",
        "accumulates into a latch whose result has not been read", 0),
    "empty latch": ([*OPEN, "READRES 0 0"], 5, "READRES", "reads a latch that holds no result", 0),
    "latch read twice": (
        [*OPEN, "GWRITE 0 0", "COMP 0 0 1", "READRES 1 0", "READRES 1 1"], 8, "READRES",
        "reads a latch that holds no result", 1),
    "bank open already": ([*OPEN, "G_ACT2 1"], 5, "G_ACT2", "activates a bank that is already open", None),
}  # fmt: skip
ENGINES = [time_program_reference, time_program]


def failure(engine, lines: list[str], name: str = "newton-gddr6") -> ProgramError:
    program = parse_program("\n".join([f"program {name}", "channels 3", *lines]))
    with pytest.raises(ProgramError) as caught:
        engine(device(name), program)
    return caught.value


@pytest.mark.parametrize("engine", ENGINES, ids=["reference", "fast"])
@pytest.mark.parametrize("case", CASES)
def test_missing_state_is_named(engine, case: str) -> None:
    lines, number, command, what, value = CASES[case]
    error = failure(engine, lines)
    assert error.what == what
    assert error.where == f"channel 3, command {number}, {command}"
    assert error.value == value


@pytest.mark.parametrize(
    "lines",
    [
        [*OPEN, "loop i 30 {", "GWRITE i i", "COMP i i 0", "}", "loop j 31 {", "COMP 0 j 0", "}"],
        [*OPEN, "GWRITE 0 0", "loop i 3 {", "COMP 0 0 i%2", "COMP 0 0 (i+1)%2", "}"],
        [*OPEN, "GWRITE 0 0", "loop i 1000 {", "COMP 0 0 0", "READRES 0 i", "}", "READRES 0 0"],
        [*OPEN, "GWRITE 0 0", "loop i 5 {", "loop k 9 {", "COMP 0 0 0", "}", "}", "PREA", "COMP 0 0 0"],
    ],
)
def test_errors_in_and_after_loops_are_the_same(lines: list[str]) -> None:
    first, second = (failure(engine, lines) for engine in ENGINES)
    assert str(first) == str(second)
    assert first.where == second.where


@pytest.mark.parametrize("engine", ENGINES, ids=["reference", "fast"])
@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ([*OPEN, "GWRITE 128 0"], "buffer"),
        ([*OPEN, "GWRITE 0 0", "COMP 32 0 0"], "column"),
        ([*OPEN, "GWRITE 0 0", "COMP 0 0 2"], "latch"),
        ([*OPEN, "READRES 7 0"], "latch"),
        (["G_ACT0 16384"], "row"),
    ],
)
def test_operands_out_of_range(engine, lines: list[str], what: str) -> None:
    error = failure(engine, lines)
    assert what in error.what
    assert lines[-1].split()[0] in error.where
    assert error.value in map(int, lines[-1].split()[1:])
    assert error.bound


def test_number_of_the_command_does_not_count_what_refresh_adds():
    """900 COMPs owe a refresh; it is taken once the row is closed, and the next COMP, the 908th command, is wrong."""
    lines = [*OPEN, "GWRITE 0 0", "loop i 900 {", "COMP 0 0 0", "}", "READRES 0 0", "PREA", "COMP 0 0 0"]
    errors = [failure(engine, lines) for engine in ENGINES]
    assert [error.where for error in errors] == ["channel 3, command 908, COMP"] * 2
    # And here the refresh was forced inside the loop, by closing and reopening: 7000 COMPs are 14000 clocks.
    lines = [*OPEN, "GWRITE 0 0", "loop i 7000 {", "COMP 0 0 0", "}", "COMP 0 1 0"]
    errors = [failure(engine, lines) for engine in ENGINES]
    assert [error.where for error in errors] == ["channel 3, command 7006, COMP"] * 2


def test_a_device_without_state_checks_plays_anything():
    program = parse_program("program newton-gddr6-pimflow\nchannels 0\nCOMP 0 0 0\nREADRES 0 0\nREADRES 0 0\n")
    unit = device("newton-gddr6-pimflow")
    assert time_program(unit, program) == time_program_reference(unit, program)
    # COMP 1, READRES 2 and 3; the last data nCL + nBL = 13 later.
    assert time_program(unit, program).cycles == 16


@pytest.mark.parametrize("engine", ENGINES, ids=["reference", "fast"])
def test_a_command_the_device_does_not_have(engine) -> None:
    error = failure(engine, ["MAC16 0 0 0"])
    assert "unknown command" in error.what
    assert error.value == "MAC16"
