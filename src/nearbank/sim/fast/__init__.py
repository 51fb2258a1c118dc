"""The fast timing engine: equal to the reference to the clock, at a cost that does not grow with trip counts.

A channel's future depends only on its state relative to now, and on when the next refresh falls due. So what was played once in
a state need not be played in that state again.
- `commands`: a device's rules, turned around for pushing;
- `nest`: a program's nests prepared, equal parts made one;
- `machine`: one channel, command by command, with its refresh;
- `loops`: nests played, what loops did remembered; `trips`: the trips of one loop strung together, periods skipped;
- `faults`: the first operand that is out of range.
"""

from __future__ import annotations

from nearbank.sim.fast.engine import time_program_fast

__all__ = ["time_program_fast"]
