"""Rows of the rule table that never decide anything, or that contradict each other; parameters that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator

from nearbank.devices.finding import Finding
from nearbank.devices.model import PimDevice, Rule

__all__ = ["READ_ELSEWHERE", "check_rules"]

READ_ELSEWHERE = ("nBL", "nRC", "nQUEUE")
"""Timing parameters that the simulator reads by name, beside the rules: bus bursts, row energy, a queue's depth."""


def check_rules(device: PimDevice) -> Iterator[Finding]:
    """What the table says in vain."""
    for index, rule in enumerate(device.rules):
        yield from _stronger(device, index, rule)
        yield from _row_path(device, index, rule)
    unread = [name for name in device.unread_timing if name not in READ_ELSEWHERE]
    if unread:
        yield Finding(
            "note", "timing", "read by no rule, refresh or end: changing them changes nothing", ", ".join(unread),
            "declared for completeness, or a rule is missing",
        )  # fmt: skip


def _stronger(device: PimDevice, index: int, rule: Rule) -> Iterator[Finding]:
    """Another row asks for at least as much of the same commands."""
    for other_index, other in enumerate(device.rules):
        clocks = _asks(other, rule)
        if other is rule or clocks is None or clocks < rule.gap:
            continue
        if clocks == rule.gap and other_index > index and _asks(rule, other) == other.gap:
            continue  # the same twice: said of the later one
        same = (set(rule.before), set(rule.after), rule.scope, rule.window) == (
            set(other.before), set(other.after), other.scope, other.window,
        )  # fmt: skip
        contradicts = same and other.gap != rule.gap
        times = f" x {rule.window} in a row" if other.window < rule.window and clocks != other.gap else ""
        yield Finding(
            "note" if rule.gap <= 1 or times or clocks == rule.gap else "warning",
            f"rules, row {index + 1}, {_said(device, rule)}",
            f"contradicts row {other_index + 1}, and gives way" if contradicts else "never decides",
            f"{rule.expression} = {rule.gap} <= {other.expression} = {other.gap}{times} of row {other_index + 1}, "
            f"{_said(device, other)}",
            "remove one of the two, or let this one ask for more",
        )  # fmt: skip
        return


def _asks(other: Rule, rule: Rule) -> int | None:
    """The clocks that ``other`` puts between the commands of ``rule`` wherever that applies; None if it need not."""
    if not (set(other.before) >= set(rule.before) and set(other.after) >= set(rule.after)):
        return None
    if other.scope not in ("channel", rule.scope) or other.window > rule.window:
        return None
    if other.window == 1 and set(other.after) >= set(rule.before):
        return other.gap * rule.window
    return other.gap


def _row_path(device: PimDevice, index: int, rule: Rule) -> Iterator[Finding]:
    """Between two activates of a bank stands a precharge, whose rules may already ask for more."""
    opening = {c.name: set(c.bank_groups) for c in device.by_role("activate")}
    pairs = [(b, a) for b in rule.before for a in rule.after]
    if not device.requires("rows") or rule.window != 1 or any(b not in opening or a not in opening for b, a in pairs):
        return
    if rule.scope != "bank_group" and not all(opening[b] & opening[a] for b, a in pairs):
        return
    close = device.one("precharge").name
    way = min(
        (device.gap(b, close), device.gap(close, a)) for b, a in pairs if rule.scope != "bank_group" or opening[b] & opening[a]
    )  # fmt: skip
    if sum(way) >= rule.gap:
        yield Finding(
            "note", f"rules, row {index + 1}, {_said(device, rule)}", f"never decides: {close} stands between, and takes longer",
            f"{rule.expression} = {rule.gap} <= {way[0]} to {close} + {way[1]} behind it = {sum(way)}", "",
        )  # fmt: skip


def _said(device: PimDevice, rule: Rule) -> str:
    sides = (
        "any" if len(names) == len(device.commands) else names[0] + (".." if len(names) > 1 else "")
        for names in (rule.before, rule.after)
    )
    return " -> ".join(sides)
