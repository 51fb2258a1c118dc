"""A module on inputs of one shape: exported, loaded, planned, and computed through the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, OutputKind, TensorArgument
from torch.utils import _pytree as pytree

from nearbank import graph
from nearbank.errors import ModelError
from nearbank.frontend.settings import Settings
from nearbank.frontend.tensors import Like, to_array, to_tensor
from nearbank.models.export import export, to_onnx
from nearbank.runtime import OnnxHost, execute

__all__ = ["Planned"]


class Planned:
    """Made from example inputs; `run` takes inputs of the same structure, shapes and types, in any memory format.

    Raises:
        ModelError: a module that torch cannot export, or that cannot become a graph.
    """

    def __init__(
        self, module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any], settings: Settings, name: str
    ) -> None:
        self._module, self._settings, self._name = module, settings, name
        flat, self._structure = pytree.tree_flatten((tuple(args), dict(kwargs)))
        program = export(module, args, kwargs, name)
        _check(program, name)
        self._examples = [Like.of(x) if isinstance(x, torch.Tensor) else x for x in flat]
        self._out_structure = program.call_spec.out_spec
        self._layouts = {self._strides(flat): _likes(program)}
        translated = to_onnx(program, name)
        self._inputs, self._outputs = translated.inputs, translated.outputs
        first = next((x for x in self._examples if isinstance(x, Like) and x.shape), None)
        self.graph = graph.load(
            translated.model, batch=first.shape[0] if first else 1, name=name, groups=settings.groups
        )
        self.plan = settings.plan(self.graph)
        self._host = OnnxHost(self.graph)

    def mismatch(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Why these inputs are not like the examples, in words; "" if they are."""
        flat, structure = pytree.tree_flatten((tuple(args), dict(kwargs)))
        if structure != self._structure:
            return "arguments of another structure than compiled for"
        for index, (value, example) in enumerate(zip(flat, self._examples, strict=True)):
            if isinstance(example, Like) != isinstance(value, torch.Tensor):
                return f"input {index} is a {type(value).__name__}, not as compiled for"
            if isinstance(example, Like):
                reason = example.differs(Like.of(value))
            else:
                same = type(value) is type(example) and value == example
                reason = "" if same else f"value {value!r}, compiled for {example!r}"
            if reason:
                return f"input {index} has {reason}"
        return ""

    def run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """The module's outputs by the plan, in the types, devices and memory formats that eager torch would give."""
        flat, _ = pytree.tree_flatten((tuple(args), dict(kwargs)))
        tensors = [value for value in flat if isinstance(value, torch.Tensor)]
        given = dict(zip(self._inputs, tensors, strict=True))
        feeds = {
            spec.name: to_array(given[spec.name]).astype(spec.dtype, copy=False).reshape(spec.shape)
            for spec in self.graph.inputs
        }
        found = execute(self.plan, self._settings.device, feeds, host=self._host)
        names = iter(self._outputs)
        results: list[Any] = []
        for like in self._layout(args, kwargs, flat):
            name = next(names) if like is not None else ""
            if like is None:
                results.append(None)
            elif name in given:
                results.append(given[name])
            else:
                results.append(to_tensor(found[name], like))
        return pytree.tree_unflatten(results, self._out_structure)

    def _layout(self, args: Sequence[Any], kwargs: Mapping[str, Any], flat: Sequence[Any]) -> list[Like | None]:
        """What the outputs look like for inputs in these memory formats: torch is asked, once for each."""
        key = self._strides(flat)
        if key not in self._layouts:
            self._layouts[key] = _likes(export(self._module, args, kwargs, self._name))
        return self._layouts[key]

    @staticmethod
    def _strides(flat: Sequence[Any]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(x.stride()) for x in flat if isinstance(x, torch.Tensor))


def _check(program: ExportedProgram, where: str) -> None:
    """Raises `ModelError` for inputs without elements, and outputs that are neither tensors nor None."""
    for node in program.graph.find_nodes(op="placeholder"):
        value = node.meta.get("val")
        if isinstance(value, torch.Tensor) and 0 in value.shape:
            raise ModelError("tensor has no elements", where=f"{where}: {node.name}", value=tuple(value.shape))
    for index, spec in enumerate(program.graph_signature.output_specs):
        nothing = isinstance(spec.arg, ConstantArgument) and spec.arg.value is None
        if spec.kind != OutputKind.USER_OUTPUT or not (nothing or isinstance(spec.arg, TensorArgument)):
            value = getattr(spec.arg, "value", spec.kind.name)
            raise ModelError("output is no tensor", where=f"{where}: output {index}", value=value)


def _likes(program: ExportedProgram) -> list[Like | None]:
    """What every output looks like; None for one that is no tensor."""
    nodes = program.graph.output_node().args[0]
    assert isinstance(nodes, tuple | list)
    fakes = [node.meta["val"] if isinstance(node, torch.fx.Node) else None for node in nodes]
    return [Like.of(fake) if isinstance(fake, torch.Tensor) else None for fake in fakes]
