"""A plan as a timeline in Chrome's trace event format, which Perfetto (ui.perfetto.dev) and chrome://tracing show.

Format: the "Trace Event Format" document of the Chromium project, JSON object form; times in microseconds. Used of it: complete
events ("X"), metadata ("M": names and order of processes and threads), flows ("s" and "f", from a task's end to the start of each
that needs it), and counters ("C").

Processes: the GPU with one thread; the memory with a thread for its tasks (launch included), one for each channel that computes,
and, of the slowest channel, one for its bus and one for refresh. On the last two a task's clocks are gathered at its start, one
block a task, except at level commands, where every command of the slowest channel stands in its own clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nearbank import __version__
from nearbank.devices import PimDevice
from nearbank.errors import InputError, near_matches
from nearbank.plan import Placement, Plan
from nearbank.plan.details import MemoryTask
from nearbank.report.events import (
    BUS,
    GPU,
    MEMORY,
    REFRESH,
    TASKS,
    channel_thread,
    complete,
    counter,
    flow,
    name,
    write_events,
)
from nearbank.report.trace_commands import channel_events
from nearbank.sim.watch import MOST_COMMANDS, channel_stream

__all__ = ["LEVELS", "check_level", "plan_events", "write_plan_trace"]

LEVELS = ("tasks", "commands")
"""How far down a trace goes."""


def check_level(level: str) -> None:
    """InputError unless ``level`` is one of a trace's."""
    if level not in LEVELS:
        raise InputError("--trace-level", value=level, bound=near_matches(level, LEVELS))


def write_plan_trace(
    path: Path, plan: Plan, device: PimDevice, memory: Sequence[MemoryTask], weights: Placement, *, level: str,
    command: str,
) -> None:  # fmt: skip
    """Write the trace of a plan, whole or not at all.

    Raises:
        InputError: ``path`` cannot be written, or level commands with too many of them.
    """
    about = {
        "version": __version__,
        "command": command,
        "device": device.name,
        "device_hash": device.hash,
        "gpu": plan.system.gpu,
    }
    write_events(path, plan_events(plan, device, memory, weights, level=level), about)


def plan_events(
    plan: Plan, device: PimDevice, memory: Sequence[MemoryTask], weights: Placement, *, level: str = "tasks"
) -> list[dict[str, Any]]:
    """The events of a plan, names first; the last one ends with the plan.

    Raises:
        InputError: level commands, and the slowest channels have more than `MOST_COMMANDS` together.
    """
    if level == "commands":
        _check_size(device, memory)
    channels = sorted({channel for x in memory for channel in x.timing.timing.channels})
    events = [*name(GPU, plan.system.gpu, {1: "kernels"})]
    if memory:
        threads = {TASKS: "tasks, launch included", **{channel_thread(c): f"channel {c}" for c in channels}}
        if level == "tasks":
            threads |= {
                BUS: "bus of the slowest channel, gathered",
                REFRESH: "refresh of the slowest channel, gathered",
            }
        else:
            threads |= {BUS: "bus of the slowest channel", REFRESH: "refresh of the slowest channel"}
        events += name(MEMORY, device.name, threads)
    reasons = {layer.name: layer.reason for layer in plan.layers}
    for task in plan.tasks:
        process, thread = (GPU, 1) if task.resource == "gpu" else (MEMORY, TASKS)
        about = {"layer": task.kernel, "part": str(task.part), "role": task.role, "why": reasons[task.kernel]}
        events.append(complete(process, thread, task.name, task.start_us, task.us, about))
    rows = {(s.channel, task): s.row for s in weights.stretches for task in s.tasks}
    for x in memory:
        events += _memory_task(plan, device, x, rows, level)
    events += _flows(plan)
    if memory:
        events += [
            counter("MAC utilisation", plan.planned_us, {"%": 0.0}),
            counter("open row", plan.planned_us, {"row": -1}),
        ]
    return events


def _check_size(device: PimDevice, memory: Sequence[MemoryTask]) -> None:
    total = sum(len(channel_stream(device, x.compiled.program, x.timing.timing.slowest)) for x in memory)
    if total > MOST_COMMANDS:
        bound = f"at most {MOST_COMMANDS}: trace single layers with nearbank layer --trace, or at level tasks"
        raise InputError("too many commands for --trace-level commands", value=total, bound=bound)


def _memory_task(
    plan: Plan, device: PimDevice, x: MemoryTask, rows: dict[tuple[int, str], int], level: str
) -> Iterator[dict[str, Any]]:
    """One task on the channels: launched, then as long as each channel runs."""
    timing, task = x.timing.timing, x.task
    start, slowest = task.start_us + plan.system.launch_us, timing.slowest
    mac, first_row = device.one("mac").name, rows.get((slowest, task.name), 0)
    about: dict[str, object]
    for channel, ran in timing.channels.items():
        about = {"cycles": ran.cycles, "commands": dict(ran.commands), "mapping": task.mapping}
        if level == "tasks" or channel != slowest:
            yield complete(MEMORY, channel_thread(channel), task.name, start, device.microseconds(ran.cycles), about)
    if level == "commands":
        about = {"task": task.name}
        yield from channel_events(device, x.compiled.program, slowest, start=start, row=first_row, about=about)
        return
    busy = timing.commands.get(mac, 0) * max(device.gap(mac, mac), 1) / (timing.cycles * plan.system.channels)
    yield counter("MAC utilisation", start, {"%": 100 * busy})
    yield counter("MAC utilisation", start + device.microseconds(timing.cycles), {"%": 0.0})
    yield counter("open row", start, {"row": first_row})
    yield counter("open row", start + device.microseconds(timing.cycles), {"row": -1})
    if x.clocks is not None:
        for thread, clocks in ((BUS, x.clocks.bus), (REFRESH, x.clocks.refresh)):
            if clocks:
                about = {"clocks": clocks, "gathered": "not where they lie in the task"}
                yield complete(MEMORY, thread, task.name, start, device.microseconds(clocks), about)


def _flows(plan: Plan) -> Iterator[dict[str, Any]]:
    """An arrow from each task to each that needs it."""
    by_name, number = {task.name: task for task in plan.tasks}, 0
    for task in plan.tasks:
        for needed in task.needs:
            number += 1
            maker = by_name[needed]
            yield from flow(
                number, (_place(maker.resource), maker.end_us, maker.us), (_place(task.resource), task.start_us)
            )


def _place(resource: str) -> tuple[int, int]:
    return (GPU, 1) if resource == "gpu" else (MEMORY, TASKS)
