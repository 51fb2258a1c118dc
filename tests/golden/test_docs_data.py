"""What the documentation keeps of long runs is what the commands give today, and what the README says of them is the same.

`make results` writes docs/data; a change that moves these figures is read in its diff. Played again here is what takes seconds: a
change of the rest alone (ResNet-50, depthwise layers in memory, the settings between the first and the last) shows only there.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nearbank.reproduce import settings
from sitegen import results

ROOT = Path(__file__).parents[2]
NETWORKS = json.loads((ROOT / "docs" / "data" / "networks.json").read_text())["rows"]
QUICK = [row for row in NETWORKS if "resnet-50" not in row["command"] and "--groups" not in row["command"]]
ENDS = {"pimflow": ("theirs", "H200, all costs"), "cal2022": ("theirs",)}


def assert_same(now: dict[str, Any], kept: dict[str, Any]) -> None:
    """Equal, but for the last digits of what is no whole number or text."""
    assert list(now) == list(kept)
    for key, value in kept.items():
        assert now[key] == (pytest.approx(value, rel=1e-3) if isinstance(value, float) else value), key


def test_every_command_of_the_table_is_kept():
    assert [row["command"] for row in NETWORKS] == list(results.NETWORKS)


@pytest.mark.parametrize("row", QUICK, ids=lambda row: row["command"].removeprefix("nearbank run "))
def test_networks_are_current(row: dict[str, Any]) -> None:
    assert_same(results.result(row["command"]), row)


@pytest.mark.parametrize("name", results.PUBLISHED)
def test_published_tables_are_current(name: str) -> None:
    """Their setting, and the honest one, at batch 1."""
    kept = json.loads((ROOT / "docs" / "data" / f"{name}.json").read_text())
    assert kept["command"] == results.PUBLISHED[name]
    assert list(dict.fromkeys(row["setting"] for row in kept["rows"])) == [s.name for s in settings(name)]
    before = [row for row in kept["rows"] if row["setting"] in ENDS[name] and row["batch"] == 1]
    for now, then in zip(results.published(name, setting=ENDS[name], batch=(1,))["rows"], before, strict=True):
        assert_same(now, then)


def test_the_readme_shows_the_same_results():
    rows = re.findall(
        r"^\| `(nearbank run [^`]+)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+)x \|", (ROOT / "README.md").read_text(), re.M
    )
    kept = [
        (r["command"], f"{r['gpu_only_us']:.1f}", f"{r['planned_us']:.1f}", f"{r['gpu_only_us'] / r['planned_us']:.3f}")
        for r in NETWORKS
    ]
    assert rows == kept


def test_the_readme_shows_the_same_steps():
    """The published table's settings at batch 1: the last row of each scope, which is that of policy auto where there is one."""
    kept = json.loads((ROOT / "docs" / "data" / "pimflow.json").read_text())["rows"]
    by_setting: dict[str, dict[str, str]] = {}
    for row in kept:
        if row["batch"] == 1:
            mine = by_setting.setdefault(row["setting"], {})
            mine[row["scope"]] = f"{row['ours']:.2f}x"
            if row["scope"] == "convolutions":
                mine["bound"] = f"{row['bound']:.2f}x"
    del by_setting["all of DRAM's rules, depthwise too"]  # left out of the README
    shown = re.findall(
        r"^\| [^|`]+ \| ([\d.]+x) \| ([\d.]+x) \| ([\d.]+x) \| ([\d.]+x) \|$", (ROOT / "README.md").read_text(), re.M
    )
    assert shown == [(r["pointwise"], r["convolutions"], r["model"], r["bound"]) for r in by_setting.values()]
    eight, most = (max(row["ours"] for row in kept if row["batch"] == batch) for batch in (8, 32))
    assert (f"{eight:.2f}", most) == ("1.16", 1.0)
