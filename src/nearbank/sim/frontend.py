"""The host front end of AiM: it reads one instruction a clock and puts its requests into the queues of the channels.

What it does (the public AiM simulator; the numbers are the device's):
- an instruction is taken in one clock; its requests may issue in the same clock, as early as order and rules let them;
- a channel's queue takes `nQUEUE` requests; one leaves when its command issues, and its place is free the clock after;
- the next instruction is taken the clock after the last request of this one was queued;
- one that reads blocks until its data is out in all of its channels (the device's `end` table, nCLREG + nBL), and the next is
  taken the clock after: so a read-out costs a clock more than the data takes, and commands behind it can not overlap it;
- SYNC and EOC are done in a channel a clock after it issued everything and all of its data has arrived.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from nearbank.devices import PimDevice
from nearbank.errors import ProgramError, near_matches
from nearbank.program.aim import CHANNELS, Isr, Lowering, Request
from nearbank.program.stream import OPERANDS
from nearbank.sim.reference import Machine
from nearbank.sim.timing import ChannelTiming, Timing

__all__ = ["time_isr"]


def time_isr(device: PimDevice, program: Sequence[Isr], *, where: str = "") -> Timing:
    """Play a host program. A channel's cycles end where it has done everything, EOC or SYNC included.

    Raises:
        ProgramError: an instruction that is not modelled, a command that the device does not have or whose state is not there;
            says the line.
    """
    channels = [_Channel(device) for _ in range(CHANNELS)]
    clock = 0  # of the last instruction's end
    for isr in program:
        clock += 1
        try:
            ends = [channels[c].take(isr, clock) for c in isr.channels or range(CHANNELS)]
        except ProgramError as error:
            here = error.where if error.where.startswith("line") else f"line {isr.line}, {error.where}"
            raise ProgramError(error.what, where=f"{where}{here}", value=error.value, bound=error.bound) from None
        clock = max(ends)
    return Timing({number: c.finish() for number, c in enumerate(channels) if c.used})


class _Channel:
    """One channel: its queue, kept as the clocks in which its last requests issued, and the commands behind it."""

    def __init__(self, device: PimDevice) -> None:
        self.machine, self.lowering = Machine(device), Lowering()
        self.index = {c.name: i for i, c in enumerate(device.commands)}
        self.latency = dict(device.end)
        self.issued: deque[int] = deque(maxlen=_queue(device))
        self.used, self.done = False, 0

    def take(self, isr: Isr, clock: int) -> int:
        """Play an instruction that the host takes in ``clock``; returns the clock in which the host is done with it."""
        if isr.name in ("AiM SYNC", "AiM EOC"):
            issued = max(self._room(clock), self.machine.now + 1)
            self.done = max(issued, self.machine.end) + 1
            return self.done
        end = clock
        for request in self.lowering.requests(isr):
            end = self._room(clock)
            issued = self._issue(request, end)
            if isr.blocks:
                end = issued + self.latency.get(request[-1][0], 0)
        return end

    def finish(self) -> ChannelTiming:
        """Cycles and commands, refresh included, when the host has nothing more."""
        end = max(self.machine.finish(), self.done)
        counts = zip(self.machine.table.names, self.machine.counts, strict=True)
        return ChannelTiming(end, {name: count for name, count in counts if count})

    def _room(self, clock: int) -> int:
        """The first clock from ``clock`` on in which the queue has room."""
        return max(clock, self.issued[0] + 1) if len(self.issued) == self.issued.maxlen else clock

    def _issue(self, request: Request, arrival: int) -> int:
        self.used, self.machine.arrival = True, arrival
        for name, args in request:
            if name not in self.index:
                raise ProgramError("unknown command", value=name, bound=near_matches(name, self.index))
            self.machine.play(self.index[name], (*args, *(0,) * (OPERANDS - len(args))))
        self.issued.append(self.machine.now)
        return self.machine.now


def _queue(device: PimDevice) -> int:
    if "nQUEUE" not in {name for name, _, _ in device.timing}:
        raise ProgramError(
            "the device takes no host instructions", value=device.name, bound="aim-gddr6, or one based on it"
        )
    return device.clocks("nQUEUE")
