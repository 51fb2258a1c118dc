"""From anything that holds a whole model to a Graph: an ONNX file, or a torch.export program."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from nearbank import graph
from nearbank.errors import ModelError
from nearbank.graph import Graph, Groups

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["load"]


def load(
    source: str | os.PathLike[str] | onnx.ModelProto | ExportedProgram,
    *,
    batch: int = 1,
    name: str | None = None,
    groups: Groups = "gpu",
) -> Graph:
    """Reads a model and says what it computes, as `nearbank.graph.load` does for ONNX.

    Also takes a torch.export program, or a ``.pt2`` file that holds one: its parameters are the weights, and its products
    get the names of their modules. That needs the extra ``torch``. Only load files that you trust.

    Raises `ModelError` as `nearbank.graph.load` does, for a program that ONNX cannot express, one that was exported in
    training mode, changes its buffers or inputs or draws random numbers, and where torch or onnxscript is not installed.
    """
    if isinstance(source, onnx.ModelProto):
        return graph.load(source, batch=batch, name=name, groups=groups)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.suffix != ".pt2":
            return graph.load(source, batch=batch, name=name, groups=groups)
        export = _exporter(str(path))
        proto = export.to_onnx(export.read(path), str(path)).model
        return graph.load(proto, batch=batch, name=name or path.stem, groups=groups)
    export = _exporter("torch.export program")
    if not export.is_program(source):
        raise ModelError(
            "not a model", value=type(source).__name__, bound="a path, an ONNX model or a torch.export program"
        )
    return graph.load(export.to_onnx(source, name or "program").model, batch=batch, name=name, groups=groups)


def _exporter(where: str) -> Any:
    """The module that needs torch."""
    try:
        from nearbank.frontend import export
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; pip install 'nearbank[torch]'"
        raise ModelError(message, where=where) from error
    return export
