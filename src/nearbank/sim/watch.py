"""The reference engine, watched: the clock of every command of a channel, and what each clock of it went to.

Every clock of a channel, from 0 to the end of its run, goes to exactly one of these, so that they sum to the cycles:

- mac: the first gap(mac, mac) clocks behind a multiplication, whatever else issues meanwhile: the time in which the MAC units
  could take no further one. Without clocks in which they wait, all cycles would be these.
- For the others, let a be the last command issued and b the next; the first of these that holds: refresh: a or b is a refresh.
  mode: a or b switches the mode. activation: a or b opens or closes rows. bus: a moved data, or b fills or presets: the data on
  its way and the bus turned round. function: a or b looks up an activation function. adder_tree: b reads the sum of the
  multiplication a. idle: all that is left, as the wait for a result latch.
- Before the first command there is no a, and at the end no b: the clocks until the last data is out are a's.

What happens in the shade of a multiplication costs nothing and is in none of the others: they are what hinders the MAC units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from nearbank.devices import ROLES, PimDevice
from nearbank.errors import InputError
from nearbank.program import Program, commands, unroll
from nearbank.program.stream import Stream
from nearbank.sim.reference import Machine
from nearbank.sim.rules import rule_table

__all__ = ["MOST_COMMANDS", "Clocks", "Issued", "channel_stream", "command_times", "spent_clocks"]

MOST_COMMANDS = 200_000
"""How many commands `command_times` tells by default; a program has millions."""

_DATA = ("fill", "preset", "read", "read_function")


@dataclass(frozen=True, slots=True)
class Issued:
    """A command in its ``clock``; ``args`` as `nearbank.devices.ROLES` names them. ``added``: by the controller, for refresh;
    an activation that it adds has the row that was open before."""

    clock: int
    command: str
    role: str
    args: tuple[int, ...]
    added: bool


@dataclass(frozen=True)
class Clocks:
    """What the clocks of one channel, or of several runs one behind the other, went to; see the module."""

    mac: int = 0
    bus: int = 0
    activation: int = 0
    refresh: int = 0
    mode: int = 0
    function: int = 0
    adder_tree: int = 0
    idle: int = 0

    @property
    def cycles(self) -> int:
        """All together: the cycles of the run."""
        return sum(self.components().values())

    def components(self) -> dict[str, int]:
        """Component -> clocks."""
        return asdict(self)

    def __add__(self, other: Clocks) -> Clocks:
        return Clocks(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class _Watched(Machine):
    """A machine that keeps what it issued since it was last asked."""

    def __init__(self, device: PimDevice) -> None:
        super().__init__(device)
        self.seen: list[Issued] = []
        self.rows: dict[int, int] = {}
        self.adding = False

    def issue(self, op: int, args: tuple[int, ...] = (0, 0, 0)) -> int:
        clock, role = super().issue(op, args), self.table.roles[op]
        if role == "activate":
            args = (self.rows.get(op, 0),) if self.adding else args
            self.rows[op] = args[0]
        self.seen.append(Issued(clock, self.table.names[op], role, args[: len(ROLES[role])], self.adding))
        return clock

    def _refresh_shortcut(self) -> None:
        self.adding = True
        super()._refresh_shortcut()
        self.adding = False

    def _refresh_and_reopen(self, owed: int) -> None:
        self.adding = True
        super()._refresh_and_reopen(owed)
        self.adding = False

    def finish(self) -> int:
        self.adding = True
        return super().finish()


def channel_stream(device: PimDevice, program: Program, channel: int) -> Stream:
    """The flat commands of one channel.

    Raises:
        InputError: the program does not use the channel.
    """
    for section in program.sections:
        if channel in section.channels:
            names = rule_table(device).names
            return unroll(section.body, names, channel=section.channels.index(channel))
    used = sorted(c for section in program.sections for c in section.channels)
    raise InputError("channel", value=channel, bound=f"one that the program uses: {', '.join(map(str, used))}")


def command_times(
    device: PimDevice, program: Program, channel: int, *, most: int = MOST_COMMANDS, where: str = ""
) -> Iterator[Issued]:
    """Every command of a channel in order, with refresh, as the reference engine issues them.

    Raises:
        InputError: more than ``most`` commands, refresh not counted (before anything is played), or an unused channel.
        ProgramError: as `time_stream`.
    """
    bodies = [section.body for section in program.sections if channel in section.channels]
    count = sum(times for body in bodies for _, times in commands(body))
    if count > most:
        name = where or f"channel {channel}"
        raise InputError("too many commands to tell one by one", where=name, value=count, bound=f"at most {most}")
    machine = _Watched(device)
    for op, args in _played(channel_stream(device, program, channel)):
        machine.play(op, args)
        yield from machine.seen
        machine.seen.clear()
    machine.finish()
    yield from machine.seen


class _Counting(Machine):
    """A machine that charges the clocks up to each command."""

    def __init__(self, device: PimDevice) -> None:
        super().__init__(device)
        mac = device.one("mac").name
        self.step, self.busy_until = max(device.gap(mac, mac), 1), 0
        self.role = ""
        self.spent = dict.fromkeys(Clocks().components(), 0)

    def issue(self, op: int, args: tuple[int, ...] = (0, 0, 0)) -> int:
        before = self.now
        clock, role = super().issue(op, args), self.table.roles[op]
        self.charge(before, clock, role)
        if role == "mac":
            self.busy_until = clock + self.step
        self.role = role
        return clock

    def charge(self, start: int, stop: int, role: str) -> None:
        """Clocks ``[start, stop)``, behind which a command of ``role`` comes ("": the end)."""
        busy = min(max(self.busy_until - start, 0), stop - start)
        self.spent["mac"] += busy
        self.spent[_reason(self.role, role)] += stop - start - busy


def _reason(a: str, b: str) -> str:
    if "refresh" in (a, b):
        return "refresh"
    if "mode" in (a, b):
        return "mode"
    if a in ("activate", "precharge") or b in ("activate", "precharge"):
        return "activation"
    if b in ("fill", "preset") or a in _DATA:
        return "bus"
    if "function" in (a, b):
        return "function"
    return "adder_tree" if b in ("read", "read_function") else "idle"


def spent_clocks(device: PimDevice, program: Program, channel: int) -> Clocks:
    """What the clocks of one channel go to; the time is that of the reference engine, about 100,000 commands a second.

    Raises:
        InputError: an unused channel. ProgramError: as `time_stream`.
    """
    machine = _Counting(device)
    for op, args in _played(channel_stream(device, program, channel)):
        machine.play(op, args)
    end = machine.finish()
    machine.charge(machine.now, end, "")
    return Clocks(**machine.spent)


def _played(stream: Stream) -> Iterator[tuple[int, tuple[int, ...]]]:
    return zip(stream.ops.tolist(), map(tuple, stream.args.tolist()), strict=True)
