"""What a timing engine returns, and the definition of time that both engines share.

The first command issues in clock 1, and each as early as order and rules let it. The run ends with the last command, or
with the last data that the device's `end` table counts, whichever is later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ChannelTiming", "Timing"]


@dataclass(frozen=True)
class ChannelTiming:
    """One channel: clocks from the start to the end of the run, and how often each command issued (refresh included)."""

    cycles: int
    commands: Mapping[str, int]


@dataclass(frozen=True)
class Timing:
    """All channels of a program. ``cycles``: the slowest channel; ``commands``: sums over channels."""

    channels: Mapping[int, ChannelTiming] = field(default_factory=dict)

    @property
    def cycles(self) -> int:
        """Clocks of the slowest channel; 0 without channels."""
        return max((c.cycles for c in self.channels.values()), default=0)

    @property
    def slowest(self) -> int:
        """The channel that takes longest; the lowest number among equals."""
        return max(self.channels, key=lambda n: (self.channels[n].cycles, -n))

    @property
    def commands(self) -> dict[str, int]:
        """Commands issued, summed over channels."""
        total: dict[str, int] = {}
        for channel in self.channels.values():
            for name, count in channel.commands.items():
                total[name] = total.get(name, 0) + count
        return total
