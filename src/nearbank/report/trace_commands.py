"""Down to each DRAM command: one product on all its channels, or one channel of it, as trace events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nearbank import __version__
from nearbank.devices import ROLES, PimDevice
from nearbank.errors import InputError
from nearbank.pim import Compiled, LayerTiming
from nearbank.program import Program
from nearbank.report.events import BUS, MEMORY, REFRESH, channel_thread, complete, counter, name, write_events
from nearbank.sim.watch import MOST_COMMANDS, Issued, channel_stream, command_times

__all__ = ["channel_events", "layer_events", "write_layer_trace"]

_DATA = ("fill", "preset", "read", "read_function")
_STRETCH = 64
"""Clocks that a point of the MAC counter covers."""


def write_layer_trace(path: Path, compiled: Compiled, timing: LayerTiming, *, level: str, command: str) -> None:
    """Write the trace of one product, whole or not at all.

    Raises:
        InputError: ``path`` cannot be written, or level commands with too many of them.
    """
    device = compiled.device
    about = {"version": __version__, "command": command, "device": device.name, "device_hash": device.hash,
             "product": str(compiled.product), "mapping": timing.mapping}  # fmt: skip
    write_events(path, layer_events(compiled, timing, level=level), about)


def layer_events(compiled: Compiled, timing: LayerTiming, *, level: str = "commands") -> list[dict[str, Any]]:
    """The events of one product on all its channels; bus, refresh and counters are the slowest channel's.

    Raises:
        InputError: level commands, and all channels have more than `MOST_COMMANDS` together.
    """
    device, runs = compiled.device, timing.timing.channels
    if level == "commands":
        total = sum(len(channel_stream(device, compiled.program, channel)) for channel in runs)
        if total > MOST_COMMANDS:
            bound = f"at most {MOST_COMMANDS}; take fewer pixels, or level tasks"
            raise InputError("too many commands for --trace-level commands", value=total, bound=bound)
    threads = {channel_thread(c): f"channel {c}" for c in runs}
    if level == "commands":
        threads |= {
            BUS: f"bus of channel {timing.timing.slowest}",
            REFRESH: f"refresh of channel {timing.timing.slowest}",
        }
    events = [*name(MEMORY, f"{device.name}: {compiled.product}, {timing.mapping}", threads)]
    for channel, ran in runs.items():
        if level == "tasks":
            about = {"cycles": ran.cycles, "commands": dict(ran.commands)}
            events.append(
                complete(
                    MEMORY, channel_thread(channel), str(compiled.product), 0.0, device.microseconds(ran.cycles), about
                )
            )
        else:
            shared = channel == timing.timing.slowest
            events += channel_events(device, compiled.program, channel, shared=shared)
    return events


def channel_events(
    device: PimDevice, program: Program, channel: int, *, start: float = 0.0, row: int = 0, shared: bool = True,
    about: Mapping[str, object] | None = None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """Every command of a channel from ``start`` (us) on, as long as until the next (the last: until the end of the run).

    ``shared``: what moves data on the bus thread too, refreshes and what they hold up on the refresh thread, and the counters.
    ``row`` is where the program's rows lie in the banks.
    """
    played = list(command_times(device, program, channel))
    ends = [x.clock for x in played[1:]] + [_end(device, played)]
    for x, end in zip(played, ends, strict=True):
        operands = dict(zip(ROLES[x.role], x.args, strict=False))
        note: dict[str, object] = {**(about or {}), "clock": x.clock, **operands}
        if x.added:
            note["added"] = "by the controller, for refresh"
        yield complete(
            MEMORY,
            channel_thread(channel),
            x.command,
            _at(device, start, x.clock),
            device.microseconds(end - x.clock),
            note,
        )
    if shared:
        yield from _shared(device, played, ends[-1], start, row)


def _at(device: PimDevice, start: float, clock: int) -> float:
    """The beginning of a clock; the first command's is the start."""
    return start + device.microseconds(clock - 1)


def _end(device: PimDevice, played: list[Issued]) -> int:
    """One clock past the end of the run, by the device's table of endings."""
    last = {x.command: x.clock for x in played}
    return 1 + max([played[-1].clock, *(last[n] + gap for n, gap in device.end if n in last)])


def _shared(device: PimDevice, played: list[Issued], end: int, start: float, row: int) -> Iterator[dict[str, Any]]:
    activates = [c.name for c in device.by_role("activate")]
    on_bus = [x for x in played if x.role in _DATA]
    refreshes = [x for x in played if x.role == "refresh"]
    for thread, mine in ((BUS, on_bus), (REFRESH, refreshes)):
        for x, following in zip(mine, [*(y.clock for y in mine), end][1:], strict=True):
            # Busy as long as the device makes a like one (or, behind a refresh, an activation) wait, or until the next.
            busy = max(device.gap(x.command, activates[0] if thread == REFRESH else x.command), 1)
            length = device.microseconds(min(busy, following - x.clock))
            yield complete(MEMORY, thread, x.command, _at(device, start, x.clock), length, {"clock": x.clock})
    for x in played:
        if x.command == activates[-1]:
            yield counter("open row", _at(device, start, x.clock), {"row": row + x.args[0]})
        elif x.role == "precharge":
            yield counter("open row", _at(device, start, x.clock), {"row": -1})
    yield from _utilisation(device, [x.clock for x in played if x.role == "mac"], end, start)


def _utilisation(device: PimDevice, macs: list[int], end: int, start: float) -> Iterator[dict[str, Any]]:
    """The share of each stretch of clocks in which the MAC units could take no further multiplication."""
    mac = device.one("mac").name
    step, at = max(device.gap(mac, mac), 1), 0
    for first in range(1, end, _STRETCH):
        stop, busy = min(first + _STRETCH, end), 0
        while at < len(macs) and macs[at] < stop:
            busy += step
            at += 1
        yield counter("MAC utilisation", _at(device, start, first), {"%": min(100.0 * busy / (stop - first), 100.0)})
    yield counter("MAC utilisation", _at(device, start, end), {"%": 0.0})
