"""What the parts of a sum cost on a device that switches modes: clocks read off its rule table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible

__all__ = ["Clocks", "clocks", "with_refresh"]


@dataclass(frozen=True)
class Clocks:
    """Clocks of a program in which each sum is: preset, switch, multiply, switch, read.

    start: of the first multiplication, if one column is filled before it; step: from one multiplication to the next; between:
    from the last multiplication of a sum to the first of the next; fill: one more column in that time; row: another row opened
    in that time; end: from the last multiplication to the last data. Of ``function`` clocks `between` is longer where an
    activation function is applied in that time, the rows of its table and of the data opened for it, and of ``function_end``
    clocks `end`.

    Waits that these hide, as from opening a row to its first multiplication, are left out: a device on which they do not
    hide them takes longer.
    """

    start: int
    step: int
    between: int
    fill: int
    row: int
    end: int
    function: int
    function_end: int


@lru_cache(maxsize=64)
def clocks(device: PimDevice) -> Clocks:
    """The clocks of ``device``.

    Raises:
        Infeasible: the device has no modes to switch or no presets.
    """
    if not device.by_role("mode") or not device.by_role("preset"):
        raise Infeasible(
            "this mapping needs mode switches and presets", demand=2, bound=0, unit="commands", where=device.name
        )
    mac, read, fill, mode = (device.one(role).name for role in ("mac", "read", "fill", "mode"))
    preset, close = device.one("preset").name, device.one("precharge").name
    activates = [c.name for c in device.by_role("activate")]

    def gap(before: str, after: str) -> int:
        return max(device.gap(before, after), 1)

    last = len(activates) + sum(gap(a, b) - 1 for a, b in pairwise(activates))
    reopen = gap(mac, close) + gap(close, activates[0]) + last - 1
    to_fill = last + gap(activates[-1], mode) + gap(mode, fill)
    ends = dict(device.end)
    function = function_end = 0
    if device.by_role("function"):
        apply, first, final = device.one("function").name, activates[0], activates[-1]
        # Multiply, close, open the table, apply, close, open the data, switch.
        table = gap(mac, close) + gap(close, first) + last - 1 + gap(final, apply)
        function = table + gap(apply, close) + gap(close, first) + last - 1 + gap(final, mode) - gap(mac, mode)
        function_end = table + gap(apply, mode) - gap(mac, mode)
    return Clocks(
        start=to_fill + gap(fill, preset) + gap(preset, mode) + gap(mode, mac),
        step=gap(mac, mac),
        between=gap(mac, mode) + gap(mode, read) + gap(read, preset) + gap(preset, mode) + gap(mode, mac),
        fill=gap(fill, fill),
        row=reopen + gap(activates[-1], mode) - gap(mac, mode),
        end=gap(mac, mode) + gap(mode, read) + ends.get(read, 0),
        function=function,
        function_end=function_end,
    )


def with_refresh(device: PimDevice, least: int) -> int:
    """Clocks that a program of one accumulation after the other cannot undercut, if it takes ``least`` without refresh: each
    refresh but the last comes on top, since nothing is done meanwhile."""
    if not device.refresh.enabled:
        return least
    each = min(device.gap(device.one("refresh").name, c.name) for c in device.by_role("activate"))
    served = 0
    while (due := (least + max(served - 1, 0) * each) // device.refresh.interval) > served:
        served = due
    return least + max(served - 1, 0) * each
