"""The reference timing engine: one command at a time, the plainest code there is. It defines what the fast engine must equal."""

from __future__ import annotations

from nearbank.devices import PimDevice
from nearbank.errors import ProgramError
from nearbank.program import Program, Stream, unroll
from nearbank.sim.rules import rule_table
from nearbank.sim.timing import ChannelTiming, Timing

__all__ = ["Machine", "check_range", "time_program", "time_stream"]


class Machine:
    """One channel that commands are issued to: its clock, its rules' memory, and its state.

    State is apart from timing: ``open`` bank groups (bit mask), ``filled`` buffer columns, ``latches`` (what each result latch
    holds: "" nothing, "sum" a running sum, "done" a sum that a later accumulation has overtaken and that waits to be read),
    ``in_registers`` (which mode it is in). ``arrival`` is the clock before which no command is there to be issued.
    """

    def __init__(self, device: PimDevice) -> None:
        self.device, self.table = device, rule_table(device)
        self.now = self.arrival = 0
        self.last: dict[int, int] = {}
        self.last_fill: dict[tuple[int, int], int] = {}
        self.last_latch: dict[tuple[int, int], int] = {}
        self.history: list[list[int]] = [[] for _ in self.table.windows]
        self.open, self.filled = 0, set[int]()
        self.latches = [""] * device.organization.result_latches
        self.newest = -1
        self.in_registers = False
        self.counts = [0] * len(self.table.names)
        self.due = device.refresh.interval
        self.end = 0

    def probe(self, op: int, args: tuple[int, ...]) -> int:
        """The clock in which ``op`` may issue, by the rules alone. Changes nothing."""
        table, earliest = self.table, max(self.now + 1, self.arrival)
        for before, gap in table.fixed[op]:
            if before in self.last:
                earliest = max(earliest, self.last[before] + gap)
        for history, (_, after, gap, window) in zip(self.history, table.windows, strict=True):
            if op in after and len(history) >= window:
                earliest = max(earliest, history[-window] + gap)
        for before, gap in table.buffer[op]:
            earliest = max(earliest, self.last_fill.get((before, args[1]), -gap) + gap)
        for before, gap in table.latch[op]:
            earliest = max(earliest, self.last_latch.get((before, self._latch(op, args)), -gap) + gap)
        return earliest

    def _latch(self, op: int, args: tuple[int, ...]) -> int:
        return args[2] if self.table.roles[op] == "mac" else args[0]

    def issue(self, op: int, args: tuple[int, ...] = (0, 0, 0)) -> int:
        """Issue ``op`` as early as it may, after the state it needs has been checked; returns its clock."""
        table = self.table
        self._check(op, args)
        clock = self.probe(op, args)
        self.now = clock
        self.last[op] = clock
        self.counts[op] += 1
        for history, (before, _, _, window) in zip(self.history, table.windows, strict=True):
            if op in before:
                history.append(clock)
                del history[:-window]
        for ending, gap in table.end:
            if op == ending:
                self.end = max(self.end, clock + gap)
        role = table.roles[op]
        if role == "activate":
            self.open |= table.groups[op]
        elif role == "precharge":
            self.open &= ~table.groups[op]
        elif role == "fill":
            for column in range(args[0], args[0] + table.columns[op]):
                self.filled.add(column)
                self.last_fill[op, column] = clock
        elif role in ("mac", "preset", "function"):
            self._accumulate(op, args, clock)
        elif role in ("read", "read_function"):
            self.last_latch[op, args[0]] = clock
            if self.device.requires("latches"):
                self.latches[args[0]] = ""
        elif role == "mode":
            self.in_registers = not self.in_registers
        return clock

    def _accumulate(self, op: int, args: tuple[int, ...], clock: int) -> None:
        latch = self._latch(op, args)
        self.last_latch[op, latch] = clock
        if self.device.requires("latches"):
            if self.newest not in (-1, latch) and self.latches[self.newest] == "sum":
                self.latches[self.newest] = "done"
            self.latches[latch], self.newest = "sum", latch

    def _check(self, op: int, args: tuple[int, ...]) -> None:
        """The state that ``op`` needs, as far as the device requires it."""
        role, name, needs = self.table.roles[op], self.table.names[op], self.device.requires
        if needs("mode") and self.table.mode not in (-1, op) and (op in self.table.registers) != self.in_registers:
            raise ProgramError("needs a switch of the mode before it", where=name)
        if needs("rows"):
            if role == "activate" and self.open & self.table.groups[op]:
                raise ProgramError("activates a bank that is already open", where=name)
            if role in ("mac", "function") and self.table.groups[op] & ~self.open:
                raise ProgramError("needs its row open in all banks, but a bank is closed", where=name)
        if needs("range"):
            check_range(self.device, op, args)
        if needs("filled") and role == "mac" and args[1] not in self.filled:
            raise ProgramError("reads a buffer column that was never filled", where=name, value=args[1])
        if needs("latches") and role in ("mac", "read", "read_function"):
            latch = self._latch(op, args)
            if role == "mac" and self.latches[latch] == "done":
                raise ProgramError("accumulates into a latch whose result has not been read", where=name, value=latch)
            if role in ("read", "read_function") and not self.latches[latch]:
                raise ProgramError("reads a latch that holds no result", where=name, value=latch)

    def owed(self, clock: int) -> int:
        """Refreshes that have fallen due by ``clock`` and are not served."""
        return max(0, (clock - self.due) // self.device.refresh.interval + 1)

    def play(self, op: int, args: tuple[int, ...]) -> None:
        """Issue ``op`` with the controller's refresh around it, as the device's `refresh` table says."""
        refresh = self.device.refresh
        if not refresh.enabled:
            self.issue(op, args)
        elif refresh.where == "after":
            self.issue(op, args)
            if op in self.table.refresh_points:
                self._refresh_shortcut()
        else:
            if op in self.table.refresh_points:
                owed = self.owed(self.probe(op, args))
                if owed and (not self.open or owed >= refresh.postpone):
                    self._refresh_and_reopen(owed)
            self.issue(op, args)

    def _refresh_shortcut(self) -> None:
        if self.now + 1 < self.due:  # the clock in which the controller could act
            return
        if self.open:
            self.issue(self.table.precharge)
        while self.now + 1 >= self.due:
            self.issue(self.table.refresh)
            self.due += self.device.refresh.interval

    def _refresh_and_reopen(self, owed: int) -> None:
        """All that are due by the time they are served; the rows that were open are opened again (their numbers do not
        matter to time; the values are where they were)."""
        table, was_open = self.table, self.open
        if was_open:
            self.issue(table.precharge)
        while owed:
            self.issue(table.refresh)
            self.due += self.device.refresh.interval
            owed = self.owed(self.now)
        for op, role in enumerate(table.roles):
            if role == "activate" and was_open & table.groups[op] and not self.open & table.groups[op]:
                self.issue(op)

    def finish(self) -> int:
        """The clock of the end: all refreshes that fell due are served (a program leaves no debt), the last data is out."""
        refresh = self.device.refresh
        if refresh.enabled and refresh.where == "before" and self.owed(self.now):
            if self.in_registers:
                self.issue(self.table.mode)
            if self.open:
                self.issue(self.table.precharge)
            while self.owed(self.now):
                self.issue(self.table.refresh)
                self.due += refresh.interval
        return max(self.now, self.end)


def check_range(device: PimDevice, op: int, args: tuple[int, ...]) -> None:
    """Whether the operands of command ``op`` are within the device's sizes.

    Raises:
        ProgramError: the first that is not; ``where`` is the command's name.
    """
    table, sizes = rule_table(device), device.organization
    role, name, wide = table.roles[op], table.names[op], table.columns[op]
    args = (*args, 0, 0, 0)
    if role == "activate" and not sizes.is_row(args[0]):
        raise ProgramError("row", where=name, value=args[0], bound=f"0 to {sizes.rows - 1}")
    if role == "mac":
        for what, value, limit in (("column", args[0], sizes.columns), ("buffer", args[1], sizes.buffer_capacity)):
            if not 0 <= value < limit:
                raise ProgramError(what, where=name, value=value, bound=f"0 to {limit - 1}")
    if role == "fill" and not 0 <= args[0] <= sizes.buffer_capacity - wide:
        bound = f"0 to {sizes.buffer_capacity - wide}"
        raise ProgramError("buffer column", where=name, value=args[0], bound=bound)
    if role in ("mac", "preset", "function", "read", "read_function"):
        latch = args[2] if role == "mac" else args[0]
        if not 0 <= latch < sizes.result_latches:
            raise ProgramError("result latch", where=name, value=latch, bound=f"0 to {sizes.result_latches - 1}")


def time_stream(device: PimDevice, stream: Stream, *, where: str = "") -> ChannelTiming:
    """Play one channel's flat stream.

    Raises:
        ProgramError: a command whose state is not there; ``where`` and the number of the command say which.
    """
    machine = Machine(device)
    for number, (op, args) in enumerate(zip(stream.ops.tolist(), map(tuple, stream.args.tolist()), strict=True), 1):
        try:
            machine.play(op, args)
        except ProgramError as error:
            raise ProgramError(
                error.what, where=f"{where}command {number}, {error.where}", value=error.value, bound=error.bound
            ) from None
    counts = {}
    end = machine.finish()
    for name, count in zip(machine.table.names, machine.counts, strict=True):
        if count:
            counts[name] = count
    return ChannelTiming(end, counts)


def time_program(device: PimDevice, program: Program) -> Timing:
    """Play every channel of a program."""
    names = rule_table(device).names
    channels = {}
    for section in program.sections:
        for position, channel in enumerate(section.channels):
            stream = unroll(section.body, names, channel=position)
            channels[channel] = time_stream(device, stream, where=f"channel {channel}, ")
    return Timing(dict(sorted(channels.items())))
