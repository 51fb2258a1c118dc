"""`explain`, `sensitivity` and `reproduce` on small networks: numbers that add up, and errors that say what is wrong."""

from __future__ import annotations

import json

import pytest

from tests.e2e.models import network

FREE = ("--launch-us", 0, "--join-us", 0, "--mapping", "resident", "--channels", 4, "--gpu", "rtx2060")


def document(nearbank, path, *arguments: object) -> dict:
    done = nearbank(*arguments, "--json", path)
    assert done.status == 0, done.err
    return json.loads(path.read_text())


@pytest.fixture
def model(tmp_path):
    return network(tmp_path / "n.onnx", channels=(16, 64, 32))


def test_an_explanation_adds_up(nearbank, tmp_path, model):
    found = document(nearbank, tmp_path / "e.json", "explain", model, *FREE)
    assert {row["layer"] for row in found["layers"]} == {"conv0", "conv1"}
    for row in found["layers"]:
        assert set(row["memory_us"]) == {"launch", "program", "activation", "sums", "finish", "join"}
        assert row["memory_us"]["program"] == pytest.approx(row["cycles"] / 875)
        assert 1 <= len(row["alternatives"]) <= 2
        # The plan is a local optimum: no single change of one layer makes it shorter.
        assert all(a["plan_us"] >= found["planned_us"] * (1 - 1e-9) for a in row["alternatives"])
        shares = [point["share"] for point in row["curve"]]
        assert shares == sorted(shares)


def test_an_alternative_is_over_when_the_gpu_sees_it(nearbank, tmp_path):
    """The only layer, on the GPU: in memory it would take launch, program and sums, and the join at the end."""
    model = network(tmp_path / "one.onnx", channels=(16, 64))
    costs = ("--launch-us", 30, "--join-us", 50, "--mapping", "resident", "--channels", 4, "--gpu", "rtx2060")
    (row,) = document(nearbank, tmp_path / "e.json", "explain", model, *costs)["layers"]
    assert row["chosen"] == "on the GPU"
    (there,) = [a["plan_us"] for a in row["alternatives"] if a["what"] == "in memory"]
    assert there == pytest.approx(sum(row["memory_us"].values()))


def test_the_explanation_of_one_layer(nearbank, model):
    done = nearbank("explain", model, "--layer", "conv1", *FREE)
    assert "conv1, pointwise, 36 x 64 -> 32: in memory" in done.out
    assert "conv0, pointwise" not in done.out
    done = nearbank("explain", model, "--layer", "conv9", *FREE)
    assert done.status == 2
    assert "unknown layer" in done.err


def test_a_dearer_launch_never_helps(nearbank, tmp_path, model):
    fixed = ("--mapping", "resident", "--channels", 4, "--gpu", "rtx2060")
    found = document(nearbank, tmp_path / "s.json", "sensitivity", model, "--parameter", "launch", *fixed)
    speedups = [row["speedup"] for row in found["rows"]]
    assert speedups == sorted(speedups, reverse=True)
    assert speedups[0] > 1
    assert sum(row["in_use"] for row in found["rows"]) == 1
    limit = found["break_even_launch_us"]
    assert limit > 0
    # At the limit everything is on the GPU, a little below not.
    for launch, offloaded in ((limit, False), (limit - 0.02, True)):
        run = ("run", model, "--no-values", *fixed, "--launch-us", launch, "--join-us", launch)
        plan = document(nearbank, tmp_path / "r.json", *run)
        assert any(layer["target"] != "gpu" for layer in plan["layers"]) == offloaded


def test_sweeps_of_channels_and_clocks(nearbank, tmp_path, model):
    fixed = ("--mapping", "resident", "--channels", 4, "--gpu", "rtx2060")
    swept = ("--parameter", "channels", "--parameter", "gpu-clock")
    found = document(nearbank, tmp_path / "s.json", "sensitivity", model, *swept, *fixed)
    rows = {name: [r for r in found["rows"] if r["parameter"] == name] for name in ("channels", "gpu_clock_mhz")}
    assert [r["value"] for r in rows["channels"]] == [4, 8, 16, 24, 32]
    gpu = [r["gpu_only_us"] for r in rows["gpu_clock_mhz"]]
    assert gpu == sorted(gpu, reverse=True)
    assert found["break_even_launch_us"] is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("sensitivity", "mobilenet-v2", "--parameter", "phase"), "--parameter"),
        (("reproduce", "pimflw"), "unknown table"),
        (("reproduce", "pimflow", "--batch", 0), "--batch"),
        (("reproduce", "pimflow", "--setting", "mine"), "unknown setting"),
        (("run", "mobilenet-v2", "--gpu-clock-mhz", 900), "measured"),
        (("run", "mobilenet-v2", "--gpu", "rtx2060", "--gpu-clock-mhz", 0), "clock"),
        (("run", "mobilenet-v2", "--scope", "all"), "scope"),
        (("run", "mobilenet-v2", "--join-us", -1), "join"),
    ],
)
def test_bad_arguments(nearbank, arguments, text):
    done = nearbank(*arguments)
    assert done.status == 2
    assert text in done.err
    assert done.err.count("\n") == 1
