"""Refresh schedules worked out by hand; both engines must give them to the clock."""

from __future__ import annotations

import pytest

from nearbank.devices import device
from nearbank.program import parse_program
from nearbank.sim import ChannelTiming, time_program, time_program_reference

OPEN = "G_ACT0 0\nG_ACT1 0\nG_ACT2 0\nG_ACT3 0\n"


def play(name: str, body: str, **options: str) -> ChannelTiming:
    unit = device(name, options)
    program = parse_program(f"program {name}\nchannels 0\n{body}")
    timing = time_program_reference(unit, program)
    assert time_program(unit, program) == timing
    return timing.channels[0]


def comps(count: int) -> str:
    return f"loop i {count} {{\nCOMP 0 0 0\n}}\n"


# newton-gddr6: nFAW 17, nRCDR 11, nCCDS 2, nRTP 2, nRP 11, nRFC 105, nREFI 1662, a fill is there 7 + 2 = 9 clocks later, the
# adder tree takes 12, data ends nCL + nBL = 13 after READRES.
#
# Opening: G_ACT0..3 at 1, 18, 35, 52; GWRITE at 53; COMP at max(52 + 11, 53 + 9) = 63 and every 2 clocks: COMP i at 63 + 2 i.


def test_physical_no_refresh_before_the_first_falls_due():
    # 700 COMPs: the last at 63 + 1398 = 1461; READRES 12 later at 1473, its data out at 1486: before 1662.
    timing = play("newton-gddr6", OPEN + "GWRITE 0 0\n" + comps(700) + "READRES 0 0\n")
    assert timing.cycles == 1486
    assert "REF" not in timing.commands
    assert "PREA" not in timing.commands


def test_physical_forced_after_eight_owed():
    # The 8th falls due at 8 x 1662 = 13296. COMP 6616 issues at 63 + 13232 = 13295; COMP 6617 could at 13297: eight are owed.
    # PREA at 13295 + nRTP = 13297, REF at 13297 + 11 = 13308, then every 105: the 8th at 13308 + 735 = 14043. The 9th falls due
    # at 14958, so that is all. G_ACT0 at 14043 + 105 = 14148, G_ACT3 at 14148 + 51 = 14199, COMP 6617 at 14210, 6618 at 14212,
    # READRES at 14224, data out at 14237.
    timing = play("newton-gddr6", OPEN + "GWRITE 0 0\n" + comps(6619) + "READRES 0 0\n")
    assert timing.cycles == 14237
    assert timing.commands["REF"] == 8
    assert timing.commands["PREA"] == 1
    assert timing.commands["G_ACT0"] == timing.commands["G_ACT3"] == 2
    assert timing.commands["COMP"] == 6619


def test_physical_taken_when_the_banks_are_closed():
    # 900 COMPs: the last at 63 + 1798 = 1861, READRES at 1873, PREA at 1874 (one is owed, but the banks are open and eight may
    # be). G_ACT0 could at 1885; the banks are closed, so REF takes that clock (1874 + 11). G_ACT0 at 1885 + 105 = 1990, G_ACT3 at
    # 1990 + 51 = 2041, the end.
    timing = play("newton-gddr6", OPEN + "GWRITE 0 0\n" + comps(900) + "READRES 0 0\nPREA\n" + OPEN)
    assert timing.cycles == 2041
    assert timing.commands["REF"] == 1
    assert timing.commands["PREA"] == 1


def test_physical_debt_is_paid_at_the_end():
    # 1640 COMPs: the last at 63 + 3278 = 3341, READRES at 3353 (data out at 3366). Two are owed (1662, 3324): PREA at 3354, REF at
    # 3365 and at 3365 + 105 = 3470, the end.
    timing = play("newton-gddr6", OPEN + "GWRITE 0 0\n" + comps(1640) + "READRES 0 0\n")
    assert timing.cycles == 3470
    assert timing.commands["REF"] == 2
    assert timing.commands["PREA"] == 1
    assert timing.commands["G_ACT0"] == 1


def test_physical_refresh_off():
    # The same without: data out at 3366, nothing added.
    timing = play("newton-gddr6", OPEN + "GWRITE 0 0\n" + comps(1640) + "READRES 0 0\n", refresh="off")
    assert timing.cycles == 3366
    assert set(timing.commands) == {"G_ACT0", "G_ACT1", "G_ACT2", "G_ACT3", "GWRITE", "COMP", "READRES"}


# newton-gddr6-pimflow: GWRITE to COMP 51, COMP to READRES 1, nRP 11, nRFC 350, nREFI 1900; refresh only right after READRES.
#
# Opening: G_ACT0..3 at 1, 18, 35, 52; GWRITE at 53; COMP at 53 + 51 = 104 and every 2 clocks: COMP i at 104 + 2 i.


@pytest.mark.parametrize(
    ("count", "cycles", "refreshes"),
    [
        # COMP 896 at 1896, READRES at 1897: the controller's next clock is 1898, nothing is due. Data out at 1910.
        (897, 1910, 0),
        # COMP 897 at 1898, READRES at 1899, the next clock is 1900: due. PREA 1900, REF 1911; data out at 1899 + 13 = 1912.
        (898, 1912, 1),
        # COMP 1899 at 3902, READRES at 3903, due are 1900 and 3800: PREA 3904, REF 3915, REF 3915 + 350 = 4265, the end.
        (1900, 4265, 2),
    ],
)
def test_shortcut_served_right_after_a_read(count: int, cycles: int, refreshes: int) -> None:
    timing = play("newton-gddr6-pimflow", OPEN + "GWRITE 0 0\n" + comps(count) + "READRES 0 0\n")
    assert timing.cycles == cycles
    assert timing.commands.get("REF", 0) == refreshes
    assert timing.commands.get("PREA", 0) == min(refreshes, 1)


def test_shortcut_comps_go_on_while_the_next_activation_waits():
    # 900 COMPs: the last at 1902, READRES 1903, PREA 1904, REF 1915. COMP on the closed row at 1916, READRES at 1917 (data out at
    # 1930). G_ACT0 waits for 1915 + 350 = 2265; G_ACT1..3 for G_ACT0: 2282, 2299, 2316, the end.
    body = OPEN + "GWRITE 0 0\n" + comps(900) + "READRES 0 0\nCOMP 0 0 0\nREADRES 0 0\n"
    assert play("newton-gddr6-pimflow", body).cycles == 1930
    assert play("newton-gddr6-pimflow", body + OPEN).cycles == 2316


def test_shortcut_leaves_debt_without_a_read():
    # No READRES, no refresh: COMP 2999 at 104 + 5998 = 6102, the end, though three had fallen due.
    timing = play("newton-gddr6-pimflow", OPEN + "GWRITE 0 0\n" + comps(3000))
    assert timing.cycles == 6102
    assert "REF" not in timing.commands
