"""torch.export programs, in files and in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch_models import small

import nearbank as nb
from nearbank.errors import ModelError


def exported(path: Path, module: nn.Module, x: torch.Tensor, **options: object) -> Path:
    torch.export.save(torch.export.export(module, (x,), **options), path)
    return path


def test_a_file_computes_what_torch_does(tmp_path):
    module, x, products = small("mobilenet")
    graph = nb.load(exported(tmp_path / "small.pt2", module, x), batch=2)
    assert graph.name == "small"
    assert {work.name for work in graph.work} == products
    found = nb.reference(graph, {graph.inputs[0].name: x.numpy()})[graph.outputs[0].name]
    with torch.no_grad():
        np.testing.assert_allclose(found, module(x).numpy(), rtol=1e-4, atol=1e-5)


def test_an_open_batch_is_chosen_at_loading(tmp_path):
    module, x, _ = small("resnet")
    batch = torch.export.Dim("batch", min=1, max=64)
    path = exported(tmp_path / "open.pt2", module, x.repeat(2, 1, 1, 1), dynamic_shapes=({0: batch},))
    assert nb.load(path, batch=5).outputs[0].shape == (5, 16, 4, 4)
    fixed = exported(tmp_path / "fixed.pt2", module, x)
    with pytest.raises(ModelError, match="the file fixes the batch; got 5; must be 1"):
        nb.load(fixed, batch=5)


def test_a_program_in_memory_and_what_is_none():
    module, x, products = small("transformer")
    graph = nb.load(torch.export.export(module, (x,)), batch=2, name="block")
    assert (graph.name, {work.name for work in graph.work}) == ("block", products)
    with pytest.raises(ModelError, match="not a model; got 'Transformer'"):
        nb.load(module)


def test_layers_that_are_used_twice_get_numbers():
    layer = nn.Linear(8, 8)
    graph = nb.load(torch.export.export(nn.Sequential(layer, nn.ReLU(), layer), (torch.randn(2, 8),)), batch=2)
    # torch calls weights of several names by the last of them.
    assert [work.name for work in graph.work] == ["2", "2_2"]


def broken(kind: str, path: Path) -> Path:
    module, x = nn.Linear(8, 4), torch.randn(2, 8)
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("no program\n")
    elif kind == "cut":
        exported(path, module, x)
        path.write_bytes(path.read_bytes()[:-200])
    elif kind == "state":
        torch.save(module.state_dict(), path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "trains":
        exported(path, nn.Sequential(module, nn.Dropout(0.5)), x)
    elif kind == "counts":
        exported(path, nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)), torch.randn(2, 1, 3, 3))
    return path


BROKEN = [
    ("missing", "cannot read the model: No such file"),
    ("empty", "the file is empty"),
    ("text", "not a torch.export program, or cut short"),
    ("cut", "not a torch.export program, or cut short"),
    ("state", "not a torch.export program, or cut short"),
    ("folder", "cannot read the model: Is a directory"),
    ("trains", "training mode: aten.dropout.default trains"),
    ("counts", "training mode: aten.batch_norm.default trains"),
]


@pytest.mark.parametrize(("kind", "words"), BROKEN)
def test_broken_files(tmp_path, kind: str, words: str, capfd) -> None:
    path = broken(kind, tmp_path / f"{kind}.pt2")
    with pytest.raises(ModelError) as refused:
        nb.load(path, batch=2)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert capfd.readouterr() == ("", "")


def test_without_torch_or_its_exporter(tmp_path, monkeypatch):
    path = exported(tmp_path / "m.pt2", nn.Linear(8, 4), torch.randn(2, 8))
    code = (
        "import sys; sys.modules['torch'] = None\nimport nearbank as nb\nfrom nearbank.errors import ModelError\n"
        f"try: nb.load({str(path)!r}, batch=2)\nexcept ModelError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{path}: torch is not installed; pip install 'nearbank[torch]'"
    code = (
        "import sys; sys.modules['torch'] = None\nimport nearbank as nb\nfrom nearbank.errors import InputError\n"
        "try: nb.compile\nexcept InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'nearbank.compile needs torch; must be installed: pip install "nearbank[torch]"'
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ModelError, match="onnxscript is not installed; pip install 'nearbank\\[torch\\]'"):
        nb.load(path, batch=2)
