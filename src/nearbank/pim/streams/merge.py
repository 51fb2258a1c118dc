"""Two streams of commands merged into one: the banks' (rows opened, sums multiplied) and the bus's (fills and reads).

Each stream keeps its own order; of the two commands at their heads the one that may issue first is next. The banks' order is
given. The bus's follows a rule: results are read as soon as they are there, but bus turns are dear, so fills come in bursts:
where no read is due for long enough anyway (while a row opens), and else after every so many reads, as many columns
as the sums between two bursts use.

Where the state relative to now repeats at a pixel's or a row's beginning, what lies between is a loop, and is not merged again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from nearbank.devices import PimDevice
from nearbank.pim.product import Product
from nearbank.pim.streams.repeat import Entry, Repeat, repeated
from nearbank.pim.streams.work import Load, Part, Visit, Work
from nearbank.program import Affine

__all__ = ["Gaps", "Merged", "merge"]

_NEVER = 1 << 60
_LONG = 96
"""Clocks after which a command is forgotten: more than any gap between two commands of a stream."""


@dataclass(frozen=True, slots=True)
class Merged:
    """The commands in order, and the clock of the last without refresh."""

    entries: tuple[Entry | Repeat, ...]
    clocks: int


@dataclass(slots=True)
class _Sum:
    """A sum that has not been read: of which visit, pixel and part; ``done``: the clock of its last multiplication, -1 before."""

    visit: int
    pixel: int
    part: int
    number: int
    done: int


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a visit began: entries, clock (skipped ones too), visit, load, sums and columns filled till then."""

    entries: int
    clock: int
    visit: int
    load: int
    started: int
    filled: int


def merge(device: PimDevice, product: Product, work: Work, reads: int, limit: int = _NEVER) -> Merged | None:
    """The merged stream of a channel; None as soon as it takes ``limit`` clocks."""
    return _Merger(device, product, work, reads).run(limit)


class Gaps:
    """The clocks between the two streams' commands."""

    def __init__(self, device: PimDevice) -> None:
        mac, read, fill = device.one("mac").name, device.one("read").name, device.one("fill").name
        acts = [c.name for c in device.by_role("activate")]
        close, gap = device.one("precharge").name, device.gap
        self.mac, self.read, self.fill, self.acts, self.close = mac, read, fill, acts, close
        self.step, self.tree, self.arrive = max(gap(mac, mac), 1), max(gap(mac, read), 1), max(gap(fill, mac), 1)
        self.fill_step, self.read_step = max(gap(fill, fill), 1), max(gap(read, read), 1)
        self.to_fill, self.to_read = max(gap(read, fill), 1), max(gap(fill, read), 1)
        self.act_mac = max(gap(acts[-1], mac), 1)
        self.mac_close, self.act_close = max(gap(mac, close), 1), max(gap(acts[-1], close), 1)
        self.close_act = max(gap(close, acts[0]), 1)
        self.act_step = [0, *(max(gap(a, b), 1) for a, b in zip(acts, acts[1:], strict=False))]
        self.act_again = max(gap(acts[0], acts[0]), 1)
        self.opening = sum(self.act_step) + self.act_mac


class _Merger:
    def __init__(self, device: PimDevice, product: Product, work: Work, reads: int) -> None:
        self.pixels, self.groups = product.pixels, product.groups(device)
        self.gap, self.work, self.reads = Gaps(device), work, reads
        self.latches = device.organization.result_latches
        self.ring = work.places * work.stride
        self.entries: list[Entry | Repeat] = []
        self.skipped = 0
        self.now = 0
        old = -_LONG
        self.t_mac = self.t_read = self.t_fill = self.t_close = old
        self.t_first = self.t_act = old
        self.arrivals: deque[tuple[int, int]] = deque(maxlen=8)
        # The banks' head.
        self.visit, self.pixel, self.part, self.k = 0, 0, 0, 0
        self.opened = 0
        self.started = 0
        self.unread: deque[_Sum] = deque()
        # The bus's head.
        self.load, self.load_pixel, self.span, self.column = 0, 0, 0, 0
        self.filled = self.retired = 0
        self.since, self.burst = 0, 0

    # -- heads ---------------------------------------------------------------------------------------------------------

    def _bank_clock(self) -> int:
        """When the banks' next command may issue; never, while it waits for the bus."""
        gap, soon = self.gap, self.now + 1
        if self.visit >= len(self.work.visits):
            return _NEVER
        visit = self.work.visits[self.visit]
        if self.opened < len(gap.acts):
            if self.opened < 0:
                return max(soon, self.t_mac + gap.mac_close, self.t_act + gap.act_close)
            if self.opened == 0:
                return max(soon, self.t_close + gap.close_act, self.t_first + gap.act_again)
            return max(soon, self.t_act + gap.act_step[self.opened])
        part = visit.parts[self.part]
        wanted = self._wanted(visit, part)
        if wanted >= self.filled:
            return _NEVER
        if self.k == 0 and len(self.unread) >= self.latches:
            return _NEVER
        clock = max(soon, self.t_mac + gap.step, self.t_act + gap.act_mac)
        if wanted >= self.filled - 16:
            for column, at in self.arrivals:
                if column == wanted and at + gap.arrive > clock:
                    clock = at + gap.arrive
        return clock

    def _wanted(self, visit: Visit, part: Part) -> int:
        return (visit.place + self.pixel) * self.work.stride + part.offset + self.k

    def _can_fill(self) -> bool:
        return self.load < len(self.work.loads) and self.filled < self.retired + self.ring

    def _bus_clock(self, bank: int) -> tuple[int, bool]:
        """When the bus's next command may issue, and whether it is a fill; never, while it waits for the banks."""
        gap, soon = self.gap, self.now + 1
        ready = self._ready(bank)
        if self._can_fill():
            clock = max(soon, self.t_fill + gap.fill_step, self.t_read + gap.to_fill)
            if self.burst > 0:
                return clock, True
            if not self.unread and bank == _NEVER:
                return clock, True  # the banks wait for it
            if self.since >= self.reads or (bank == _NEVER and self.unread and self.unread[0].done < 0):
                self.burst, self.since = self._burst(), 0
                return clock, True
            if not self.unread and clock + gap.to_read <= ready:
                return clock, True
        else:
            self.burst = 0
        if self.unread and self.unread[0].done >= 0:
            first = self.unread[0].done + gap.tree
            return max(soon, first, self.t_read + gap.read_step, self.t_fill + gap.to_read), False
        return _NEVER, False

    def _burst(self) -> int:
        """Columns to fill in a burst: what the sums till the next one use."""
        visit = self.work.visits[min(self.visit, len(self.work.visits) - 1)]
        return -(-self.reads * visit.columns // visit.sums)

    def _head(self) -> int:
        """The column at the banks' head, counted as the fills are."""
        if self.visit >= len(self.work.visits):
            return self.filled
        return (self.work.visits[self.visit].place + self.pixel) * self.work.stride

    def _ready(self, bank: int) -> int:
        """When the next result can be read, as far as can be told."""
        gap = self.gap
        if self.unread and self.unread[0].done >= 0:
            return self.unread[0].done + gap.tree
        if self.visit >= len(self.work.visits):
            return _NEVER
        visit = self.work.visits[self.visit]
        rest = (visit.parts[self.part].count - self.k - 1) * gap.step + gap.tree
        if self.opened < len(gap.acts):
            opening = sum(gap.act_step[self.opened + 1 :]) + gap.act_mac + (gap.close_act if self.opened < 0 else 0)
            return (bank if bank != _NEVER else self.now) + opening + rest
        return (bank if bank != _NEVER else self.now + 1) + rest

    # -- issuing -------------------------------------------------------------------------------------------------------

    def run(self, limit: int) -> Merged | None:
        visits = self.work.visits
        seen: dict[object, tuple[int, int, int]] = {}
        marks: dict[object, _Mark] = {}
        while self.visit < len(visits) or self.unread:
            if self.now + self.skipped >= limit:
                return None
            bank = self._bank_clock()
            bus, fill = self._bus_clock(bank)
            if bank <= bus:
                if bank == _NEVER:
                    raise AssertionError("both streams wait for each other")
                at_pixel = self._issue_bank(bank)
                if at_pixel and self.visit < len(visits):
                    if self.opened < len(self.gap.acts) or not self.pixel:
                        seen = {}
                        if self.opened < 0 or visits[self.visit].opens is False:
                            self._repeat_visits(marks)
                    if self.opened == len(self.gap.acts):
                        self._repeat_pixels(seen)
            elif fill:
                self._issue_fill(bus)
            else:
                self._issue_read(bus)
        return Merged(tuple(self.entries), self.now + self.skipped)

    def _issue_bank(self, clock: int) -> bool:
        """Issue the banks' head; whether a pixel begins behind it."""
        gap, visit = self.gap, self.work.visits[self.visit]
        self.now = clock
        if self.opened < len(gap.acts):
            if self.opened < 0:
                self.t_close = clock
                self.entries.append(Entry(gap.close, (), (), self.visit))
            else:
                self.t_act = clock
                if self.opened == 0:
                    self.t_first = clock
                self.entries.append(Entry(gap.acts[self.opened], (Affine(visit.row),), (0,), self.visit))
            self.opened += 1
            return self.opened == len(gap.acts)
        part = visit.parts[self.part]
        wanted = self._wanted(visit, part)
        if self.k == 0:
            self.unread.append(_Sum(self.visit, self.pixel, self.part, self.started, -1))
            self.started += 1
        number = self.started - 1
        per = len(visit.parts)
        self.entries.append(
            Entry(
                gap.mac,
                (Affine(part.column + self.k), Affine(wanted, (), self.ring), Affine(number, (), self.latches)),
                (0, self.work.stride, per),
                self.visit,
            )
        )
        self.t_mac = clock
        if part.last and visit.retires:
            self.retired = max(self.retired, wanted + 1)
        self.k += 1
        if self.k < part.count:
            return False
        self.unread[-1].done = clock
        self.k, self.part = 0, self.part + 1
        if self.part < per:
            return False
        self.part, self.pixel = 0, self.pixel + 1
        if self.pixel == visit.pixels:
            if visit.retires:
                self.retired = max(self.retired, (visit.place + visit.pixels) * self.work.stride)
            self.pixel, self.visit = 0, self.visit + 1
            if self.visit < len(self.work.visits) and self.work.visits[self.visit].opens:
                self.opened = -1
        return True

    def _issue_read(self, clock: int) -> None:
        first = self.unread.popleft()
        visit = self.work.visits[first.visit]
        part = visit.parts[first.part]
        result = (part.piece * self.pixels + visit.pixel + first.pixel) * self.groups + part.group
        self.now = self.t_read = clock
        self.since += 1
        self.entries.append(
            Entry(
                self.gap.read,
                (Affine(first.number, (), self.latches), Affine(result)),
                (len(visit.parts), self.groups),
                first.visit,
            )
        )

    def _issue_fill(self, clock: int) -> None:
        load = self.work.loads[self.load]
        self.now = self.t_fill = clock
        self.arrivals.append((self.filled, clock))
        self.burst -= 1
        start, count = load.spans[self.span]
        source = self.pixels * start + (load.pixel + self.load_pixel) * count + self.column
        self.entries.append(
            Entry(
                self.gap.fill,
                (Affine(self.filled, (), self.ring), Affine(source)),
                (self.work.stride, count),
                -1 - self.load,
            )
        )
        self.filled += 1
        self.column += 1
        if self.column == count:
            self.column, self.span = 0, self.span + 1
            if self.span == len(load.spans):
                self.span, self.load_pixel = 0, self.load_pixel + 1
                if self.load_pixel == load.pixels:
                    self.load, self.load_pixel = self.load + 1, 0
                nxt = self.work.loads[self.load] if self.load < len(self.work.loads) else None
                place = (nxt.place + self.load_pixel) if nxt else (load.place + load.pixels)
                self.filled = place * self.work.stride

    # -- repetition ----------------------------------------------------------------------------------------------------

    def _key(self) -> tuple[object, ...]:
        """The state relative to now and to the banks' head, but for how far the fills are ahead in their loads."""
        now, head = self.now, self._head()
        times = [self.t_mac, self.t_read, self.t_fill, self.t_close, self.t_first, self.t_act]
        return (
            *[max(t - now, -_LONG) for t in times],
            tuple([(s.visit - self.visit, s.pixel - self.pixel, s.part, max(s.done - now, -_LONG) if s.done >= 0 else 1)
                   for s in self.unread]),
            tuple([(c - head, t - now) for c, t in self.arrivals if t > now - self.gap.arrive]),
            self.opened, min(self.since, self.reads), max(self.burst, 0), self.filled - self.retired,
            min(self.filled - head, self.ring) if self.load < len(self.work.loads) else 0, self.span, self.column,
        )  # fmt: skip

    def _repeat_pixels(self, seen: dict[object, tuple[int, int, int]]) -> None:
        """Skip ahead by whole pixels of the visit, if the state is as it was at an earlier one."""
        visit = self.work.visits[self.visit]
        load = self.work.loads[self.load] if self.load < len(self.work.loads) else None
        mine = load is not None and load.place == visit.place
        key = (self._key(), self.load, self.load_pixel - self.pixel if mine else self.load_pixel)
        if key not in seen:
            seen[key] = (len(self.entries), self.now, self.pixel)
            return
        length, clock, pixel = seen[key]
        d = self.pixel - pixel
        times = (visit.pixels - 1 - self.pixel) // d
        if mine and load is not None:
            times = min(times, (load.pixels - 1 - self.load_pixel) // d)
        if times < 1:
            return
        body = self.entries[length:]
        self.entries[length:] = [repeated("p", times + 1, body, lambda e: tuple(d * by for by in e.pixel))]
        self.skipped += times * (self.now - clock)
        ahead, sums = times * d, times * d * len(visit.parts)
        self.pixel += ahead
        self.started += sums
        for s in self.unread:
            s.pixel += ahead
            s.number += sums
        if visit.retires:
            self.retired += ahead * self.work.stride
        if mine:
            self.load_pixel += ahead
            self.filled += ahead * self.work.stride
            self.arrivals = deque([(c + ahead * self.work.stride, t) for c, t in self.arrivals], maxlen=8)
        seen.clear()

    def _repeat_visits(self, marks: dict[object, _Mark]) -> None:
        """Skip ahead by whole visits, if the state is as it was at an earlier one and the same is ahead as was then."""
        mark = _Mark(len(self.entries), self.now + self.skipped, self.visit, self.load, self.started, self.filled)
        key = (self._key(), self.load_pixel)
        old = marks.get(key)
        marks[key] = mark
        before = self.latches  # visits that sums still unread at its beginning may belong to
        if old is None or old.visit < before:
            return
        visits, loads = self.work.visits, self.work.loads
        d, dl = self.visit - old.visit, self.load - old.load
        grows = _growth(visits, old.visit - before, d + before, d)
        brings = _growth(loads, old.load, dl + 1, dl) if dl else 0
        times = min(grows, brings) if dl else grows
        if times < 1:
            return
        body = self.entries[old.entries :]
        sums = self.started - old.started

        def growth(entry: Entry) -> tuple[int, ...]:
            return self._grown(entry, d, dl, sums)

        self.entries[old.entries :] = [repeated("r", times + 1, body, growth)]
        self.skipped += times * (mark.clock - old.clock)
        columns = times * (self.filled - old.filled)
        self.visit += times * d
        self.load += times * dl
        self.started += times * sums
        self.filled += columns
        self.retired += columns
        self.arrivals = deque([(c + columns, t) for c, t in self.arrivals], maxlen=8)
        for s in self.unread:
            s.visit += times * d
            s.number += times * sums
        marks.clear()

    def _grown(self, entry: Entry, d: int, dl: int, sums: int) -> tuple[int, ...]:
        """By how much a command's operands grow when its visit is ``d`` further and its load ``dl``, and ``sums`` sums lie between."""
        if entry.owner < 0:
            now, later = self.work.loads[-1 - entry.owner], self.work.loads[-1 - entry.owner + dl]
            start = later.spans[0][0] - now.spans[0][0]
            source = self.pixels * start + (later.pixel - now.pixel) * entry.pixel[1]
            return ((later.place - now.place) * self.work.stride, source)
        here, there = self.work.visits[entry.owner], self.work.visits[entry.owner + d]
        if entry.command == self.gap.mac:
            return (0, (there.place - here.place) * self.work.stride, sums)
        if entry.command == self.gap.read:
            a, b = here.parts[0], there.parts[0]
            result = ((b.piece - a.piece) * self.pixels + there.pixel - here.pixel) * self.groups + b.group - a.group
            return (sums, result)
        return () if not entry.args else (there.row - here.row,)


def _growth(items: Sequence[Visit] | Sequence[Load], first: int, count: int, step: int) -> int:
    """How many times the ``count`` items from ``first`` come again, ``step`` further each time, alike and growing evenly."""
    last = first + count - 1
    if last + step >= len(items):
        return 0
    once = [_apart(items[i], items[i + step]) for i in range(first, last + 1)]
    if None in once:
        return 0
    times = 1
    while last + (times + 1) * step < len(items) and all(
        _apart(items[i + times * step], items[i + (times + 1) * step]) == once[i - first]
        for i in range(first, last + 1)
    ):
        times += 1
    return times


def _apart(a: Visit | Load, b: Visit | Load) -> tuple[int, ...] | None:
    """By how much ``b`` is further than ``a``; None where they differ in kind."""
    if isinstance(a, Load) and isinstance(b, Load):
        if a.pixels != b.pixels or [c for _, c in a.spans] != [c for _, c in b.spans]:
            return None
        starts = {y - x for (x, _), (y, _) in zip(a.spans, b.spans, strict=True)}
        return (b.pixel - a.pixel, b.place - a.place, *starts) if len(starts) == 1 else None
    assert isinstance(a, Visit) and isinstance(b, Visit)
    if (a.opens, a.pixels, a.retires, len(a.parts)) != (b.opens, b.pixels, b.retires, len(b.parts)):
        return None
    steps = set()
    for x, y in zip(a.parts, b.parts, strict=True):
        if (x.column, x.count, x.offset, x.last) != (y.column, y.count, y.offset, y.last):
            return None
        steps.add((y.group - x.group, y.piece - x.piece))
    return (b.row - a.row, b.pixel - a.pixel, b.place - a.place, *steps.pop()) if len(steps) == 1 else None
