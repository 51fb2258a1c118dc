"""The backend of ``torch.compile(model, backend="nearbank")``: a region for every graph that torch finds."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from types import MappingProxyType
from typing import Any

import torch
from torch import fx, nn

from nearbank.errors import InputError, ModelError
from nearbank.frontend.planned import Planned
from nearbank.frontend.settings import Settings
from nearbank.frontend.summary import CompileReport, Fallbacks, OutputError, errors_of
from nearbank.frontend.tensors import Like, fingerprint, why_not
from nearbank.plan import Plan

__all__ = ["MAX_PLANS", "Region", "backend", "regions"]

MAX_PLANS = 16
"""How many plans a region keeps, one for each set of sizes and weights; what comes after them is computed by torch."""

_REGIONS: list[weakref.ref[Region]] = []
_NUMBERS = count()


def backend(
    gm: fx.GraphModule, example_inputs: Sequence[Any], *, options: Mapping[str, object] | None = None, mode: str | None = None
) -> Callable[..., Any]:  # fmt: skip
    """What ``torch.compile`` calls with every graph; ``options`` are those of `Options`.

    Raises `InputError` for options that are not known, and for a ``mode``, as there are none.
    """
    if mode is not None:
        raise InputError("mode of torch.compile", where="backend nearbank", value=mode, bound="left out")
    region = Region(gm, example_inputs, Settings.of(options or {}, "backend nearbank"), f"graph {next(_NUMBERS)}")
    _REGIONS.append(weakref.ref(region))
    return region


def regions() -> tuple[Region, ...]:
    """The graphs that torch has given to the backend in this process and still uses, in order."""
    _REGIONS[:] = [ref for ref in _REGIONS if ref() is not None]
    return tuple(region for ref in _REGIONS if (region := ref()) is not None)


class Region:
    """A graph that torch found, called with its parameters, sizes and inputs in one line.

    Parameters and buffers are laid into the memory as they are; a plan is made at the first call, and again for other sizes or
    weights. Torch computes a call where no plan holds: see `fallbacks`.
    """

    def __init__(self, gm: fx.GraphModule, examples: Sequence[Any], settings: Settings, name: str) -> None:
        self.module, self.settings, self.name = gm, settings, name
        places = list(gm.graph.find_nodes(op="placeholder"))
        self._names = _names(places, examples)
        self._numbers = {i for i, (n, x) in enumerate(zip(places, examples, strict=True)) if _is_number(n, x)}
        self._plans: dict[object, Planned | str] = {}
        self._latest: Planned | None = None
        self._fallbacks, self._calls = Fallbacks(name), 0
        self._errors: tuple[OutputError, ...] | None = None
        ended = getattr(gm, "compile_subgraph_reason", None)
        self.graph_break: str = ended.reason.splitlines()[0] if ended is not None and ended.graph_break else ""

    @property
    def plan(self) -> Plan | None:
        """The plan of the last call that went through one."""
        return self._latest.plan if self._latest else None

    @property
    def plans(self) -> tuple[Plan, ...]:
        """All plans, one for each set of sizes and weights."""
        return tuple(p.plan for p in self._plans.values() if isinstance(p, Planned))

    @property
    def fallbacks(self) -> Mapping[str, int]:
        """How many calls went to torch, by reason."""
        return MappingProxyType(self._fallbacks.counts)

    def report(self) -> CompileReport:
        """What became of the graph so far; with errors if option ``check`` is on."""
        return CompileReport(
            self.name, self.plan, self._calls, dict(self._fallbacks.counts), self._errors, self.graph_break
        )

    def __call__(self, *args: Any) -> Any:
        """The graph's outputs."""
        weights = {name: args[index] for index, name in self._names.items()}
        given = [x.numpy()[()] if i in self._numbers else x for i, x in enumerate(args)]
        inputs = [x for i, x in enumerate(given) if i not in self._names and isinstance(x, torch.Tensor)]
        reason = why_not(inputs, weights)
        planned = reason or self._planned(given, weights)
        if isinstance(planned, str):
            self._fallbacks.add(planned)
            return self.module(*args)
        self._calls, self._latest = self._calls + 1, planned
        found = planned.run(inputs, {})
        if self.settings.check:
            self._errors = errors_of(found, self.module(*args))
        return found

    def _planned(self, args: Sequence[Any], weights: Mapping[str, torch.Tensor]) -> Planned | str:
        sizes = tuple(Like.of(x) if isinstance(x, torch.Tensor) else x for x in args)
        key = sizes, fingerprint(weights.values())
        if key not in self._plans:
            if len(self._plans) >= MAX_PLANS:
                return f"more than {MAX_PLANS} sets of sizes and weights"
            try:
                self._plans[key] = self._make(args)
            except ModelError as error:  # options that are wrong are the caller's to hear of
                self._plans[key] = str(error)
        return self._plans[key]

    def _make(self, args: Sequence[Any]) -> Planned:
        frozen = _Frozen(self.module, args, self._names)
        inputs = [args[index] for index in frozen.nearbank_call.free]
        return Planned(frozen, inputs, {}, self.settings, self.name)


@dataclass(frozen=True)
class _Call:
    """How a graph's arguments come together: ``count`` of them, by index."""

    graph: fx.GraphModule
    count: int
    free: tuple[int, ...]
    sizes: Mapping[int, object]
    homes: Mapping[int, tuple[nn.Module, str]]


class _Frozen(nn.Module):
    """The graph with its weights and sizes filled in; the weights keep the paths that they have in the user's model."""

    def __init__(self, gm: fx.GraphModule, args: Sequence[Any], names: Mapping[int, str]) -> None:
        super().__init__()
        rest = {index: value for index, value in enumerate(args) if index not in names}
        free = tuple(index for index, value in rest.items() if isinstance(value, torch.Tensor))
        sizes = {index: value for index, value in rest.items() if index not in free}
        homes = {index: self._place(name, args[index].detach()) for index, name in names.items()}
        self.nearbank_call = _Call(gm, len(args), free, sizes, homes)
        self.eval()

    def _place(self, name: str, weight: torch.Tensor) -> tuple[nn.Module, str]:
        *path, last = name.split(".")
        home: nn.Module = self
        for part in path:
            child = home._modules.get(part)
            if child is None:
                child = nn.Module()
                home.add_module(part, child)
            home = child
        home.register_buffer(last, weight)
        return home, last

    def forward(self, *inputs: torch.Tensor) -> Any:
        """The graph's outputs."""
        call = self.nearbank_call
        given: dict[int, object] = {index: getattr(home, last) for index, (home, last) in call.homes.items()}
        given |= call.sizes
        given |= dict(zip(call.free, inputs, strict=True))
        return call.graph(*(given[index] for index in range(call.count)))


def _names(places: Sequence[fx.Node], examples: Sequence[object]) -> dict[int, str]:
    """Names of the inputs that are weights, by index: their paths in the user's model, if a module can hold all of them."""
    weights = {i: n for i, (n, x) in enumerate(zip(places, examples, strict=True)) if _is_weight(n, x)}
    paths = {index: _path(node) for index, node in weights.items()}
    inner = {part for path in paths.values() for part in accumulate(path.split(".")[:-1], lambda a, b: f"{a}.{b}")}
    plain = nn.Module()
    sound = len(set(paths.values())) == len(paths) and not inner.intersection(paths.values())
    if sound and not any(hasattr(plain, part) for path in paths.values() for part in path.split(".")):
        return paths
    return {index: node.name for index, node in weights.items()}


def _is_number(node: fx.Node, example: object) -> bool:
    """Whether an input is a number of the user's that torch, told to compile for all sizes, hands over as a tensor without axes.

    A plan is made for each value, as for each size: an ``eps`` that may be anything cannot be exported.
    """
    plain = isinstance(example, torch.Tensor) and example.ndim == 0 and example.device.type == "cpu"
    return plain and bool(node.users) and all(n.op == "call_method" and n.target == "item" for n in node.users)


def _is_weight(node: fx.Node, example: object) -> bool:
    if isinstance(example, nn.Parameter):
        return True
    return isinstance(example, torch.Tensor) and bool(re.search(r"\._(parameters|buffers)\[", _source(node)))


def _source(node: fx.Node) -> str:
    """Where in the user's model a graph input is from, as torch writes it: ``L['self']._modules['fc']._parameters['weight']``."""
    source = getattr(node.meta.get("grapharg"), "source", None)
    name = getattr(source, "name", "")
    return str(name() if callable(name) else name)


def _path(node: fx.Node) -> str:
    """``fc.weight``, or the name that torch gave the input."""
    parts = re.findall(r"\._(?:modules|parameters|buffers)\['([^'.]+)'\]", _source(node))
    return ".".join(parts) or node.name
