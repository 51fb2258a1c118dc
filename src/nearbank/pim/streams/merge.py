"""Two streams of commands merged into one: the banks' (rows opened, sums multiplied) and the bus's (fills and reads).

Each stream keeps its own order; of the two commands at their heads the one that may issue first is next. The banks' order is
given. The bus's follows a rule: results are read as soon as they are there, but turns of the bus are dear, so fills come in bursts:
while a row opens and no read is due, and else after every so many reads, as many columns as the sums between two bursts use.

Where the state relative to now repeats at a pixel's or a visit's beginning, what lies between is a loop and is not merged again
(`skip`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from nearbank.devices import PimDevice
from nearbank.pim.product import Product
from nearbank.pim.streams.gaps import gaps
from nearbank.pim.streams.repeat import Entry, Repeat
from nearbank.pim.streams.work import Part, Visit, Work

__all__ = ["NEVER", "Merger", "Sum"]

NEVER = 1 << 60


@dataclass(slots=True)
class Sum:
    """A sum that has not been read: of which visit, pixel and part, its number; ``done``: the clock of its last multiplication,
    -1 before."""

    visit: int
    pixel: int
    part: int
    number: int
    done: int


class Merger:
    """One channel's streams as far as they are merged: both heads, the clocks of the last commands, and the entries so far.

    Columns of the buffers are counted on without end: ``filled`` is the next to fill, ``retired`` the first that is still wanted.
    ``now`` counts without the clocks that were ``skipped``.
    """

    def __init__(self, device: PimDevice, product: Product, work: Work, reads: int) -> None:
        self.gap, self.work, self.reads = gaps(device), work, reads
        self.pixels, self.groups = product.pixels, product.groups(device)
        self.latches = device.organization.result_latches
        self.ring = work.places * work.stride
        self.entries: list[Entry | Repeat] = []
        self.fence = 0  # an entry before it is not added to
        self.now = self.skipped = 0
        old = -self.gap.long
        self.t_mac = self.t_read = self.t_fill = self.t_close = self.t_first = self.t_act = old
        self.arrivals: deque[tuple[int, int]] = deque(maxlen=8)
        # The banks' head: ``opened`` activates of the row, -1 before its precharge; then a sum's ``k``-th multiplication.
        self.visit = self.pixel = self.part = self.k = self.opened = self.started = 0
        self.unread: deque[Sum] = deque()
        # The bus's head: the next fill, and the sums to be read; ``burst`` fills go before the next read.
        self.load = self.load_pixel = self.span = self.column = 0
        self.filled = self.retired = self.since = self.burst = 0

    # -- heads ---------------------------------------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether both streams have come to their end (inputs that nobody wants are not there)."""
        return self.visit >= len(self.work.visits) and not self.unread

    @property
    def head(self) -> int:
        """The first column of the pixel at the banks' head."""
        if self.visit >= len(self.work.visits):
            return self.filled
        return (self.work.visits[self.visit].place + self.pixel) * self.work.stride

    @property
    def can_fill(self) -> bool:
        """Whether there is a column to fill and a place for it."""
        return self.load < len(self.work.loads) and self.filled < self.retired + self.ring

    def bank_clock(self) -> int:
        """When the banks' next command may issue; never, while it waits for the bus."""
        gap, soon = self.gap, self.now + 1
        if self.visit >= len(self.work.visits):
            return NEVER
        visit = self.work.visits[self.visit]
        if self.opened < len(gap.acts):
            if self.opened < 0:
                return max(soon, self.t_mac + gap.mac_close, self.t_act + gap.act_close)
            if self.opened == 0:
                return max(soon, self.t_close + gap.close_act, self.t_first + gap.act_again)
            return max(soon, self.t_act + gap.act_step[self.opened])
        wanted = self._wanted(visit, visit.parts[self.part])
        if wanted >= self.filled or (self.k == 0 and len(self.unread) >= self.latches):
            return NEVER
        # Written out, here and below: this is asked for every command.
        clock = self.t_mac + gap.step
        if clock < soon:
            clock = soon
        if clock < self.t_act + gap.act_mac:
            clock = self.t_act + gap.act_mac
        if wanted >= self.filled - 16:
            for column, at in self.arrivals:
                if column == wanted and at + gap.arrive > clock:
                    clock = at + gap.arrive
        return clock

    def _wanted(self, visit: Visit, part: Part) -> int:
        return (visit.place + self.pixel) * self.work.stride + part.offset + self.k

    def bus_clock(self, bank: int) -> tuple[int, bool]:
        """When the bus's next command may issue, and whether it is a fill; never, while it waits for the banks."""
        gap, soon, unread = self.gap, self.now + 1, self.unread
        if self.load < len(self.work.loads) and self.filled < self.retired + self.ring:
            clock = self.t_fill + gap.fill_step
            if clock < soon:
                clock = soon
            if clock < self.t_read + gap.to_fill:
                clock = self.t_read + gap.to_fill
            if self.burst > 0:
                return clock, True
            starved = bank == NEVER and (not unread or unread[0].done < 0)
            if self.since >= self.reads or starved:
                self.burst, self.since = self._burst(), 0
                return clock, True
            if not unread and clock + gap.to_read <= self._ready(bank):
                return clock, True
        else:
            self.burst = 0
        if unread and unread[0].done >= 0:
            ready = unread[0].done + gap.tree
            return max(soon, ready, self.t_read + gap.read_step, self.t_fill + gap.to_read), False
        return NEVER, False

    def _burst(self) -> int:
        """Columns to fill in a burst: what the sums till the next one use."""
        visit = self.work.visits[min(self.visit, len(self.work.visits) - 1)]
        return -(-self.reads * visit.columns // visit.sums)

    def _ready(self, bank: int) -> int:
        """When the result of the sum that begins next can be read, as far as can be told."""
        gap = self.gap
        if self.visit >= len(self.work.visits):
            return NEVER
        rest = (self.work.visits[self.visit].parts[self.part].count - 1) * gap.step + gap.tree
        if self.opened < len(gap.acts):
            rest += sum(gap.act_step[self.opened + 1 :]) + gap.act_mac + (gap.close_act if self.opened < 0 else 0)
        return (bank if bank != NEVER else self.now + 1) + rest

    # -- issuing -------------------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Issue the next command, or a run of the banks'; whether a pixel or a visit begins behind it."""
        bank = self.bank_clock()
        bus, fill = self.bus_clock(bank)
        if bank <= bus:
            assert bank != NEVER, "both streams wait for each other"
            return self._open(bank) if self.opened < len(self.gap.acts) else self._multiply(bank, bus)
        if fill:
            self._fill(bus)
        else:
            self._read(bus)
        return False

    def _open(self, clock: int) -> bool:
        gap = self.gap
        self.now = clock
        if self.opened < 0:
            self.t_close = clock
            self.entries.append(Entry(gap.close, (), (), self.visit))
        else:
            self.t_act = clock
            if self.opened == 0:
                self.t_first = clock
            row = self.work.visits[self.visit].row
            self.entries.append(Entry(gap.acts[self.opened], (row,), (0,), self.visit))
        self.opened += 1
        return self.opened == len(gap.acts)

    def _multiply(self, clock: int, bus: int) -> bool:
        """Multiply: as often as the bus's head comes no sooner."""
        visit = self.work.visits[self.visit]
        part = visit.parts[self.part]
        wanted = self._wanted(visit, part)
        run = 1
        if self.k == 0:
            self.unread.append(Sum(self.visit, self.pixel, self.part, self.started, -1))
            self.started += 1
        elif wanted < self.filled - 16 and (not part.last or self.can_fill or self.load >= len(self.work.loads)):
            run = min(part.count - self.k, (bus - clock) // self.gap.step + 1, self.filled - 16 - wanted)
        growth = (0, self.work.stride, len(visit.parts))
        self._add(self.gap.mac, (part.column + self.k, wanted, self.started - 1), growth, self.visit, run)
        self.now = self.t_mac = clock + (run - 1) * self.gap.step
        if part.last and visit.retires:
            self.retired = max(self.retired, wanted + run)
        self.k += run
        if self.k < part.count:
            return False
        self.unread[-1].done = self.now
        self.k, self.part = 0, self.part + 1
        if self.part < len(visit.parts):
            return False
        self.part, self.pixel = 0, self.pixel + 1
        if visit.retires:
            self.retired = max(self.retired, (visit.place + self.pixel) * self.work.stride)
        if self.pixel == visit.pixels:
            self.pixel, self.visit = 0, self.visit + 1
            self.arrive()
        return True

    def arrive(self) -> None:
        """Come to a visit: its row is to be opened or open, and what came before its load is not wanted again."""
        if self.visit < len(self.work.visits):
            visit = self.work.visits[self.visit]
            self.retired = max(self.retired, visit.base * self.work.stride)
            self.opened = -1 if visit.opens else len(self.gap.acts)

    def _read(self, clock: int) -> None:
        first = self.unread.popleft()
        visit = self.work.visits[first.visit]
        part = visit.parts[first.part]
        result = (part.piece * self.pixels + visit.pixel + first.pixel) * self.groups + part.group
        self.now = self.t_read = clock
        self.since += 1
        self.entries.append(Entry(self.gap.read, (first.number, result), (len(visit.parts), self.groups), first.visit))

    def _fill(self, clock: int) -> None:
        load = self.work.loads[self.load]
        self.now = self.t_fill = clock
        self.arrivals.append((self.filled, clock))
        self.burst -= 1
        start, count = load.spans[self.span]
        source = self.pixels * start + (load.pixel + self.load_pixel) * count + self.column
        self._add(self.gap.fill, (self.filled, source), (self.work.stride, count), -1 - self.load, 1)
        self.filled += 1
        self.column += 1
        if self.column < count:
            return
        self.column, self.span = 0, self.span + 1
        if self.span < len(load.spans):
            return
        self.span, self.load_pixel = 0, self.load_pixel + 1
        place = load.place + self.load_pixel
        if self.load_pixel == load.pixels:
            self.load, self.load_pixel = self.load + 1, 0
            if self.load < len(self.work.loads):
                place = self.work.loads[self.load].place
        self.filled = place * self.work.stride

    def _add(self, command: str, args: tuple[int, ...], pixel: tuple[int, ...], owner: int, run: int) -> None:
        """Append a run, the first two operands growing by one each; or lengthen the one before if it is its continuation."""
        if len(self.entries) > self.fence:
            last = self.entries[-1]
            if (
                isinstance(last, Entry)
                and last.command == command
                and last.owner == owner
                and last.pixel == pixel
                and last.args[0] + last.run == args[0]
                and last.args[1] + last.run == args[1]
                and last.args[2:] == args[2:]
            ):
                self.entries[-1] = Entry(command, last.args, pixel, owner, last.run + run)
                return
        self.entries.append(Entry(command, args, pixel, owner, run))
