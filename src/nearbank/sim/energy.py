"""Energy of a timed program, and of moving the same data over the memory bus: from command counts and clocks alone.

A device file's `energy` table follows one of two models, told apart by its keys; every constant carries its source there.

Currents (`vdd`, `idd..`; the Newton devices). PIMFlow's energies per event, and from the currents what PIMFlow omits:
- activate: VDD (IDD0 tRC - IDD3N tRAS - IDD2N (tRC - tRAS)) a bank, the usual arithmetic. IDD0 is measured over whole cycles of
  activate and precharge, so the precharge is in it and PIMFlow's `pre` is not added again.
- column_read: `row_read` / `row_read_columns` for each bank of a mac: PIMFlow's simulator charges a bank's read once for so many
  COMPs. A column that crosses the bus costs the same (assumed), read or written.
- mac: lanes x `multiply` and lanes x `add` a bank (an adder tree of lanes - 1 and the accumulator).
- buffer: `buffer_reads` times `buffer_read` a mac (1: broadcast to all banks); one `buffer_write` a column of a fill; one
  `buffer_read` for reading the result latches, as PIMFlow charges it.
- bus: VDD (IDD4R or IDD4W - IDD3N) over the nBL clocks of a 32 B burst. Those currents hold the column access of a plain read
  as well and leave out the output drivers: both together taken as the bus (assumed).
- refresh: VDD (IDD5AB - IDD3N) tRFC a command; background: VDD IDD3N, or VDD IDD2N.

Powers (`active_standby`, ..; AiM), charged as the public AiM simulator's power calculator does:
- activate: `activate` over nRC for each bank, precharge included.
- column_read: `read` over `access_time` for each bank of a function command and each column that crosses the bus.
- mac: `mac` over `mac_time` for all banks; it holds their column reads and the broadcast of the global buffer.
- buffer: `read` or `write` over `access_time` for reading or presetting the MAC registers; fills 0 (that calculator's SRAM write is
  below 0.001 nJ); mode changes 0 (assumed).
- bus: `dq` for each bit. background: `active_standby`, or `precharge_standby`.
- refresh: that calculator charges none. Assumed: a command refreshes rows x interval / 32 ms rows of every bank (32 ms: GDDR6
  retention), each for an activation.

Background: every channel of the program is powered until the slowest ends, and is in active standby all that time (assumed) if
it activates anything, else in precharge standby.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from nearbank.devices import Command, PimDevice
from nearbank.errors import DeviceError, InputError, ProgramError, near_matches
from nearbank.sim.timing import Timing

__all__ = ["Costs", "Energy", "costs", "energy", "product_energy", "read_energy"]

_RETENTION = 32e-3
_UNITS = {
    "J": ("J", 1.0), "V": ("V", 1.0), "A": ("A", 1.0), "mA": ("A", 1e-3), "W": ("W", 1.0), "mW": ("W", 1e-3),
    "s": ("s", 1.0), "ns": ("s", 1e-9), "nJ": ("J", 1e-9), "pJ": ("J", 1e-12), "J/bit": ("J/bit", 1.0), "pJ/bit": ("J/bit", 1e-12),
    "columns": ("columns", 1.0), "reads": ("reads", 1.0),
}  # fmt: skip


@dataclass(frozen=True)
class Energy:
    """Microjoules by component."""

    activate: float = 0.0
    column_read: float = 0.0
    mac: float = 0.0
    buffer: float = 0.0
    bus: float = 0.0
    refresh: float = 0.0
    background: float = 0.0

    @property
    def total_uj(self) -> float:
        """All components together."""
        return sum(self.components().values())

    def components(self) -> dict[str, float]:
        """Component -> microjoules."""
        return asdict(self)

    def __add__(self, other: Energy) -> Energy:
        return Energy(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __rmul__(self, factor: float) -> Energy:
        return Energy(*(factor * getattr(self, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Costs:
    """Joules of each event of a device; ``active`` and ``idle`` are watts of a channel with rows open and with none.

    Per bank: ``activate``, ``mac_column`` (the column read of a mac), ``mac`` (its arithmetic), ``function``. Per command:
    ``buffer_read`` (of a mac), ``refresh``, ``preset`` and ``read`` (of the registers). Per column: ``buffer_write`` (of a fill),
    ``bus_in``, ``bus_out``, and ``column_out`` and ``column_in``, what the bank spends on a plain read or write.
    """

    activate: float
    mac_column: float
    mac: float
    function: float
    buffer_read: float
    buffer_write: float
    preset: float
    read: float
    bus_in: float
    bus_out: float
    column_out: float
    column_in: float
    refresh: float
    active: float
    idle: float


def costs(device: PimDevice) -> Costs:
    """What each event costs on a device.

    Raises:
        DeviceError: the device's energy table follows neither model, lacks a constant, or gives one in the wrong unit.
    """
    table = {key: (value, unit) for key, value, unit, _ in device.energy}
    if "vdd" in table:
        return _from_currents(device, _Constants(device.name, table))
    if "active_standby" in table:
        return _from_powers(device, _Constants(device.name, table))
    raise DeviceError(
        "no energy model",
        where=f"{device.name}, energy",
        bound="given by currents (vdd, ..) or powers (active_standby, ..)",
    )


@dataclass(frozen=True)
class _Constants:
    where: str
    table: dict[str, tuple[float, str]]

    def __call__(self, key: str, dimension: str) -> float:
        """The constant in SI units."""
        if key not in self.table:
            raise DeviceError(f"missing energy.{key}", where=self.where)
        value, unit = self.table[key]
        found, scale = _UNITS.get(unit, ("", 0.0))
        if found != dimension:
            known = [name for name, (kind, _) in _UNITS.items() if kind == dimension]
            raise DeviceError(f"unit of energy.{key}", where=self.where, value=unit, bound=f"one of {', '.join(known)}")
        return value * scale


def _seconds(device: PimDevice, name: str) -> float:
    for key, clocks, _ in device.timing:
        if key == name:
            return clocks / (device.clock_mhz * 1e6)
    raise DeviceError(f"missing timing.{name}, which the energy model needs", where=device.name)


def _from_currents(device: PimDevice, get: _Constants) -> Costs:
    vdd, standby, closed = get("vdd", "V"), get("idd3n", "A"), get("idd2n", "A")
    cycle, opened = get("trc", "s"), get("tras", "s")
    burst, lanes, columns = _seconds(device, "nBL"), device.organization.lanes, get("row_read_columns", "columns")
    if columns < 1:
        raise DeviceError("energy.row_read_columns", where=device.name, value=columns, bound="at least 1")
    column = get("row_read", "J") / columns
    return Costs(
        activate=vdd * (get("idd0", "A") * cycle - standby * opened - closed * (cycle - opened)),
        mac_column=column,
        mac=lanes * (get("multiply", "J") + get("add", "J")),
        function=column,
        buffer_read=get("buffer_reads", "reads") * get("buffer_read", "J"),
        buffer_write=get("buffer_write", "J"),
        preset=0.0,
        read=get("buffer_read", "J"),
        bus_in=vdd * (get("idd4w", "A") - standby) * burst,
        bus_out=vdd * (get("idd4r", "A") - standby) * burst,
        column_out=column,
        column_in=column,
        refresh=vdd * (get("idd5ab", "A") - standby) * get("trfc", "s"),
        active=vdd * standby,
        idle=vdd * closed,
    )


def _from_powers(device: PimDevice, get: _Constants) -> Costs:
    sizes = device.organization
    activate = get("activate", "W") * _seconds(device, "nRC")
    read, write = (get(key, "W") * get("access_time", "s") for key in ("read", "write"))
    bus = get("dq", "J/bit") * 8 * sizes.column_bytes
    interval = device.refresh.interval / (device.clock_mhz * 1e6)
    return Costs(
        activate=activate,
        mac_column=0.0,
        mac=get("mac", "W") * get("mac_time", "s") / sizes.banks,
        function=read,
        buffer_read=0.0,
        buffer_write=0.0,
        preset=write,
        read=read,
        bus_in=bus,
        bus_out=bus,
        column_out=read,
        column_in=write,
        refresh=sizes.rows * interval / _RETENTION * sizes.banks * activate,
        active=get("active_standby", "W"),
        idle=get("precharge_standby", "W"),
    )


def energy(device: PimDevice, timing: Timing, *, cycles: int | None = None) -> Energy:
    """What the channels of a timed program spend, in microjoules.

    ``cycles``: how long, in clocks, they are powered; by default until the slowest ends.

    Raises:
        DeviceError: as `costs`. ProgramError: a command that is not the device's. InputError: fewer cycles than the program's.
    """
    cost, powered = costs(device), timing.cycles if cycles is None else cycles
    if powered < timing.cycles:
        raise InputError("cycles", where="energy", value=powered, bound=f"at least the program's {timing.cycles}")
    known = {c.name: c for c in device.commands}
    opening = [c.name for c in device.by_role("activate")]
    rows_open = sum(any(channel.commands.get(name) for name in opening) for channel in timing.channels.values())
    watts = rows_open * cost.active + (len(timing.channels) - rows_open) * cost.idle
    total = Energy(background=watts * device.microseconds(powered))
    for name, count in timing.commands.items():
        if name not in known:
            raise ProgramError("unknown command", where=device.name, value=name, bound=near_matches(name, known))
        total += _command(device, cost, known[name], count)
    return total


def _command(device: PimDevice, cost: Costs, command: Command, count: int) -> Energy:
    """``count`` times one command, by its role."""
    uj = 1e6 * count
    banks = len(command.bank_groups) * device.organization.banks_per_group
    match command.role:
        case "activate":
            return Energy(activate=uj * banks * cost.activate)
        case "mac":
            return Energy(
                column_read=uj * banks * cost.mac_column, mac=uj * banks * cost.mac, buffer=uj * cost.buffer_read
            )
        case "fill":
            return Energy(buffer=uj * command.columns * cost.buffer_write, bus=uj * command.columns * cost.bus_in)
        case "preset":
            return Energy(buffer=uj * cost.preset, bus=uj * cost.bus_in)
        case "read" | "read_function":
            return Energy(buffer=uj * cost.read, bus=uj * cost.bus_out)
        case "function":
            return Energy(column_read=uj * banks * cost.function)
        case "refresh":
            return Energy(refresh=uj * cost.refresh)
        case _:  # precharge: within activate; mode: nothing switches
            return Energy()


def read_energy(device: PimDevice, read_bytes: int, *, write_bytes: int = 0) -> Energy:
    """What a plain memory of the same kind spends when the GPU reads, and writes, that much over the bus; for comparison.

    Whole columns, each row opened once, in one bank (assumed: streamed); background in active standby and refresh for as long as
    a column every nBL clocks takes (assumed: full bandwidth; on how many channels does not matter). The GPU's own energy is not in.

    Raises:
        DeviceError: as `costs`. InputError: a negative size.
    """
    if min(read_bytes, write_bytes) < 0:
        raise InputError("bytes", where="read_energy", value=min(read_bytes, write_bytes), bound="0 or more")
    cost, sizes = costs(device), device.organization
    out, back = (-(-size // sizes.column_bytes) for size in (read_bytes, write_bytes))
    rows = -(-out // sizes.columns) + -(-back // sizes.columns)
    seconds = (out + back) * _seconds(device, "nBL")
    refreshes = seconds * device.clock_mhz * 1e6 / device.refresh.interval if device.refresh.enabled else 0.0
    return Energy(
        activate=1e6 * rows * cost.activate,
        column_read=1e6 * (out * cost.column_out + back * cost.column_in),
        bus=1e6 * (out * cost.bus_out + back * cost.bus_in),
        refresh=1e6 * refreshes * cost.refresh,
        background=1e6 * seconds * cost.active,
    )


def product_energy(device: PimDevice, pixels: int, in_channels: int, out_channels: int) -> tuple[Energy, Energy]:
    """`read_energy` of a matrix product's operands and results, each once, and of its weights alone.

    Raises:
        DeviceError: as `costs`.
    """
    size = device.organization.column_bytes // device.organization.lanes
    weights = size * in_channels * out_channels
    inputs, outputs = size * pixels * in_channels, size * pixels * out_channels
    return read_energy(device, weights + inputs, write_bytes=outputs), read_energy(device, weights)
