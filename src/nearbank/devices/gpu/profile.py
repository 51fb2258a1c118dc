"""A measured GPU profile: JSON to a frozen GpuProfile, strictly checked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from nearbank.errors import DeviceError, near_matches

__all__ = [
    "ConvRow",
    "GpuProfile",
    "LinearRow",
    "OpRow",
    "ProductRow",
    "load_profile",
    "parse_profile",
    "profile_names",
]

_REQUIRED = ("about", "gpu", "torch", "fp16_tflops", "copy_tb_s", "empty_kernel_us", "grid", "layers", "ops")
_OPTIONAL = ("whole_model_us", "date", "driver", "versions", "power_w", "clocks_mhz", "l2_bytes")
_MAX_CELLS = 100_000  # a profile whose points share no axes would make the interpolation table explode


@dataclass(frozen=True)
class ProductRow:
    """One matrix product: ``pixels x in_channels`` by ``in_channels x out_channels``; us by cuBLAS and by cuDNN."""

    pixels: int
    in_channels: int
    out_channels: int
    cublas_us: float
    cudnn_us: float


@dataclass(frozen=True)
class ConvRow:
    """One convolution layer by cuDNN, ``us`` a call; height and width of the input; square kernel and stride.

    ``cublas_us``: a pointwise layer of stride 1 as a product by cuBLAS, if that was measured too.
    """

    model: str
    batch: int
    in_channels: int
    out_channels: int
    height: int
    width: int
    out_height: int
    out_width: int
    kernel: int
    stride: int
    groups: int
    us: float
    cublas_us: float | None = None


@dataclass(frozen=True)
class LinearRow:
    """One fully connected layer by cuBLAS, ``us`` a call."""

    model: str
    batch: int
    in_features: int
    out_features: int
    us: float


@dataclass(frozen=True)
class OpRow:
    """One other operator: ``size``: (elements,); gap: (batch, channels, height); dw: that + (kernel, stride)."""

    name: str
    size: tuple[int, ...]
    us: float


@dataclass(frozen=True)
class GpuProfile:
    """What was measured on one GPU, microseconds per call; ``about`` says how.

    ``power_w``: watts of the board by load, and ``clocks_mhz``: clocks by name; either may be empty.
    """

    name: str
    about: str
    gpu: str
    date: str
    versions: str
    fp16_tflops: float
    copy_tb_s: float
    empty_kernel_us: float
    grid: tuple[ProductRow, ...]
    convs: tuple[ConvRow, ...]
    linears: tuple[LinearRow, ...]
    ops: tuple[OpRow, ...]
    whole_model_us: dict[str, dict[str, dict[str, float]]] = field(hash=False, compare=False)
    power_w: dict[str, float] = field(hash=False, compare=False, default_factory=dict)
    clocks_mhz: dict[str, float] = field(hash=False, compare=False, default_factory=dict)


def profile_names() -> tuple[str, ...]:
    """The built-in measured profiles."""
    files = resources.files("nearbank.devices.gpu").iterdir()
    return tuple(sorted(f.name.removesuffix(".json") for f in files if f.name.endswith(".json")))


@cache
def _built_in(name: str) -> GpuProfile:
    text = resources.files("nearbank.devices.gpu").joinpath(f"{name}.json").read_text(encoding="utf-8")
    return parse_profile(name, text)


def load_profile(name_or_path: str | Path) -> GpuProfile:
    """A built-in profile by name (read once), or a user's JSON file of the same schema.

    Raises:
        DeviceError: unknown name, unreadable file, or a key, row or number that breaks the schema.
    """
    source = str(name_or_path)
    if source in profile_names():
        return _built_in(source)
    if not source.endswith(".json"):
        raise DeviceError(
            "unknown GPU profile", value=source, bound=f"a .json file or {near_matches(source, profile_names())}"
        )
    try:
        text = Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise DeviceError(f"cannot read the GPU profile: {reason}", where=source) from None
    return parse_profile(source, text)


def parse_profile(name: str, text: str) -> GpuProfile:
    """A GpuProfile from the text of its JSON file.

    Raises:
        DeviceError: not JSON, an unknown or missing key, a bad row; says which row, the value and the bound.
    """
    try:
        table = json.loads(text)
    except ValueError as error:
        raise DeviceError(f"not JSON: {error}", where=name) from None
    if not isinstance(table, dict):
        _bad(name, type(table).__name__, "an object")
    for key in table:
        if key not in (*_REQUIRED, *_OPTIONAL):
            raise DeviceError("unknown key", where=name, value=key, bound=near_matches(key, (*_REQUIRED, *_OPTIONAL)))
    for key in _REQUIRED:
        if key not in table:
            raise DeviceError("missing key", where=name, value=key, bound="given")
    for key in ("about", "gpu", "torch"):
        if not isinstance(table[key], str):
            _bad(f"{name}: {key}", table[key], "a text")
    grid = tuple(_product(w, r) for w, r in _rows(f"{name}: grid", table["grid"]))
    _check_grid(f"{name}: grid", grid)
    convs, linears = _layers(f"{name}: layers", table["layers"])
    return GpuProfile(
        name=name,
        about=table["about"],
        gpu=table["gpu"],
        date=_text(name, table, "date") or "not recorded",
        versions=_versions(name, table),
        fp16_tflops=_us(f"{name}: fp16_tflops", table["fp16_tflops"]),
        copy_tb_s=_us(f"{name}: copy_tb_s", table["copy_tb_s"]),
        empty_kernel_us=_us(f"{name}: empty_kernel_us", table["empty_kernel_us"]),
        grid=grid,
        convs=convs,
        linears=linears,
        ops=tuple(_op(w, r) for w, r in _rows(f"{name}: ops", table["ops"])),
        whole_model_us=_whole(f"{name}: whole_model_us", table.get("whole_model_us", {})),
        power_w=_named(f"{name}: power_w", table.get("power_w", {})),
        clocks_mhz=_named(f"{name}: clocks_mhz", table.get("clocks_mhz", {})),
    )


def _bad(where: str, value: object, bound: str) -> NoReturn:
    raise DeviceError("bad value in a GPU profile", where=where, value=value, bound=bound)


def _rows(where: str, rows: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(rows, list):
        _bad(where, type(rows).__name__, "a list of rows")
    return ((f"{where}[{i}]", row) for i, row in enumerate(rows))


def _size(where: str, value: Any) -> int:
    if type(value) is not int or value < 1:
        _bad(where, value, "a positive integer")
    return value


def _us(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        _bad(where, value, "a positive number")
    return float(value)


def _text(name: str, table: dict[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str):
        _bad(f"{name}: {key}", value, "a text")
    return value


def _named(where: str, table: Any) -> dict[str, float]:
    if not isinstance(table, dict):
        _bad(where, table, "an object of name: number")
    return {str(key): _us(f"{where}.{key}", value) for key, value in table.items()}


def _versions(name: str, table: dict[str, Any]) -> str:
    extra = table.get("versions", {})
    if not isinstance(extra, dict):
        _bad(f"{name}: versions", extra, "an object of name: version")
    parts = [f"torch {table['torch']}", *(f"{k} {v}" for k, v in extra.items())]
    driver = _text(name, table, "driver")
    return ", ".join([*parts, f"driver {driver}"] if driver else parts)


def _product(where: str, row: Any) -> ProductRow:
    if not isinstance(row, list) or len(row) != 5:
        _bad(where, row, "[pixels, in_channels, out_channels, us cuBLAS, us cuDNN]")
    pixels, inputs, outputs = (_size(where, v) for v in row[:3])
    return ProductRow(pixels, inputs, outputs, _us(where, row[3]), _us(where, row[4]))


def _check_grid(where: str, grid: tuple[ProductRow, ...]) -> None:
    points = {(r.pixels, r.in_channels, r.out_channels) for r in grid}
    if not grid:
        _bad(where, "no rows", "at least one row")
    if len(points) != len(grid):
        _bad(where, f"{len(grid) - len(points)} repeated points", "one row a point")
    cells = math.prod(len({p[axis] for p in points}) for axis in range(3))
    if cells > _MAX_CELLS:
        _bad(where, f"{cells} cells", f"a grid of at most {_MAX_CELLS} cells: points that share their axis values")


def _layers(where: str, models: Any) -> tuple[tuple[ConvRow, ...], tuple[LinearRow, ...]]:
    convs: list[ConvRow] = []
    linears: list[LinearRow] = []
    if not isinstance(models, dict):
        _bad(where, type(models).__name__, "an object of model: batch: rows")
    for model, batches in models.items():
        if not isinstance(batches, dict):
            _bad(f"{where}.{model}", type(batches).__name__, "an object of batch: rows")
        for batch, rows in batches.items():
            for at, row in _rows(f"{where}.{model}.{batch}", rows):
                layer = _layer(at, model, row)
                if isinstance(layer, ConvRow):
                    convs.append(layer)
                else:
                    linears.append(layer)
    return tuple(convs), tuple(linears)


def _layer(where: str, model: str, row: Any) -> ConvRow | LinearRow:
    op = row.get("op") if isinstance(row, dict) else row
    if op not in ("conv", "linear"):
        _bad(where, op, "a row with op conv or linear")
    wanted = {"op", "input", "output", "us"} | ({"kernel", "stride", "groups"} if op == "conv" else set())
    pointwise = op == "conv" and (row.get("kernel"), row.get("stride"), row.get("groups")) == ([1, 1], [1, 1], 1)
    if set(row) - ({"cublas_us"} if pointwise else set()) != wanted:
        _bad(where, sorted(row), f"the keys {', '.join(sorted(wanted))}")
    rank = 4 if op == "conv" else 2
    x, y = (_shape(where, row[key], rank) for key in ("input", "output"))
    us = _us(where, row["us"])
    if x[0] != y[0]:
        _bad(where, f"batches {x[0]} and {y[0]}", "the same batch in input and output")
    if op == "linear":
        return LinearRow(model, x[0], x[1], y[1], us)
    kernel, stride = (_square(where, row[key]) for key in ("kernel", "stride"))
    groups = _size(where, row["groups"])
    if x[1] % groups or y[1] % groups:
        _bad(where, groups, "a divisor of both channel counts")
    product = _us(where, row["cublas_us"]) if "cublas_us" in row else None
    return ConvRow(model, x[0], x[1], y[1], x[2], x[3], y[2], y[3], kernel, stride, groups, us, product)


def _shape(where: str, value: Any, rank: int) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) != rank:
        _bad(where, value, f"a shape of {rank} sizes")
    return tuple(_size(where, v) for v in value)


def _square(where: str, value: Any) -> int:
    high, wide = _shape(where, value, 2)
    if high != wide:
        _bad(where, value, "square")
    return high


def _op(where: str, row: Any) -> OpRow:
    if not isinstance(row, list) or len(row) != 3 or not isinstance(row[0], str):
        _bad(where, row, "[name, size, us]")
    rank = {"dw": 5, "gap": 3}.get(row[0], 1)
    size = _shape(where, row[1], rank) if rank > 1 else (_size(where, row[1]),)
    return OpRow(row[0], size, _us(where, row[2]))


def _whole(where: str, models: Any) -> dict[str, dict[str, dict[str, float]]]:
    try:
        return {
            model: {
                batch: {how: _us(f"{where}.{model}.{batch}.{how}", us) for how, us in runs.items()}
                for batch, runs in batches.items()
            }
            for model, batches in models.items()
        }
    except AttributeError:
        _bad(where, type(models).__name__, "an object of model: batch: run: us")
