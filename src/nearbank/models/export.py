"""torch to ONNX: export a module, read an exported file, refuse what is no pure function, translate the rest."""

from __future__ import annotations

import importlib
import io
import logging
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn
from torch.export import ExportedProgram

from nearbank.errors import ModelError
from nearbank.graph.reading import guarded
from nearbank.models.naming import name_nodes

__all__ = ["Translated", "export", "is_program", "read", "to_onnx", "unfit"]

# The oldest opset that has all that torch's exporter writes by default.
_OPSET = 18
# They report every missing optional package, each time, outputs that are None, and what the error says that follows.
_CHATTY = tuple(
    logging.getLogger(name)
    for name in (
        "torch.onnx._internal.exporter._registration",
        "torch.onnx._internal.exporter._core",
        "torch.fx.experimental.symbolic_shapes",
    )
)


def is_program(value: object) -> bool:
    """Whether ``value`` is a torch.export program."""
    return isinstance(value, ExportedProgram)


def export(module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], where: str) -> ExportedProgram:
    """``module`` on inputs like these, all sizes fixed. Raises `ModelError` where torch cannot export it."""
    with guarded(where, "torch.export"), _quiet(), torch.inference_mode(False), torch.no_grad():
        return torch.export.export(module, tuple(_plain(a) for a in args), dict(kwargs), strict=False)


def _plain(value: Any) -> Any:
    """Export cannot take tensors that were made in inference mode."""
    return value.clone() if isinstance(value, torch.Tensor) and value.is_inference() else value


def read(path: Path) -> ExportedProgram:
    """The program in a file. Raises `ModelError` for a file that is missing or holds none."""
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        raise ModelError(
            f"cannot read the model: {getattr(error, 'strerror', None) or error}", where=str(path)
        ) from error
    if not size:
        raise ModelError("not a torch.export program: the file is empty", where=str(path))
    if not _holds_json(path):
        raise ModelError("not a torch.export program, or cut short: no archive with a program in it", where=str(path))
    with guarded(str(path), "reading a torch.export program"), _quiet():
        return torch.export.load(path)


def _holds_json(path: Path) -> bool:
    """Whether a file is an archive with what programs are written as; torch's own reader only says that warnings say more."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".json") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def unfit(program: ExportedProgram) -> str | None:
    """Why a program is no pure function of its inputs, in words; None if it is one."""
    for node in program.graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        given = _arguments(node)
        if given.get("training") is True or given.get("train") is True:
            return f"training mode: {node.target} trains"
        if torch.Tag.nondeterministic_seeded not in node.target.tags or "train" in given or "training" in given:
            continue
        if given.get("dropout_p", 1.0) != 0.0:
            return f"random numbers: {node.target}"
    if not any(_may_change(node) for node in program.graph.nodes):
        return None
    # Without its in-place operators, what a program changes is in its signature.
    signature = program.run_decompositions({}).graph_signature
    for what in ("buffers_to_mutate", "parameters_to_mutate", "user_inputs_to_mutate"):
        changed = getattr(signature, what, {})
        if changed:
            return f"it changes {next(iter(changed.values()))!r} in place"
    return None


def _may_change(node: torch.fx.Node) -> bool:
    """Whether a node may write to what it is given: operators say so; of others, as loops, nothing is known."""
    if node.op != "call_function":
        return False
    if isinstance(node.target, torch._ops.OpOverload):
        return node.target._schema.is_mutable
    return isinstance(node.target, torch._ops.HigherOrderOperator)


def _arguments(node: torch.fx.Node) -> dict[str, Any]:
    """An operator's arguments by name, defaults filled in."""
    assert isinstance(node.target, torch._ops.OpOverload)
    given: dict[str, Any] = {}
    for index, argument in enumerate(node.target._schema.arguments):
        if index < len(node.args):
            given[argument.name] = node.args[index]
        else:
            given[argument.name] = node.kwargs.get(argument.name, argument.default_value)
    return given


@dataclass(frozen=True)
class Translated:
    """A program in ONNX, and the names in it of the tensors that it takes and gives, in order; `model` gives each once."""

    model: onnx.ModelProto
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def to_onnx(program: ExportedProgram, where: str) -> Translated:
    """The program in ONNX, named ``where``, with nodes named after the modules they come from.

    Raises `ModelError` if it is no pure function of its inputs, or has operators that cannot be translated.
    """
    try:
        importlib.import_module("onnxscript")
    except ModuleNotFoundError as error:
        raise ModelError("onnxscript is not installed; pip install 'nearbank[torch]'", where=where) from error
    with guarded(where, "translating to ONNX"), _quiet(), torch.inference_mode(False), torch.no_grad():
        reason = unfit(program)
        if reason:
            raise ModelError(f"not a pure function of its inputs: {reason}", where=where)
        # The loader folds what can be folded, in float32 and with the names kept, so nothing is optimized here.
        made = torch.onnx.export(program, (), dynamo=True, verbose=False, optimize=False, opset_version=_OPSET)
        assert made is not None
        name_nodes(made.model)
        proto: onnx.ModelProto = made.model_proto
    proto.graph.name = where
    return Translated(proto, *_settle_outputs(proto))


def _settle_outputs(proto: onnx.ModelProto) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of inputs and outputs; a result that is returned twice, or an input returned as it is, is no output any more."""
    inputs, outputs = tuple(v.name for v in proto.graph.input), tuple(v.name for v in proto.graph.output)
    seen = set(inputs)
    for value in list(proto.graph.output):
        if value.name in seen:
            proto.graph.output.remove(value)
        seen.add(value.name)
    return inputs, outputs


@contextmanager
def _quiet() -> Iterator[None]:
    """torch warns of its own deprecations and of packages that nobody asked for, and prints graphs that it cannot export."""
    levels = [logger.level for logger in _CHATTY]
    for logger in _CHATTY:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(_CHATTY, levels, strict=True):
            logger.setLevel(level)
