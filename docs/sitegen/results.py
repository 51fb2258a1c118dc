"""The figures that take minutes: run once by `make results` and kept in ``docs/data``; tests say whether they are current."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sitegen.markdown import table
from sitegen.shell import ROOT, run

__all__ = ["NETWORKS", "PUBLISHED", "main", "networks", "result"]

DATA = ROOT / "docs" / "data"
_RUN = "nearbank run {} --no-values"
NETWORKS = tuple(
    _RUN.format(rest)
    for rest in (
        "mobilenet-v2", "efficientnet-lite0", "resnet-50", "mobilenet-v2 --device aim-gddr6", "mobilenet-v2 --gpu rtx2060",
        "mobilenet-v2 --gpu rtx2060 --groups all", "mobilenet-v2 --gpu rtx2060 --device aim-gddr6",
    )
)  # fmt: skip
"""Commands of the results table, as they are typed."""

PUBLISHED = {name: f"nearbank reproduce {name}" for name in ("pimflow", "cal2022")}
"""Published table -> the command that reproduces it."""


def document(command: str) -> Any:
    """What a command writes with ``--json``."""
    with tempfile.TemporaryDirectory() as folder:
        run(f"{command} --json {folder}/out.json")
        return json.loads((Path(folder) / "out.json").read_text())


def result(command: str) -> dict[str, Any]:
    """The totals of one of `NETWORKS`; ``energy`` is of GPU board and memory over that of the board alone, null if unknown."""
    found = document(command)
    totals = found["totals"]
    board, memory = totals["board_energy_uj"], totals["energy_uj"]
    energy = (board["busy"] + board["idle"] + memory["total"]) / board["alone"] if board and memory else None
    return {
        "command": command,
        "device": found["device"],
        "gpu": found["gpu"],
        "gpu_only_us": round(totals["gpu_only_us"], 3),
        "planned_us": round(totals["planned_us"], 3),
        "proven_us": round(totals["proven_us"], 3),
        "floor_us": round(totals["floor_us"], 3),
        "energy": None if energy is None else round(energy, 4),
    }


def published(name: str, *, setting: Sequence[str] = (), batch: Sequence[int] = ()) -> dict[str, Any]:
    """The rows of one of `PUBLISHED`, of some settings and batches if any, with figures in as many digits as they are worth."""
    only = "".join(f" --setting {shlex.quote(one)}" for one in setting) + "".join(f" --batch {one}" for one in batch)
    rows = [
        {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
        for row in document(PUBLISHED[name] + only)["rows"]
    ]
    return {"command": PUBLISHED[name], "rows": rows}


def networks() -> str:
    """The results table."""
    rows = []
    for row in json.loads((DATA / "networks.json").read_text())["rows"]:
        energy = "not known" if row["energy"] is None else f"{row['energy'] - 1:+.0%}"
        speedup = row["gpu_only_us"] / row["planned_us"]
        rows.append(
            (f"`{row['command']}`", f"{row['gpu_only_us']:.1f}", f"{row['planned_us']:.1f}", f"{speedup:.3f}x", energy)
        )
    columns = ("command", "GPU only us", "planned us", "speedup", "energy, GPU board and memory")
    return table(columns, rows, left=("command",))


def main() -> None:
    """Write all files of ``docs/data``."""
    DATA.mkdir(exist_ok=True)
    for name in PUBLISHED:
        _write(name, published(name))
    _write("networks", {"command": "make results", "rows": [result(command) for command in NETWORKS]})


def _write(name: str, content: dict[str, Any]) -> None:
    (DATA / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
