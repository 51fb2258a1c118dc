"""The package's functions: what the commands write, as typed results."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

import nearbank as nb
from nearbank.errors import DeviceError, InputError, ModelError
from tests.e2e.models import network

TRACES = Path(__file__).parents[1] / "golden" / "data" / "pimflow_traces"
SMALL = {"mapping": "resident", "channels": 4, "launch_us": 0.0, "join_us": 0.0}
OPTIONS = ("--mapping", "resident", "--channels", 4, "--launch-us", 0, "--join-us", 0)


@pytest.fixture
def model(tmp_path):
    return network(tmp_path / "n.onnx", channels=(16, 64, 32))


def test_a_run_is_what_the_command_writes(nearbank, tmp_path, model):
    path = tmp_path / "r.json"
    done = nearbank("run", model, "--gpu", "rtx2060", *OPTIONS, "--json", path)
    report = nb.run(model, "newton-gddr6", "rtx2060", **SMALL)
    written, document = json.loads(path.read_text()), json.loads(json.dumps(report.document()))
    assert written["origin"].pop("command").startswith("nearbank run ")
    assert document["origin"].pop("command") == ""
    assert document == written
    assert f"{report.speedup:.3f}x" in done.out
    assert report.provenance.device_hash == nb.device("newton-gddr6").hash
    assert report.provenance.version == nb.__version__
    assert report.plan.offloaded


def test_a_report_prints_and_shows_itself(capsys, nearbank, model):
    report = nb.run(model, "newton-gddr6", "rtx2060", **SMALL)
    done = nearbank("run", model, "--gpu", "rtx2060", *OPTIONS)
    report.print()
    assert capsys.readouterr().out == done.out
    html = report._repr_html_()
    assert "relative L2 error" in html
    assert "conv1" in html
    frame = report.to_pandas()
    assert frame.layer.tolist() == [layer.name for layer in report.plan.layers]
    assert frame.pim_uj.sum() == pytest.approx(report.energy.memory.total_uj)
    assert frame.reason.tolist() == [layer.reason for layer in report.plan.layers]


def test_a_report_writes_the_page_and_the_timeline_of_the_command(nearbank, tmp_path, model):
    page, trace = tmp_path / "c.html", tmp_path / "c.json"
    nearbank("run", model, "--gpu", "rtx2060", *OPTIONS, "--html", page, "--trace", trace)
    report = nb.run(model, "newton-gddr6", "rtx2060", **SMALL)
    report.write_html(tmp_path / "p.html")
    report.write_trace(str(tmp_path / "p.json"))
    ours, theirs = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "pc")
    assert ours["traceEvents"] == theirs["traceEvents"]
    ours, theirs = ((tmp_path / f"{name}.html").read_text() for name in "pc")
    assert "nearbank.run, from Python" in ours
    assert len(ours.splitlines()) == len(theirs.splitlines())
    with pytest.raises(InputError, match="trace-level"):
        report.write_trace(tmp_path / "no.json", "all")
    assert not (tmp_path / "no.json").exists()


def test_feeds_of_ones_own_are_what_is_computed(model):
    graph = nb.load(model)
    feeds = {"input": np.random.default_rng(3).standard_normal((1, 16, 6, 6)).astype(np.float32)}
    report = nb.run(graph, "newton-gddr6", "rtx2060", feeds=feeds, **SMALL)
    plain = nb.reference(graph, feeds)
    (name,) = report.outputs
    np.testing.assert_allclose(report.outputs[name], plain[name], rtol=0, atol=0.02)
    assert report.values.max_abs_error == pytest.approx(float(np.abs(report.outputs[name] - plain[name]).max()))
    assert report.labels is None
    assert report.classes[0][0].startswith("class ")


def test_without_values_there_are_none(model):
    report = nb.run(model, values=False, **SMALL)
    assert (dict(report.outputs), report.values, report.classes) == ({}, None, ())
    assert "values" not in report.document()
    assert "GPU alone" in report._repr_html_()


def test_a_plan_by_names_is_the_plan_of_the_steps(model):
    plan = nb.plan(model, "newton-gddr6", "rtx2060", policy="best", **SMALL)
    steps = nb.make_plan(nb.load(model), nb.device("newton-gddr6"), nb.gpu("rtx2060"), policy="best", **SMALL)
    assert plan.tasks == steps.tasks
    assert plan.layers == steps.layers
    assert (
        nb.plan(nb.load(model), nb.device("newton-gddr6"), nb.gpu("rtx2060"), policy="best", **SMALL).tasks
        == plan.tasks
    )
    frame = plan.to_pandas()
    assert frame.gpu_us.sum() == pytest.approx(plan.gpu_only_us)
    assert plan.graph.name in plan._repr_html_()


def test_built_in_models_by_name():
    graph = nb.load("mobilenet-v2", batch=2)
    assert (graph.name, graph.batch, graph.inputs[0].shape) == ("mobilenet-v2", 2, (2, 3, 224, 224))
    assert nb.load("mobilenet-v2", name="mine").name == "mine"


def test_a_layer(nearbank, tmp_path):
    path = tmp_path / "l.json"
    arguments = ("--pixels", 100, "--in-channels", 40, "--out-channels", 70, "--mapping", "resident")
    done = nearbank("layer", *arguments, "--verify", "--json", path)
    layer = nb.layer(100, 40, 70, mapping="resident", verify=True)
    assert layer.verified == 100 * 70
    written, document = json.loads(path.read_text()), json.loads(json.dumps(layer.document()))
    assert written["origin"].pop("command").startswith("nearbank layer ")
    assert document["origin"].pop("command") == ""
    assert document == written
    assert "verified: 7,000 values" in done.out
    assert layer.to_pandas().cycles.tolist() == [layer.timing.timing.cycles]
    assert layer.timing.to_pandas().bound_cycles.tolist() == [layer.timing.bound.cycles]
    assert nb.layer(100, 40, 70, mapping="resident").verified == 0


def test_traces_take_the_published_cycles(nearbank, tmp_path):
    """Cycles of the public simulator, from its own run."""
    golden = json.loads((TRACES / "cycles.json").read_text())
    files = sorted(TRACES.glob("*.pim.gz"))[:2]
    traces = nb.simulate(files, "newton-gddr6-pimflow")
    text = json.dumps(golden)
    assert all(str(row.cycles) in text for row in traces.rows)
    plain = tmp_path / "one.pim"
    plain.write_bytes(gzip.decompress(files[0].read_bytes()))
    assert nb.simulate(plain, "newton-gddr6-pimflow").rows[0].cycles == traces.rows[0].cycles
    done = nearbank("simulate", *files, "--device", "newton-gddr6-pimflow")
    assert f"{traces.rows[0].cycles:,}" in done.out
    assert traces.to_pandas().cycles.tolist() == [row.cycles for row in traces.rows]


def test_devices_show_themselves():
    unit = nb.device("newton-gddr6")
    frame = unit.to_pandas()
    assert frame[frame.name == "nRC"].value.tolist() == [35]
    assert unit.hash in unit._repr_html_()
    assert nb.devices.names() == nb.devices.load.names()


def test_results_are_a_line_at_a_prompt(model):
    report = nb.run(model, values=False, **SMALL)
    compared = nb.compare(model, "newton-gddr6", **SMALL)
    for result in (report, report.plan, nb.layer(4, 8, 8), compared, report.device):
        assert repr(result) == f"<{type(result).__name__}: {result.table().caption}>"


def test_outputs_cannot_be_written_to(model):
    report = nb.run(model, **SMALL)
    (name,) = report.outputs
    with pytest.raises(TypeError):
        report.outputs[name] = 0
    with pytest.raises(ValueError, match="read-only"):
        report.outputs[name][:] = 0


def test_results_are_frozen(model):
    results = [
        nb.run(model, values=False, **SMALL), nb.plan(model, policy="gpu-only"), nb.layer(4, 16, 16), nb.device("newton-gddr6"),
        nb.compare(model, ["newton-gddr6"], policy="gpu-only"), nb.devices.check_device(nb.device("newton-gddr6")),
    ]  # fmt: skip
    for result in results:
        field = dataclasses.fields(result)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(result, field, None)
        assert result._repr_html_().startswith("<table>")
        assert len(result.to_pandas()) == len(result.table().rows) > 0


def test_bad_input(model):
    with pytest.raises(ModelError, match=r"unknown model; got 'mobilnet-v2'; must be .*mobilenet-v2"):
        nb.plan("mobilnet-v2")
    with pytest.raises(DeviceError, match="unknown device"):
        nb.run(model, "newton")
    with pytest.raises(InputError, match="unknown policy"):
        nb.plan(model, policy="pin")
    with pytest.raises(InputError, match="host; got 'jax'; must be one of onnx, torch"):
        nb.run(model, host="jax")
