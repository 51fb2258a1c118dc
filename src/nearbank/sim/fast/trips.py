"""The trips of one loop: those that are known are strung together, and periods are skipped.

While trips are strung together only the clock, the refresh and the filled columns are kept; the rest of the state is that of
the last `Place`, told from the columns' moving origin, and is brought up to date when something must be played.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import lcm
from typing import TYPE_CHECKING

from nearbank.sim.fast.machine import State
from nearbank.sim.fast.nest import PlayedLoop

if TYPE_CHECKING:
    from nearbank.sim.fast.loops import Effect, Player

__all__ = ["KEPT", "Place", "Trips"]

KEPT = 64
"""Effects kept of one trip or loop in one state; they differ in when the refresh falls due."""


@dataclass(slots=True, eq=False)
class Place:
    """A state in which a trip begins. ``free``: the numbers of columns do not matter. Trips from here differ only by their number
    modulo ``cycle`` and by the loops around them, and that is how ``steps`` are told apart."""

    state: State
    free: bool
    cycle: int
    steps: dict[object, list[Effect]] = field(default_factory=dict)


@dataclass(slots=True)
class _Visit:
    """A boundary between trips, as it was: the trip, the clock, refreshes, columns, and how many steps had been made."""

    i: int
    now: int
    served: int
    added: tuple[int, ...]
    filled: int
    steps: int


class Trips:
    """One execution of a loop."""

    def __init__(self, player: Player, node: PlayedLoop) -> None:
        self.player, self.node = player, node
        self.i, self.stale = 0, False
        self.place: Place | None = None
        self.visits: dict[object, _Visit] = {}
        self.phases: dict[object, _Visit] = {}
        self.lows: list[int] = []
        self.served = player.served
        self.outer: dict[bool, tuple[int, ...]] = {}
        player.env[node.var] = 0

    def run(self) -> None:
        """Play or skip all trips."""
        count = self.node.count
        while self.i < count:
            if self.place is None and count - self.i > 1:
                self.place = self._here(self.i)
            if self.place is None:
                self.player.trip(self.node, self.i)
                self.i += 1
                continue
            filled = self._filled(self.place)
            if not self._skip(self.place, filled):
                self._step(self.place, filled)
        self._settle()

    # -- one trip ------------------------------------------------------------------------------------------------------

    def _step(self, place: Place, filled: int) -> None:
        """One trip, known or played."""
        player, node = self.player, self.node
        if place.free not in self.outer:
            self.outer[place.free] = player.outer(node, place.free)
        effects = place.steps.setdefault((self.i % place.cycle, self.outer[place.free]), [])
        phase, base = player.due - player.now, player.now - player.served * player.interval
        for effect in effects:
            if effect.fits(phase, filled):
                player.apply(effect)
                if effect.filled & ~filled:
                    player.filled |= _turned_mask(effect.filled, *self._turn(place, self.i))
                self.place, self.stale = effect.place, True
                break
        else:
            self._settle()
            start = player.begin()
            player.trip(node, self.i)
            effect = player.ended(start)
            ring, by = self._turn(place, self.i)
            effect.needed = 0 if place.free else filled
            effect.filled = 0 if place.free else _turned_mask(player.filled, ring, -by)
            self.place = effect.place = self._here(self.i + 1)
            if self.place is not None and len(effects) < KEPT:
                effects.append(effect)
        self.lows.append(effect.low + base)
        self.i += 1

    def _here(self, i: int) -> Place | None:
        """The state in which trip ``i`` begins now; None if it will be like no other."""
        player, node = self.player, self.node
        free = player.free(node)
        cycle = node.latch_cycle if free or node.ring else lcm(node.latch_cycle, node.cycle)
        if not cycle:
            return None
        state = player.state()
        if not free and node.ring:
            state = self._turned(state, -node.shift * i)
        place = node.places.get((free, state))
        if place is None:
            place = node.places[free, state] = Place(state, free, cycle)
        return place

    def _settle(self) -> None:
        """Bring the machine up to date with the place."""
        if self.stale and self.place is not None:
            ring, by = self._turn(self.place, self.i)
            self.player.restore(self._turned(self.place.state, by) if ring else self.place.state)
            self.stale = False

    # -- periods -------------------------------------------------------------------------------------------------------

    def _skip(self, place: Place, filled: int) -> bool:
        """Skip whole periods if the channel was in this place before; whether it did."""
        player, mark = self.player, (place, self.i % place.cycle)
        here = _Visit(self.i, player.now, player.served, player.added, filled, len(self.lows))
        if player.served != self.served:
            # Just after a refresh. If its distance repeats too, everything does, refreshes included.
            self.served = player.served
            before = self.phases.get((mark, player.due - player.now))
            if before is not None and self._repeat(place, before, filled, self.node.count):
                self.phases = {}
                return True
            self.phases[mark, player.due - player.now] = here
        before = self.visits.get(mark)
        if before is not None and before.served == player.served and player.now > before.now:
            # The bounds move on with every period; so many periods leave the refresh where it is.
            clocks, low = player.now - before.now, max(self.lows[before.steps :])
            times = (player.due - player.served * player.interval - low - 1) // clocks
            if self._repeat(place, before, filled, times):
                player.low = max(player.low, low + (self.i - here.i) // (here.i - before.i) * clocks)
                return True
        self.visits[mark] = here
        return False

    def _repeat(self, place: Place, before: _Visit, filled: int, times: int) -> bool:
        """Repeat what was done since ``before``, ``times`` times at most; whether it was done at all."""
        player, period = self.player, self.i - before.i
        times = min(times, (self.node.count - self.i) // period)
        if times <= 0 or before.filled & ~filled:
            return False
        served = times * (player.served - before.served)
        player.now += times * (player.now - before.now)
        player.served += served
        player.due += served * player.interval
        if player.added is not before.added:
            player.added = tuple([a + times * (a - b) for a, b in zip(player.added, before.added, strict=True)])
        if self.node.fills and not place.free:
            self._fill_periods(place, period, times)
        self.i += times * period
        self.stale = True
        self.served = player.served
        self.visits, self.lows = {}, []
        return True

    def _fill_periods(self, place: Place, period: int, times: int) -> None:
        """Each period fills what the one before did, further on by the columns' movement."""
        ring, by = self._turn(place, period)
        for _ in range(times if ring else 0):
            more = self.player.filled | _turned_mask(self.player.filled, ring, by)
            if more == self.player.filled:
                return
            self.player.filled = more

    # -- the columns' moving origin --------------------------------------------------------------------------------------

    def _filled(self, place: Place) -> int:
        """The filled columns, told from the origin."""
        ring, by = self._turn(place, self.i)
        return _turned_mask(self.player.filled, ring, -by)

    def _turn(self, place: Place, i: int) -> tuple[int, int]:
        """The ring of columns and by how much it has turned before trip ``i``."""
        ring = 0 if place.free else self.node.ring
        return (ring, self.node.shift * i % ring) if ring else (0, 0)

    def _turned(self, state: State, by: int) -> State:
        """A state with the columns on their way turned."""
        pending = state[5]
        if not pending or not by % self.node.ring:
            return state
        ring, capacity = self.node.ring, self.player.capacity
        turned = []
        for key, clock in pending:
            column = key % capacity
            turned.append((key - column + (column + by) % ring if column < ring else key, clock))
        return (*state[:5], tuple(turned), state[6])


def _turned_mask(mask: int, ring: int, by: int) -> int:
    """The first ``ring`` bits of a mask rotated upwards."""
    if not ring or not mask:
        return mask
    by %= ring
    inside = mask & ((1 << ring) - 1)
    turned = inside << by | inside >> (ring - by)
    return mask - inside | turned & ((1 << ring) - 1)
