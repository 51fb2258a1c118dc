"""The rules of Chrome's trace event format, as far as nearbank uses it: from the format's document, not from our writer."""

from __future__ import annotations

import itertools
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

_NAMES = {
    "process_name": "name",
    "thread_name": "name",
    "process_sort_index": "sort_index",
    "thread_sort_index": "sort_index",
}


def number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def checked(path: Path) -> list[dict[str, Any]]:
    """The events of a file, if it keeps to the format; AssertionError says what does not."""
    document = json.loads(path.read_text())
    assert document["displayTimeUnit"] in ("ms", "ns")
    events = document["traceEvents"]
    assert events
    for event in events:
        assert event["ph"] in "XMCsf", event
        assert isinstance(event["pid"], int), event
        assert isinstance(event["tid"], int), event
        assert isinstance(event["name"], str), event
        assert event["name"], event
        if event["ph"] == "M":
            assert event["name"] in _NAMES, event
            assert set(event["args"]) == {_NAMES[event["name"]]}, event
        else:
            assert number(event["ts"]), event
            assert event["ts"] >= 0, event
        if event["ph"] == "X":
            assert number(event["dur"]), event
            assert event["dur"] >= 0, event
        if event["ph"] == "C":
            assert event["args"], event
            assert all(number(value) for value in event["args"].values()), event
    _check_names(events)
    _check_threads(events)
    _check_flows(events)
    return events


def work(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Complete events by the name of their thread, by start."""
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in sorted((e for e in events if e["ph"] == "X"), key=lambda e: e["ts"]):
        found[names[event["pid"], event["tid"]]].append(event)
    return dict(found)


def end(events: list[dict[str, Any]]) -> float:
    """When the last event is over."""
    return max(e["ts"] + e.get("dur", 0) for e in events if e["ph"] != "M")


def _check_names(events: list[dict[str, Any]]) -> None:
    """Every thread that has events is named, once, and so is its process."""
    named = [(e["name"], e["pid"], e["tid"]) for e in events if e["ph"] == "M"]
    assert len(named) == len(set(named))
    for event in events:
        if event["ph"] != "M":
            assert ("process_name", event["pid"], 0) in named, event
        if event["ph"] in "Xsf":
            assert ("thread_name", event["pid"], event["tid"]) in named, event


def _check_threads(events: list[dict[str, Any]]) -> None:
    """Complete events of a thread follow each other: none overlaps another."""
    threads: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            threads[event["pid"], event["tid"]].append(event)
    for mine in threads.values():
        mine.sort(key=lambda e: (e["ts"], e["ts"] + e["dur"]))
        for one, two in itertools.pairwise(mine):
            assert two["ts"] >= one["ts"] + one["dur"] - 1e-6, (one, two)


def _check_flows(events: list[dict[str, Any]]) -> None:
    """Each flow starts once within a piece of work, and ends once, not earlier, where one starts (bp "e": enclosing)."""
    pieces = [e for e in events if e["ph"] == "X"]
    starts = {e["id"]: e for e in events if e["ph"] == "s"}
    ends = {e["id"]: e for e in events if e["ph"] == "f"}
    assert len(starts) == sum(e["ph"] == "s" for e in events)
    assert len(ends) == sum(e["ph"] == "f" for e in events)
    assert set(starts) == set(ends)
    for number_, start in starts.items():
        finish = ends[number_]
        assert (start["name"], start["cat"]) == (finish["name"], finish["cat"])
        assert finish["bp"] == "e"
        assert finish["ts"] >= start["ts"]
        for event in (start, finish):
            assert any(
                (x["pid"], x["tid"]) == (event["pid"], event["tid"]) and x["ts"] <= event["ts"] <= x["ts"] + x["dur"]
                for x in pieces
            ), event
