"""One way in for every kind of model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import onnx

from nearbank import graph, zoo
from nearbank.errors import ModelError, near_matches
from nearbank.graph import Graph, Groups
from nearbank.zoo import ModelInfo

if TYPE_CHECKING:
    from torch.export import ExportedProgram

__all__ = ["ModelLike", "load", "open_model"]

ModelLike: TypeAlias = Union[str, os.PathLike[str], onnx.ModelProto, Graph, "ExportedProgram"]
"""A built-in model's name, the path of an ONNX (.onnx) or torch.export (.pt2) file, what such a file holds, or a graph."""


def load(model: ModelLike, *, batch: int = 1, name: str | None = None, groups: Groups = "gpu") -> Graph:
    """Read a model and say what it computes.

    As `nearbank.graph.load` for ONNX; built-in models by their names. Of a torch.export program, or a ``.pt2`` file that holds one,
    the parameters are the weights, and products get the names of their modules; that needs the extra ``torch``. Only load files
    that you trust.

    Args:
        model: what to read; a graph stays as it is, then the rest says nothing.
        batch: images at a time.
        name: the graph's, if not that of the model.
        groups: which convolutions with groups count as products, one of `nearbank.graph.GROUPS`.

    Raises:
        ModelError: an unknown name; as `nearbank.graph.load`; a program that ONNX cannot express, one that was exported in training
            mode, changes its buffers or inputs or draws random numbers; torch or onnxscript is not installed.
    """
    return open_model(model, batch=batch, name=name, groups=groups)[0]


def open_model(
    model: ModelLike, *, batch: int = 1, name: str | None = None, groups: Groups = "gpu"
) -> tuple[Graph, ModelInfo | None]:
    """As `load`, with what is known of the model if it is a built-in one."""
    if isinstance(model, Graph):
        return model, zoo.info(model.name) if model.name in zoo.names() else None
    if isinstance(model, str) and model in zoo.names():
        return graph.load(zoo.build(model), batch=batch, name=name or model, groups=groups), zoo.info(model)
    if isinstance(model, onnx.ModelProto):
        return graph.load(model, batch=batch, name=name, groups=groups), None
    if not isinstance(model, str | os.PathLike):
        return graph.load(_of_program(model, name or "program"), batch=batch, name=name, groups=groups), None
    path = Path(model)
    if path.suffix == ".pt2":
        export = _exporter(str(path))
        proto = export.to_onnx(export.read(path), str(path)).model
        return graph.load(proto, batch=batch, name=name or path.stem, groups=groups), None
    if isinstance(model, str) and path.suffix != ".onnx" and not path.exists():
        known = near_matches(model, zoo.names())
        raise ModelError("unknown model", value=model, bound=f"an .onnx or .pt2 file or a built-in: {known}")
    return graph.load(model, batch=batch, name=name, groups=groups), None


def _of_program(model: object, where: str) -> onnx.ModelProto:
    export = _exporter("torch.export program")
    if not export.is_program(model):
        bound = "a name, a path, an ONNX model, a torch.export program or a graph"
        raise ModelError("not a model", value=type(model).__name__, bound=bound)
    proto: onnx.ModelProto = export.to_onnx(model, where).model
    return proto


def _exporter(where: str) -> Any:
    """The module that needs torch."""
    try:
        from nearbank.models import export
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed; pip install 'nearbank[torch]'"
        raise ModelError(message, where=where) from error
    return export
