"""Trace events one by one, and the file they stand in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nearbank.report.output import write_lines

__all__ = [
    "BUS", "GPU", "MEMORY", "REFRESH", "TASKS", "channel_thread", "complete", "counter", "flow", "name", "write_events",
]  # fmt: skip

GPU, MEMORY = 1, 2
"""Processes."""
TASKS, BUS, REFRESH = 1, 1001, 1002
"""Threads of the memory, beside its channels."""
Event = dict[str, Any]


def channel_thread(channel: int) -> int:
    """The thread of a channel."""
    return 2 + channel


def name(process: int, title: str, threads: Mapping[int, str]) -> Iterator[Event]:
    """Names of a process and its threads, in their order."""
    yield {"ph": "M", "pid": process, "tid": 0, "name": "process_name", "args": {"name": title}}
    yield {"ph": "M", "pid": process, "tid": 0, "name": "process_sort_index", "args": {"sort_index": process}}
    for thread, text in threads.items():
        yield {"ph": "M", "pid": process, "tid": thread, "name": "thread_name", "args": {"name": text}}
        yield {"ph": "M", "pid": process, "tid": thread, "name": "thread_sort_index", "args": {"sort_index": thread}}


def complete(process: int, thread: int, title: str, start_us: float, us: float, about: Mapping[str, object]) -> Event:
    """A piece of work from ``start_us``, ``us`` long."""
    return {
        "ph": "X",
        "pid": process,
        "tid": thread,
        "name": title,
        "cat": "work",
        "ts": start_us,
        "dur": us,
        "args": dict(about),
    }


def counter(title: str, at_us: float, values: Mapping[str, float]) -> Event:
    """A counter of the memory from ``at_us`` on."""
    return {"ph": "C", "pid": MEMORY, "tid": 0, "name": title, "ts": at_us, "args": dict(values)}


def flow(
    number: int, start: tuple[tuple[int, int], float, float], end: tuple[tuple[int, int], float]
) -> Iterator[Event]:
    """An arrow, from ((process, thread), end us, length us) to ((process, thread), start us). A flow belongs to the piece of work
    that it starts in, so it starts just before that ends: 1 ns, or in the middle of what is shorter than 2 ns."""
    (process, thread), end_us, length = start
    shared = {"name": "needs", "cat": "flow", "id": number}
    yield {"ph": "s", "pid": process, "tid": thread, "ts": end_us - min(0.001, length / 2), **shared}
    (process, thread), start_us = end
    yield {"ph": "f", "bp": "e", "pid": process, "tid": thread, "ts": start_us, **shared}


def write_events(path: Path, events: Sequence[Event], about: Mapping[str, object]) -> None:
    """Write the events as a JSON object, one event a line; ``about`` stands under otherData. Raises `InputError`."""
    lines = [",\n".join(json.dumps(event, allow_nan=False) for event in events)]
    head = f'{{"displayTimeUnit": "ns", "otherData": {json.dumps(dict(about))},\n"traceEvents": [\n'
    write_lines(path, [head, *lines, "\n]}\n"])
