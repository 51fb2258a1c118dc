"""Odd sizes through the whole of it, values against ONNX Runtime."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.e2e.models import network


@pytest.mark.parametrize(
    ("channels", "size", "batch"),
    [
        ((3, 8, 5), 1, 1),  # one pixel
        ((1, 1, 1), 5, 1),  # one channel
        ((4097, 3), 2, 1),  # more inputs than a row, a buffer or four of them hold
        ((3, 4097), 2, 1),
        ((3, 24, 7), 3, 64),  # a batch
        ((17, 33, 15, 16), 7, 3),  # nothing divides
    ],
    ids=["pixel", "channel", "wide-in", "wide-out", "batch", "ragged"],
)
@pytest.mark.parametrize("name", ["newton-gddr6", "newton-hbm2"])
def test_values_of_small_models(nearbank, tmp_path: Path, channels, size: int, batch: int, name: str) -> None:
    model, out = network(tmp_path / "m.onnx", channels=channels, size=size), tmp_path / "r.json"
    done = nearbank("run", model, "--policy", "pim", "--batch", batch, "--device", name, "--json", out)
    assert done.status == 0, done.err
    document = json.loads(out.read_text())
    assert [layer["target"] for layer in document["layers"]] == ["pim"] * (len(channels) - 1)
    assert [layer["pixels"] for layer in document["layers"]] == [batch * size * size] * (len(channels) - 1)
    assert 0 <= document["values"]["relative_l2_error"] < 0.003
    assert document["values"]["top1"] == document["values"]["top1_reference"]


@pytest.mark.parametrize("mapping", ["newton+", "newton++", "resident"])
def test_values_of_every_mapping(nearbank, tmp_path: Path, mapping: str) -> None:
    model, out = network(tmp_path / "m.onnx", channels=(20, 50, 18), size=5), tmp_path / "r.json"
    done = nearbank("run", model, "--policy", "pim", "--mapping", mapping, "--channels", 5, "--json", out)
    assert done.status == 0, done.err
    assert json.loads(out.read_text())["values"]["relative_l2_error"] < 0.003


def test_a_users_device_computes_too(nearbank, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'base = "newton-gddr6"\n[organization]\nchannels = 2\npim_channels = 2\n[numerics]\noperand = "bf16"\n'
    )
    model, out = network(tmp_path / "m.onnx", channels=(20, 50), size=5), tmp_path / "r.json"
    done = nearbank("run", model, "--policy", "pim", "--device", file, "--channels", 2, "--json", out)
    assert done.status == 0, done.err
    # bf16 keeps 8 bits where fp16 keeps 11: worse than above, and no worse than its own rounding.
    assert 0.0005 < json.loads(out.read_text())["values"]["relative_l2_error"] < 0.02


def test_outputs_that_overflow_are_null_in_json(nearbank, tmp_path, recwarn):
    model = network(tmp_path / "m.onnx", channels=(3, 8, 8), bad=3e38)
    done = nearbank("run", model, "--policy", "pim", "--json", tmp_path / "r.json")
    assert done.status == 0, done.err
    assert json.loads((tmp_path / "r.json").read_text())["values"]["relative_l2_error"] is None
    assert not [x for x in recwarn if issubclass(x.category, RuntimeWarning)]


def test_a_file_name_that_is_no_text(nearbank, tmp_path):
    pytest.importorskip("plotly")
    model = tmp_path / os.fsdecode(b"m\xff.onnx")
    network(tmp_path / "m.onnx").rename(model)
    report, trace = tmp_path / "r.html", tmp_path / "t.json"
    done = nearbank("run", model, "--policy", "pim", "--no-values", "--html", report, "--trace", trace)
    assert done.status == 0, done.err
    assert r"m\udcff" in report.read_text(encoding="utf-8")
    assert json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
