"""Merged to the end, skipping ahead where the state repeats."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from nearbank.devices import PimDevice
from nearbank.pim.product import Product
from nearbank.pim.streams.alike import comes_again
from nearbank.pim.streams.merge import NEVER, Merger
from nearbank.pim.streams.repeat import Entry, Operands, Repeat, repeated
from nearbank.pim.streams.rest import Rest
from nearbank.pim.streams.work import Work

__all__ = ["Merged", "merge", "operands"]


@dataclass(frozen=True, slots=True)
class Merged:
    """The commands in order, and the clock of the last without refresh."""

    entries: tuple[Entry | Repeat, ...]
    clocks: int


@dataclass(frozen=True, slots=True)
class _Mark:
    """What was at a pixel's or visit's beginning."""

    entries: int
    clock: int
    visit: int
    pixel: int
    load: int
    started: int
    filled: int
    since: int
    could_fill: bool


def merge(device: PimDevice, product: Product, work: Work, reads: int, limit: int = NEVER) -> Merged | None:
    """A channel's commands with bursts of fills every ``reads`` reads; None as soon as they must take ``limit`` clocks."""
    merger = _Skipper(device, product, work, reads)
    rest = Rest(merger.gap, work, merger.latches) if limit < NEVER else None
    while not merger.done:
        if merger.step() and merger.visit < len(work.visits):
            merger.look()
            if rest and merger.now + merger.skipped + rest.clocks(merger.visit, merger.pixel, merger.load) >= limit:
                return None
    clocks = merger.now + merger.skipped
    return Merged(tuple(merger.entries), clocks) if clocks < limit else None


def operands(device: PimDevice, work: Work) -> dict[str, Operands]:
    """How the operands of the entries' commands are to be read."""
    ring, latches = work.places * work.stride, device.organization.result_latches
    out = {c.name: Operands((0,), (0,)) for c in device.by_role("activate")}
    out[device.one("precharge").name] = Operands((), ())
    out[device.one("mac").name] = Operands((0, ring, latches), (1, 1, 0))
    out[device.one("read").name] = Operands((latches, 0), (0, 0))
    out[device.one("fill").name] = Operands((ring, 0), (1, 1))
    return out


class _Skipper(Merger):
    """A merger that remembers the states it was in."""

    def __init__(self, device: PimDevice, product: Product, work: Work, reads: int) -> None:
        super().__init__(device, product, work, reads)
        self.steady: dict[object, _Mark] = {}
        self.draining: dict[object, _Mark] = {}
        self.visit_marks: dict[object, _Mark] = {}

    def look(self) -> None:
        """At the beginning of a pixel or a visit: skip ahead if that is where it was before."""
        self.fence = len(self.entries)
        state = self._state()
        if not self.pixel:
            self.steady, self.draining = {}, {}
            if self.opened < 0 or not self.work.visits[self.visit].opens:
                self._visits(state)
                if self.visit >= len(self.work.visits):
                    return
        if self.opened == len(self.gap.acts):
            self._pixels(state)

    def _mark(self) -> _Mark:
        return _Mark(
            len(self.entries), self.now + self.skipped, self.visit, self.pixel, self.load, self.started, self.filled,
            self.since, self.can_fill or self.load >= len(self.work.loads),
        )  # fmt: skip

    def _state(self) -> tuple[object, ...]:
        """The state relative to now and to the banks' head, but for the buffers."""
        now, head, old = self.now, self.head, -self.gap.long
        times = (self.t_mac, self.t_read, self.t_fill, self.t_close, self.t_first, self.t_act)
        return (
            *[max(t - now, old) for t in times],
            tuple([(s.visit - self.visit, s.pixel - self.pixel, s.part, max(s.done - now, old) if s.done >= 0 else 1)
                   for s in self.unread]),
            tuple([(c - head, t - now) for c, t in self.arrivals if t > now - self.gap.arrive]),
            self.opened, max(self.burst, 0), self.span, self.column,
        )  # fmt: skip

    def _buffers(self) -> tuple[int, ...]:
        """The buffers' state relative to the banks' head."""
        if self.load >= len(self.work.loads):
            return ()
        return (min(self.since, self.reads), self.filled - self.retired, self.filled - self.head)

    def _pixels(self, state: tuple[object, ...]) -> None:
        """Skip whole pixels of the visit: in a state met before, or, where only the store of columns has shrunk since (no fill
        came between), as long as it lasts and no burst falls due."""
        visit = self.work.visits[self.visit]
        load = self.work.loads[self.load] if self.load < len(self.work.loads) else None
        mine = load is not None and load.place == visit.place
        steady = (state, self._buffers(), self.load, self.load_pixel - self.pixel if mine else self.load_pixel)
        draining = (state, self.filled)
        if old := self.steady.get(steady):
            times = (visit.pixels - 1 - self.pixel) // (self.pixel - old.pixel)
            if mine and load is not None:
                times = min(times, (load.pixels - 1 - self.load_pixel) // (self.pixel - old.pixel))
            if times >= 1:
                self._skip_pixels(old, times, fills=mine)
                return
        if (old := self.draining.get(draining)) and (old.could_fill or not self._mark().could_fill):
            d = self.pixel - old.pixel
            times = (visit.pixels - 1 - self.pixel) // d
            if load is not None:
                times = min(times, (self.reads - 1 - self.since) // max(self.since - old.since, 1))
                times = min(times, (self.filled - self.head) // (d * self.work.stride) - 2)
            if times >= 1:
                self._skip_pixels(old, times, fills=False)
                return
        self.steady[steady] = self.draining[draining] = self._mark()

    def _skip_pixels(self, old: _Mark, times: int, *, fills: bool) -> None:
        visit, d = self.work.visits[self.visit], self.pixel - old.pixel
        body = self.entries[old.entries :]
        var = f"p{depth}" if (depth := _depth(body)) else "p"
        self.entries[old.entries :] = [repeated(var, times + 1, body, lambda e: tuple(d * by for by in e.pixel))]
        self.fence = len(self.entries)
        self.skipped += times * (self.now + self.skipped - old.clock)
        if not fills:
            self.since += times * (self.since - old.since)
        ahead, sums = times * d, times * d * len(visit.parts)
        self._advance(0, sums, ahead * self.work.stride if fills else 0)
        self.pixel += ahead
        for s in self.unread:
            s.pixel += ahead
        if visit.retires:
            self.retired += ahead * self.work.stride
        if fills:
            self.load_pixel += ahead
        # What was before the loop may still come again, with the loop in it.
        self.steady = {key: mark for key, mark in self.steady.items() if mark.entries <= old.entries}
        self.draining = {}

    def _advance(self, visits: int, sums: int, columns: int) -> None:
        self.visit += visits
        self.started += sums
        self.filled += columns
        self.arrivals = deque([(c + columns, t) for c, t in self.arrivals], maxlen=8)
        for s in self.unread:
            s.visit += visits
            s.number += sums

    def _visits(self, state: tuple[object, ...]) -> None:
        """Skip whole visits, where the state is as it was and what lies ahead is as it was then."""
        key = (state, self._buffers(), self.load_pixel)
        old, mark = self.visit_marks.get(key), self._mark()
        self.visit_marks[key] = mark
        before = self.latches  # visits that sums still unread at its beginning may belong to
        if old is None or old.visit < before:
            return
        d, dl = self.visit - old.visit, self.load - old.load
        times = comes_again(self.work.visits, old.visit - before, d + before, d)
        if dl:
            times = min(times, comes_again(self.work.loads, old.load, dl + 1, dl))
        if times < 1:
            return
        body, sums, columns = self.entries[old.entries :], self.started - old.started, self.filled - old.filled
        self.entries[old.entries :] = [repeated("r", times + 1, body, lambda e: self._grown(e, d, dl, sums))]
        self.fence = len(self.entries)
        self.skipped += times * (mark.clock - old.clock)
        self.load += times * dl
        self.retired += times * columns
        self._advance(times * d, times * sums, times * columns)
        self.arrive()
        self.visit_marks = {}

    def _grown(self, entry: Entry, d: int, dl: int, sums: int) -> tuple[int, ...]:
        """By how much a command's operands grow when its visit is ``d`` further, its load ``dl``, its sum ``sums``."""
        stride = self.work.stride
        if entry.owner < 0:
            a, b = self.work.loads[-1 - entry.owner], self.work.loads[-1 - entry.owner + dl]
            source = self.pixels * (b.spans[0][0] - a.spans[0][0]) + (b.pixel - a.pixel) * entry.pixel[1]
            return ((b.place - a.place) * stride, source)
        here, there = self.work.visits[entry.owner], self.work.visits[entry.owner + d]
        if entry.command == self.gap.mac:
            return (0, (there.place - here.place) * stride, sums)
        if entry.command == self.gap.read:
            x, y = here.parts[0], there.parts[0]
            result = ((y.piece - x.piece) * self.pixels + there.pixel - here.pixel) * self.groups + y.group - x.group
            return (sums, result)
        return (there.row - here.row,) if entry.args else ()


def _depth(body: list[Entry | Repeat]) -> int:
    """How deep repeats are nested in a body."""
    return max((1 + _depth(list(e.body)) for e in body if isinstance(e, Repeat)), default=0)
