"""Every row of every built-in rule table: blocked one clock before its gap has passed, legal when it has.

`probe` reads, `issue` changes. What is expected comes from the device itself, so that its numbers may change.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nearbank.devices import PimDevice, Rule, device, names
from nearbank.program import Affine, Op, Program, Section
from nearbank.sim import time_program, time_program_reference
from nearbank.sim.reference import Machine

DEVICES = [unit for unit in map(device, names()) if not unit.by_role("mode")]
ROWS = [(unit, index) for unit in DEVICES for index in range(len(unit.rules))]


def bare(unit: PimDevice, *rules: Rule) -> PimDevice:
    """The device with these rules alone, no state and no refresh: what is left is the gap."""
    return replace(unit, rules=rules, state_checks=False, refresh=replace(unit.refresh, enabled=False))


def pairs(unit: PimDevice, rule: Rule) -> list[tuple[int, int]]:
    """Opcodes (before, after) that the row relates."""
    known = {command.name: (op, set(command.bank_groups)) for op, command in enumerate(unit.commands)}
    return [
        (known[b][0], known[a][0])
        for b in rule.before
        for a in rule.after
        if rule.scope != "bank_group" or known[b][1] & known[a][1]
    ]


def blocked_then_legal(machine: Machine, op: int, clock: int, args: tuple[int, int, int] = (0, 0, 0)) -> None:
    """``op`` may issue in ``clock`` and not the clock before, however long the channel has been idle."""
    assert machine.probe(op, args) == clock
    if clock - 2 >= machine.now:
        machine.now = clock - 2
        assert machine.probe(op, args) == clock  # the clock before is offered, and refused
    machine.now = clock - 1
    assert machine.probe(op, args) == clock
    machine.now = clock + 5
    assert machine.probe(op, args) == clock + 6  # nothing lingers


@pytest.mark.parametrize(
    ("unit", "index"), ROWS, ids=[f"{u.name}-{i + 1}-{'+'.join(u.rules[i].before)[:20]}" for u, i in ROWS]
)
def test_the_row_alone(unit: PimDevice, index: int) -> None:
    rule = unit.rules[index]
    assert rule.gap >= 1
    assert rule.window == 1
    related = pairs(unit, rule)
    assert related
    for before, after in related:
        machine = Machine(bare(unit, rule))
        clock = machine.issue(before)
        assert clock == 1
        blocked_then_legal(machine, after, clock + rule.gap)


@pytest.mark.parametrize(
    ("unit", "index"), ROWS, ids=[f"{u.name}-{i + 1}-{'+'.join(u.rules[i].before)[:20]}" for u, i in ROWS]
)
def test_the_row_among_all(unit: PimDevice, index: int) -> None:
    """In the whole table the longest of the rows that relate two commands holds."""
    rule = unit.rules[index]
    for before, after in pairs(unit, rule):
        longest = max(row.gap for row in unit.rules if (before, after) in pairs(unit, row))
        assert longest >= rule.gap
        machine = Machine(bare(unit, *unit.rules))
        blocked_then_legal(machine, after, machine.issue(before) + longest)


@pytest.mark.parametrize(
    ("unit", "rule"), [(u, r) for u in DEVICES for r in u.rules if r.scope == "buffer"], ids=lambda x: str(x)[:24]
)
def test_buffer_scope_holds_for_the_column_that_was_filled(unit: PimDevice, rule: Rule) -> None:
    for before, after in pairs(unit, rule):
        width = unit.commands[before].columns
        machine = Machine(bare(unit, rule))
        clock = machine.issue(before, (3, 0, 0))
        for column in (2, 3 + width):
            assert machine.probe(after, (0, column, 0)) == clock + 1
        for column in (3, 3 + width - 1):
            assert machine.probe(after, (0, column, 0)) == clock + rule.gap
        again = machine.issue(before, (3, 0, 0))  # the later fill of the column counts
        blocked_then_legal(machine, after, again + rule.gap, (0, 3, 0))


@pytest.mark.parametrize(
    ("unit", "rule"), [(u, r) for u in DEVICES for r in u.rules if r.scope == "latch"], ids=lambda x: str(x)[:24]
)
def test_latch_scope_holds_for_the_latch_that_was_used(unit: PimDevice, rule: Rule) -> None:
    for before, after in pairs(unit, rule):
        assert (unit.commands[before].role, unit.commands[after].role) == ("mac", "read")
        machine = Machine(bare(unit, rule))
        clock = machine.issue(before, (0, 0, 1))
        assert machine.probe(after, (0, 0, 0)) == clock + 1
        blocked_then_legal(machine, after, clock + rule.gap, (1, 0, 0))


def test_bank_group_scope_does_not_reach_other_groups():
    unit = device("newton-gddr6")
    rule = next(r for r in unit.rules if r.scope == "bank_group")
    ops = {command.name: op for op, command in enumerate(unit.commands)}
    machine = Machine(bare(unit, rule))
    clock = machine.issue(ops["G_ACT0"])
    assert machine.probe(ops["G_ACT1"], (0, 0, 0)) == clock + 1
    blocked_then_legal(machine, ops["G_ACT0"], clock + unit.clocks("nRC"))


def test_probe_changes_nothing():
    machine = Machine(device("newton-gddr6"))
    for op in (1, 2, 3, 4):
        machine.issue(op)
    before = {key: repr(value) for key, value in vars(machine).items()}
    for op in range(len(machine.table.names)):
        machine.probe(op, (0, 0, 0))
    assert {key: repr(value) for key, value in vars(machine).items()} == before


def test_gaps_that_are_sums_in_clocks():
    """By hand, from the published clocks: nCL 11, nBL 2, nCWL 7, nWTR 4, a bubble of 2, an adder tree of 6 nCCDS."""
    unit = device("newton-gddr6")
    assert unit.gap("READRES", "GWRITE") == 11 + 2 + 2 - 7
    assert unit.gap("GWRITE", "READRES") == 7 + 2 + 4
    assert unit.gap("GWRITE", "COMP") == 7 + 2
    assert unit.gap("COMP", "READRES") == 6 * 2
    shortcut = device("newton-gddr6-pimflow", {"gwrite_hiding": "off"})
    assert shortcut.gap("GWRITE", "GWRITE") == shortcut.gap("GWRITE", "G_ACT3") == 32 * 2
    assert shortcut.gap("GWRITE", "COMP") == 35 + 16


WINDOWED = """
base = "newton-gddr6"
state_checks = false
[timing]
nFAW = 40
[[rules]]
before = "G_ACT*"
after = "G_ACT*"
gap = "nRRD"
[[rules]]
before = "G_ACT*"
after = "G_ACT*"
gap = "nFAW"
window = 4
source = "tFAW: four activations in a window"
"""


def test_window_of_four(tmp_path: Path) -> None:
    file = tmp_path / "windowed.toml"
    file.write_text(WINDOWED)
    unit = device(file, {"refresh": "off"})
    row = next(r for r in unit.rules if r.window == 4)
    rrd, faw, rc = unit.clocks("nRRD"), unit.clocks("nFAW"), unit.clocks("nRC")
    assert row.gap == faw
    assert faw > max(4 * rrd, rc)  # the window binds, not the pair
    machine = Machine(unit)
    ops = {command.name: op for op, command in enumerate(unit.commands)}
    clocks = [machine.issue(ops[f"G_ACT{group}"]) for group in range(4)]
    assert clocks == [1 + rrd * i for i in range(4)]
    blocked_then_legal(machine, ops["G_ACT0"], clocks[0] + faw)
    machine.now = clocks[3]
    clocks.append(machine.issue(ops["G_ACT0"]))
    assert clocks[4] == clocks[0] + faw
    blocked_then_legal(machine, ops["G_ACT1"], max(clocks[1] + faw, clocks[4] + rrd))


def test_window_in_both_engines(tmp_path: Path) -> None:
    file = tmp_path / "windowed.toml"
    file.write_text(WINDOWED)
    unit = device(file, {"refresh": "off"})
    body = tuple(Op(f"G_ACT{i % 4}", (Affine(),)) for i in range(9))
    program = Program(unit.name, (Section((0,), body),))
    # Eight later activations, four at a time: the ninth waits for the fifth, which waits for the first.
    expected = 1 + 2 * unit.clocks("nFAW")
    assert time_program_reference(unit, program).cycles == expected
    assert time_program(unit, program).cycles == expected
