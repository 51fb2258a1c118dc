"""The JSON documents: their keys, and numbers that add up."""

from __future__ import annotations

import itertools
import json
import math
import sys
from importlib.resources import files

import pytest

from nearbank import runtime
from nearbank.devices import device, names
from tests.e2e.models import network

RUN = {"model", "device", "gpu", "policy", "chosen", "scope", "batch", "channels", "mapping", "launch_us", "join_us", "gpu_share",
       "charge_epilogue", "gpu_clock_mhz", "layers", "tasks", "totals", "weights"}  # fmt: skip
LAYERS = {"name", "kind", "pixels", "in_channels", "out_channels", "target", "share", "reason", "gpu_us", "gpu_shared_us", "pim_us",
          "pim_cycles", "bound_cycles", "planned_us", "gpu_note", "nodes", "energy_uj", "bus_energy_uj"}  # fmt: skip
TASKS = {"name", "kernel", "resource", "role", "axis", "start", "stop", "start_us", "end_us", "cycles", "needs"}
PARTS = ("activate", "column_read", "mac", "buffer", "bus", "refresh", "background")
TOTALS = {"gpu_only_us", "planned_us", "speedup", "proven_us", "proof", "gap", "floor_us", "gpu_busy_us", "pim_busy_us",
          "both_busy_us", "energy_uj", "bus_energy_uj", "bus_weights_energy_uj", "gpu_layers_bus_energy_uj"}  # fmt: skip
VALUES = {"top1", "top1_reference", "max_abs_error", "relative_l2_error"}
CATS = {281, 282, 283, 284, 285}


def written(nearbank, path, *arguments: object) -> dict:
    done = nearbank(*arguments, "--json", path)
    assert done.status == 0, done.err
    assert [p for p in path.parent.iterdir() if p.name.startswith(".")] == []
    return json.loads(path.read_text())


def check_energy(found: dict, *rows: dict) -> None:
    """Components make the total, and rows the sums."""
    assert set(found) == {*PARTS, "total"}
    assert found["total"] == pytest.approx(math.fsum(found[part] for part in PARTS))
    for part in PARTS if rows else ():
        assert found[part] == pytest.approx(math.fsum(row[part] for row in rows))


def scaled(row: dict, share: float) -> dict:
    return {part: share * row[part] for part in PARTS}


def check_run(document: dict, *, values: bool) -> None:
    assert set(document) >= RUN | ({"values"} if values else set())
    assert ("values" in document) == values
    totals, layers, tasks = document["totals"], document["layers"], document["tasks"]
    assert set(totals) >= TOTALS
    for layer in layers:
        assert set(layer) >= LAYERS
        mine = [task for task in tasks if task["kernel"] == layer["name"]]
        on = {task["resource"] for task in mine if task["role"] == "work"}
        target = layer["target"]
        assert on == {"gpu", "pim"} if target == "split" else on in ({"gpu"}, {"pim"})
        assert target in ("split", "pipeline", *on)
        assert (layer["share"] > 0) == ("pim" in on)
        assert layer["reason"]
        assert layer["gpu_us"] >= 0
        lag = document["join_us"] if mine[-1]["resource"] == "pim" else 0.0
        span = max(t["end_us"] for t in mine) - min(t["start_us"] for t in mine)
        assert layer["planned_us"] == pytest.approx(span + lag)
        if layer["pim_cycles"] is not None:
            assert layer["pim_cycles"] >= layer["bound_cycles"] > 0
            clock = device(document["device"]).clock_mhz
            assert layer["pim_us"] == pytest.approx(layer["pim_cycles"] / clock)
        check_energy(layer["bus_energy_uj"])
        assert (layer["energy_uj"] is None) == (layer["pim_cycles"] is None)
    for task in tasks:
        assert set(task) == TASKS
    check_schedule(document)
    check_weights(document)
    moved = [layer for layer in layers if layer["share"]]
    check_energy(totals["energy_uj"], *(layer["energy_uj"] for layer in moved))
    check_energy(totals["bus_energy_uj"], *(scaled(layer["bus_energy_uj"], layer["share"]) for layer in moved))
    check_energy(
        totals["gpu_layers_bus_energy_uj"], *(scaled(layer["bus_energy_uj"], 1 - layer["share"]) for layer in layers)
    )
    assert totals["bus_weights_energy_uj"]["total"] <= totals["bus_energy_uj"]["total"]
    assert totals["gpu_only_us"] == pytest.approx(math.fsum(row["gpu_us"] for row in layers))
    assert totals["speedup"] == pytest.approx(totals["gpu_only_us"] / totals["planned_us"])
    assert 0 < totals["floor_us"] <= totals["planned_us"]
    assert 0 < totals["proven_us"] <= totals["planned_us"]
    assert totals["proof"]


def check_weights(document: dict) -> None:
    """Every task in memory has a stretch, none lies over another, and the padding is all that is more than the weights."""
    weights, unit = document["weights"], device(document["device"])
    named = {name for stretch in weights["stretches"] for name in stretch["tasks"]}
    assert named == {task["name"] for task in document["tasks"] if task["resource"] == "pim"}
    end: dict[int, int] = {}
    for stretch in weights["stretches"]:  # by channel and row
        assert stretch["row"] >= end.get(stretch["channel"], 0)
        end[stretch["channel"]] = stretch["row"] + stretch["rows"]
    assert weights["rows_used"] == max(end.values(), default=0) <= weights["rows_there"] == unit.organization.rows
    moved = [layer for layer in document["layers"] if layer["share"] == 1]
    needed = sum(layer["in_channels"] * layer["out_channels"] * 2 for layer in moved)
    assert needed <= weights["once_bytes"] <= weights["weight_bytes"]
    assert (weights["load_us"] > 0) == bool(end)


def check_schedule(document: dict) -> None:
    """From the document alone: one thing at a time on each side, and nothing before what it needs."""
    tasks, totals, lag = document["tasks"], document["totals"], document["join_us"]
    over = {task["name"]: task for task in tasks}
    for name in ("gpu", "pim"):
        mine = sorted((t["start_us"], t["end_us"]) for t in tasks if t["resource"] == name)
        assert all(two[0] >= one[1] - 1e-9 for one, two in itertools.pairwise(mine))
        assert totals[f"{name}_busy_us"] == pytest.approx(math.fsum(end - start for start, end in mine))
    for task in tasks:
        for need in task["needs"]:
            joined = lag if (over[need]["resource"], task["resource"]) == ("pim", "gpu") else 0.0
            assert task["start_us"] >= over[need]["end_us"] + joined - 1e-9
    ends = [task["end_us"] + (lag if task["resource"] == "pim" else 0.0) for task in tasks]
    assert totals["planned_us"] == pytest.approx(max(ends))
    assert totals["both_busy_us"] <= min(totals["gpu_busy_us"], totals["pim_busy_us"])


def test_a_photo_through_efficientnet(nearbank, tmp_path):
    document = written(nearbank, tmp_path / "r.json", "run", "efficientnet-lite0", "--policy", "pim")
    check_run(document, values=True)
    values = document["values"]
    assert set(values) >= VALUES
    assert values["top1"] == values["top1_reference"]
    assert values["top1"] in CATS
    # Operands and results are rounded to fp16 in every layer: the outputs differ, by less than a hundredth.
    assert 0 < values["relative_l2_error"] < 0.01
    assert values["max_abs_error"] > 0
    assert sum(layer["target"] == "pim" for layer in document["layers"]) == 34
    assert (document["chosen"], document["totals"]["both_busy_us"]) == ("pim", 0)
    assert document["layers"][0]["kind"] == "conv"  # the stem, 3 x 3: 27 inputs a pixel
    assert (document["layers"][0]["target"], document["layers"][0]["in_channels"]) == ("pim", 27)
    assert (document["model"], document["policy"], document["batch"]) == ("efficientnet-lite0", "pim", 1)


POLICIES = ["gpu-only", "newton++", "pim", "best", "split", "pipeline", "auto"]


@pytest.mark.parametrize(
    ("model", "policy"), [*(("mobilenet-v2", p) for p in POLICIES), ("resnet-50", "pim"), ("resnet-50", "best")]
)
def test_plans_without_values(nearbank, tmp_path, model: str, policy: str) -> None:
    arguments = ("--no-values", "--policy", policy, "--mapping", "resident", "--gpu", "rtx2060")
    document = written(nearbank, tmp_path / "r.json", "run", model, *arguments)
    check_run(document, values=False)
    totals, layers = document["totals"], document["layers"]
    assert (document["policy"], document["scope"]) == (policy, "model")
    if policy != "pim":
        assert totals["planned_us"] <= totals["gpu_only_us"]
    if policy == "gpu-only":
        assert totals["planned_us"] == totals["gpu_only_us"]
        assert totals["speedup"] == 1
        assert all(layer["target"] == "gpu" and layer["pim_cycles"] is None for layer in layers)
    elif policy == "pim":
        kinds = {layer["kind"]: layer["target"] for layer in layers}
        assert (kinds["pointwise"], kinds["conv"], kinds.get("depthwise", "gpu")) == ("pim", "pim", "gpu")
    elif policy in ("split", "pipeline"):
        assert any(layer["target"] == policy for layer in layers)


@pytest.mark.parametrize("scope", ["pointwise", "convolutions"])
def test_scopes_count_some_kinds_alone(nearbank, tmp_path, scope: str) -> None:
    kinds = {"pointwise": {"pointwise"}, "convolutions": {"pointwise", "conv", "depthwise"}}[scope]
    arguments = ("run", "mobilenet-v2", "--no-values", "--policy", "pim", "--mapping", "resident")
    document = written(nearbank, tmp_path / "s.json", *arguments, "--scope", scope)
    whole = written(nearbank, tmp_path / "w.json", *arguments)
    check_run(document, values=False)
    assert document["scope"] == scope
    for part, all_ in zip(document["layers"], whole["layers"], strict=True):
        counts = part["kind"] in kinds
        assert part["gpu_us"] == (all_["gpu_us"] if counts else 0)
        assert part["target"] == (all_["target"] if counts else "gpu")
    wanted = math.fsum(x["gpu_us"] for x in whole["layers"] if x["kind"] in kinds)
    assert document["totals"]["gpu_only_us"] == pytest.approx(wanted)


def test_batch_and_launch_cost(nearbank, tmp_path):
    arguments = ("run", "mobilenet-v2", "--no-values", "--policy", "pim", "--mapping", "resident")
    one = written(nearbank, tmp_path / "1.json", *arguments)
    many = written(nearbank, tmp_path / "8.json", *arguments, "--batch", 8)
    check_run(many, values=False)
    assert many["batch"] == 8
    for first, eight in zip(one["layers"], many["layers"], strict=True):
        assert eight["pixels"] == 8 * first["pixels"]
        if first["pim_cycles"]:
            assert first["pim_cycles"] <= eight["pim_cycles"] <= 8.5 * first["pim_cycles"]
    free = written(nearbank, tmp_path / "f.json", *arguments, "--launch-us", 0, "--join-us", one["join_us"])
    moved = sum(task["resource"] == "pim" for task in one["tasks"])
    saved = one["totals"]["pim_busy_us"] - free["totals"]["pim_busy_us"]
    assert saved == pytest.approx(moved * one["launch_us"])
    assert one["launch_us"] == one["join_us"] == pytest.approx(1.28, abs=0.01)
    # The network is a chain whose layers take turns: what a launch costs, the whole costs.
    assert one["totals"]["planned_us"] - free["totals"]["planned_us"] == pytest.approx(saved)


def test_the_torch_host_computes_the_same(nearbank, tmp_path):
    model = network(tmp_path / "m.onnx", channels=(8, 40, 24), size=6)
    arguments = ("run", model, "--policy", "pim", "--mapping", "resident")
    onnx, torch = (written(nearbank, tmp_path / f"{h}.json", *arguments, "--host", h) for h in ("onnx", "torch"))
    assert onnx["values"]["relative_l2_error"] == pytest.approx(torch["values"]["relative_l2_error"], rel=1e-3)
    assert onnx["tasks"] == torch["tasks"]
    assert "gpu_segments" not in torch
    assert "--host; got 'jax'" in nearbank(*arguments, "--host", "jax").fails()
    assert "--measure needs; got '--host onnx'" in nearbank(*arguments, "--measure").fails()


def test_segments_are_timed_beside_the_model(nearbank, tmp_path, monkeypatch):
    class Bench:
        def calls_us(self, calls) -> float:
            for call in calls:
                call()
            return 7.0 * len(calls)

    measure = runtime.measure_gpu
    monkeypatch.setattr(sys.modules["nearbank.cli.run"], "TorchBench", Bench)
    monkeypatch.setattr(
        runtime, "measure_gpu",
        lambda plan, unit, timer, **options: measure(
            plan, unit, timer, runtime.TorchHost(plan.graph, "cpu", "float16"), **options | {"compiler": "aot_eager"}
        ),
    )  # fmt: skip
    model = network(tmp_path / "m.onnx", channels=(8, 40, 24), size=6)
    arguments = ("run", model, "--policy", "gpu-only", "--host", "torch", "--measure")
    document = written(nearbank, tmp_path / "r.json", *arguments)
    assert document["gpu_segments"] == [
        {
            "name": "conv0",
            "tasks": ["conv0", "conv1"],
            "modelled_us": document["totals"]["planned_us"],
            "measured_us": 14.0,
            "fused_us": 7.0,
        }
    ]
    out = nearbank(*arguments).out
    (row,) = (line.split() for line in out.splitlines() if line.strip().startswith("conv0") and "14.00" in line)
    assert row[:2] == ["conv0", "2"]


def test_the_same_run_twice_is_the_same_file(nearbank, tmp_path):
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    for path in (first, second):
        written(nearbank, path, "run", "mobilenet-v2", "--no-values", "--mapping", "resident", "--gpu", "rtx2060")
    assert first.read_text().replace("1.json", "") == second.read_text().replace("2.json", "")


@pytest.mark.parametrize("mapping", ["newton+", "newton++", "resident", "search"])
@pytest.mark.parametrize("name", [n for n in names() if n.startswith("newton")])
def test_layer(nearbank, tmp_path, name: str, mapping: str) -> None:
    arguments = ("--pixels", 100, "--in-channels", 40, "--out-channels", 70, "--device", name, "--mapping", mapping)
    document = written(nearbank, tmp_path / "l.json", "layer", *arguments, "--verify")
    assert set(document) >= {"cycles", "time_us", "bound_cycles", "utilization", "mapping", "commands"}
    assert document["mapping"] == mapping
    assert document["cycles"] >= document["bound_cycles"] > 0
    assert document["time_us"] == pytest.approx(document["cycles"] / device(name).clock_mhz)
    check_energy(document["energy_uj"])
    check_energy(document["bus_energy_uj"])
    assert document["bus_weights_energy_uj"]["total"] < document["bus_energy_uj"]["total"]
    # 3 chunks of 16 inputs, 5 groups of 16 outputs, 100 pixels: each exactly once.
    assert document["commands"]["COMP"] == 3 * 5 * 100
    peak = document["cycles"] * 16 * 256 / device(name).clocks("nCCDS")
    assert document["utilization"] == pytest.approx(100 * 40 * 70 / peak)


def test_energy_is_printed_as_written(nearbank, tmp_path):
    """Each number of the text is in the document, and what made it can be looked up."""
    path = tmp_path / "l.json"
    done = nearbank("layer", "--pixels", 100, "--in-channels", 40, "--out-channels", 70, "--json", path)
    document = json.loads(path.read_text())
    assert f"energy: {document['energy_uj']['total']:.2f} uJ" in done.out
    for part in PARTS:
        assert f"{part.replace('_', ' ')} {document['energy_uj'][part]:.2f}" in done.out
    assert f"over the bus: {document['bus_energy_uj']['total']:.2f} uJ" in done.out
    shown = nearbank("devices", "newton-gddr6").out
    assert document["origin"]["device_hash"] in done.out
    assert document["origin"]["device_hash"] in shown
    for key, value, unit, _ in device("newton-gddr6").energy:
        assert f"{key} " in shown
        assert f"{value:g}" in shown
        assert unit in shown


def test_a_device_without_energy_has_none(nearbank, tmp_path):
    text = (files("nearbank.devices") / "data" / "newton-gddr6.toml").read_text()
    (tmp_path / "mine.toml").write_text(text[: text.index("[energy]")])
    sizes = ("--pixels", 20, "--in-channels", 8, "--out-channels", 8)
    document = written(nearbank, tmp_path / "l.json", "layer", *sizes, "--device", tmp_path / "mine.toml")
    assert document["energy_uj"] is document["bus_energy_uj"] is document["bus_weights_energy_uj"] is None
    model = network(tmp_path / "m.onnx")
    document = written(nearbank, tmp_path / "r.json", "run", model, "--device", tmp_path / "mine.toml")
    assert document["layers"][0]["energy_uj"] is document["totals"]["energy_uj"] is None


def test_what_is_emitted_plays_to_the_same_cycles(nearbank, tmp_path):
    arguments = (
        "layer",
        "--pixels",
        98,
        "--in-channels",
        64,
        "--out-channels",
        96,
        "--mapping",
        "newton++",
        "--channels",
        4,
    )
    shortcut = ("--device", "newton-gddr6-pimflow")
    layer = written(
        nearbank, tmp_path / "l.json", *arguments, *shortcut, "--emit", tmp_path / "t", "--format", "pimflow"
    )
    files = sorted((tmp_path / "t").iterdir())
    assert [p.name for p in files] == [f"channel{i:02d}.pim" for i in range(4)]
    played = written(nearbank, tmp_path / "s.json", "simulate", *files, *shortcut)
    assert set(played) >= {"traces"}
    for row, file in zip(played["traces"], files, strict=True):
        assert set(row) >= {"file", "cycles", "time_us", "commands"}
        assert row["file"] == str(file)
        assert row["time_us"] == pytest.approx(row["cycles"] / 875)
    assert max(row["cycles"] for row in played["traces"]) == layer["cycles"]
    for name in ("GWRITE", "G_ACT0", "COMP", "READRES"):
        assert sum(row["commands"][name] for row in played["traces"]) == layer["commands"][name]

    layer = written(nearbank, tmp_path / "l.json", *arguments, "--emit", tmp_path / "n")
    (file,) = (tmp_path / "n").iterdir()
    (row,) = written(nearbank, tmp_path / "s.json", "simulate", file)["traces"]
    assert (row["cycles"], row["commands"]) == (layer["cycles"], layer["commands"])


def test_golden_traces_by_the_command_line(nearbank, tmp_path):
    from tests.golden.test_pimflow_traces import CYCLES, FOLDER

    files = [FOLDER / f"{name}.gz" for name in CYCLES]
    arguments = ("simulate", *files, "--device", "newton-gddr6-pimflow", "--option", "gwrite_hiding=off")
    document = written(nearbank, tmp_path / "s.json", *arguments)
    assert [row["cycles"] for row in document["traces"]] == [golden["nohide"] for golden in CYCLES.values()]


@pytest.mark.parametrize("name", names())
def test_devices_are_shown_with_rules_and_sources(nearbank, name: str) -> None:
    assert name in nearbank("devices").out
    shown = nearbank("devices", name)
    assert shown.status == 0
    unit = device(name)
    text = " ".join(shown.out.split())
    for rule in unit.rules:
        assert rule.expression.split()[0] in text
    for _, source in unit.sources:
        assert source.split()[0] in text
    assert unit.hash in text


def test_version_and_help(nearbank):
    assert nearbank("--version").out.strip() == "0.1.0"
    for command in ("run", "layer", "simulate", "devices"):
        assert "Example: nearbank" in nearbank(command, "--help").out
