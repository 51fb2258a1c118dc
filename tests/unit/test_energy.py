"""Energy against sums made by hand. All arithmetic in the comments is in nJ and ns unless it says otherwise."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from nearbank.devices import PimDevice, device, names
from nearbank.errors import DeviceError, InputError, ProgramError
from nearbank.program import Affine, Op, Program, Section, loop
from nearbank.sim import ChannelTiming, Timing, time_program
from nearbank.sim.energy import Energy, costs, energy, product_energy, read_energy

NEWTON = ("newton-gddr6", "newton-gddr6-pimflow", "newton-hbm2")
DEVICES = (*NEWTON, "aim-gddr6")
# VDD (IDD0 tRC - IDD3N tRAS - IDD2N (tRC - tRAS))
#   = 1.35 V x (71 x 51.48 - 61 x 35.64 - 60 x 15.84) mA ns = 1.35 x (3655.08 - 2174.04 - 950.40) pC = 1.35 x 530.64 pC
NEWTON_ACTIVATE = 0.716364
# 1.35 V x (286 - 61) mA x 120 ns = 36450 pJ
NEWTON_REFRESH = 36.45
# 66.3 mW x 89 clocks of 0.5 ns = 66.3 x 44.5 pJ = 2950.35 pJ
AIM_ACTIVATE = 2.95035


def timing(cycles: int, **commands: int) -> Timing:
    return Timing({0: ChannelTiming(cycles, commands)})


def check(found: Energy, **nanojoules: float) -> None:
    """Every component as given, the others zero."""
    for name, value in found.components().items():
        assert value * 1e3 == pytest.approx(nanojoules.get(name, 0.0), rel=1e-12, abs=1e-12), name


def without_standby(found: Energy) -> Energy:
    return replace(found, background=0.0)


def test_newton_gddr6_by_hand() -> None:
    # 875 clocks at 875 MHz: 1 us. One row opened in all banks, 2 fills, 3 COMPs, 1 READRES, 1 PREA, 1 REF.
    play = timing(875, G_ACT0=1, G_ACT1=1, G_ACT2=1, G_ACT3=1, GWRITE=2, COMP=3, READRES=1, PREA=1, REF=1)
    check(
        energy(device("newton-gddr6"), play),
        activate=16 * NEWTON_ACTIVATE,  # 4 commands x 4 banks; the precharge is in it
        column_read=3 * 16 * 1.16822 / 32,  # a bank's read of 1.16822 serves 32 COMPs: 1.75233
        mac=3 * 16 * 16 * (0.0011 + 0.0004),  # 256 multiplications and 256 additions a COMP: 1.152
        buffer=3 * 0.1758 + 2 * 0.1820 + 0.1758,  # three COMPs, two fills, a READRES: 1.0672
        # A burst: 2 clocks of 8/7 ns. Write 1.35 x (231 - 61) x 16/7 = 524.571.. pJ, read 1.35 x (248 - 61) x 16/7 = 577.028.. pJ
        bus=2 * 1.35 * 170 * 16 / 7 / 1e3 + 1.35 * 187 * 16 / 7 / 1e3,
        refresh=NEWTON_REFRESH,
        background=82.35,  # 1.35 V x 61 mA x 1000 ns = 82350 pJ
    )


@pytest.mark.parametrize(
    ("name", "clocks", "burst", "reads"),
    [("newton-gddr6-pimflow", 875, 16 / 7, 16), ("newton-hbm2", 850, 2 / 0.85, 1)],
)
def test_newton_whole_buffer_fill_by_hand(name: str, clocks: int, burst: float, reads: int) -> None:
    # There a GWRITE brings 32 columns. 1 us again; 1 row group opened: 4 banks. PIMFlow's simulator reads the buffer in each bank.
    check(
        energy(device(name), timing(clocks, GWRITE=1, G_ACT0=1, COMP=1, READRES=2)),
        activate=4 * NEWTON_ACTIVATE,
        column_read=0.58411,  # 16 x 1.16822 / 32
        mac=0.384,  # 16 x 16 x 1.5 pJ
        buffer=32 * 0.1820 + reads * 0.1758 + 2 * 0.1758,
        bus=(32 * 1.35 * 170 + 2 * 1.35 * 187) * burst / 1e3,
        background=82.35,
    )


def test_a_row_of_multiplications_costs_what_pimflow_charges() -> None:
    # Its simulator: 32 COMPs cost (32 x 16 x 1.1 pJ + 32 x 0.1758 nJ + 1.16822 nJ + 32 x 16 x 0.4 pJ) x 16 banks
    # = (0.5632 + 5.6256 + 1.16822 + 0.2048) x 16 = 7.56182 x 16 = 120.98912
    found = without_standby(energy(device("newton-gddr6-pimflow"), timing(64, COMP=32)))
    assert found.total_uj * 1e3 == pytest.approx(120.98912)


def test_a_mac_command_costs_about_what_aim_s_does() -> None:
    # 0.58411 + 0.384 + 0.1758 = 1.14391, beside 1.31445 for MAC16: two public simulators, within 15 %
    found = without_standby(energy(device("newton-gddr6"), timing(2, COMP=1)))
    assert found.total_uj * 1e3 == pytest.approx(1.14391)


def test_aim_by_hand() -> None:
    # 2000 clocks at 2 GHz: 1 us.
    play = timing(2000, ACT16=2, PREA=2, WRGB=4, WRMAC16=1, MAC16=5, TMOD=3, RDMAC16=1, AF16=1, RDAF16=1, REF=1)
    check(
        energy(device("aim-gddr6"), play),
        activate=2 * 16 * AIM_ACTIVATE,  # 94.4112
        column_read=16 * 0.5476875,  # AF16: 438.15 mW x 1.25 ns a bank
        mac=5 * 1.31445,  # 1314.45 mW x 1 ns for all banks
        buffer=0.6914375 + 2 * 0.5476875,  # WRMAC16: 553.15 mW x 1.25 ns; RDMAC16 and RDAF16 as a read
        bus=7 * 1.408,  # 4 + 1 + 1 + 1 transfers x 256 bit x 5.5 pJ
        # 16384 rows x 3.9 us / 32 ms = 1.9968 rows of 16 banks a REF
        refresh=1.9968 * 16 * AIM_ACTIVATE,
        background=263.75,  # 263.75 mW x 1000 ns
    )


def test_timed_program_by_hand() -> None:
    newton = device("newton-gddr6", {"refresh": "off"})
    row = tuple(Op(c.name, (Affine(0),)) for c in newton.by_role("activate"))
    fill = Op("GWRITE", (Affine(0), Affine(0)))
    mac = Op("COMP", (Affine(0), Affine(0), Affine(0)))
    read = Op("READRES", (Affine(0), Affine(0)))
    body = (fill, *row, *loop("i", 10, mac), read)
    timed = time_program(newton, Program(newton.name, (Section((0, 1), body),)))
    found = energy(newton, timed)
    # Two channels, each: 16 banks opened, 10 COMPs, 1 column in, 1 column out.
    assert found.activate == pytest.approx(2 * 16 * NEWTON_ACTIVATE / 1e3)
    assert found.column_read == pytest.approx(2 * 10 * 0.58411 / 1e3)
    assert found.mac == pytest.approx(2 * 10 * 0.384 / 1e3)
    assert found.buffer == pytest.approx(2 * (11 * 0.1758 + 0.1820) / 1e3)
    assert found.refresh == 0
    assert found.background == pytest.approx(2 * 0.08235 * timed.cycles / 875)  # W x us


def test_background_lasts_until_the_slowest_channel_ends() -> None:
    aim = device("aim-gddr6")
    play = Timing(
        {0: ChannelTiming(2000, {"ACT16": 1}), 3: ChannelTiming(500, {"ACT16": 1}), 5: ChannelTiming(500, {"WRGB": 1})}
    )
    # 1 us each: two channels with open rows, and one that opens none.
    assert energy(aim, play).background * 1e3 == pytest.approx(2 * 263.75 + 183.15)
    assert energy(aim, play, cycles=4000).background * 1e3 == pytest.approx(2 * (2 * 263.75 + 183.15))
    with pytest.raises(InputError, match="got 1999; must be at least the program's 2000"):
        energy(aim, play, cycles=1999)


def test_newton_closed_channel_stands_by_with_idd2n() -> None:
    check(energy(device("newton-gddr6"), timing(875)), background=81.0)  # 1.35 V x 60 mA x 1000 ns


@pytest.mark.parametrize("name", DEVICES)
def test_sum_is_total(name: str) -> None:
    chosen = device(name)
    found = energy(chosen, timing(12345, **{c.name: 3 + i for i, c in enumerate(chosen.commands)}))
    assert found.total_uj == pytest.approx(sum(getattr(found, f.name) for f in fields(found)))
    assert set(found.components()) == {f.name for f in fields(found)}
    assert sum((found, found), Energy()).total_uj == pytest.approx(2 * found.total_uj)


@pytest.mark.parametrize("name", DEVICES)
def test_nothing_costs_nothing(name: str) -> None:
    chosen = device(name)
    check(energy(chosen, Timing()))
    check(energy(chosen, timing(0)))
    check(energy(chosen, timing(0, **{c.name: 0 for c in chosen.commands})))
    check(read_energy(chosen, 0))


@pytest.mark.parametrize("name", DEVICES)
def test_twice_the_commands_cost_twice(name: str) -> None:
    chosen = device(name)
    for command in chosen.commands:
        once, twice = (without_standby(energy(chosen, timing(100, **{command.name: n}))) for n in (7, 14))
        assert twice.components() == pytest.approx({k: 2 * v for k, v in once.components().items()})
        assert (once.total_uj > 0) == (command.role not in ("precharge", "mode")), command.name


@pytest.mark.parametrize("name", DEVICES)
def test_channels_add(name: str) -> None:
    chosen = device(name)
    channel = ChannelTiming(1000, {c.name: 5 for c in chosen.commands})
    one, four = (energy(chosen, Timing(dict.fromkeys(range(n), channel))) for n in (1, 4))
    assert four.components() == pytest.approx({k: 4 * v for k, v in one.components().items()})


@pytest.mark.parametrize("name", names())
def test_every_built_in_device_has_costs(name: str) -> None:
    cost = costs(device(name))
    assert all(value >= 0 for value in cost.__dict__.values())
    assert cost.active > cost.idle > 0


def test_reading_over_the_bus_newton_by_hand() -> None:
    # 2049 B: 65 columns in 3 rows of 1 KB; a column every 2 clocks: 130 clocks of 8/7 ns, of which 1662 owe a refresh.
    check(
        read_energy(device("newton-gddr6"), 2049),
        activate=3 * NEWTON_ACTIVATE,
        column_read=65 * 1.16822 / 32,
        bus=65 * 1.35 * 187 * 16 / 7 / 1e3,
        refresh=130 / 1662 * NEWTON_REFRESH,
        background=0.08235 * 130 * 8 / 7,
    )
    assert read_energy(device("newton-gddr6", {"refresh": "off"}), 2049).refresh == 0


def test_reading_and_writing_over_the_bus_aim_by_hand() -> None:
    # 2 KB rows. 64 columns read and 2 written: 2 rows; 66 columns x 2 clocks of 0.5 ns = 66 ns.
    check(
        read_energy(device("aim-gddr6"), 2048, write_bytes=64),
        activate=2 * AIM_ACTIVATE,
        column_read=64 * 0.5476875 + 2 * 0.6914375,
        bus=66 * 1.408,
        refresh=132 / 7800 * 1.9968 * 16 * AIM_ACTIVATE,
        background=0.26375 * 66,
    )


def test_bad_input() -> None:
    newton = device("newton-gddr6")
    with pytest.raises(ProgramError, match=r"unknown command; got 'COMPP'; did you mean COMP\?"):
        energy(newton, timing(1, COMPP=1))
    with pytest.raises(InputError, match="got -1; must be 0 or more"):
        read_energy(newton, -1)


def swapped(chosen: PimDevice, key: str, row: tuple[float, str] | None) -> PimDevice:
    table = [entry for entry in chosen.energy if entry[0] != key]
    return replace(chosen, energy=(*table, *([(key, *row, "")] if row else [])))


@pytest.mark.parametrize("name", ["newton-gddr6", "aim-gddr6"])
def test_every_constant_is_needed_and_has_its_unit(name: str) -> None:
    chosen = device(name)
    unused = {"pre", "active_standby", "vdd"}  # pre: within IDD0; the others name the model
    for key, value, _, _ in chosen.energy:
        if key not in unused:
            with pytest.raises(DeviceError, match=rf"missing energy\.{key}"):
                costs(swapped(chosen, key, None))
        if key != "pre":
            with pytest.raises(DeviceError, match=rf"unit of energy\.{key}; got 'furlong'; must be one of"):
                costs(swapped(chosen, key, (value, "furlong")))


def test_units_are_converted() -> None:
    newton = device("newton-gddr6")
    other = swapped(swapped(newton, "idd0", (0.071, "A")), "row_read", (1168.22, "pJ"))
    assert costs(other).__dict__ == pytest.approx(costs(newton).__dict__)


def test_a_product_s_operands_over_the_bus_by_hand() -> None:
    # 3 x 40 -> 50, 2 B each: 3 x 40 + 40 x 50 = 2120 numbers read: 133 columns; 150 written: 10; the weights alone: 125.
    newton = device("newton-gddr6")
    whole, weights = product_energy(newton, 3, 40, 50)
    assert whole == read_energy(newton, 133 * 32, write_bytes=10 * 32)
    assert weights == read_energy(newton, 125 * 32)


def test_device_without_a_model() -> None:
    newton = device("newton-gddr6")
    with pytest.raises(DeviceError, match=r"energy\.row_read_columns; got 0.0; must be at least 1"):
        costs(swapped(newton, "row_read_columns", (0.0, "columns")))
    with pytest.raises(DeviceError, match="no energy model"):
        costs(replace(newton, energy=()))
    with pytest.raises(DeviceError, match=r"missing timing\.nBL"):
        costs(replace(newton, timing=tuple(t for t in newton.timing if t[0] != "nBL")))
