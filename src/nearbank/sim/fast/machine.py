"""One channel of the fast engine: its state, and how a command and a refresh change it.

Refresh is the one thing that depends on the clock itself, and not on the state relative to it. So that what was learnt holds
later, the machine keeps for what it plays in which range the next refresh may have been due for all to go as it did: due after
``low`` and no later than ``high``, both counted as if no refresh had been served yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nearbank.devices import PimDevice
from nearbank.errors import ProgramError
from nearbank.program import Affine
from nearbank.sim.fast.commands import Variant, variants_of

__all__ = ["FAR", "NOWHERE", "Fault", "Machine", "State"]

FAR = 1 << 62
State = tuple[
    tuple[int, ...], tuple[int, ...], int, int, bool, tuple[tuple[int, int], ...], tuple[tuple[int, ...], ...]
]
"""Clocks that commands wait for, relative to now; latches; the newest sum's latch; open banks; whether in the register mode;
columns on their way; windows."""
NOWHERE: State = ((), (), -1, 0, False, (), ())
"""Stands for a state that is not told."""

_EMPTY, _SUM, _DONE = 0, 1, 2


class Fault(Exception):
    """A wrong command; ``before``: the commands of the program before it, counted on the way out."""

    def __init__(self, what: str, command: str, value: Any, bound: str = "") -> None:
        super().__init__(what)
        self.what, self.command, self.value, self.bound, self.before = what, command, value, bound, 0


class Machine:
    """``now``, ``ready`` (see `commands`), ``pending`` (clock from which a command may use a column that was just filled, by
    command and column), ``histories`` of windows; the state that commands need; refresh."""

    def __init__(self, device: PimDevice) -> None:
        self.device, self.variants = device, variants_of(device)
        self.table = self.variants.table
        self.capacity = device.organization.buffer_capacity
        self.checks_rows, self.checks_filled = device.requires("rows"), device.requires("filled")
        self.checks_latches = device.requires("latches")
        self.checks_mode = device.requires("mode") and self.table.mode >= 0
        self.checks = self.checks_rows or self.checks_filled or self.checks_latches or self.checks_mode
        self.now = 0
        self.ready = [0] * self.variants.slots
        self.pending: dict[int, int] = {}
        self.pending_until = 0
        self.histories: list[list[int]] = [[] for _ in self.table.windows]
        self.open, self.filled, self.newest, self.in_registers = 0, 0, -1, False
        self.latches = [_EMPTY] * device.organization.result_latches
        refresh = device.refresh
        self.before = refresh.enabled and refresh.where == "before"
        self.after = refresh.enabled and refresh.where == "after"
        self.interval, self.patience = refresh.interval, (refresh.postpone - 1) * refresh.interval
        self.due, self.served = refresh.interval if refresh.enabled else FAR, 0
        self.added: tuple[int, ...] = (0,) * len(self.table.names)
        self.low, self.high = -FAR, FAR
        self.env: dict[str, int] = {}

    @property
    def end(self) -> int:
        """The clock in which the last command has issued and the last data is out."""
        return max(self.now, self.ready[-1] - 1)

    def value(self, arg: Affine) -> int:
        """An operand in the present iteration."""
        total, env = arg.const, self.env
        for name, factor in arg.terms:
            total += factor * env[name]
        return total % arg.mod if arg.mod else total

    # -- one command ---------------------------------------------------------------------------------------------------

    def play(self, v: Variant, column: int) -> None:
        """Issue a command as early as it may, with the controller's refresh around it."""
        now, ready = self.now, self.ready
        clock = now + 1
        for slot in v.waits:
            if ready[slot] > clock:
                clock = ready[slot]
        if clock < self.pending_until and v.wants >= 0:
            clock = max(clock, self.pending.get(v.wants + column, 0))
        if v.heeds:
            clock = self._heed(v, clock)
        if self.before and v.point:
            if clock >= self.due:
                clock = self._refresh_before(v, column, clock)
            elif self.open:
                if clock - self.patience - self.served * self.interval > self.low:
                    self.low = clock - self.patience - self.served * self.interval
            elif clock - self.served * self.interval > self.low:
                self.low = clock - self.served * self.interval
        self.issue(v, column, clock)
        if self.after and v.point:
            self._refresh_after()

    def play_wrong(self, op: int, check: Callable[[], None]) -> None:
        """What `play` does for a command whose operands are out of range, as ``check`` says: no latch and no column holds it back,
        and the refresh, the mode and the rows come first.

        Raises:
            Fault: always.
        """
        v = self.variants.of[op][0]
        plain = replace(v, waits=v.waits[:1], wants=-1)
        clock = self.probe(plain, 0)
        if self.before and v.point and clock >= self.due:
            self._refresh_before(plain, 0, clock)
        self.check_banks(v)
        try:
            check()
        except ProgramError as error:
            raise Fault(error.what, str(error.where), error.value, error.bound) from None
        raise AssertionError("an operand was found out of range that is in it")

    def probe(self, v: Variant, column: int) -> int:
        """The clock in which a command may issue."""
        clock = self.now + 1
        for slot in v.waits:
            clock = max(clock, self.ready[slot])
        if v.wants >= 0:
            clock = max(clock, self.pending.get(v.wants + column, 0))
        return self._heed(v, clock)

    def _heed(self, v: Variant, clock: int) -> int:
        for i in v.heeds:
            history, (_, _, gap, window) = self.histories[i], self.table.windows[i]
            if len(history) >= window:
                clock = max(clock, history[-window] + gap)
        return clock

    def issue(self, v: Variant, column: int, clock: int) -> None:
        """Issue a command in ``clock``, after the state it needs has been checked."""
        if self.checks:
            self.check(v, column)
        self.now = clock
        ready = self.ready
        for slot, gap in v.pushes:
            if clock + gap > ready[slot]:
                ready[slot] = clock + gap
        if v.effect:
            self._effect(v, column, clock)

    def _effect(self, v: Variant, column: int, clock: int) -> None:
        role = v.role
        if role == "fill":
            self.fill(v, column, 1, clock)
        elif role == "activate":
            self.open |= v.groups
        elif role == "precharge":
            self.open &= ~v.groups
        elif role == "mode":
            self.in_registers = not self.in_registers
        for i in v.joins:
            self.histories[i].append(clock)
            del self.histories[i][: -self.table.windows[i][3]]

    def fill(self, v: Variant, column: int, count: int, last: int) -> None:
        """``count`` fills of columns one behind the other, ``v.own`` clocks apart, the last in clock ``last``."""
        width = v.width
        if self.checks_filled:
            self.filled |= ((1 << width * count) - 1) << column
        for key, gap in v.brings:
            pending = self.pending
            if len(pending) > 12:
                pending = self.pending = {k: clock for k, clock in pending.items() if clock > self.now}
            # Those that have arrived before the last issues are not on their way.
            first = max(count - 1 - gap // v.own, 0)
            for i in range(column, column + width * first):
                pending.pop(key + i, None)
            for i in range(column + width * first, column + width * count):
                # Taken out first, so that the order of the pending columns is the order of their fills.
                pending.pop(key + i, None)
                pending[key + i] = last - (count - 1 - (i - column) // width) * v.own + gap
            if last + gap > self.pending_until:
                self.pending_until = last + gap

    def check(self, v: Variant, column: int) -> None:
        """The state that a command needs, and what it makes of the latches.

        Raises:
            Fault: it is not there.
        """
        role = v.role
        self.check_banks(v)
        if role == "mac":
            if self.checks_filled and not self.filled >> column & 1:
                self._wrong(v, "reads a buffer column that was never filled", column)
            if self.checks_latches and self.latches[v.latch] == _DONE:
                self._wrong(v, "accumulates into a latch whose result has not been read", v.latch)
        if not self.checks_latches:
            return
        if role in ("mac", "preset", "function"):
            if self.newest not in (-1, v.latch) and self.latches[self.newest] == _SUM:
                self.latches[self.newest] = _DONE
            self.latches[v.latch], self.newest = _SUM, v.latch
        elif role in ("read", "read_function"):
            if not self.latches[v.latch]:
                self._wrong(v, "reads a latch that holds no result", v.latch)
            self.latches[v.latch] = _EMPTY

    def check_banks(self, v: Variant) -> None:
        """Mode and rows, which come before operands.

        Raises:
            Fault: as `check`.
        """
        if self.checks_mode and v.op != self.table.mode and (v.op in self.table.registers) != self.in_registers:
            self._wrong(v, "needs a switch of the mode before it")
        if self.checks_rows:
            if v.role in ("mac", "function") and v.groups & ~self.open:
                self._wrong(v, "needs its row open in all banks, but a bank is closed")
            if v.role == "activate" and self.open & v.groups:
                self._wrong(v, "activates a bank that is already open")

    def _wrong(self, v: Variant, what: str, value: int | None = None) -> None:
        raise Fault(what, self.table.names[v.op], value)

    # -- refresh -------------------------------------------------------------------------------------------------------

    def _refresh_before(self, v: Variant, column: int, clock: int) -> int:
        """A refresh is due as a command would issue in ``clock``; returns the clock in which it may issue then."""
        base = self.served * self.interval
        patience = self.patience if self.open else 0
        if clock - patience < self.due:
            self.low = max(self.low, clock - patience - base)
            return clock
        self.high = min(self.high, clock - patience - base)
        was_open = self.open
        if was_open:
            self._add(self.table.precharge)
        self._serve(0)
        for op, role in enumerate(self.table.roles):
            if role == "activate" and was_open & self.table.groups[op] and not self.open & self.table.groups[op]:
                self._add(op)
        return self.probe(v, column)

    def _refresh_after(self) -> None:
        base = self.served * self.interval
        if self.now + 1 < self.due:
            self.low = max(self.low, self.now + 1 - base)
            return
        self.high = min(self.high, self.now + 1 - base)
        if self.open:
            self._add(self.table.precharge)
        self._serve(1)

    def _serve(self, ahead: int) -> None:
        """One refresh, and all that are due ``ahead`` clocks from then."""
        while True:
            self._add(self.table.refresh)
            self.due += self.interval
            self.served += 1
            seen = self.now + ahead - self.served * self.interval
            if self.now + ahead < self.due:
                self.low = max(self.low, seen)
                return
            self.high = min(self.high, seen)

    def _add(self, op: int) -> None:
        """A command of the controller's own."""
        self.added = tuple([n + (i == op) for i, n in enumerate(self.added)])
        v = self.variants.of[op][0]
        self.issue(v, 0, self.probe(v, 0))

    def finish(self) -> None:
        """Serve what is owed: a program leaves no debt."""
        if self.before and self.now >= self.due:
            if self.in_registers:
                self._add(self.table.mode)
            if self.open:
                self._add(self.table.precharge)
            while self.now >= self.due:
                self._add(self.table.refresh)
                self.due += self.interval

    # -- relative state ------------------------------------------------------------------------------------------------

    def columns_on_their_way(self) -> bool:
        """Whether some column was filled so late that a command may have to wait for it."""
        return self.pending_until > self.now + 1

    def state(self) -> State:
        """All that the future depends on, relative to now, but for filled columns and refresh."""
        now = self.now
        floor = now + 1
        pending: tuple[tuple[int, int], ...] = ()
        if self.pending_until > floor:
            pending = tuple([(key, clock - now) for key, clock in self.pending.items() if clock > floor])
        histories: tuple[tuple[int, ...], ...] = ()
        if self.histories:
            histories = tuple(
                tuple([max(t - now, -gap) for t in history])
                for history, (_, _, gap, _) in zip(self.histories, self.table.windows, strict=True)
            )
        ready = tuple([clock - now if clock > floor else 1 for clock in self.ready])
        return ready, tuple(self.latches), self.newest, self.open, self.in_registers, pending, histories

    def restore(self, state: State) -> None:
        """Make the state relative to now what it was."""
        now = self.now
        ready, latches, self.newest, self.open, self.in_registers, pending, histories = state
        self.ready = [clock + now for clock in ready]
        self.latches = list(latches)
        self.pending = {key: clock + now for key, clock in pending}
        self.pending_until = max(self.pending.values(), default=0)
        self.histories = [[t + now for t in history] for history in histories]
