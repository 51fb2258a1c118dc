"""Memories for a person."""

from __future__ import annotations

from collections.abc import Sequence

from nearbank.devices import PimDevice
from nearbank.report.tables import console, table

__all__ = ["print_device", "print_devices"]


def print_devices(devices: Sequence[PimDevice]) -> None:
    """The built-in devices, a row each."""
    made = table("device", "channels", "MHz", "about", left=("device", "about"))
    for d in devices:
        made.add_row(d.name, f"{d.organization.pim_channels} of {d.organization.channels}", f"{d.clock_mhz:g}", d.about)
    console().print(made)


def print_device(device: PimDevice) -> None:
    """One device whole: sizes, timing, rules, energy, each with its source."""
    out = console()
    out.print(f"{device.name} ({device.hash}): {device.about}\n{device.clock_mhz:g} MHz")
    out.print(", ".join(f"{k.replace('_', ' ')} {v}" for k, v in device.organization.__dict__.items()))
    out.print(f"operands {device.numerics.operand}: {device.numerics.source}")
    refresh = device.refresh
    state = "on" if refresh.enabled else "off"
    out.print(
        f"refresh {state}: every {refresh.interval} clocks, {refresh.where} {', '.join(refresh.commands)}, "
        f"at most {refresh.postpone} owed"
    )
    for name, value, choices in device.options:
        out.print(f"option {name} = {value} (of {', '.join(choices)})")
    commands = table("command", "role", "bank groups", left=("command", "role"))
    for c in device.commands:
        commands.add_row(c.name, c.role, " ".join(map(str, c.bank_groups)))
    out.print(commands)
    timing = table("timing", "clocks", "source", left=("timing", "source"))
    for name, clocks, source in device.timing:
        timing.add_row(name, str(clocks), source)
    out.print(timing)
    rules = table(
        "before",
        "after",
        "gap",
        "clocks",
        "scope",
        "window",
        "source",
        left=("before", "after", "gap", "scope", "source"),
    )
    for r in device.rules:
        rules.add_row(
            _short(r.before, device),
            _short(r.after, device),
            r.expression,
            str(r.gap),
            r.scope,
            str(r.window),
            r.source,
        )
    out.print(rules)
    energy = table("energy", "value", "unit", "source", left=("energy", "unit", "source"))
    for name, amount, unit, source in device.energy:
        energy.add_row(name, f"{amount:g}", unit, source)
    out.print(energy)
    for name, source in device.sources:
        out.print(f"{name}: {source}")


def _short(names: Sequence[str], device: PimDevice) -> str:
    return "any" if len(names) == len(device.commands) else " ".join(names)
