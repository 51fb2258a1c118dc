"""In: a GPU's numbers and the shape of one kernel. Out: its time in microseconds. Knows no graph and no PIM."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import get_args

from nearbank.devices.gpu import load_profile, load_spec, profile_names, spec_names
from nearbank.errors import DeviceError, near_matches
from nearbank.plan.gpu.analytic import AnalyticGpu
from nearbank.plan.gpu.measured import MeasuredGpu
from nearbank.plan.gpu.types import GpuModel, GpuTime, Library

__all__ = ["AnalyticGpu", "GpuModel", "GpuTime", "Library", "MeasuredGpu", "gpu", "gpu_names"]

_LIBRARIES: tuple[Library, ...] = get_args(Library)


def gpu_names() -> tuple[str, ...]:
    """The built-in GPUs, measured and analytic."""
    return tuple(sorted({*profile_names(), *spec_names()}))


def gpu(name_or_path: str | Path, *, library: Library | None = None, memory_channels: int | None = None) -> GpuModel:
    """A built-in GPU by name, or the user's measured profile by the path of its JSON file; built-in ones load once.

    Args:
        name_or_path: ``"h200"``, ``"h100"`` (measured), ``"h200-analytic"``, ``"rtx2060"`` (analytic), or
            ``"profile.json"``. A ``:best`` or ``:cudnn`` behind it names the library: ``"h200:best"``.
        library: whose kernels run pointwise work, the baseline: ``cudnn``, as frameworks run convolutions (default),
            or ``best`` of cuBLAS and cuDNN for each layer, which no measured engine did.
        memory_channels: channels that serve the GPU while the others serve PIM; analytic GPUs only.

    Raises:
        DeviceError: unknown name or library, a bad profile, channels out of range or for a measured GPU.
    """
    source, named = _split(str(name_or_path))
    if named and library not in (None, named):
        raise DeviceError("two libraries", where=str(name_or_path), value=library, bound=f"left out, or {named}")
    library = library or named or "cudnn"
    if library not in _LIBRARIES:
        raise DeviceError("unknown library", value=library, bound=near_matches(str(library), _LIBRARIES))
    if source in gpu_names():
        return _built_in(source, library, memory_channels)
    if not source.endswith(".json"):
        raise DeviceError("unknown GPU", value=source, bound=f"a .json profile or {near_matches(source, gpu_names())}")
    return _measured(source, library, memory_channels)


def _split(source: str) -> tuple[str, Library | None]:
    """``"h200:best"`` as the source and the library behind its colon."""
    for library in _LIBRARIES:
        if source.endswith(f":{library}"):
            return source.removesuffix(f":{library}"), library
    return source, None


@cache
def _built_in(name: str, library: Library, memory_channels: int | None) -> GpuModel:
    if name in spec_names():
        return AnalyticGpu(load_spec(name), library, memory_channels)
    return _measured(name, library, memory_channels)


def _measured(source: str, library: Library, memory_channels: int | None) -> GpuModel:
    if memory_channels is not None:
        bound = f"left out, or an analytic GPU used: {', '.join(spec_names())}"
        where = f"{source}: memory_channels"
        raise DeviceError("a measured GPU used all channels", where=where, value=memory_channels, bound=bound)
    return MeasuredGpu(load_profile(source), library)
