"""`compile`: a module that is computed through a plan where it can be, and by torch where it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Unpack

import torch
from torch import nn
from torch.utils import _pytree as pytree

from nearbank.errors import InputError
from nearbank.frontend.planned import Planned
from nearbank.frontend.settings import Options, Settings
from nearbank.frontend.summary import CompileReport, Fallbacks, OutputError, errors_of
from nearbank.frontend.tensors import fingerprint, why_not
from nearbank.plan import Plan

__all__ = ["Compiled", "compile"]


def compile(
    module: nn.Module,
    example_inputs: Sequence[Any] | torch.Tensor,
    example_kwargs: Mapping[str, Any] | None = None,
    **options: Unpack[Options],
) -> Compiled:
    """Plan ``module`` for inputs of these shapes and types.

    Args:
        module: in evaluation mode; its weights are laid into the memory as they are now.
        example_inputs: what it is called with; only shapes, types and memory formats matter. A single tensor may come bare.
        example_kwargs: what it is called with by name.
        options: see `Options`.

    Raises:
        InputError: no module, one in training mode, or options that are not known.
        ModelError: a module that torch cannot export as a pure function, or that ONNX cannot express.
    """
    args = (example_inputs,) if isinstance(example_inputs, torch.Tensor) else tuple(example_inputs)
    return Compiled(module, args, dict(example_kwargs or {}), Settings.of(options, "nearbank.compile"))


class Compiled:
    """Called as the module is, it gives what the module would, up to the rounding of the memory.

    A call goes to the module itself, eagerly, where the plan does not hold: in training mode, where a gradient may be wanted, on
    inputs unlike the examples, under autocast, and once the weights have changed. `fallbacks` says how often, and why.
    """

    def __init__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], settings: Settings) -> None:
        name = type(module).__name__
        if not isinstance(module, nn.Module):
            raise InputError(
                "module", value=name, bound="a torch.nn.Module; of a function, torch.compile takes backend='nearbank'"
            )
        if _trains(module):
            raise InputError("module", where=name, value="training mode", bound="in evaluation mode: call eval() first")
        self.module, self.settings, self.name = module, settings, name
        self._planned = Planned(module, args, kwargs, settings, name)
        self._fingerprint = fingerprint(self._weights().values())
        self._fallbacks, self._calls = Fallbacks(name), 0
        self._errors: tuple[OutputError, ...] | None = None

    @property
    def plan(self) -> Plan:
        """Who computes what when, for inputs like the examples."""
        return self._planned.plan

    @property
    def fallbacks(self) -> Mapping[str, int]:
        """How many calls went to torch, by reason."""
        return MappingProxyType(self._fallbacks.counts)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The module's outputs."""
        reason = self._why_not(args, kwargs)
        if reason:
            self._fallbacks.add(reason)
            return self.module(*args, **kwargs)
        self._calls += 1
        found = self._planned.run(args, kwargs)
        if self.settings.check:
            self._compare(found, args, kwargs)
        return found

    def report(self, inputs: Sequence[Any] | torch.Tensor | None = None, **kwargs: Any) -> CompileReport:
        """What became of the module so far. With ``inputs``, these are computed both ways first, and compared.

        Raises `InputError` for inputs that the plan does not take.
        """
        if inputs is not None:
            args = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
            with torch.no_grad():
                reason = self._why_not(args, kwargs)
                if reason:
                    raise InputError(f"nothing to compare: {reason}", where=self.name)
                self._compare(self._planned.run(args, kwargs), args, kwargs)
        return CompileReport(self.name, self.plan, self._calls, dict(self._fallbacks.counts), self._errors)

    def _compare(self, found: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        eager = pytree.tree_leaves(self.module(*args, **kwargs))
        self._errors = errors_of(pytree.tree_leaves(found), eager)

    def _weights(self) -> dict[str, torch.Tensor]:
        return {**dict(self.module.named_parameters()), **dict(self.module.named_buffers())}

    def _why_not(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        if _trains(self.module):
            return "training mode"
        tensors = [x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        weights = self._weights()
        reason = why_not(tensors, weights) or self._planned.mismatch(args, kwargs)
        if not reason and fingerprint(weights.values()) != self._fingerprint:
            return "the weights have changed since it was compiled; compile it again"
        return reason


def _trains(module: nn.Module) -> bool:
    return any(part.training for part in module.modules())
