"""Loops of the fast engine: what a trip did it does again in a like state, and a state that repeats makes a period to skip by.

Three things are learnt, all exact:
- a whole loop met again in the same relative state does what it did before (`PlayedLoop.whole`);
- so does a single trip (`Place.steps`), and trips are strung together without playing any command;
- where the states of trips repeat, whole periods are skipped: up to the next refresh, or, where the time to the next refresh
  repeats too, without limit.
Filled buffer columns are no part of the state: what went well once goes well with more columns filled.
"""

from __future__ import annotations

from dataclasses import dataclass

from nearbank.sim.fast.machine import FAR, NOWHERE, Fault, Machine, State
from nearbank.sim.fast.nest import PlayedLoop, PlayedNode, PlayedOp
from nearbank.sim.fast.trips import KEPT, Place, Trips

__all__ = ["Effect", "Player"]


@dataclass(slots=True, eq=False)
class Effect:
    """What playing something did, which holds whenever the refresh is due in more than ``low`` and at most ``high`` clocks and
    the columns ``needed`` are filled. ``added``: commands of the refreshes ``served``. ``place``: where the next trip begins."""

    low: int
    high: int
    clocks: int
    served: int
    added: tuple[int, ...] | None
    state: State
    needed: int
    filled: int
    place: Place | None = None

    def fits(self, phase: int, filled: int) -> bool:
        """Whether it holds where the refresh is due in ``phase`` clocks and ``filled`` columns are filled."""
        return self.low < phase <= self.high and not self.needed & ~filled


@dataclass(slots=True)
class Start:
    """What an effect is told from: the clock, refreshes and bounds at its beginning, and the columns filled then."""

    now: int
    served: int
    added: tuple[int, ...]
    low: int
    high: int
    filled: int


class Player(Machine):
    """A machine that plays nests."""

    def body(self, nodes: tuple[PlayedNode, ...]) -> None:
        """Play nodes in order.

        Raises:
            Fault: of the first command whose state is not there.
        """
        done = 0
        try:
            for node in nodes:
                if isinstance(node, PlayedOp):
                    v = node.variant if node.latch is None else node.variants[self.value(node.latch)]
                    self.play(v, node.column if node.buffer is None else self.value(node.buffer))
                elif node.run is None or not self._run(node, node.run):
                    self._loop(node)
                done += 1
        except Fault as fault:
            fault.before += sum(node.size for node in nodes[:done])
            raise

    def trip(self, node: PlayedLoop, i: int) -> None:
        """Play trip ``i`` of a loop."""
        self.env[node.var] = i
        try:
            self.body(node.body)
        except Fault as fault:
            fault.before += i * node.trip
            raise

    # -- a run of one command ------------------------------------------------------------------------------------------

    def _run(self, node: PlayedLoop, op: PlayedOp) -> bool:
        """All trips at one go: False, and nothing done, where a refresh or a column on its way may come between them."""
        self.env[node.var] = 0
        v = op.variant if op.latch is None else op.variants[self.value(op.latch)]
        first = op.column if op.buffer is None else self.value(op.buffer)
        count, ready = node.count, self.ready
        clock = self.now + 1
        for slot in v.waits:
            if ready[slot] > clock:
                clock = ready[slot]
        span = v.width
        if node.step:
            span *= count
            if op.buffer is not None and op.buffer.mod and first + span > op.buffer.mod:
                return False
        if clock < self.pending_until and v.wants >= 0:
            clock = max(clock, self.pending.get(v.wants + first, 0))
            for key, there in self.pending.items():
                place = key - v.wants - first
                if 0 <= place < span and there > clock + place * v.own:
                    return False
        last = clock + (count - 1) * v.own
        if v.point:
            seen = last - self.patience if self.before and self.open else last + 1 if self.after else last
            if seen >= self.due:
                return False
            if self.before or self.after:
                self.low = max(self.low, seen - self.served * self.interval)
        if self.checks:
            if self.checks_filled and v.role == "mac" and ((1 << span) - 1) << first & ~self.filled:
                return False
            self.check(v, first)
        # What the last one pushes, those before it push no further.
        self.now = last
        for slot, gap in v.pushes:
            if last + gap > ready[slot]:
                ready[slot] = last + gap
        if v.effect:
            self.fill(v, first, count if node.step else 1, last)
        return True

    # -- a loop --------------------------------------------------------------------------------------------------------

    def _loop(self, node: PlayedLoop) -> None:
        if node.plain:
            for i in range(node.count):
                self.trip(node, i)
            return
        free = self.free(node)
        effects = node.whole.setdefault((free, self.outer(node, free), self.state()), [])
        phase = self.due - self.now
        for effect in effects:
            if effect.fits(phase, self.filled):
                self.apply(effect)
                self.filled |= effect.filled
                self.restore(effect.state)
                return
        start = self.begin()
        Trips(self, node).run()
        effect = self.ended(start)
        if free:
            effect.needed = effect.filled = 0
        effect.state = self.state()
        if len(effects) < KEPT:
            effects.append(effect)

    def begin(self) -> Start:
        """The start of something whose effect is to be known."""
        start = Start(self.now, self.served, self.added, self.low, self.high, self.filled)
        self.low, self.high = -FAR, FAR
        return start

    def ended(self, start: Start) -> Effect:
        """The effect of what was played since ``start``, its state yet to be told."""
        base = start.served * self.interval - start.now
        effect = Effect(
            self.low + base, self.high + base, self.now - start.now, self.served - start.served,
            tuple([a - b for a, b in zip(self.added, start.added, strict=True)]) if self.added is not start.added else None,
            NOWHERE, start.filled, self.filled,
        )  # fmt: skip
        self.low, self.high = max(self.low, start.low), min(self.high, start.high)
        return effect

    def apply(self, effect: Effect) -> None:
        """Let the time of an effect pass; the state and the filled columns are the caller's."""
        base = self.now - self.served * self.interval
        if effect.low + base > self.low:
            self.low = effect.low + base
        if effect.high + base < self.high:
            self.high = effect.high + base
        self.now += effect.clocks
        if effect.added is not None:
            self.served += effect.served
            self.due += effect.served * self.interval
            self.added = tuple([a + b for a, b in zip(self.added, effect.added, strict=True)])

    def free(self, node: PlayedLoop) -> bool:
        """Whether the numbers of the columns do not matter: all that the loop reads are there, and it fills none."""
        if not self.variants.columns:
            return True
        if node.fills or self.columns_on_their_way():
            return False
        return not (self.checks_filled and node.reads & ~self.filled)

    def outer(self, node: PlayedLoop, free: bool) -> tuple[int, ...]:
        """What the loop's operands have from the loops around it."""
        found = node.outer_latches if free else node.outer + node.outer_latches
        return tuple([self.value(arg) for arg in found]) if found else ()
