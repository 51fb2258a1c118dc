"""The least that a merge still takes, so that one that cannot win is given up early."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate

from nearbank.pim.streams.gaps import Gaps
from nearbank.pim.streams.work import Visit, Work

__all__ = ["Rest"]


class Rest:
    """Clocks from the beginning of a pixel, where no multiplication of it is done, to the last read; never too many.

    Of three that work side by side, whichever takes longest: the banks, which open a row for every visit that needs it and
    multiply a step apart; the latches, each taken from a sum's first multiplication to its read, the adder tree behind its last;
    and the bus, which reads every sum to come and fills every load not begun."""

    def __init__(self, gap: Gaps, work: Work, latches: int) -> None:
        self._gap, self._work, self._latches = gap, work, latches
        opening = gap.reopening - gap.step
        self._each = min(gap.fill_step, max(gap.to_fill + gap.to_read - gap.read_step, 0))
        self._macs = _behind(self._pixel_macs(v) * v.pixels + opening * v.opens for v in work.visits)
        self._held = _behind(self._pixel_held(v) * v.pixels for v in work.visits)
        self._sums = _behind(len(v.parts) * v.pixels for v in work.visits)
        self._columns = _behind(load.columns * load.pixels for load in work.loads)

    def _pixel_macs(self, visit: Visit) -> int:
        return self._gap.step * sum(part.count for part in visit.parts)

    def _pixel_held(self, visit: Visit) -> int:
        return self._pixel_macs(visit) + len(visit.parts) * (self._gap.tree + 1 - self._gap.step)

    def clocks(self, visit: int, pixel: int, load: int) -> int:
        """From pixel ``pixel`` of visit ``visit``, load ``load`` begun."""
        if visit >= len(self._work.visits):
            return 0
        at = self._work.visits[visit]
        left = at.pixels - pixel
        # The first multiplication may come at once, as may the first command of the bus. A burst of fills costs two turns, less the
        # step between reads that it parts.
        macs = self._macs[visit + 1] + self._pixel_macs(at) * left - self._gap.step
        held = self._held[visit + 1] + self._pixel_held(at) * left
        sums = self._sums[visit + 1] + len(at.parts) * left
        fills = self._columns[min(load + 1, len(self._columns) - 1)]
        bus = (sums - 1) * self._gap.read_step + max(fills - 1, 0) * self._each
        return max(macs + self._gap.tree, -(-held // self._latches) - 1, bus)


def _behind(amounts: Iterable[int]) -> list[int]:
    """What is left from each place to the end; 0 behind the last."""
    return [*reversed([*accumulate(reversed(list(amounts)), initial=0)])]
