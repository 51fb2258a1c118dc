"""What the README shows works when pasted."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from nearbank.devices import device

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return found


def test_the_python_example():
    text = block("python")
    assert text == (ROOT / "examples" / "plan_a_network.py").read_text()
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert "newton++: 95,055 cycles" in done.stdout


def test_the_device_example(tmp_path):
    assert block("toml") == (ROOT / "examples" / "newton-fast.toml").read_text()
    (tmp_path / "mine.toml").write_text(block("toml"))
    unit = device(tmp_path / "mine.toml")
    assert unit.clock_mhz == 1000
    assert unit.gap("COMP", "READRES") == 4 * unit.clocks("nCCDS")


def test_the_layout_names_what_is_there():
    listed = set(re.findall(r"^  (\w+)/ ", README, re.MULTILINE))
    there = {p.name for p in (ROOT / "src" / "nearbank").iterdir() if (p / "__init__.py").exists()}
    assert listed == there


def test_every_device_is_described():
    from nearbank.devices import names
    from nearbank.pim import MAPPINGS

    for name in (*names(), *MAPPINGS):
        assert f"`{name}`" in README
