"""Findings on a device for a person."""

from __future__ import annotations

from nearbank.devices import SEVERITIES, DeviceCheck
from nearbank.report.tables import console

__all__ = ["print_check"]


def print_check(check: DeviceCheck) -> None:
    """Three lines a finding at most: what and where, the arithmetic, the bound; the gravest first."""
    out, device = console(), check.device
    out.print(f"{device.name} ({device.hash}), {device.clock_mhz:g} MHz: {check.summary}", markup=False)
    for severity in SEVERITIES:
        for found in check.of(severity):
            out.print(f"\n{severity}: {found.where}: {found.what}", markup=False)
            out.print(f"  {found.numbers}", markup=False)
            if found.bound:
                out.print(f"  {found.bound}", markup=False)
