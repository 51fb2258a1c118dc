"""The rule table of a device, indexed for the engines: opcodes for names, roles for meanings, and no command by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from nearbank.devices import REGISTER_ROLES, PimDevice

__all__ = ["RuleTable", "rule_table"]


@dataclass(frozen=True)
class RuleTable:
    """Opcode-indexed rules. Lists run over opcodes in the device's order of commands.

    fixed[a]: (b, gap) for scope channel or bank group with window 1, the largest gap of each pair;
    windows: (before set, after set, gap, window) for window > 1;
    buffer[a], latch[a]: (b, gap) that hold for the same buffer column or result latch only;
    registers: the commands of the register mode; mode: the command that switches, -1 if the device has no modes.
    """

    names: tuple[str, ...]
    roles: tuple[str, ...]
    groups: tuple[int, ...]
    columns: tuple[int, ...]
    fixed: tuple[tuple[tuple[int, int], ...], ...]
    windows: tuple[tuple[frozenset[int], frozenset[int], int, int], ...]
    buffer: tuple[tuple[tuple[int, int], ...], ...]
    latch: tuple[tuple[tuple[int, int], ...], ...]
    refresh_points: frozenset[int]
    registers: frozenset[int]
    mode: int
    precharge: int
    refresh: int
    end: tuple[tuple[int, int], ...]
    all_groups: int


@lru_cache(maxsize=64)
def rule_table(device: PimDevice) -> RuleTable:
    """The table of one device, with bank groups as bit masks."""
    names = tuple(c.name for c in device.commands)
    index = {name: i for i, name in enumerate(names)}
    groups = tuple(sum(1 << g for g in c.bank_groups) for c in device.commands)
    fixed: list[dict[int, int]] = [{} for _ in names]
    buffer: list[dict[int, int]] = [{} for _ in names]
    latch: list[dict[int, int]] = [{} for _ in names]
    windows = []
    for rule in device.rules:
        if rule.window > 1:
            windows.append(
                (
                    frozenset(index[n] for n in rule.before),
                    frozenset(index[n] for n in rule.after),
                    rule.gap,
                    rule.window,
                )
            )
            continue
        target = {"buffer": buffer, "latch": latch}.get(rule.scope, fixed)
        for before in rule.before:
            for after in rule.after:
                b, a = index[before], index[after]
                if rule.scope != "bank_group" or groups[b] & groups[a]:
                    target[a][b] = max(target[a].get(b, 0), rule.gap)

    def rows(table: list[dict[int, int]]) -> tuple[tuple[tuple[int, int], ...], ...]:
        return tuple(tuple(sorted(row.items())) for row in table)

    return RuleTable(
        names, tuple(c.role for c in device.commands), groups, tuple(c.columns for c in device.commands),
        rows(fixed), tuple(windows), rows(buffer), rows(latch),
        frozenset(index[n] for n in device.refresh.commands),
        frozenset(index[c.name] for c in device.commands if c.role in REGISTER_ROLES),
        index[device.one("mode").name] if device.by_role("mode") else -1,
        index[device.one("precharge").name] if device.by_role("precharge") else -1,
        index[device.one("refresh").name], tuple((index[n], gap) for n, gap in device.end),
        (1 << device.organization.bank_groups) - 1,
    )  # fmt: skip
