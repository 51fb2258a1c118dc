"""The rule table turned around for pushing: of each command on each latch, what it waits for and what it holds back.

The past of a channel is one list of clocks, `ready`: slot ``op`` is the first clock in which a command may issue, behind these
stand slots for each command on each latch, and the last slot tells the end of the run (one clock late, so that a run that has
ended and one that ends now look alike). Gaps of one clock say no more than "one command a clock" and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from nearbank.devices import ROLES, PimDevice
from nearbank.sim.rules import RuleTable, rule_table

__all__ = ["Variant", "Variants", "variants_of"]


@dataclass(slots=True, eq=False)
class Variant:
    """Command ``op`` on ``latch``. ``waits``: slots of `ready`; ``pushes``: (slot, gap). ``brings``: (first key of `pending`, gap)
    for the commands that wait for a filled column; ``wants``: the first key of a command that waits so itself, or -1.
    ``joins`` and ``heeds``: the windows that it counts in, and those that hold it back. ``own``: clocks to its like;
    ``effect``: it does more than wait and push."""

    op: int
    latch: int
    role: str
    groups: int
    width: int
    waits: tuple[int, ...]
    pushes: tuple[tuple[int, int], ...]
    brings: tuple[tuple[int, int], ...]
    wants: int
    joins: tuple[int, ...]
    heeds: tuple[int, ...]
    point: bool
    own: int
    effect: bool


@dataclass(frozen=True)
class Variants:
    """All variants of a device's commands. ``of[op]``: by latch, or one that stands for all where latches do not matter.
    ``limits[op]``: first value out of range of each operand, -1 where any will do. ``columns`` and ``latches``: whether the numbers
    of buffer columns and latches matter to time or state."""

    table: RuleTable
    of: tuple[tuple[Variant, ...], ...]
    limits: tuple[tuple[int, ...], ...]
    slots: int
    columns: bool
    latches: bool


@lru_cache(maxsize=64)
def variants_of(device: PimDevice) -> Variants:
    """The variants of one device."""
    table, sizes = rule_table(device), device.organization
    waiting = [op for op, row in enumerate(table.latch) if row]
    first = {op: len(table.names) + i * sizes.result_latches for i, op in enumerate(waiting)}
    end = len(table.names) + len(waiting) * sizes.result_latches
    latches = bool(waiting) or device.requires("latches")
    sizes_of = {
        "row": sizes.rows, "column": sizes.columns, "buffer": sizes.buffer_capacity, "latch": sizes.result_latches,
    }  # fmt: skip
    of, limits = [], []
    for op, role in enumerate(table.roles):
        fixed = [(a, gap) for a, row in enumerate(table.fixed) for b, gap in row if b == op and gap > 1]
        ends = [(end, gap + 1) for b, gap in table.end if b == op]
        brings = tuple(
            (a * sizes.buffer_capacity, gap) for a, row in enumerate(table.buffer) for b, gap in row if b == op
        )
        windows = range(len(table.windows))
        joins = tuple(i for i in windows if op in table.windows[i][0])
        heeds = tuple(i for i in windows if op in table.windows[i][1])
        made = []
        for latch in range(sizes.result_latches if latches and "latch" in ROLES[role] else 1):
            slots = [(first[a] + latch, gap) for a in waiting for b, gap in table.latch[a] if b == op]
            waits = (op, first[op] + latch) if op in first else (op,)
            pushes = (*fixed, *slots, *ends)
            own = max((gap for slot, gap in pushes if slot in waits), default=1)
            made.append(
                Variant(
                    op, latch, role, table.groups[op], table.columns[op], waits, pushes, brings,
                    op * sizes.buffer_capacity if table.buffer[op] else -1, joins, heeds, op in table.refresh_points,
                    max(own, 1), bool(joins) or role in ("activate", "precharge", "fill", "mode"),
                )
            )  # fmt: skip
        of.append(tuple(made))
        bounds = [sizes_of.get(what, -1) for what in ROLES[role]]
        if role == "fill":
            bounds[0] -= table.columns[op] - 1
        limits.append(tuple(bounds))
    columns = any(table.buffer) or device.requires("filled")
    return Variants(table, tuple(of), tuple(limits), end + 1, columns, latches)
