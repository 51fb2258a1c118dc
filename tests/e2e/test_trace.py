"""Timelines: files that keep to the format, and whose totals are the plan's."""

from __future__ import annotations

import itertools
import json
import math

import pytest

from nearbank.devices import device
from tests.e2e.models import network
from tests.e2e.trace_format import checked, end, work

RUN = ("--device", "newton-gddr6-pimflow", "--gpu", "rtx2060", "--mapping", "resident", "--no-values", "--channels", 4)


def busy(pieces) -> float:
    return math.fsum(piece["dur"] for piece in pieces)


@pytest.fixture
def traced(nearbank, tmp_path):
    """``traced(policy, level)``: events, and the JSON document of the same run."""

    def make(policy: str, level: str = "tasks"):
        model = network(tmp_path / "m.onnx", channels=(16, 700, 48, 48), size=28)
        trace, document = tmp_path / "t.json", tmp_path / "d.json"
        done = nearbank(
            "run", model, "--policy", policy, *RUN, "--trace", trace, "--trace-level", level, "--json", document
        )
        assert done.status == 0, done.err
        return checked(trace), json.loads(document.read_text())

    return make


@pytest.mark.parametrize("policy", ["pim", "split", "auto", "gpu-only"])
def test_totals_of_a_plan(traced, policy: str) -> None:
    events, document = traced(policy)
    totals, tasks, lanes = document["totals"], document["tasks"], work(events)
    assert end(events) == pytest.approx(totals["planned_us"])
    assert busy(lanes.get("kernels", [])) == pytest.approx(totals["gpu_busy_us"])
    assert busy(lanes.get("tasks, launch included", [])) == pytest.approx(totals["pim_busy_us"])
    moved = [task for task in tasks if task["resource"] == "pim"]
    assert bool(moved) == (policy != "gpu-only")
    clock = device("newton-gddr6-pimflow").clock_mhz
    slowest = math.fsum(task["cycles"] for task in moved) / clock
    channels = {name: pieces for name, pieces in lanes.items() if name.startswith("channel ")}
    assert len(channels) == (4 if moved else 0)
    for pieces in channels.values():
        assert busy(pieces) <= slowest * (1 + 1e-9)
        assert busy(pieces) == pytest.approx(math.fsum(piece["args"]["cycles"] for piece in pieces) / clock)
    for task in moved:
        ends = [p["ts"] + p["dur"] for pieces in channels.values() for p in pieces if p["name"] == task["name"]]
        assert max(ends) == pytest.approx(task["end_us"])
    for name, pieces in lanes.items():
        if "gathered" in name:
            assert busy(pieces) == pytest.approx(math.fsum(piece["args"]["clocks"] for piece in pieces) / clock)
    assert sum(e["ph"] == "s" for e in events) == sum(len(task["needs"]) for task in tasks)


def test_arrows_lead_from_end_to_start(traced):
    events, document = traced("pim")
    tasks = {task["name"]: task for task in document["tasks"]}
    wanted = {(tasks[need]["end_us"], task["start_us"]) for task in document["tasks"] for need in task["needs"]}
    starts = {e["id"]: e["ts"] for e in events if e["ph"] == "s"}
    found = {(starts[e["id"]], e["ts"]) for e in events if e["ph"] == "f"}
    assert len(found) == len(wanted)
    for (a, b), (c, d) in zip(sorted(found), sorted(wanted), strict=True):
        assert a == pytest.approx(c, abs=0.0011)
        assert b == d


def test_a_plan_down_to_its_commands(traced):
    events, document = traced("pim", "commands")
    lanes, clock = work(events), device("newton-gddr6-pimflow").clock_mhz
    assert end(events) == pytest.approx(document["totals"]["planned_us"])
    pieces = [p for name, found in lanes.items() if name.startswith("channel ") for p in found if "task" in p["args"]]
    for task in document["tasks"]:
        if task["resource"] == "pim":
            mine = [p for p in pieces if p["args"]["task"] == task["name"]]
            # The slowest channel's commands fill the whole run, from its first clock to its last.
            assert busy(mine) == pytest.approx(task["cycles"] / clock)
            assert max(p["ts"] + p["dur"] for p in mine) == pytest.approx(task["end_us"])
    rows = [e["args"]["row"] for e in events if e["ph"] == "C" and e["name"] == "open row"]
    assert {-1, 0, 1} <= set(rows)


def layer(nearbank, path, *more: object):
    sizes = ("--pixels", 300, "--in-channels", 64, "--out-channels", 64, "--channels", 2)
    document = path.parent / "l.json"
    done = nearbank("layer", *sizes, "--trace", path, "--json", document, *more)
    assert done.status == 0, done.err
    return checked(path), json.loads(document.read_text())


@pytest.mark.parametrize("name", ["newton-gddr6", "newton-gddr6-pimflow", "newton-hbm2", "aim-gddr6"])
def test_every_command_of_a_layer(nearbank, tmp_path, name: str) -> None:
    events, document = layer(nearbank, tmp_path / "t.json", "--device", name)
    lanes, unit = work(events), device(name)
    assert end(events) == pytest.approx(document["time_us"])
    counts: dict[str, int] = {}
    for channel in ("channel 0", "channel 1"):
        for piece in lanes[channel]:
            counts[piece["name"]] = counts.get(piece["name"], 0) + 1
    assert counts == document["commands"]
    assert max(busy(lanes["channel 0"]), busy(lanes["channel 1"])) == pytest.approx(document["time_us"])
    moving = {c.name for c in unit.commands if c.role in ("fill", "preset", "read", "read_function")}
    (bus,) = (pieces for lane, pieces in lanes.items() if lane.startswith("bus"))
    assert {piece["name"] for piece in bus} <= moving
    slowest = lanes[next(lane for lane in lanes if lane.startswith("bus")).removeprefix("bus of ")]
    assert len(bus) == sum(piece["name"] in moving for piece in slowest)
    # The counter's mean is the share of the clocks in which the MAC units were taken.
    points = sorted((e["ts"], e["args"]["%"]) for e in events if e["ph"] == "C" and e["name"] == "MAC utilisation")
    area = math.fsum((b[0] - a[0]) * a[1] / 100 for a, b in itertools.pairwise(points))
    mac = unit.one("mac").name
    taken = sum(piece["name"] == mac for piece in slowest) * unit.gap(mac, mac)
    assert area == pytest.approx(unit.microseconds(taken), rel=0.02)


def test_a_layer_too_short_for_a_refresh(nearbank, tmp_path):
    events, document = layer(nearbank, tmp_path / "t.json", "--pixels", 5)
    assert "REF" not in document["commands"]
    assert not [lane for lane in work(events) if lane.startswith("refresh")]
    assert end(events) == pytest.approx(document["time_us"])


def test_a_layer_by_channels(nearbank, tmp_path):
    events, document = layer(nearbank, tmp_path / "t.json", "--trace-level", "tasks")
    assert set(work(events)) == {"channel 0", "channel 1"}
    assert end(events) == pytest.approx(document["time_us"])


def test_what_cannot_be_traced(nearbank, tmp_path):
    sizes = ("--pixels", 12544, "--in-channels", 64, "--out-channels", 96)
    trace = tmp_path / "t.json"
    message = nearbank("layer", *sizes, "--trace", trace).fails()
    assert "too many commands for --trace-level commands" in message
    assert "at most 200000" in message
    assert not trace.exists()
    assert "--trace-level; got 'task'; did you mean tasks" in nearbank("layer", *sizes, "--trace-level", "task").fails()
    assert "folder" in nearbank("layer", *sizes, "--trace", tmp_path).fails()


def _last(events, ph):
    return next(e for e in reversed(events) if e["ph"] == ph)


BREAKS = {
    "no duration": lambda events: _last(events, "X").pop("dur"),
    "negative time": lambda events: _last(events, "X").update(ts=-1),
    "unnamed thread": lambda events: _last(events, "X").update(tid=77),
    "overlap": lambda events: events.append({**_last(events, "X")}),
    "lost arrow": lambda events: events.remove(_last(events, "f")),
    "arrow from nothing": lambda events: _last(events, "s").update(ts=1e9),
    "counter of text": lambda events: _last(events, "C").update(args={"row": "1"}),
    "unknown metadata": lambda events: _last(events, "M").update(name="process_nam"),
    "unknown kind": lambda events: _last(events, "X").update(ph="Y"),
}


@pytest.mark.parametrize("what", BREAKS)
def test_the_check_of_the_format_finds(traced, tmp_path, what: str) -> None:
    traced("pim")
    document = json.loads((tmp_path / "t.json").read_text())
    BREAKS[what](document["traceEvents"])
    (tmp_path / "broken.json").write_text(json.dumps(document))
    with pytest.raises((AssertionError, KeyError)):
        checked(tmp_path / "broken.json")
