"""The JSON documents: their keys, and numbers that add up."""

from __future__ import annotations

import json
import math
from importlib.resources import files

import pytest

from nearbank.devices import device, names
from tests.e2e.models import network

RUN = {"model", "device", "gpu", "policy", "batch", "layers", "totals"}
LAYERS = {"name", "kind", "pixels", "in_channels", "out_channels", "target", "reason", "gpu_us", "pim_us", "pim_cycles",
          "bound_cycles", "planned_us", "energy_uj", "bus_energy_uj"}  # fmt: skip
PARTS = ("activate", "column_read", "mac", "buffer", "bus", "refresh", "background")
TOTALS = {"gpu_only_us", "planned_us", "speedup", "pointwise_gpu_us", "pointwise_planned_us", "pointwise_speedup",
          "convolutions_gpu_us", "convolutions_planned_us", "convolutions_speedup", "energy_uj", "bus_energy_uj",
          "bus_weights_energy_uj", "gpu_layers_bus_energy_uj"}  # fmt: skip
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


def check_run(document: dict, *, values: bool) -> None:
    assert set(document) >= RUN | ({"values"} if values else set())
    assert ("values" in document) == values
    totals, layers = document["totals"], document["layers"]
    assert set(totals) >= TOTALS
    for layer in layers:
        assert set(layer) >= LAYERS
        assert layer["target"] in ("gpu", "pim")
        assert layer["reason"]
        assert layer["gpu_us"] >= 0
        if layer["target"] == "pim":
            assert layer["planned_us"] == pytest.approx(layer["pim_us"] + document["launch_us"])
            assert layer["pim_cycles"] >= layer["bound_cycles"] > 0
            clock = device(document["device"]).clock_mhz
            assert layer["pim_us"] == pytest.approx(layer["pim_cycles"] / clock)
        else:
            assert layer["planned_us"] == layer["gpu_us"]
        check_energy(layer["bus_energy_uj"])
        assert (layer["energy_uj"] is None) == (layer["pim_cycles"] is None)
    moved = [layer for layer in layers if layer["target"] == "pim"]
    stayed = [layer for layer in layers if layer["target"] == "gpu"]
    check_energy(totals["energy_uj"], *(layer["energy_uj"] for layer in moved))
    check_energy(totals["bus_energy_uj"], *(layer["bus_energy_uj"] for layer in moved))
    check_energy(totals["gpu_layers_bus_energy_uj"], *(layer["bus_energy_uj"] for layer in stayed))
    assert totals["bus_weights_energy_uj"]["total"] <= totals["bus_energy_uj"]["total"]
    points = [layer for layer in layers if layer["kind"] == "pointwise"]
    convolutions = [layer for layer in layers if layer["kind"] in ("pointwise", "conv", "depthwise")]
    for key, rows, column in [
        ("gpu_only_us", layers, "gpu_us"), ("planned_us", layers, "planned_us"),
        ("pointwise_gpu_us", points, "gpu_us"), ("pointwise_planned_us", points, "planned_us"),
        ("convolutions_gpu_us", convolutions, "gpu_us"), ("convolutions_planned_us", convolutions, "planned_us"),
    ]:  # fmt: skip
        assert totals[key] == pytest.approx(math.fsum(row[column] for row in rows))
    assert totals["speedup"] == pytest.approx(totals["gpu_only_us"] / totals["planned_us"])
    if points:
        assert totals["pointwise_speedup"] == pytest.approx(totals["pointwise_gpu_us"] / totals["pointwise_planned_us"])


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
    assert document["layers"][0]["kind"] == "conv"  # the stem, 3 x 3: 27 inputs a pixel
    assert (document["layers"][0]["target"], document["layers"][0]["in_channels"]) == ("pim", 27)
    assert (document["model"], document["policy"], document["batch"]) == ("efficientnet-lite0", "pim", 1)


# The default mapping is searched for, which takes seconds: once is enough.
MAPPED = {"best": (), "pim": ("--mapping", "resident"), "gpu-only": ()}


@pytest.mark.parametrize("model", ["mobilenet-v2", "resnet-50"])
@pytest.mark.parametrize("policy", ["gpu-only", "pim", "best"])
def test_plans_without_values(nearbank, tmp_path, model: str, policy: str) -> None:
    document = written(nearbank, tmp_path / "r.json", "run", model, "--no-values", "--policy", policy, *MAPPED[policy])
    check_run(document, values=False)
    totals = document["totals"]
    if policy == "best":
        assert totals["planned_us"] <= totals["gpu_only_us"]
        assert all(layer["planned_us"] <= layer["gpu_us"] for layer in document["layers"])
    elif policy == "gpu-only":
        assert totals["planned_us"] == totals["gpu_only_us"]
        assert totals["speedup"] == 1
        assert all(layer["target"] == "gpu" and layer["pim_cycles"] is None for layer in document["layers"])
    else:
        kinds = {layer["kind"]: layer["target"] for layer in document["layers"]}
        assert (kinds["pointwise"], kinds["conv"], kinds.get("depthwise", "gpu")) == ("pim", "pim", "gpu")


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
    free = written(nearbank, tmp_path / "f.json", *arguments, "--launch-us", 0)
    moved = sum(layer["target"] == "pim" for layer in one["layers"])
    saved = one["totals"]["planned_us"] - free["totals"]["planned_us"]
    assert saved == pytest.approx(moved * one["launch_us"])
    assert one["launch_us"] == pytest.approx(1.28, abs=0.01)


def test_the_same_run_twice_is_the_same_file(nearbank, tmp_path):
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    for path in (first, second):
        written(nearbank, path, "run", "mobilenet-v2", "--no-values")
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
