"""From a path or a ModelProto to a ModelProto whose weights are in memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnx import external_data_helper

from nearbank.errors import ModelError

__all__ = ["MIN_OPSET", "guarded", "read"]

MIN_OPSET = 13


@contextmanager
def guarded(where: str, doing: str) -> Iterator[None]:
    """Turns whatever the ONNX libraries raise into one `ModelError` line.

    They raise a dozen unrelated types for a damaged protobuf (KeyError, AssertionError and bare C++ errors among them),
    so the net is wide; a `ModelError` of ours passes unchanged.
    """
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"{doing} failed: {one_line(error)}", where=where) from error


def one_line(error: Exception) -> str:
    """What an error says, at its root: one line, at most 300 characters, no place in a library's source."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    text = " ".join(str(cause).split())
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text)
    text = re.sub(r"^/\S+:\d+ .*?\) (?=[A-Z])", "", text)
    return text[:300] or type(cause).__name__


def read(source: str | os.PathLike[str] | onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """The model, external weights included, and a name for it in messages.

    A ModelProto is copied, and must not refer to external data (there is no folder to look in).
    """
    if isinstance(source, onnx.ModelProto):
        where = source.graph.name or "model"
        for tensor in source.graph.initializer:
            if external_data_helper.uses_external_data(tensor):
                raise ModelError("weights are in another file; load the model from its path", where=where,
                                 value=tensor.name)  # fmt: skip
        _check_header(source, where)
        own = onnx.ModelProto()
        own.CopyFrom(source)  # the passes write names into the tensors of Constant nodes
        return own, where
    path = Path(source)
    where = str(path)
    model = onnx.ModelProto()
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ModelError(f"cannot read the model: {getattr(error, 'strerror', None) or error}", where=where) from error
    if not data:
        raise ModelError("not an ONNX model: the file is empty", where=where)
    try:
        model.ParseFromString(data)
    except Exception as error:  # protobuf has one class for this, without published types
        message = "not an ONNX model, or one cut short: the file is not a protobuf"
        raise ModelError(message, where=where, value=f"{len(data)} bytes") from error
    _check_header(model, where)
    with guarded(where, "reading external weights"):
        external_data_helper.load_external_data_for_model(model, str(path.parent))
    return model, where


def _check_header(model: onnx.ModelProto, where: str) -> None:
    if not model.HasField("graph"):
        raise ModelError("not an ONNX model: it has no graph", where=where)
    versions = {entry.domain: entry.version for entry in model.opset_import}
    opset = versions.get("", versions.get("ai.onnx"))
    if opset is None:
        raise ModelError("no version of the standard operators is declared", where=where, value=dict(versions),
                         bound=f"opset {MIN_OPSET} or newer")  # fmt: skip
    if opset < MIN_OPSET:
        raise ModelError("operator set too old", where=where, value=f"opset {opset}", bound=f"{MIN_OPSET} or newer")
    if not model.graph.output:
        raise ModelError("the graph has no outputs", where=where)
    if model.graph.sparse_initializer:
        raise ModelError("sparse weights are not supported", where=where,
                         value=model.graph.sparse_initializer[0].values.name)  # fmt: skip
