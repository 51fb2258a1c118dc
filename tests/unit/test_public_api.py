"""Every room of the package says what it offers, and offers it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import nearbank

ROOMS = ["graph", "zoo", "devices", "devices.gpu", "program", "sim", "pim", "plan", "plan.gpu", "runtime", "frontend",
         "errors"]  # fmt: skip
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_all_names_are_there(room: str) -> None:
    module = import_module(f"nearbank.{room}".rstrip("."))
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert not name.startswith("_") or name == "__version__"


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        nearbank.nothing  # noqa: B018


def test_the_version_is_one_number():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert nearbank.__version__ == project["version"]
    newest = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## "))
    assert newest.split()[1] == nearbank.__version__


def test_importing_the_package_is_light():
    """Neither ONNX Runtime nor torch is imported before it is needed."""
    code = "import sys, nearbank; print(sorted({'torch', 'onnxruntime', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
