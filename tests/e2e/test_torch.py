"""torch programs as a user has them: in files for the command line, and under ``torch.compile`` by the backend's name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from torch import nn

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 5)).eval()
    torch.export.save(torch.export.export(module, (torch.randn(1, 3, 4, 4),)), "net.pt2")
    return tmp_path


def test_run_reads_a_program(nearbank, folder):
    done = nearbank("run", "net.pt2", "--policy", "pim", "--json", "out.json")
    assert done.status == 0, done.err
    document = json.loads((folder / "out.json").read_text())
    assert document["model"] == "net"
    assert [x["name"] for x in document["layers"] if x["target"] == "pim"] == ["0", "3"]
    assert 0 < document["values"]["relative_l2_error"] < 2 * 3 * 2.0**-11


@pytest.mark.parametrize("damage", ["missing", "cut", "text"])
def test_broken_programs_end_in_one_line(nearbank, folder, damage: str) -> None:
    path = folder / "net.pt2"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "text":
        path.write_text("no program")
    else:
        path.unlink()
    message = nearbank("run", "net.pt2", "--json", "out.json").fails()
    assert "net.pt2" in message
    assert not (folder / "out.json").exists()


def test_the_example_and_the_backend_s_name(tmp_path):
    """As installed: torch finds the backend through the entry points of packages, here those of one made for this test."""
    info = tmp_path / "backend-0.dist-info"
    info.mkdir()
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["torch_dynamo_backends"]
    lines = [f"{name} = {value}" for name, value in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[torch_dynamo_backends]", *lines, ""]))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: backend\nVersion: 0\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    example = ROOT / "examples" / "compile_a_module.py"
    assert "`examples/compile_a_module.py`" in (ROOT / "README.md").read_text()
    assert '--8<-- "examples/compile_a_module.py"' in (ROOT / "docs" / "python.md").read_text()
    done = subprocess.run(
        [sys.executable, example], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 4 layers in memory: 0, 4" in done.stdout
    assert "output 0 against eager torch in float32: largest error" in done.stdout
    assert done.stdout.splitlines()[-1] == "('0', '4') {}"
