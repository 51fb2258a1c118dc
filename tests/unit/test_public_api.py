"""Every room of the package says what it offers, and offers it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from inspect import signature
from pathlib import Path

import pytest

import nearbank

ROOMS = [
    "api", "tabular", "graph", "zoo", "models", "devices", "devices.gpu", "program", "sim", "pim", "plan", "plan.gpu", "runtime",
    "frontend", "errors",
]  # fmt: skip
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_all_names_are_there(room: str) -> None:
    module = import_module(f"nearbank.{room}".rstrip("."))
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert not name.startswith("_") or name == "__version__"


@pytest.mark.parametrize(
    "first",
    [
        "import nearbank as nb",
        "import nearbank.plan; import nearbank as nb",
        "from nearbank.plan import make_plan; import nearbank as nb",
        "from nearbank import plan; import nearbank as nb; assert plan is nb.plan",
        "from nearbank import *; import nearbank as nb; assert plan is nb.plan",
        "import nearbank.plan as plan, nearbank as nb; assert plan is nb.plan",
        "import nearbank as nb; nb.plan; import nearbank.plan.make",
        "import nearbank as nb, nearbank.devices.load, nearbank.cli",
    ],
)
def test_plan_and_devices_are_one_object_in_any_order_of_imports(first: str) -> None:
    """The room that can be called stays what it is, whatever is imported first."""
    check = "assert callable(nb.plan); assert nb.plan.make_plan is nb.make_plan; assert 'newton-gddr6' in nb.devices.names()"
    subprocess.run([sys.executable, "-c", f"{first}; {check}"], check=True)


def test_calling_the_room_says_what_plan_model_takes() -> None:
    own, function = signature(nearbank.plan), signature(nearbank.plan.plan_model)
    assert [(p.name, p.kind, p.default) for p in own.parameters.values()] == [
        (p.name, p.kind, p.default) for p in function.parameters.values()
    ]


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
