"""Numbers of the analytic GPU model, each with its source, read from TOML."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any

from nearbank.errors import DeviceError, near_matches

__all__ = ["AnalyticSpec", "load_spec", "spec_names"]

_MAY_BE_ZERO = frozenset({"l2_bytes"})


@dataclass(frozen=True)
class AnalyticSpec:
    """Parameters of the analytic model; the model itself is in ``nearbank.plan.gpu.analytic``.

    Clocks are GPU clocks of ``clock_mhz``; start times come on top of ``launch_us``; bandwidth in 1e9 bytes a second.
    ``sources`` says for every number where it comes from (``"assumed"`` and ``"fitted"`` are said so).
    """

    name: str
    about: str
    gpu: str
    sms: float
    clock_mhz: float
    tensor_fma_per_clock_sm: float
    cuda_fma_per_clock_sm: float
    memory_gb_s: float
    memory_channels: int
    l2_gb_s: float
    l2_bytes: float
    launch_us: float
    gemm_start_clocks: float
    conv_start_clocks: float
    depthwise_start_clocks: float
    depthwise_tap_clocks: float
    depthwise_efficiency: float
    elementwise_start_clocks: float
    reduction_start_clocks: float
    reduction_pixel_clocks: float
    k_step: int
    k_step_clocks: float
    epilogue_clocks: float
    split_clocks: float
    splits: tuple[int, ...]
    tiles: tuple[int, ...]
    idle_w: float
    small_w: float
    memory_w: float
    tensor_w: float
    sources: dict[str, str] = field(hash=False, compare=False)


_TEXTS = ("about", "gpu")
_NUMBERS = tuple(f.name for f in fields(AnalyticSpec) if f.name not in {"name", "sources", *_TEXTS})
_LISTS = ("splits", "tiles")
_INTEGERS = ("k_step", "memory_channels")


def spec_names() -> tuple[str, ...]:
    """The built-in analytic GPUs."""
    files = resources.files("nearbank.devices.gpu").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


@cache
def load_spec(name: str) -> AnalyticSpec:
    """The built-in analytic GPU ``name``.

    Raises:
        DeviceError: unknown name, or a key that is missing, unknown, without source or out of range.
    """
    if name not in spec_names():
        raise DeviceError("unknown analytic GPU", value=name, bound=near_matches(name, spec_names()))
    text = resources.files("nearbank.devices.gpu").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return parse_spec(name, tomllib.loads(text))


def parse_spec(name: str, table: dict[str, Any]) -> AnalyticSpec:
    """An AnalyticSpec from a TOML table, strictly checked (DeviceError)."""
    for key in table:
        if key not in _TEXTS and key not in _NUMBERS:
            raise DeviceError("unknown key", where=name, value=key, bound=near_matches(key, (*_TEXTS, *_NUMBERS)))
    for key in (*_TEXTS, *_NUMBERS):
        if key not in table:
            raise DeviceError("missing key", where=name, value=key, bound="given")
    numbers = {key: _number(f"{name}: {key}", key, table[key]) for key in _NUMBERS}
    sources = {key: str(table[key]["source"]) for key in _NUMBERS}
    return AnalyticSpec(name=name, about=table["about"], gpu=table["gpu"], sources=sources, **numbers)


def _number(where: str, key: str, entry: Any) -> Any:
    if not isinstance(entry, dict) or set(entry) != {"value", "source"} or not entry["source"]:
        raise DeviceError("a number needs its source", where=where, value=entry, bound="a table of value and source")
    value = entry["value"]
    if key in _LISTS:
        if not (isinstance(value, list) and value and all(type(v) is int and v > 0 for v in value)):
            raise DeviceError("bad list", where=where, value=value, bound="a list of positive integers")
        return tuple(value)
    least = "at least 0" if key.endswith("_clocks") or key in _MAY_BE_ZERO else "positive"
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not good or value < 0 or (least == "positive" and value == 0):
        raise DeviceError("bad number", where=where, value=value, bound=least)
    if key in _INTEGERS and not isinstance(value, int):
        raise DeviceError("bad number", where=where, value=value, bound="an integer")
    return value
