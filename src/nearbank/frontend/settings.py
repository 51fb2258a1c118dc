"""The options that a caller gives by name, checked, and the system that they name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nearbank.devices import PimDevice
from nearbank.errors import InputError, near_matches
from nearbank.graph import Graph, Groups
from nearbank.plan import DeviceLike, GpuLike, GpuModel, Plan, PlanOptions, device_of, gpu_of, make_plan

__all__ = ["Options", "Settings"]


class Options(PlanOptions, total=False):
    """What `compile` takes by name and ``torch.compile`` in ``options``; the rest as in `make_plan`.

    ``device`` and ``gpu`` are names, files, or what those give. ``groups``: which grouped convolutions count as products, one of
    `nearbank.graph.GROUPS`. ``check``: every call through the plan is computed by eager torch too, and the report has the errors.
    """

    device: DeviceLike
    gpu: GpuLike
    groups: Groups
    check: bool


_DEFAULTS: Mapping[str, Any] = Options(
    device="newton-gddr6", gpu="h200", policy="auto", scope="model", channels=16, mapping="search", launch_us=None,
    join_us=None, charge_epilogue=True, groups="gpu", check=False,
)  # fmt: skip
_PATH = (str, os.PathLike)
_TYPES: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "device": ("a name, a .toml file or a device", (*_PATH, PimDevice)),
    "gpu": ("a name, a .json file or a GPU model", _PATH),  # or a GpuModel, which is a protocol
    "policy": ("a string", (str,)),
    "scope": ("a string", (str,)),
    "channels": ("a whole number", (int,)),
    "mapping": ("a string", (str,)),
    "launch_us": ("a number or None", (int, float, type(None))),
    "join_us": ("a number or None", (int, float, type(None))),
    "charge_epilogue": ("True or False", (bool,)),
    "groups": ("a string", (str,)),
    "check": ("True or False", (bool,)),
}


@dataclass(frozen=True)
class Settings:
    """A system, and how to plan for it; fields as in `Options`."""

    device: PimDevice
    gpu: GpuModel
    policy: str
    scope: str
    channels: int
    mapping: str
    launch_us: float | None
    join_us: float | None
    charge_epilogue: bool
    groups: Groups
    check: bool

    @classmethod
    def of(cls, options: Mapping[str, object], where: str) -> Settings:
        """From options by name. Raises `InputError` for an unknown one, or a value of another type, or an unknown device."""
        for name, value in options.items():
            if name not in _TYPES:
                raise InputError("unknown option", where=where, value=name, bound=near_matches(str(name), _TYPES))
            text, types = _TYPES[name]
            fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
            if not fits and not (name == "gpu" and _is_gpu(value)):
                raise InputError(f"option {name!r}", where=where, value=value, bound=text)
        chosen: dict[str, Any] = {**_DEFAULTS, **options}
        return cls(**{**chosen, "device": device_of(chosen["device"]), "gpu": gpu_of(chosen["gpu"])})

    def plan(self, graph: Graph, tick: Callable[[str], None] = lambda name: None) -> Plan:
        """The plan of ``graph`` on this system."""
        return make_plan(
            graph, self.device, self.gpu, policy=self.policy, scope=self.scope, channels=self.channels,
            launch_us=self.launch_us, join_us=self.join_us, charge_epilogue=self.charge_epilogue, mapping=self.mapping, tick=tick,
        )  # fmt: skip


def _is_gpu(value: object) -> bool:
    return hasattr(value, "launch_us") and hasattr(value, "with_clock")
