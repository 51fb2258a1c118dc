"""The notebook runs from its first cell to its last, shows results, and is kept without outputs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FILE = Path(__file__).parents[2] / "examples" / "photo_to_device.ipynb"


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_kept_without_outputs() -> None:
    notebook = nbformat.read(FILE, as_version=4)
    assert len(code(notebook)) == 10
    assert all(not cell.outputs and cell.execution_count is None for cell in code(notebook))


@pytest.mark.filterwarnings("ignore")  # of the notebook's machinery; the kernel is another process
def test_it_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(FILE, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [cell.outputs[-1].get("data", cell.outputs[-1]) for cell in code(notebook)]
    assert "tiger cat" in shown[1]["text/plain"]
    assert "relative L2 error" in shown[2]["text/html"]
    assert "b1.expand" in shown[2]["text/html"]
    assert "12544 x 16 -&gt; 96" in shown[5]["text/html"]
    assert shown[6]["text"].startswith("# A device of your own")
    assert "0 errors" in shown[8]["text/html"]
    assert "my" in shown[9]["text/html"]
    assert [path.name for path in tmp_path.iterdir()] == ["my.toml"]
