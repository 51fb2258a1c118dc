"""Where a result is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nearbank import __version__
from nearbank.devices import PimDevice
from nearbank.plan import GpuModel

__all__ = ["Provenance", "provenance"]


@dataclass(frozen=True)
class Provenance:
    """What made a result: version, memory (name, hash of its numbers, options), GPU (name, source, date, versions), and the command
    line, empty for a call from Python."""

    version: str
    command: str
    device: str
    device_hash: str
    options: Mapping[str, str] = field(default_factory=dict)
    gpu: str = ""
    gpu_source: str = ""
    gpu_date: str = ""
    gpu_versions: str = ""


def provenance(device: PimDevice, gpu: GpuModel | None = None, command: str = "") -> Provenance:
    """Of a result on ``device``, beside ``gpu`` if one took part."""
    origin = Provenance(__version__, command, device.name, device.hash, {n: v for n, v, _ in device.options})
    if gpu is None:
        return origin
    return Provenance(
        origin.version, command, origin.device, origin.device_hash, origin.options, gpu.name, gpu.source, gpu.date, gpu.versions
    )  # fmt: skip
