"""What a PIM device is: frozen, self-checking data. Nothing here knows how a command is timed or what it computes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from nearbank.errors import DeviceError
from nearbank.tabular import Cell, Table, Tabular

__all__ = [
    "CHECKS",
    "FUNCTION_ROW",
    "REGISTER_ROLES",
    "ROLES",
    "Command",
    "Numerics",
    "Organization",
    "PimDevice",
    "Refresh",
    "Rule",
]

ROLES: Mapping[str, tuple[str, ...]] = {
    "activate": ("row",),
    "precharge": (),
    "fill": ("buffer", "source"),
    "mac": ("column", "buffer", "latch"),
    "preset": ("latch", "source"),
    "read": ("latch", "result"),
    "function": ("latch", "function"),
    "read_function": ("latch", "result"),
    "mode": (),
    "refresh": (),
}
"""What a command does, and its operands in order. buffer: column of the global buffers, counted through all of them;
source: 32 B column of the host's input; result: index of a group of 16 results at the host; latch: result latch."""

REGISTER_ROLES = frozenset(("fill", "preset", "read", "read_function"))
"""Roles that move data to or from buffers and latches; a device with a mode command plays them in one mode, others in the other."""

FUNCTION_ROW = 1 << 29
"""The number of the first row that holds the table of an activation function; data rows count from 0."""

CHECKS = ("range", "rows", "filled", "latches", "mode")
"""States that a device may require, by name. range: operands within the device's sizes; rows: only closed banks are activated,
MACs have their row open; filled: a MAC reads only buffer columns that were filled; latches: no sum is overwritten before
it is read, nor read twice; mode: commands come in their mode (of a device that has a mode command)."""


@dataclass(frozen=True)
class Organization:
    """Sizes of one device. A channel has ``bank_groups * banks_per_group`` banks of ``rows`` rows of ``columns`` columns, and
    ``function_rows`` tables of activation functions, which are rows from `FUNCTION_ROW` on."""

    channels: int
    pim_channels: int
    bank_groups: int
    banks_per_group: int
    rows: int
    columns: int
    column_bytes: int
    lanes: int
    global_buffers: int
    buffer_columns: int
    result_latches: int
    function_rows: int = 0

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():
            least = 0 if name == "function_rows" else 1
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 1 << 20:
                raise DeviceError(
                    name, where="organization", value=value, bound=f"a whole number from {least} to 1048576"
                )
        if self.pim_channels > self.channels:
            raise DeviceError(
                "pim_channels",
                where="organization",
                value=self.pim_channels,
                bound=f"at most channels = {self.channels}",
            )
        if self.lanes * 2 != self.column_bytes:
            raise DeviceError(
                "column_bytes",
                where="organization",
                value=self.column_bytes,
                bound=f"2 bytes x lanes = {2 * self.lanes}",
            )
        if self.lanes & (self.lanes - 1):
            raise DeviceError(
                "lanes", where="organization", value=self.lanes, bound="a power of two (it is an adder tree)"
            )

    @property
    def banks(self) -> int:
        """Banks a channel, each with ``lanes`` MAC lanes."""
        return self.bank_groups * self.banks_per_group

    @property
    def buffer_capacity(self) -> int:
        """Columns of ``column_bytes`` that all global buffers of a channel hold."""
        return self.global_buffers * self.buffer_columns

    @property
    def longest_sum(self) -> int:
        """Columns that one sum can take in at most: a row holds its weights, the buffers its inputs."""
        return min(self.columns, self.buffer_capacity)

    def is_row(self, row: int) -> bool:
        """Whether there is a row of that number, of data or of an activation function."""
        return 0 <= row < self.rows or FUNCTION_ROW <= row < FUNCTION_ROW + self.function_rows


@dataclass(frozen=True)
class Command:
    """One command: its role gives the operands and the state it needs; ``columns`` is how many a fill brings."""

    name: str
    role: str
    bank_groups: tuple[int, ...] = ()
    columns: int = 1


@dataclass(frozen=True)
class Rule:
    """``after`` issues no earlier than ``gap`` clocks behind the ``window``-th last of ``before``.

    scope: "channel" (any), "bank_group" (both touch a common one), "buffer" (the same buffer column), "latch" (the same
    result latch).
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    expression: str
    gap: int
    scope: str
    window: int
    source: str


@dataclass(frozen=True)
class Refresh:
    """When refresh falls due (every ``interval`` clocks) and where the controller may take it.

    where "after": right after one of ``commands`` (nothing reopened); "before": before any of ``commands``, as soon as all
    banks are closed, or, when ``postpone`` are owed, by closing the banks and opening the same rows again.
    """

    interval: int
    where: str
    commands: tuple[str, ...]
    postpone: int
    enabled: bool


@dataclass(frozen=True)
class Numerics:
    """Arithmetic of one MAC unit: operand type, exact products, adder tree and accumulator in float32, rounding at read."""

    operand: str
    source: str


@dataclass(frozen=True, repr=False)
class PimDevice(Tabular):
    """One PIM device, options applied. ``timing`` in clocks; ``clock_mhz`` in MHz; ``energy`` name -> (value, unit, source).

    ``state_checks``: those of `CHECKS` that its commands are held to; none for a device that plays anything. ``functions``: the
    activation functions (names of `nearbank.devices.functions`) by number: that of number i is in row `FUNCTION_ROW` + i.
    """

    name: str
    about: str
    organization: Organization
    clock_mhz: float
    timing: tuple[tuple[str, int, str], ...]
    commands: tuple[Command, ...]
    rules: tuple[Rule, ...]
    refresh: Refresh
    end: tuple[tuple[str, int], ...]
    state_checks: tuple[str, ...]
    numerics: Numerics
    energy: tuple[tuple[str, float, str, str], ...]
    sources: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str, tuple[str, ...]], ...]
    functions: tuple[str, ...] = ()
    _timing: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)
    _read: frozenset[str] = field(default_factory=frozenset, repr=False, compare=False)

    def clocks(self, name: str) -> int:
        """One timing parameter, in clocks."""
        return self._timing[name]

    @property
    def unread_timing(self) -> tuple[str, ...]:
        """Timing parameters that no expression of the device reads: no rule, refresh, end or other parameter."""
        return tuple(name for name, _, _ in self.timing if name not in self._read)

    def table(self) -> Table:
        """Its numbers, a row each, with their sources: clock, sizes, timing and energy constants."""
        sources = dict(self.sources)
        rows: list[tuple[Cell, ...]] = [("", "clock_mhz", self.clock_mhz, "MHz", sources.get("timing", ""))]
        rows += [
            ("organization", k, v, "", sources.get("organization", "")) for k, v in self.organization.__dict__.items()
        ]
        rows += [("timing", name, clocks, "clocks", source) for name, clocks, source in self.timing]
        rows += [("energy", name, value, unit, source) for name, value, unit, source in self.energy]
        return Table(
            f"{self.name} ({self.hash}): {self.about}", ("group", "name", "value", "unit", "source"), tuple(rows)
        )

    def by_role(self, role: str) -> tuple[Command, ...]:
        """The commands of one role, in declaration order."""
        return tuple(c for c in self.commands if c.role == role)

    def one(self, role: str) -> Command:
        """The only (or first) command of a role.

        Raises:
            DeviceError: the device has none.
        """
        for command in self.commands:
            if command.role == role:
                return command
        raise DeviceError(f"no command of role {role!r}", where=self.name)

    def gap(self, before: str, after: str) -> int:
        """The largest gap, in clocks, that a rule of any scope and window 1 sets between two commands; 0 if none."""
        groups = {c.name: set(c.bank_groups) for c in self.commands}
        apart = not groups[before] & groups[after]
        rules = (r for r in self.rules if before in r.before and after in r.after and r.window == 1)
        return max((r.gap for r in rules if not (r.scope == "bank_group" and apart)), default=0)

    def opening(self) -> int:
        """Clocks from the first activate of a row in all banks to the first multiplication on it."""
        names, mac = [c.name for c in self.by_role("activate")], self.one("mac").name
        return sum(max(self.gap(a, b), 1) for a, b in pairwise(names)) + max(self.gap(names[-1], mac), 1)

    def requires(self, check: str) -> bool:
        """Whether commands are held to one of `CHECKS`."""
        return bool(self.state_checks) and check in self.state_checks

    def microseconds(self, cycles: float) -> float:
        """Clocks to microseconds."""
        return cycles / self.clock_mhz

    @cached_property
    def hash(self) -> str:
        """Twelve hex digits over everything that decides cycles or values; names results and cache entries."""
        content = {
            k: v for k, v in self.__dict__.items() if k not in ("about", "sources", "hash") and not k.startswith("_")
        }
        text = json.dumps(content, default=lambda o: o.__dict__, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
