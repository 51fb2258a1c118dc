"""Gates of aim-gddr6: each blocked the clock before, legal in its clock; its states; and the host front end clock by clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nearbank.devices import device
from nearbank.errors import DeviceError, ProgramError
from nearbank.program import aim, parse_program
from nearbank.sim import time_isr, time_program, time_program_reference
from nearbank.sim.reference import Machine

UNIT = device("aim-gddr6", {"refresh": "off"})
OPS = {c.name: i for i, c in enumerate(UNIT.commands)}
REGISTER, OTHERS = ("WRGB", "WRMAC16", "RDMAC16", "RDAF16"), ("ACT16", "PREA", "MAC16", "AF16")

GATES = [
    ("MAC16", "MAC16", 2), ("MAC16", "PREA", 12), ("AF16", "PREA", 12), ("ACT16", "PREA", 54), ("ACT16", "ACT16", 89),
    ("ACT16", "MAC16", 56), ("ACT16", "AF16", 86), ("PREA", "ACT16", 32), ("PREA", "REF", 32),
    ("REF", "ACT16", 210), ("REF", "REF", 210),
    ("WRGB", "WRGB", 2), ("WRGB", "WRMAC16", 2), ("WRMAC16", "WRGB", 2), ("WRGB", "RDMAC16", 12), ("WRGB", "RDAF16", 12),
    ("WRMAC16", "RDMAC16", 14), ("WRMAC16", "RDAF16", 14), ("RDMAC16", "RDAF16", 2), ("RDMAC16", "WRGB", 5), ("RDAF16", "WRGB", 5),
    ("RDMAC16", "WRMAC16", 5), ("RDAF16", "WRMAC16", 5), ("MAC16", "TMOD", 2), ("AF16", "TMOD", 1), ("WRGB", "TMOD", 1),
    ("WRMAC16", "TMOD", 1), ("RDMAC16", "TMOD", 2), ("RDAF16", "TMOD", 2), ("ACT16", "TMOD", 1), ("PREA", "TMOD", 1),
    *(("TMOD", name, 32) for name in (*REGISTER, *OTHERS)),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "gap"), GATES)
def test_gate(before: str, after: str, gap: int) -> None:
    machine = Machine(replace(UNIT, state_checks=()))
    start = machine.issue(OPS[before])
    assert machine.probe(OPS[after], (0, 0, 0)) == start + gap
    machine.now = start + gap - 1
    assert machine.probe(OPS[after], (0, 0, 0)) == start + gap
    machine.now = start + gap
    assert machine.probe(OPS[after], (0, 0, 0)) == start + gap + 1
    assert UNIT.gap(before, after) == gap


def test_numbers_of_the_vendor() -> None:
    assert (
        UNIT.organization.banks * UNIT.organization.lanes * 2 * UNIT.clock_mhz / UNIT.gap("MAC16", "MAC16") == 512_000
    )
    assert UNIT.organization.columns * UNIT.organization.column_bytes == 2048
    assert UNIT.microseconds(device("aim-gddr6").refresh.interval) == 3.9
    row = "ACT16 0\nloop i 64 {\nMAC16 i i 0\n}\n"
    one, two = (played(row + f"PREA\n{row}" * more) for more in (0, 1))
    assert two - one == 63 * 2 + 12 + 32 + 56 == 226


def played(body: str, refresh: str = "off") -> int:
    """Cycles of a body, the same in both engines."""
    unit, program = device("aim-gddr6", {"refresh": refresh}), parse_program(f"program aim-gddr6\nchannels 0\n{body}")
    fast, plain = time_program(unit, program), time_program_reference(unit, program)
    assert fast == plain
    return fast.cycles


def test_one_group() -> None:
    """Fill n columns, preset, multiply n columns, read: the row is opened before the mode is switched."""
    n = 64
    text = f"ACT16 0\nTMOD\nloop i {n} {{\nWRGB i i\n}}\nWRMAC16 0 0\nTMOD\nloop k {n} {{\nMAC16 k k 0\n}}\nTMOD\nRDMAC16 0 0\n"
    clock = 2 + 32 + 2 * n + 1 + 32  # TMOD in 2, WRGB from 34, WRMAC16, TMOD, first MAC16
    assert played(text) == clock + 2 * (n - 1) + 2 + 32 + 2  # TMOD, RDMAC16, its data
    # A further result of the same row and buffer: RDMAC16 -> WRMAC16 5, TMOD 1, MAC16 32, n columns, TMOD 2, RDMAC16 32.
    again = f"WRMAC16 0 0\nTMOD\nloop j {n} {{\nMAC16 j j 0\n}}\nTMOD\nRDMAC16 0 0\n"
    assert played(text + again) - played(text) == 5 + 1 + 32 + 2 * (n - 1) + 2 + 32 == 198


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("ACT16 0\nWRGB 0 0", "command 2, WRGB: needs a switch of the mode"),
        ("ACT16 0\nTMOD\nMAC16 0 0 0", "command 3, MAC16: needs a switch of the mode"),
        ("TMOD\nPREA", "command 2, PREA: needs a switch of the mode"),
        ("MAC16 0 0 0", "command 1, MAC16: needs its row open"),
        ("ACT16 0\nACT16 1", "command 2, ACT16: activates a bank that is already open"),
    ],
)
def test_states(body: str, message: str) -> None:
    for engine in (time_program, time_program_reference):
        with pytest.raises(ProgramError, match=message):
            engine(UNIT, parse_program(f"program aim-gddr6\nchannels 0\n{body}\n"))


def test_ranges() -> None:
    for body, what in (
        ("ACT16 16384", "row"),
        (f"ACT16 {(1 << 29) + 8}", "row"),
        ("TMOD\nWRGB 64 0", "buffer"),
        ("TMOD\nRDMAC16 1 0", "latch"),
    ):
        for engine in (time_program, time_program_reference):
            with pytest.raises(ProgramError, match=what):
                engine(UNIT, parse_program(f"program aim-gddr6\nchannels 0\n{body}\n"))
    assert played(f"ACT16 {(1 << 29) + 7}\nAF16 0 7\n") == 87


def test_a_stale_buffer_and_a_kept_sum_are_no_errors() -> None:
    assert played("ACT16 0\nMAC16 0 0 0\nTMOD\nRDMAC16 0 0\nRDMAC16 0 0\n") == 57 + 2 + 32 + 2 + 2


def test_state_checks_by_name(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for text, checks in (
        ("true", ("range", "rows", "filled", "latches", "mode")),
        ("false", ()),
        ('["mode", "rows"]', ("rows", "mode")),
    ):
        file = tmp_path / "mine.toml"
        file.write_text(f'base = "aim-gddr6"\nstate_checks = {text}\n')
        assert device(file).state_checks == checks
    file.write_text('base = "aim-gddr6"\nstate_checks = ["row"]\n')
    with pytest.raises(DeviceError, match="state_checks; got 'row'; did you mean rows"):
        device(file)


def test_refresh_waits_for_the_other_commands() -> None:
    """Register commands are never interrupted; at the end the mode is left before the refresh that is owed."""
    body = "TMOD\nloop i 4500 {\nWRGB 0 0\n}\n"
    assert played(body) == 1 + 32 + 2 * 4499 + 3
    assert played(body, "on") == 1 + 32 + 2 * 4499 + 1 + 32
    assert played(body + "TMOD\nACT16 0\n", "on") == 1 + 32 + 2 * 4499 + 1 + 32 + 210


def front(text: str) -> int:
    return time_isr(UNIT, aim.parse_isr(text)).cycles


def test_front_end_clock_by_clock() -> None:
    assert (
        front("AiM WR_GB 1 0 0x1\nAiM EOC") == 1 + 32 + 4
    )  # TMOD in 1, WRGB in 33, its data 3 later, seen the clock after
    assert front("W CFR 0 1\nAiM WR_GB 1 0 0x1\nAiM EOC") == 2 + 32 + 4  # an instruction a clock
    # RDMAC16 in 33, data in 35, the next instruction in 36; TMOD there, PREA is not needed, ACT16 in 68, MAC16 in 124.
    assert front("AiM RD_MAC 0 0x1\nAiM MAC_ABK 1 0x1 0\nAiM EOC") == 33 + 3 + 32 + 56 + 2
    assert front("AiM RD_MAC 0 0x1\nAiM RD_MAC 0 0x1\nAiM EOC") == 33 + 3 + 4


def test_front_end_queue() -> None:
    """33 requests wait; the next instruction, for another channel, is taken the clock after the last one found room."""
    head = "AiM WR_GB {} 0 0x1\nAiM RD_MAC 0 0x2\nAiM EOC"
    assert front(head.format(33)) == 33 + 2 * 32 + 4  # channel 31: WRGB 33 to 97
    timing = time_isr(UNIT, aim.parse_isr(head.format(64)))
    # The 64th request has room when the 31st has issued, in 33 + 2 * 30; the read is taken two clocks behind, in 95.
    assert timing.channels[30].cycles <= timing.channels[31].cycles == 33 + 2 * 63 + 4
    slow = time_isr(UNIT, aim.parse_isr("AiM WR_GB 64 0 0x1\nAiM RD_MAC 0 0x2\nAiM SYNC\nAiM EOC"))
    assert slow.cycles == timing.cycles + 2  # SYNC is done, EOC is taken the clock after and done the next


def test_front_end_channels_of_a_mask_wait_for_each_other() -> None:
    text = "AiM MAC_ABK 4 0x1 0\nAiM RD_MAC 0 0x3\nAiM RD_MAC 0 0x2\nAiM EOC"
    # Channel 31: ACT16 1, MAC16 57 to 63, TMOD 65, RDMAC16 97, data 99. Channel 30 has read in 34, and reads again in 100: data
    # in 102, EOC in 103, done in 104.
    assert front(text) == 104
    assert front(text.replace("0x3", "0x1").replace("0x2", "0x1")) == 104
    assert front(text.replace("AiM RD_MAC 0 0x2\n", "")) == 101


def test_front_end_errors_name_the_line() -> None:
    with pytest.raises(ProgramError, match="f, line 2: the instruction is not modelled; got 'AiM EWMUL'"):
        time_isr(UNIT, aim.parse_isr("AiM SYNC\nAiM EWMUL 1 0x1 0\nAiM EOC"), where="f, ")
    with pytest.raises(ProgramError, match="the device takes no host instructions; got 'newton-gddr6'"):
        time_isr(device("newton-gddr6"), aim.parse_isr("AiM EOC"))


def test_sync_and_eoc_alone() -> None:
    assert time_isr(UNIT, aim.parse_isr("AiM EOC")).cycles == 0  # no channel is used
