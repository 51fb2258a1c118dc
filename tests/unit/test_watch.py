"""The clocks of commands, one by one and by what they go to: by hand, and as sums that must be the reference's."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property.strategies import programs

from nearbank.devices import PimDevice, device, names
from nearbank.errors import InputError
from nearbank.pim import Product, compile_product, time_product
from nearbank.program import parse_program
from nearbank.sim import time_program_reference
from nearbank.sim.watch import Clocks, command_times, spent_clocks

ONE_SUM = """program newton-gddr6
channels 3
G_ACT0 7
G_ACT1 7
G_ACT2 7
G_ACT3 7
GWRITE 0 0
COMP 0 0 0
READRES 0 0
"""


def test_one_sum_by_hand():
    # DEVICES: activates nFAW = 17 apart, GWRITE one clock behind, COMP nRCDR = 11 behind the last activate, READRES
    # 6 nCCDS = 12 behind that, and the data is out nCL + nBL = 13 later.
    unit, program = device("newton-gddr6", {"refresh": "off"}), parse_program(ONE_SUM)
    seen = [(x.clock, x.command) for x in command_times(unit, program, 3)]
    assert seen == [
        (1, "G_ACT0"),
        (18, "G_ACT1"),
        (35, "G_ACT2"),
        (52, "G_ACT3"),
        (53, "GWRITE"),
        (63, "COMP"),
        (75, "READRES"),
    ]
    # To 53 activation; the fill's 10 clocks before the COMP; 2 of the COMP; 10 more for the tree; 13 of data.
    assert spent_clocks(unit, program, 3) == Clocks(activation=53, bus=10 + 13, mac=2, adder_tree=10)
    assert time_program_reference(unit, program).cycles == 88


@pytest.mark.parametrize("name", names())
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_everything_sums_to_the_reference(name: str, data: st.DataObject) -> None:
    unit = device(name)
    program = data.draw(programs(unit, most=500))
    timing = time_program_reference(unit, program)
    spent = spent_clocks(unit, program, 0)
    assert spent.cycles == timing.cycles
    mac = unit.one("mac").name
    assert spent.mac <= timing.commands.get(mac, 0) * unit.gap(mac, mac)
    seen = list(command_times(unit, program, 0, most=10**7))
    counts: dict[str, int] = {}
    for x in seen:
        counts[x.command] = counts.get(x.command, 0) + 1
    assert counts == timing.commands
    assert all(a.clock < b.clock for a, b in itertools.pairwise(seen))
    assert seen[-1].clock <= timing.cycles


@pytest.mark.parametrize("name", names())
def test_clocks_of_a_layer(name: str) -> None:
    """Multiplying takes its commands times their distance, to the clock: nothing of it is lost or counted twice."""
    unit, product = device(name), Product(196, 64, 96)
    timing = time_product(unit, product, 4, "search").timing
    program = compile_product(unit, product, 4, "search").program
    mac = unit.one("mac").name
    for channel, ran in timing.channels.items():
        spent = spent_clocks(unit, program, channel)
        assert spent.cycles == ran.cycles
        assert spent.mac == ran.commands[mac] * unit.gap(mac, mac)


def long_program(unit: PimDevice) -> str:
    """A row that stays open past eight refreshes' due, so that the controller must close it."""
    return ONE_SUM.replace("COMP 0 0 0\nREADRES 0 0\n", "loop p 8000 {\n  COMP 0 0 0\n}\nREADRES 0 0\n")


def test_refresh_opens_the_row_that_was_open():
    unit = device("newton-gddr6")
    seen = list(command_times(unit, parse_program(long_program(unit)), 3))
    added = [x for x in seen if x.added]
    assert [x.command for x in added[:2]] == ["PREA", "REF"]
    assert {x.command for x in added} >= {"G_ACT0", "G_ACT3", "REF"}
    assert {x.args for x in added if x.role == "activate"} == {(7,)}
    assert [x.added for x in seen if x.command == "COMP"] == [False] * 8000


def test_too_many_commands_and_unknown_channels():
    unit, program = device("newton-gddr6"), parse_program(ONE_SUM)
    with pytest.raises(InputError, match="too many commands to tell one by one; got 7; must be at most 6"):
        list(command_times(unit, program, 3, most=6))
    for ask in (spent_clocks, lambda *arguments: list(command_times(*arguments))):
        with pytest.raises(InputError, match="channel; got 2; must be one that the program uses: 3"):
            ask(unit, program, 2)
