"""The fast timing engine: equal to the reference to the clock, at a cost that does not grow with trip counts.

A channel's future depends only on its state relative to now. So (1) a loop whose relative state repeats is periodic from
there on and is skipped ahead by whole periods; (2) a loop met again in the same relative state does what it did before.
Both hold as long as no refresh is taken on the way, which is known beforehand: a refresh is taken at the earliest at a
known clock. Around it, the loop is played plainly; and where the state together with the refresh's phase repeats, whole
refresh periods are skipped too.
"""

from __future__ import annotations

from math import lcm
from typing import Any

from nearbank.devices import PimDevice
from nearbank.errors import ProgramError
from nearbank.program import Loop, Node, Program
from nearbank.sim.compiled import USES, CompiledLoop, CompiledOp, compile_body
from nearbank.sim.rules import RuleTable, rule_table
from nearbank.sim.timing import ChannelTiming, Timing

__all__ = ["time_program_fast"]

_NEVER = 1 << 62
Snapshot = tuple[Any, ...]


def time_program_fast(device: PimDevice, program: Program) -> Timing:
    """What `reference.time_program` returns for the same device and program, to the clock.

    Raises:
        ProgramError: as the reference.
    """
    table = rule_table(device)
    channels: dict[int, ChannelTiming] = {}
    known: dict[object, ChannelTiming] = {}
    for section in program.sections:
        # Channels of a section differ in addresses at the host alone, unless an operand that matters to time names them.
        alike = not _names_channel(section.body, table)
        for position, channel in enumerate(section.channels):
            if position and alike:
                channels[channel] = channels[section.channels[0]]
                continue
            body = compile_body(device, table, section.body, position)
            signature = _signature(body)
            if signature not in known:
                try:
                    known[signature] = _Engine(device, table).run(body)
                except ProgramError as error:
                    where = f"channel {channel}, {error.where}"
                    raise ProgramError(error.what, where=where, value=error.value, bound=error.bound) from None
            channels[channel] = known[signature]
    return Timing(dict(sorted(channels.items())))


def _names_channel(body: tuple[Node, ...], table: RuleTable) -> bool:
    """Whether a buffer column or latch depends on the channel."""
    index = {name: i for i, name in enumerate(table.names)}
    for node in body:
        if isinstance(node, Loop):
            if _names_channel(node.body, table):
                return True
        elif node.command in index:
            used = [i for i in USES.get(table.roles[index[node.command]], ()) if i < len(node.args)]
            if any(name == "c" for i in used for name, _ in node.args[i].terms):
                return True
    return False


def _signature(body: tuple[CompiledOp | CompiledLoop, ...]) -> tuple[object, ...]:
    """What of a prepared nest decides its time; equal for channels that differ only in addresses at the host."""
    return tuple(
        (n.op, n.buffer, n.latch) if isinstance(n, CompiledOp) else (n.var, n.count, _signature(n.body)) for n in body
    )


class _Engine:
    """One channel, its past kept as the clocks from which each opcode is free (pushed forward at every issue)."""

    def __init__(self, device: PimDevice, table: RuleTable) -> None:
        self.device, self.table = device, table
        n, latches = len(table.names), device.organization.result_latches
        self.checks, self.refresh = bool(device.state_checks), device.refresh
        self.checks_rows, self.checks_filled = device.requires("rows"), device.requires("filled")
        self.checks_latches = device.requires("latches")
        self.checks_mode = device.requires("mode") and table.mode >= 0
        # Gaps of one clock say no more than "one command a clock", which `now + 1` says already.
        self.push = [
            [(a, gap) for a in range(n) for b, gap in table.fixed[a] if b == op and gap > 1] for op in range(n)
        ]
        self.push_latch = [[(a, gap) for a in range(n) for b, gap in table.latch[a] if b == op] for op in range(n)]
        self.waits_latch = [bool(table.latch[a]) for a in range(n)]
        self.fill_gaps = [[(a, gap) for a in range(n) for b, gap in table.buffer[a] if b == op] for op in range(n)]
        self.waits_fill = [bool(table.buffer[a]) for a in range(n)]
        self.own_gap = [max(max((gap for b, gap in table.fixed[op] if b == op), default=1), 1) for op in range(n)]
        self.ending = tuple(op for op, _ in table.end)
        self.latch_count = latches
        self.now, self.ready, self.latch_ready = 0, [0] * n, [0] * (n * latches)
        self.histories: list[list[int]] = [[] for _ in table.windows]
        self.pending: dict[tuple[int, int], int] = {}
        self.open, self.filled, self.newest, self.in_registers = 0, 0, -1, False
        self.latches = [""] * latches
        # The last count is of commands that refresh added, for the number of a wrong command.
        self.counts, self.last_end = [0] * (n + 1), [-1] * n
        self.due = device.refresh.interval if device.refresh.enabled else _NEVER
        self.served, self.was_closed = 0, False
        self.env: dict[str, int] = {}

    def run(self, body: tuple[CompiledOp | CompiledLoop, ...]) -> ChannelTiming:
        self._body(body)
        if self.refresh.enabled and self.refresh.where == "before" and self.now >= self.due:
            if self.in_registers:
                self._issue(self.table.mode, "mode", 0, 0)
            if self.open:
                self._issue(self.table.precharge, "precharge", 0, 0)
            while self.now >= self.due:
                self._serve()
        end = max([self.now] + [self.last_end[op] + gap for op, gap in self.table.end if self.last_end[op] >= 0])
        return ChannelTiming(end, {n: c for n, c in zip(self.table.names, self.counts, strict=False) if c})

    # -- one command ---------------------------------------------------------------------------------------------------

    def _play(self, node: CompiledOp) -> None:
        buffer = node.buffer.value(self.env) if node.buffer.terms else node.buffer.const
        latch = node.latch.value(self.env) if node.latch.terms else node.latch.const
        op = node.op
        if not self.open:
            self.was_closed = True
        if self.refresh.where == "before":
            if self.due != _NEVER:
                clock = self._probe(op, buffer, latch)
                if clock >= self.due and op in self.table.refresh_points:
                    owed = (clock - self.due) // self.refresh.interval + 1
                    if not self.open or owed >= self.refresh.postpone:
                        self._refresh_and_reopen()
            self._issue(op, node.role, buffer, latch)
        else:
            self._issue(op, node.role, buffer, latch)
            if self.now + 1 >= self.due and op in self.table.refresh_points:
                if self.open:
                    self._add(self.table.precharge, "precharge")
                while self.now + 1 >= self.due:
                    self._serve()

    def _refresh_and_reopen(self) -> None:
        table, was_open = self.table, self.open
        if was_open:
            self._add(table.precharge, "precharge")
        self._serve()
        while self.now >= self.due:
            self._serve()
        for op, role in enumerate(table.roles):
            if role == "activate" and was_open & table.groups[op] and not self.open & table.groups[op]:
                self._add(op, role)

    def _add(self, op: int, role: str) -> None:
        self.counts[-1] += 1
        self._issue(op, role, 0, 0)

    def _serve(self) -> None:
        self._add(self.table.refresh, "refresh")
        self.due += self.refresh.interval
        self.served += 1

    def _probe(self, op: int, buffer: int, latch: int) -> int:
        clock = self.now + 1
        if self.ready[op] > clock:
            clock = self.ready[op]
        if self.waits_latch[op]:
            clock = max(clock, self.latch_ready[op * self.latch_count + latch])
        if self.waits_fill[op] and self.pending:
            clock = max(clock, self.pending.get((op, buffer), 0))
        for history, (_, after, gap, window) in zip(self.histories, self.table.windows, strict=True):
            if op in after and len(history) >= window:
                clock = max(clock, history[-window] + gap)
        return clock

    def _issue(self, op: int, role: str, buffer: int, latch: int) -> None:
        if self.checks:
            self._state(op, role, buffer, latch)
        clock = self._probe(op, buffer, latch)
        self.now = clock
        self.counts[op] += 1
        ready = self.ready
        for after, gap in self.push[op]:
            if clock + gap > ready[after]:
                ready[after] = clock + gap
        for after, gap in self.push_latch[op]:
            slot = after * self.latch_count + latch
            self.latch_ready[slot] = max(self.latch_ready[slot], clock + gap)
        for history, (before, _, _, window) in zip(self.histories, self.table.windows, strict=True):
            if op in before:
                history.append(clock)
                del history[:-window]
        if op in self.ending:
            self.last_end[op] = clock
        if role == "activate":
            self.open |= self.table.groups[op]
        elif role == "precharge":
            self.open &= ~self.table.groups[op]
        elif role == "fill":
            self._fill(op, buffer, clock)
        elif role == "mode":
            self.in_registers = not self.in_registers

    def _fill(self, op: int, buffer: int, clock: int) -> None:
        width = self.table.columns[op]
        if self.checks_filled:
            self.filled |= ((1 << width) - 1) << buffer
        for after, gap in self.fill_gaps[op]:
            for column in range(buffer, buffer + width):
                # Taken out first, so that the order of the pending columns is the order of their fills.
                self.pending.pop((after, column), None)
                self.pending[after, column] = clock + gap

    def _state(self, op: int, role: str, buffer: int, latch: int) -> None:
        wrong, value = "", None
        rows, latches = self.checks_rows, self.checks_latches
        if self.checks_mode and op != self.table.mode and (op in self.table.registers) != self.in_registers:
            wrong = "needs a switch of the mode before it"
        elif rows and role in ("mac", "function") and self.table.groups[op] & ~self.open:
            wrong = "needs its row open in all banks, but a bank is closed"
        elif rows and role == "activate" and self.open & self.table.groups[op]:
            wrong = "activates a bank that is already open"
        elif self.checks_filled and role == "mac" and not self.filled >> buffer & 1:
            wrong, value = "reads a buffer column that was never filled", buffer
        elif latches and role == "mac" and self.latches[latch] == "done":
            wrong, value = "accumulates into a latch whose result has not been read", latch
        elif latches and role in ("read", "read_function") and not self.latches[latch]:
            wrong, value = "reads a latch that holds no result", latch
        if wrong:
            raise ProgramError(
                wrong,
                where=f"command {sum(self.counts) - 2 * self.counts[-1] + 1}, {self.table.names[op]}",
                value=value,
            )
        if not latches:
            return
        if role in ("mac", "preset", "function"):
            if self.newest not in (-1, latch) and self.latches[self.newest] == "sum":
                self.latches[self.newest] = "done"
            self.latches[latch], self.newest = "sum", latch
        elif role in ("read", "read_function"):
            self.latches[latch] = ""

    # -- loops ---------------------------------------------------------------------------------------------------------

    def _body(self, body: tuple[CompiledOp | CompiledLoop, ...]) -> None:
        for node in body:
            if isinstance(node, CompiledOp):
                self._play(node)
            else:
                self._remembered(node)

    def _remembered(self, node: CompiledLoop) -> None:
        """A loop met in a relative state that it was met in before has the same effect, if no refresh comes between."""
        if node.single and self._run(node):
            return
        key = (tuple([u.value(self.env) for u in node.outer]), self._key())
        known: Any = node.memo.get(key)
        if known is not None:
            clocks, counts, ends, closed, after = known
            if self.now + clocks < self._limit(closed):
                start = self.now
                self.now += clocks
                self.was_closed |= closed
                self._restore(after)
                self.counts = [a + b for a, b in zip(self.counts, counts, strict=True)]
                for op, clock in ends:
                    self.last_end[op] = start + clock
                return
        start, counts_before, served, outer_closed = self.now, list(self.counts), self.served, self.was_closed
        self.was_closed = False
        self._loop(node)
        if self.served == served:
            counts = [a - b for a, b in zip(self.counts, counts_before, strict=True)]
            ends = [(op, self.last_end[op] - start) for op in self.ending if counts[op]]
            node.memo[key] = (self.now - start, counts, ends, self.was_closed, self._key())
        self.was_closed |= outer_closed

    def _run(self, node: CompiledLoop) -> bool:
        """A run of one command, at one go: False, and nothing done, where a refresh or a fill under way may come between."""
        only: Any = node.body[0]
        op, role, count, table = only.op, only.role, node.count, self.table
        if role not in ("mac", "fill") or table.windows:
            return False
        self.env[node.var] = 0
        first = only.buffer.value(self.env)
        latch = only.latch.value(self.env)
        del self.env[node.var]
        width = table.columns[op]
        step = dict(only.buffer.terms).get(node.var, 0)
        columns = 0
        if step:
            if step != width or (only.buffer.mod and first + count * step > only.buffer.mod):
                return False
            columns = ((1 << count * width) - 1) << first
        else:
            columns = ((1 << width) - 1) << first
        gap = self.own_gap[op]
        clock = self._probe(op, first, latch)
        last = clock + (count - 1) * gap
        if last >= self._limit(closed=not self.open):
            return False
        if role == "mac" and self.waits_fill[op]:
            if self.checks and columns & ~self.filled:
                return False
            for (after, column), ready in self.pending.items():
                if ready > clock and after == op and columns >> column & 1:
                    return False
        if not self.open:
            self.was_closed = True
        # The first by the book, the last for its mark on what follows; those between leave none that the last does not.
        self._issue(op, role, first, latch)
        if count > 1:
            self.counts[op] += count - 2
            self.now = last - 1
            self.ready[op] = max(self.ready[op], last)
            self._issue(op, role, first + (count - 1) * step, latch)
        if role == "fill" and step:
            self._fill_run(op, first, count, width, clock, gap, columns)
        return True

    def _fill_run(self, op: int, first: int, count: int, width: int, clock: int, gap: int, columns: int) -> None:
        """The fills between the first and the last: all columns filled, those of late on their way."""
        if self.checks:
            self.filled |= columns
        for after, wait in self.fill_gaps[op]:
            late = max(count - 1 - wait // gap, 0)
            for i in range(late):
                for column in range(first + i * width, first + (i + 1) * width):
                    self.pending.pop((after, column), None)
            for i in range(late, count):
                for column in range(first + i * width, first + (i + 1) * width):
                    self.pending.pop((after, column), None)
                    self.pending[after, column] = clock + i * gap + wait

    def _limit(self, closed: bool) -> int:
        """The first clock in which a refresh may be taken."""
        if self.refresh.where == "after":
            return self.due - 1
        if closed or not self.open:
            return self.due
        return self.due + (self.refresh.postpone - 1) * self.refresh.interval

    def _loop(self, node: CompiledLoop) -> None:
        env, var, body, cycle = self.env, node.var, node.body, node.cycle
        free = node.innermost and self._disjoint(node)
        latch_cycle = self._latch_cycle(node) if free else 0
        i, count, served = 0, node.count, self.served
        seen: dict[object, tuple[int, int, list[int]]] = {}
        phases: dict[object, tuple[int, int, list[int]]] = {}
        outer_closed, self.was_closed = self.was_closed, False
        any_closed = False
        tail = 0
        while i < count:
            if count - i > 1 and (free or cycle):
                key = (*self._key(fills=False), i % latch_cycle) if free else (self._key(), i % cycle)
                if self.served != served:
                    # A refresh came: what was periodic begins anew; but the whole may repeat with the refresh's phase.
                    served, seen = self.served, {}
                    phase = (key, self.due - self.now)
                    if phase in phases:
                        i += self._skip(phases[phase], i, count, bound=_NEVER, tail=tail, free=free)
                        phases = {}
                        continue
                    phases[phase] = (i, self.now, list(self.counts))
                earlier = seen.get(key)
                if earlier is not None and self.now > earlier[1]:
                    if free and node.fills:
                        tail = (
                            max((g for row in self.fill_gaps for _, g in row), default=0) // (self.now - earlier[1]) + 1
                        )
                        tail *= i - earlier[0]
                    bound = self._limit(self.was_closed)
                    skipped = self._skip(earlier, i, count, bound=bound, tail=tail, free=free)
                    i += skipped
                    seen = {}
                    if skipped:
                        continue
                else:
                    seen[key] = (i, self.now, list(self.counts))
                    if len(seen) == 1:
                        any_closed |= self.was_closed
                        self.was_closed = False
            env[var] = i
            for child in body:
                if isinstance(child, CompiledOp):
                    self._play(child)
                else:
                    self._remembered(child)
            i += 1
        env.pop(var, None)
        self.was_closed |= any_closed | outer_closed
        if free and self.checks_filled and node.fills:
            self.filled |= self._mask(node, "fill")

    def _skip(
        self, earlier: tuple[int, int, list[int]], i: int, count: int, *, bound: int, tail: int, free: bool
    ) -> int:
        """Skip ahead by whole periods, ending before ``bound`` and ``tail`` iterations before the last; returns iterations.

        Where column numbers do not matter (``free``) the columns filled before keep their clocks; those filled in the
        tail set their own.
        """
        period, clocks = i - earlier[0], self.now - earlier[1]
        times = (count - i - tail) // period
        if bound < _NEVER:
            times = min(times, (bound - 1 - self.now) // clocks)
        if times <= 0:
            return 0
        delta = [a - b for a, b in zip(self.counts, earlier[2], strict=True)]
        shift = times * clocks
        self.counts = [a + times * d for a, d in zip(self.counts, delta, strict=True)]
        self.last_end = [t + shift if t >= 0 and d else t for t, d in zip(self.last_end, delta, strict=False)]
        self.now += shift
        self.ready = [r + shift for r in self.ready]
        self.latch_ready = [r + shift for r in self.latch_ready]
        if not free:
            self.pending = {c: r + shift for c, r in self.pending.items()}
        self.histories = [[t + shift for t in history] for history in self.histories]
        if bound == _NEVER and self.due != _NEVER:
            self.due += shift
            self.served += times * delta[self.table.refresh]
        return times * period

    def _disjoint(self, node: CompiledLoop) -> bool:
        """Whether the buffer columns an innermost loop reads are all there, and none is filled meanwhile: then their
        numbers do not matter to time."""
        if not any(child.buffer.terms for child in node.body if isinstance(child, CompiledOp)):
            return False
        if not self.checks_filled and not any(self.waits_fill):
            return True
        reads = self._mask(node, "mac")
        now = self.now + 1
        busy = 0
        for (_, column), clock in self.pending.items():
            if clock > now:
                busy |= 1 << column
        return not reads & (self._mask(node, "fill") | busy) and (not self.checks_filled or not reads & ~self.filled)

    def _mask(self, node: CompiledLoop, role: str) -> int:
        mask = 0
        for child in node.body:
            if not isinstance(child, CompiledOp) or child.role != role:
                continue
            factor = dict(child.buffer.terms).get(node.var, 0)
            self.env[node.var] = 0
            base, mod = child.buffer.value(self.env), child.buffer.mod
            wide = (1 << self.table.columns[child.op]) - 1
            span = node.count if factor else 1
            for i in range(min(span, mod or span)):
                column = base + factor * i
                mask |= wide << (column % mod if mod else column)
        return mask

    def _latch_cycle(self, node: CompiledLoop) -> int:
        """After how many iterations the latches repeat; more than the count if they never do."""
        cycle = 1
        for child in node.body:
            if isinstance(child, CompiledOp) and dict(child.latch.terms).get(node.var):
                cycle = lcm(cycle, child.latch.mod or node.count + 1)
        return cycle

    # -- relative state ------------------------------------------------------------------------------------------------

    def _key(self, fills: bool = True) -> Snapshot:
        now = self.now
        floor = now + 1
        pending: tuple[object, ...] = ()
        if fills and self.pending:
            if any(r <= floor for r in self.pending.values()):
                self.pending = {c: r for c, r in self.pending.items() if r > floor}
            pending = tuple([(c, r - now) for c, r in self.pending.items()])
        histories = tuple(
            tuple([max(t - now, -gap) for t in history])
            for history, (_, _, gap, _) in zip(self.histories, self.table.windows, strict=True)
        )
        return (
            tuple([r - now if r > floor else 1 for r in self.ready]),
            tuple([r - now if r > floor else 1 for r in self.latch_ready]),
            tuple(self.latches), self.newest, self.open, self.in_registers, self.filled if fills else 0, pending, histories,
        )  # fmt: skip

    def _restore(self, snapshot: Snapshot) -> None:
        now = self.now
        ready, latch_ready, latches, self.newest, self.open, self.in_registers, self.filled, pending, histories = (
            snapshot
        )
        self.ready = [r + now for r in ready]
        self.latch_ready = [r + now for r in latch_ready]
        self.latches = list(latches)
        self.pending = {c: r + now for c, r in pending}
        self.histories = [[t + now for t in history] for history in histories]
