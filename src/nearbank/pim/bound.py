"""The least time that any program could take for a product on a device, resource by resource.

Why no program can be faster (C channels, P pixels, K inputs, N outputs; B banks of L lanes; all counts for the fullest
channel, which has at least 1/C of the whole):

- MAC slots: a bank's multiplications in one command go into one sum, so an output needs at least ceil(K / L) of them, and a
  command gives B such slots: at least P*N*ceil(K/L)/B commands. And an input must meet N outputs, at most B in a command that
  carries it, and a command carries L inputs: at least P*K*ceil(N/B)/L commands. Commands are nCCD apart.
- Result latches: a read empties one latch of all banks, so there are at least P*N/B sums. A latch is taken from a sum's
  first command to its read, the adder tree later: with c commands in all and r sums, the latches together are taken
  c*nCCD + r*(tree + 1 - nCCD) clocks at least, and there are only so many latches.
- Data bus: r reads and at least one fill of every input that the channel multiplies. Every output group of a pixel needs the
  pixel's inputs, so a channel that does u of the P*ceil(N/B) pixel-groups touches at least u/ceil(N/B) pixels.
- Bus and latches together: between two reads in which fills stand, the bus turns twice, so m fills take m * (fill to fill) +
  turns; and no latch is freed meanwhile, so of all bank-slots at most L * B * ceil(K/L') are useful there (L latches, sums of
  ceil(K/L') at most), and of each latch's time no more than one sum's. With n such intervals and f fills the run takes at least
  f * fill + n * turns + max(MACs not done there, latch time not spent there); convex in n, so its least value is at an end or
  where the maximum's second part vanishes, at n = r / L.
- Banks and fills: on some devices nothing multiplies for a while behind a fill (nor opens a row). Of fills that are needed no more
  than there are buffers stand together, else one would be overwritten unused; of what such a run stops no more is hidden than the
  longest wait between two commands that it can stand in: a step, a latch's adder tree, or the closing of a row.
- Command slots: one command a clock: macs + reads + fills.
- Activation: no sum before all banks have a row open: the activates, one behind the other, then nRCD. And all banks of a row
  multiply at once, so while rows change nothing else does: every weight stands in some row of some channel, at least
  N*ceil(K/L)/B columns in all, and every row after a channel's first costs precharge and opening between two multiplications.
- Refresh: all that fall due by the last command are served by then, nRFC apart, the banks precharged first, and for nRFC behind
  each nothing multiplies. So multiplications, openings of rows and all refreshes but the last (behind which the run may end) share
  the banks' time. And a latch gains nothing in such a pause, since the sum before it has passed the adder tree by then, or
  no more than what the tree takes longer than precharging.
- Several blocks: M products of P pixels, each with weights of its own, are bound like one of M*P pixels. A program for them makes
  M*P rows of N outputs, each from K inputs of its own, and nothing above uses that two rows have the same weights, but for the
  opening of rows, and that counts each weight once: of one block, where M blocks have M times as many. The zeros in a block
  count as its weights: this bounds programs for the blocks as they are, not for the layer behind them.

Every program starts with an activation (or a fill, if that takes longer) and ends with a result on its way; the largest
resource comes between the two.

Devices on which register access is a mode of its own have a bound of their own: `nearbank.pim.modal.bound`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from nearbank.devices import PimDevice
from nearbank.pim.modal import modal_bound
from nearbank.pim.product import NO_EPILOGUE, Epilogue, Product, ceil_div

__all__ = ["Bound", "bound"]


@dataclass(frozen=True)
class Bound:
    """Clocks: ``by_resource`` without start and end, ``cycles`` with all; ``binding`` names the largest resource."""

    cycles: int
    binding: str
    by_resource: tuple[tuple[str, int], ...]


def bound(device: PimDevice, product: Product, channels: int, epilogue: Epilogue = NO_EPILOGUE) -> Bound:
    """The bound of ``product`` with what memory does to its sums, on ``channels`` channels of ``device``."""
    product = replace(product, pixels=product.pixels * product.blocks, blocks=1)
    if device.by_role("mode"):
        return Bound(*modal_bound(device, product, channels, function=epilogue.function is not None))
    sizes = device.organization
    mac, read, fill = device.one("mac").name, device.one("read").name, device.one("fill")
    pixels, inputs, outputs = product.pixels, product.in_channels, product.out_channels
    chunks, groups = product.chunks(device), product.groups(device)

    def share(total: int) -> int:
        return ceil_div(total, channels)

    macs = share(max(ceil_div(pixels * outputs * chunks, sizes.banks), ceil_div(pixels * inputs * groups, sizes.lanes)))
    sums = share(ceil_div(pixels * outputs, sizes.banks))
    columns = share(ceil_div(pixels * inputs, sizes.lanes))
    step = max(device.gap(mac, mac), 1)
    tree = max(device.gap(mac, read), 1)
    fills = ceil_div(columns, fill.columns)
    fill_step = max(device.gap(fill.name, fill.name), 1)
    opening = device.opening()
    if tree > 1:
        latches = ceil_div(macs * step + sums * (tree + 1 - step), sizes.result_latches)
    else:
        latches = macs * step
    first_fill = max(device.gap(fill.name, mac), 1)
    tail = device.gap(mac, read) + max((gap for _, gap in device.end), default=0)
    resources = {
        "MAC slots": (macs - 1) * step,
        "result latches": latches - tree - 1 if device.state_checks else 0,
        "data bus": (sums - 1) * max(device.gap(read, read), 1) + fills * fill_step if device.state_checks else fills,
        "bus and latches": _bus_and_latches(device, product, channels, fills) if device.state_checks else 0,
        "banks and fills": 0,
        "command slots": macs + sums + fills - 1,
        "mode switches": 0,
        "activation": _activation(device, product, channels, step) if device.state_checks else 0,
    }
    resources = {name: max(clocks, 0) for name, clocks in resources.items()}
    resources["banks and fills"] = _banks_and_fills(device, resources, fills)
    binding = max(resources, key=lambda name: resources[name])
    start = 1 + max(opening, first_fill)
    cycles = start + resources[binding] + tail
    if binding in ("data bus", "bus and latches", "command slots"):
        # The bus and the command slots may be busy while the row opens.
        banks = start + max(resources["MAC slots"], resources["result latches"]) + tail
        cycles = max(1 + resources[binding], banks)
    if device.refresh.enabled and device.refresh.where == "before":
        last, served = _refreshed(device, start, resources, tree if tree > 1 else 0)
        cycles = max(cycles, last)
        resources["refresh"] = served
    return Bound(cycles, binding, tuple(resources.items()))


def _banks_and_fills(device: PimDevice, resources: dict[str, int], fills: int) -> int:
    """Clocks from the first multiplication to the last, with what fills stop by the argument above; 0 where they stop nothing."""
    mac, fill, close = (device.one(role).name for role in ("mac", "fill", "precharge"))
    opens = [command.name for command in device.by_role("activate")]

    def stops(after: str) -> int:
        """How long a fill stops a command, whatever it touches."""
        rules = (r for r in device.rules if fill in r.before and after in r.after and r.window == 1)
        return max((r.gap for r in rules if r.scope == "channel"), default=0)

    stopped, together = stops(mac), max(device.gap(fill, fill), 1)
    waits = [max(device.gap(mac, close), 1) + max(device.gap(close, opens[0]), 1), max(device.gap(opens[-1], mac), 1)]
    waits += [max(device.gap(one, two), 1) for one, two in pairwise(opens)]
    hidden = {
        "MAC slots": max(device.gap(mac, mac), 1) - 1,
        "result latches": max(device.gap(mac, device.one("read").name), 1),
        "activation": max(waits) if min(map(stops, opens)) >= stopped else sum(waits),
    }
    # The first run stands before the first multiplication, where the opening of a row may take longer.
    before = max(device.opening() - stopped, 0)
    found = [0]
    for name, most in hidden.items():
        runs = (ceil_div(fills, device.organization.global_buffers), fills)
        added = min((n - 1) * max(stopped - most, 0) + (fills - n) * together for n in runs) - before
        if added > 0 and resources[name]:
            found.append(resources[name] + added)
    return max(found)


def _refreshed(device: PimDevice, start: int, resources: dict[str, int], tree: int) -> tuple[int, int]:
    """(clock of the last command, clocks that refresh blocks the banks), by the argument above."""
    mac, close, refresh = (device.one(role).name for role in ("mac", "precharge", "refresh"))
    blocked = max(device.gap(refresh, device.by_role("activate")[0].name), 1)
    shut = max(device.gap(mac, close), 1) + max(device.gap(close, refresh), 1)
    # From the first multiplication to the last; a pause that follows one so closely adds less to what its latch waits for.
    pauses = [
        (start + resources["MAC slots"], blocked),
        (start + resources["activation"], blocked),
        (start + resources["result latches"], blocked - max(tree + 1 - shut, 0)),
    ]
    last, served = max(clocks for clocks, _ in pauses) + tree, 0
    while (due := last // device.refresh.interval) > served:
        served = due
        last = max(last, *(clocks + shut + (served - 1) * pause for clocks, pause in pauses))
    return last, max(served - 1, 0) * blocked


def _bus_and_latches(device: PimDevice, product: Product, channels: int, fills: int) -> int:
    """Clocks from the first command to the last read, by the argument above; 0 where reads and fills have no turnaround."""
    mac, read, fill = device.one("mac").name, device.one("read").name, device.one("fill").name
    latches, banks = device.organization.result_latches, device.organization.banks
    step, tree = max(device.gap(mac, mac), 1), max(device.gap(mac, read), 1)
    fill_step, back, forth = max(device.gap(fill, fill), 1), device.gap(read, fill), device.gap(fill, read)
    if back + forth <= fill_step or not fills:
        return 0
    chunks = product.chunks(device)
    outputs = product.pixels * product.out_channels
    sums = ceil_div(ceil_div(outputs, banks), channels)
    slots = ceil_div(ceil_div(outputs * chunks, banks), channels)
    one = chunks * step + tree + 1 - step
    found = []
    for n in {1, max(sums // latches, 1), max(ceil_div(sums, latches), 1)}:
        apart = max(step * (slots - n * latches * chunks), ceil_div(sums * one, latches) - n * one, 0)
        found.append(fill_step * fills + n * (back + forth - fill_step) - back + apart)
    return max(min(found), 0)


def _activation(device: PimDevice, product: Product, channels: int, step: int) -> int:
    """Clocks from the first multiplication to the last, rows that must be opened between them included; averaged over channels."""
    sizes = device.organization
    mac, close, first = device.one("mac").name, device.one("precharge").name, device.by_role("activate")[0].name
    slots = ceil_div(product.pixels * product.out_channels * product.chunks(device), sizes.banks)
    columns = ceil_div(product.out_channels * product.chunks(device), sizes.banks)
    again = ceil_div(columns, sizes.columns) - channels
    switch = max(device.gap(mac, close), 1) + max(device.gap(close, first), 1) + device.opening()
    # A channel with m multiplications and r rows takes (m - r) steps and r - 1 switches at least; summed over channels.
    return max(ceil_div(slots * step + max(again, 0) * (switch - step), channels) - step, 0)
