"""`nearbank compare`: the numbers of single runs, side by side."""

from __future__ import annotations

import json
import sys

import pytest

import nearbank as nb
from nearbank.errors import InputError
from nearbank.report.comparison import comparison_figure
from tests.e2e.models import network

FIXED = ("--mapping", "resident", "--channels", 4, "--launch-us", 0, "--join-us", 0)


@pytest.fixture
def model(tmp_path):
    return network(tmp_path / "n.onnx", channels=(16, 64, 32))


def test_each_row_is_that_of_a_run(nearbank, tmp_path, model):
    path = tmp_path / "c.json"
    systems = ("--device", "newton-gddr6", "--device", "newton-hbm2", "--gpu", "rtx2060", "--gpu", "h200")
    done = nearbank("compare", model, *systems, *FIXED, "--json", path)
    assert done.status == 0, done.err
    found = json.loads(path.read_text())
    pairs = [(row["device"], row["gpu"]) for row in found["rows"]]
    assert pairs == [(d, g) for g in ("rtx2060", "h200") for d in ("newton-gddr6", "newton-hbm2")]
    assert found["origin"]["command"].startswith("nearbank compare ")
    for row in found["rows"]:
        one = tmp_path / "r.json"
        assert (
            nearbank(
                "run", model, "--no-values", "--device", row["device"], "--gpu", row["gpu"], *FIXED, "--json", one
            ).status
            == 0
        )
        alone = json.loads(one.read_text())
        totals = alone["totals"]
        assert {k: row[k] for k in ("gpu_only_us", "planned_us", "speedup", "proven_us", "floor_us")} == {
            k: totals[k] for k in ("gpu_only_us", "planned_us", "speedup", "proven_us", "floor_us")
        }
        assert row["offloaded"] == sum(layer["target"] != "gpu" for layer in alone["layers"])
        assert row["memory_uj"] == totals["energy_uj"]["total"]
        board = totals["board_energy_uj"]
        if board is None:
            assert row["system_uj"] is row["alone_uj"] is None
        else:
            assert row["system_uj"] == board["busy"] + board["idle"] + totals["energy_uj"]["total"]
    best = min(found["rows"], key=lambda row: row["planned_us"])
    assert f"shortest: {best['device']} + {best['gpu']}, {best['planned_us']:.1f} us" in done.out


def test_the_plot_is_one_file_that_needs_no_network(nearbank, tmp_path, model):
    path = tmp_path / "c.html"
    assert nearbank("compare", model, "--gpu", "rtx2060", *FIXED, "--plot", path).status == 0
    text = path.read_text()
    assert "newton-gddr6\\u003cbr\\u003ertx2060" in text or "newton-gddr6<br>rtx2060" in text
    assert "src=" not in text.split("plotly.js v")[0]
    for bar in ("GPU only", "planned", "floor of any plan"):
        assert f'"name":"{bar}"' in text
    nearbank("compare", model, "--gpu", "rtx2060", *FIXED, "--plot", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == text


def test_systems_of_one_name_have_bars_each(nearbank, tmp_path, model):
    for folder, clock in (("a", 875), ("b", 1000)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my.toml").write_text(f'base = "newton-gddr6"\nclock_mhz = {clock}\n')
    devices = [tmp_path / folder / "my.toml" for folder in "ab"]
    found = nb.compare(model, devices, "rtx2060", channels=4, mapping="resident")
    assert [row.device for row in found.rows] == ["my", "my"]
    for bars in comparison_figure(found).data:
        assert len(set(bars.x)) == 2


def test_without_plotly(nearbank, tmp_path, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    words = nearbank("compare", model, "--plot", tmp_path / "c.html").fails()
    assert words == 'error: a plot needs plotly; must be installed: pip install "nearbank[report]"'
    assert "an .html file" in nearbank("compare", model, "--plot", tmp_path / "c.svg").fails()
    assert [p.name for p in tmp_path.iterdir()] == ["n.onnx"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "newton"), "unknown device"),
        (("--gpu", "h20"), "unknown GPU"),
        (("--policy", "pin"), "unknown policy"),
        (("--channels", 33), "channels"),
        (("--batch", 0), "--batch"),
        (("--groups", "some"), "--groups"),
    ],
)
def test_bad_input(nearbank, model, arguments, words):
    assert words in nearbank("compare", model, *arguments).fails()


def test_nothing_to_compare(model):
    with pytest.raises(InputError, match="0 memories, 1 GPUs'; must be at least one of each"):
        nb.compare(model, [])
