"""The least time that any program could take on a device that switches modes, where fills, presets and reads are in one mode,
multiplications and openings of rows in the other, and a bank has one register for its sums.

Words: a *visit* is a stay among the registers, a *stretch* the time between two visits. C channels, P pixels, K inputs, N
outputs, B banks of L lanes; a row has R columns and the buffer has G.

1. Stretches. In a stretch nothing is preset, read or filled, so all its multiplications go into one sum a bank, and meet at most
   G * L inputs. So all channels together need at least P*N*ceil(K / (G*L)) / B stretches, and at least P*N/B sums (each read
   once; a register that was read keeps its sum, so the next one must be preset).
2. Gaps. A channel's m multiplications have m - 1 gaps of at least a step. Where a new sum begins, the gap holds a switch, the
   read, the preset and a switch (`between`); where a sum goes on in a new stretch, a switch, a fill and a switch, or the visit
   were useless (`again`). Each fill in a visit adds its clocks, since commands on the bus come one behind the other.
3. Rows. Where the row changes in a gap with a visit, closing and opening come both before it, or around it, or both behind it:
   the least of the three, less the gap without it, is `row`. Within a stretch it costs `inside` more than that.
4. Reuse. While a row is open with f fills meanwhile, multiplications meet at most R*B*L weights, (G + f)*L inputs (f*L in a
   channel's first row) and B*s outputs, s stretches being under way. By Loomis and Whitney's inequality they are no more than
   the root of the product; summed over rows and channels by Cauchy's, with F fills, H changes of rows of which I within a
   stretch, and W stretches: (P*N*K / (B*L))^2 <= R * (F + G*H) * (W + I). Moreover F >= P*K/L, since every input is filled
   somewhere, and H >= N*K/(B*L*R) - C, since every weight stands in some row.
5. The sum of all gaps over all channels, at its least by 1 to 4, over C: the slowest channel takes no less than the average, with
   the first fill before it and the last read behind it.
6. For one channel with at least 1/C of the multiplications: the same, with Loomis and Whitney's inequality for the channel as a
   whole: multiplications^2 <= weights * inputs * outputs. Better than 5 where a channel has few sums.
7. Refresh. k refreshes between two multiplications: closing, k * nRFC, opening. Of the clocks counted above that gap may hold
   `between`, one change of rows, and G fills; behind the last multiplication, the last read. The rest comes on top.

With an activation function in memory the register holds the sum until the function is applied, and that needs the data's row
closed and the table's open: between two sums, and behind the last, so much longer; a change of rows there costs nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, floor, sqrt

from nearbank.devices import PimDevice
from nearbank.pim.modal.clocks import Clocks, clocks
from nearbank.pim.product import Product, ceil_div

__all__ = ["modal_bound"]

Resources = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class _Least:
    """A device's least clocks, and a product's least counts over all channels."""

    ours: Clocks
    again: int
    row: int
    inside: int
    macs: int
    sums: int
    stretches: int
    fills: int
    changes: int
    useful: float
    columns: int
    capacity: int
    channels: int

    @property
    def ends(self) -> int:
        """Clocks outside the gaps: before the first multiplication, without fills, and behind the last."""
        return self.ours.start - self.ours.fill + self.ours.end

    def average(self, free: float) -> float:
        """Clocks by 5, with ``free`` gaps a channel in which a change of rows and a full buffer's fills are for nothing."""
        ours, count = self.ours, self.channels
        gaps = ours.step * max(self.macs, count) + (ours.between - ours.step) * max(self.sums, count)
        gaps += (self.again - ours.step) * max(self.stretches - max(self.sums, count), 0)
        return self.ends - ours.between + (gaps + self._moves(free * count)) / count

    def _moves(self, free: float) -> float:
        """Least clocks of fills and changes of rows, by 4."""
        rate = min(self.ours.fill, self.row / self.capacity)
        fills, changes = max(self.fills, free * self.capacity), max(self.changes, free)
        known = self.ours.fill * (fills - free * self.capacity) + self.row * (changes - free)
        # Short of what `need` asks for, there are more stretches, or changes of rows within them, or more of these two.
        need, at_hand = self.useful**2 / self.columns, fills + self.capacity * changes
        stretches, price = max(self.stretches, self.channels), min(self.inside, self.again - self.ours.step)
        if price <= 0:
            return known
        more = max(min(sqrt(rate * need / price), need / at_hand) - stretches, 0)
        return known + price * more + rate * max(need / (stretches + more) - at_hand, 0)

    def fullest(self, product: Product, lanes: int, banks: int) -> float:
        """Clocks by 6."""
        ours = self.ours
        mine = self.useful / self.channels
        least = max(mine * lanes / product.in_channels, mine / self.capacity, 1)
        base = self.ends - ours.between + ours.step * max(mine, 1)
        switch, best = min(ours.between, self.again) - ours.step, float("inf")
        if switch <= 0:
            return base
        stretches = ceil(least - 1e-9)
        while True:
            spent = base + ours.between - ours.step + switch * (stretches - 1)
            if spent >= best:
                return best
            best = min(best, spent + self._shape(mine, stretches, mine * banks / product.out_channels))
            stretches += 1

    def _shape(self, mine: float, stretches: int, least: float) -> float:
        """Least clocks of fills and rows of one channel: fills * columns of weights * stretches >= mine^2."""
        fill, area = self.ours.fill, mine * mine / stretches
        # Each command meets a column of weights, so they are no more than the commands; to issue more costs no less than to fill.
        lowest = max(mine / stretches if fill <= self.ours.step else 1.0, least, 1.0)
        ideal = min(sqrt(self.row * area / (fill * self.columns)), area / self.columns)
        fills = max(lowest, ideal)
        return fill * fills + self.row * max(area / fills / self.columns - 1, 0)


def modal_bound(
    device: PimDevice, product: Product, channels: int, *, function: bool = False
) -> tuple[int, str, Resources]:
    """Clocks, the binding resource, and clocks by resource, of ``product`` on ``channels`` channels; ``function``: with an
    activation function applied in memory.

    Raises:
        Infeasible: the device has no modes to switch or no presets.
    """
    least = _least(device, product, channels)
    if function:
        ours = least.ours
        longer = replace(ours, between=ours.between + ours.function, end=ours.end + ours.function_end)
        least = replace(least, ours=longer, row=0)
    sizes = device.organization
    alone = least.fullest(product, sizes.lanes, sizes.banks)
    plain = max(least.average(0), alone)
    total, served = plain, 0
    if device.refresh.enabled:
        total, served = _refreshed(device, least, plain)
    ours = least.ours
    resources = {
        "MAC slots": ceil_div(least.macs, channels) * ours.step,
        "data bus": ceil_div(least.fills, channels) * ours.fill + ceil_div(least.sums, channels),
        "activation": ceil_div(least.changes, channels) * least.row,
        "mode switches": max(floor(plain) - least.ends, 0),
    }
    binding = max(resources, key=lambda name: resources[name])
    if device.refresh.enabled:
        resources["refresh"] = served
    # A hair below, so that the rounding of floating point never lifts it over a whole clock.
    return ceil(total - 1e-6), binding, tuple(resources.items())


def _least(device: PimDevice, product: Product, channels: int) -> _Least:
    ours, sizes = clocks(device), device.organization
    mac, fill, mode, preset = (device.one(role).name for role in ("mac", "fill", "mode", "preset"))
    read, close, activates = (
        device.one("read").name,
        device.one("precharge").name,
        [c.name for c in device.by_role("activate")],
    )

    def gap(before: str, after: str) -> int:
        return max(device.gap(before, after), 1)

    # In whatever order the preset and the fills of a visit come.
    each = min(gap(fill, fill), gap(fill, preset), gap(preset, fill))
    leave = min(gap(fill, mode), gap(preset, mode)) + gap(mode, mac)
    arrive = min(gap(mode, fill), gap(mode, preset))
    opening = sum(gap(a, b) for a, b in pairwise(activates))
    around = gap(mac, mode) + gap(mode, mac)
    before = gap(mac, close) + gap(close, activates[0]) + opening + gap(activates[-1], mode) + gap(mode, mac)
    split = gap(mac, close) + gap(close, mode) + gap(mode, activates[0]) + opening + gap(activates[-1], mac)
    behind = gap(mac, mode) + gap(mode, close) + gap(close, activates[0]) + opening + gap(activates[-1], mac)
    row = max(min(before, split, behind) - around, 0)
    inside = gap(mac, close) + gap(close, activates[0]) + opening + gap(activates[-1], mac) - ours.step - row
    pixels, inputs, outputs = product.pixels, product.in_channels, product.out_channels
    chunks, groups = product.chunks(device), product.groups(device)
    times = ceil_div(inputs, sizes.buffer_capacity * sizes.lanes)
    early = 1 + opening + gap(activates[-1], mode) + arrive + each + leave
    late = 1 + arrive + each + leave - gap(mode, mac) + gap(mode, activates[0]) + opening + gap(activates[-1], mac)
    start = min(early, late)
    between = gap(mac, mode) + gap(mode, read) + min(gap(read, preset), gap(read, fill)) + leave
    return _Least(
        ours=replace(ours, start=start, between=between, fill=each),
        again=gap(mac, mode) + gap(mode, fill) + gap(fill, mode) + gap(mode, mac) - each,
        row=row,
        inside=max(inside, 0),
        macs=max(ceil_div(pixels * outputs * chunks, sizes.banks), ceil_div(pixels * inputs * groups, sizes.lanes)),
        sums=ceil_div(pixels * outputs, sizes.banks),
        stretches=ceil_div(pixels * outputs * times, sizes.banks),
        fills=ceil_div(pixels * inputs, sizes.lanes),
        changes=max(ceil_div(inputs * outputs, sizes.lanes * sizes.banks * sizes.columns) - channels, 0),
        useful=pixels * inputs * outputs / (sizes.banks * sizes.lanes),
        columns=sizes.columns,
        capacity=sizes.buffer_capacity,
        channels=channels,
    )  # fmt: skip


def _refreshed(device: PimDevice, least: _Least, plain: float) -> tuple[float, int]:
    """Clocks with refresh by 7, and those of refresh: as many are served as fall due by the last command."""
    mac, mode, read = (device.one(role).name for role in ("mac", "mode", "read"))
    refresh, close = device.one("refresh").name, device.one("precharge").name
    activates = [c.name for c in device.by_role("activate")]
    ours, each = least.ours, max(device.gap(refresh, activates[0]), 1)
    again = max(device.gap(refresh, refresh), 1)
    opening = sum(max(device.gap(a, b), 1) for a, b in pairwise(activates)) + device.gap(activates[-1], mac)
    gap = device.gap(mac, close) + device.gap(close, refresh) + each - again + opening - ours.between
    last = (
        device.gap(mac, mode)
        + device.gap(mode, read)
        + device.gap(read, mode)
        + device.gap(mode, refresh)
        - ours.end
        - again
    )
    tail = max((clocks for _, clocks in device.end), default=0)
    total, served = plain, 0
    while (due := floor((total - tail) / device.refresh.interval)) > served:
        served = due
        found = []
        for ending in (0, 1):
            for gaps in range(served - ending + 1):
                if gaps + ending and served <= (gaps + ending) * device.refresh.postpone:
                    hidden = least.average(gaps) + again * served + gap * gaps + last * ending
                    found.append(max(hidden, plain))
        total = max(total, min(found))
    return total, max(floor(total - plain), 0)
