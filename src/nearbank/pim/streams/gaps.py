"""The clocks between the commands of the two streams, as the merge needs them."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from nearbank.devices import PimDevice

__all__ = ["Gaps", "gaps"]


class Gaps:
    """Names of the commands and the gaps between them, in clocks."""

    def __init__(self, device: PimDevice) -> None:
        mac, read, fill = device.one("mac").name, device.one("read").name, device.one("fill").name
        acts = [c.name for c in device.by_role("activate")]
        close = device.one("precharge").name

        def gap(before: str, after: str) -> int:
            return max(device.gap(before, after), 1)

        self.mac, self.read, self.fill, self.acts, self.close = mac, read, fill, acts, close
        self.step, self.tree, self.arrive = gap(mac, mac), gap(mac, read), gap(fill, mac)
        self.fill_step, self.read_step = gap(fill, fill), gap(read, read)
        self.to_fill, self.to_read = gap(read, fill), gap(fill, read)
        self.act_mac, self.act_close = gap(acts[-1], mac), gap(acts[-1], close)
        self.mac_close, self.close_act = gap(mac, close), gap(close, acts[0])
        self.act_step = [0, *(gap(a, b) for a, b in pairwise(acts))]
        self.act_again = gap(acts[0], acts[0])
        self.reopening = self.mac_close + self.close_act + device.opening()
        self.turn = self.to_fill + self.to_read - self.fill_step
        self.long = max(r.gap for r in device.rules) + 1


@lru_cache(maxsize=64)
def gaps(device: PimDevice) -> Gaps:
    """The device's gaps."""
    return Gaps(device)
