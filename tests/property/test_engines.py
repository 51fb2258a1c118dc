"""The fast engine equals the reference to the clock and in its errors, on every device and option, refresh on and off.

Programs too long for the reference are held to what follows from its definition: the same commands from other loops take the same
time; and where the reference's trips have become periodic, a million of them take as long as the period says.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import gcd, lcm

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nearbank.devices import PimDevice, device, names
from nearbank.errors import ProgramError
from nearbank.program import Loop, Node, Program, Section, commands, unroll
from nearbank.sim.fast import time_program_fast
from nearbank.sim.reference import Machine, time_program
from nearbank.sim.rules import rule_table
from nearbank.sim.timing import Timing
from tests.property.strategies import bodies, programs, rewritten, wrong_programs

MILLION = 1_000_000


def variants() -> list[PimDevice]:
    out = []
    for name in names():
        options = device(name).options
        for values in itertools.product(*(choices for _, _, choices in options)):
            out.append(device(name, {key: value for (key, _, _), value in zip(options, values, strict=True)}))
    return out


def name_of(unit: PimDevice) -> str:
    return unit.name + "".join(f" {k}={v}" for k, v, _ in unit.options)


def outcome(engine: Callable[[PimDevice, Program], Timing], which: PimDevice, program: Program) -> Timing | str:
    """The timing, or the error's whole text."""
    try:
        return engine(which, program)
    except ProgramError as error:
        return str(error)


every_device = pytest.mark.parametrize("which", variants(), ids=name_of)


def examples(number: int) -> settings:
    return settings(max_examples=number, deadline=None, suppress_health_check=list(HealthCheck))


@every_device
@examples(15)
@given(data=st.data())
def test_fast_engine_equals_reference(which: PimDevice, data: st.DataObject) -> None:
    program = data.draw(programs(which, most=8_000))
    assert time_program_fast(which, program) == time_program(which, program)


@every_device
@examples(15)
@given(data=st.data())
def test_errors_are_the_same(which: PimDevice, data: st.DataObject) -> None:
    program = data.draw(wrong_programs(which, most=1_500))
    assert outcome(time_program_fast, which, program) == outcome(time_program, which, program)


@every_device
@examples(6)
@given(data=st.data())
def test_the_same_commands_from_other_loops_take_the_same_time(which: PimDevice, data: st.DataObject) -> None:
    count = data.draw(st.one_of(st.integers(1, 5_000), st.integers(1, MILLION)))
    nodes = data.draw(bodies(which, most=100, count=count))
    other = rewritten(data.draw, nodes)
    first, second = (time_program_fast(which, Program(which.name, (Section((0,), n),))) for n in (nodes, other))
    assert first == second
    refreshes = sum(first.commands.values()) - sum(times for _, times in commands(nodes))
    assert refreshes >= 0 if which.refresh.enabled else refreshes == 0


@pytest.mark.parametrize("which", [unit for unit in variants() if not unit.refresh.enabled], ids=name_of)
@examples(6)
@given(data=st.data())
def test_a_million_trips_take_what_the_reference_s_period_says(which: PimDevice, data: st.DataObject) -> None:
    nodes = data.draw(bodies(which, most=20, count=MILLION, deep=2))
    *start, loop = nodes
    assert isinstance(loop, Loop)
    # Operands repeat after `cycle` trips; the time of as many (or twice as many) does too, once the start is forgotten.
    cycle = _cycle(loop.body, loop.var)
    a_trip = sum(times for _, times in commands(loop.body))
    trips = min(max(5 * cycle, 300), 20_000 // a_trip)
    ends = _ends(which, (*start, Loop(loop.var, trips, loop.body)), sum(times for _, times in commands(start)))
    steps = [b - a for a, b in itertools.pairwise(ends)]
    repeats = (p for p in (cycle, 2 * cycle) if 2 * p <= len(steps) and steps[-2 * p : -p] == steps[-p:])
    period = next(repeats, None)
    assume(period is not None)
    periods, rest = divmod(MILLION - trips, period)
    expected = ends[-1] + periods * sum(steps[-period:]) + sum(steps[-period:][:rest])
    assert time_program_fast(which, Program(which.name, (Section((0,), nodes),))).cycles == expected


def _cycle(nodes: tuple[Node, ...], var: str) -> int:
    """After how many trips of the loop over ``var`` all operands repeat."""
    cycle = 1
    for node in nodes:
        if isinstance(node, Loop):
            cycle = lcm(cycle, _cycle(node.body, var))
        else:
            for arg in node.args:
                if var in dict(arg.terms):
                    cycle = lcm(cycle, arg.mod // gcd(arg.mod, dict(arg.terms)[var]))
    return cycle


def _ends(which: PimDevice, nodes: tuple, first: int) -> list[int]:
    """When the run would end after each trip of the last loop, by the reference; ``first`` commands come before it."""
    stream = unroll(nodes, rule_table(which).names)
    a_trip = (len(stream) - first) // nodes[-1].count
    machine, out = Machine(which), []
    for number, (op, args) in enumerate(zip(stream.ops.tolist(), map(tuple, stream.args.tolist()), strict=True), 1):
        machine.play(op, args)
        if number > first and (number - first) % a_trip == 0:
            out.append(max(machine.now, machine.end))
    return out
