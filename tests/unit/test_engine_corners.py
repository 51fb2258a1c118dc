"""Where the fast engine's shortcuts end: small programs in which skipping a little too much would show."""

from __future__ import annotations

import pytest

from nearbank.devices import device
from nearbank.program import Program, parse_program
from nearbank.sim import time_program, time_program_reference

OPEN = ["G_ACT0 0", "G_ACT1 0", "G_ACT2 0", "G_ACT3 0"]
FILLED = ["loop f 128 {", "GWRITE f f", "}"]
CASES = {
    "a run of COMPs meets a column that comes late": [*OPEN, *FILLED, "GWRITE 2 0", "loop k 30 {", "COMP 0 k 0", "}"],
    "a ring of fills passes a column that stands still": [
        *OPEN, *FILLED, "loop i 100 {", "GWRITE i%8 0", "COMP 0 3 0", "READRES 0 i", "}"],
    "two rings of different sizes": [
        *OPEN, *FILLED, "loop i 300 {", "GWRITE i%9 0", "COMP 0 i%8 0", "READRES 0 i", "}"],
    "a ring that turns in the outer loop": [
        *OPEN, *FILLED, "loop p 90 {", "loop k 9 {", "COMP k (9*p+k)%126 p%2", "GWRITE (9*p+k+9)%126 0", "}", "READRES p%2 p", "}"],
    "fills that overtake": [*OPEN, *FILLED, "loop i 60 {", "GWRITE (3*i)%64 0", "COMP 0 i 0", "READRES 0 i", "}"],
    "fills one behind the other in one column": [*OPEN, "loop i 40 {", "GWRITE 7 0", "}", "COMP 0 7 0"],
}  # fmt: skip


def program(lines: list[str]) -> Program:
    return parse_program("\n".join(["program newton-gddr6", "channels 0", *lines]))


def compare(lines: list[str]) -> int:
    unit = device("newton-gddr6")
    timing = time_program(unit, program(lines))
    assert timing == time_program_reference(unit, program(lines))
    return timing.commands.get("REF", 0)


@pytest.mark.parametrize("lines", CASES.values(), ids=CASES)
def test_columns(lines: list[str]) -> None:
    compare(lines)


@pytest.mark.parametrize("turns", range(4))
def test_the_clock_in_which_patience_ends(turns: int) -> None:
    """Eight refreshes are owed in clock 8 * 1662; a COMP is there every second clock, and `turns` of the rows move which."""
    again = ["PREA", *OPEN] * turns
    before = compare([*OPEN, *FILLED, *again, "loop i 6000 {", "COMP 0 0 0", "}"])
    after = compare([*OPEN, *FILLED, *again, "loop i 6600 {", "COMP 0 0 0", "}"])
    assert (before, after) == (7, 8)
    lines = [*OPEN, *FILLED, *again, "loop i COUNT {", "COMP 0 0 0", "}"]
    first = time_program(device("newton-gddr6"), program([line.replace("COUNT", "1") for line in lines])).cycles
    last = (8 * 1662 - first) // 2 + 1  # trips up to the one that issues in that clock, or just before
    for count in range(last - 2, last + 3):
        compare([line.replace("COUNT", str(count)) for line in lines])
