"""One thing that a check of a device has to say, and what several checks ask of a device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from nearbank.devices.model import REGISTER_ROLES, PimDevice

__all__ = ["SEVERITIES", "Finding", "Severity", "listed", "named_clocks", "path_gap"]

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""error: the device contradicts itself or what every DRAM needs; warning: unusual, and cycles follow from it; note: arithmetic."""


@dataclass(frozen=True)
class Finding:
    """``where``: the key or rows; ``what`` is found; ``numbers``: the arithmetic, with the values in it; ``bound``: what they
    would have to be, or what follows from them."""

    severity: Severity
    where: str
    what: str
    numbers: str
    bound: str = ""


def named_clocks(device: PimDevice, *names: str) -> tuple[str, int] | None:
    """The first of these timing parameters that the device has, with its clocks."""
    for wanted in names:
        for name, clocks, _ in device.timing:
            if name == wanted:
                return name, clocks
    return None


def path_gap(device: PimDevice, before: str, after: str) -> int:
    """Clocks from one command to another at least: by a rule between them, or through the mode switch that must stand between."""
    direct, roles = device.gap(before, after), {c.name: c.role for c in device.commands}
    if not device.by_role("mode") or (roles[before] in REGISTER_ROLES) == (roles[after] in REGISTER_ROLES):
        return direct
    mode = device.one("mode").name
    return max(direct, device.gap(before, mode) + device.gap(mode, after))


def listed(names: Iterable[str], most: int = 4) -> str:
    """``a, b, c and 5 more``."""
    every = list(names)
    shown = ", ".join(every[:most])
    return shown if len(every) <= most else f"{shown} and {len(every) - most} more"
