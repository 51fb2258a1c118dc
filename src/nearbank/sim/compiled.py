"""A nest prepared for the fast engine: opcodes for names, and of the operands only what timing and state depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import gcd, lcm

from nearbank.devices import FUNCTION_ROW, PimDevice
from nearbank.errors import ProgramError, near_matches
from nearbank.program import Affine, Loop, Node
from nearbank.sim.rules import RuleTable

__all__ = ["USES", "CompiledLoop", "CompiledOp", "compile_body"]

USES = {"fill": (0,), "mac": (1, 2), "preset": (0,), "read": (0,), "function": (0,), "read_function": (0,)}
_BUFFER = {"fill": 0, "mac": 1}


@dataclass(slots=True)
class CompiledOp:
    """An opcode with its buffer column and latch; ``free`` says neither depends on a loop variable."""

    op: int
    role: str
    buffer: Affine
    latch: Affine
    free: bool


@dataclass(slots=True)
class CompiledLoop:
    """A loop; ``uses`` are the affine operands in its body that matter, by which iterations are told apart."""

    number: int
    var: str
    count: int
    body: tuple[CompiledOp | CompiledLoop, ...]
    uses: tuple[Affine, ...]
    outer: tuple[Affine, ...]
    cycle: int
    fills: bool
    innermost: bool
    single: bool
    memo: dict[object, object] = field(default_factory=dict)


def compile_body(
    device: PimDevice, table: RuleTable, body: Sequence[Node], channel: int
) -> tuple[CompiledOp | CompiledLoop, ...]:
    """Prepared nest of a section's ``channel``-th channel.

    Raises:
        ProgramError: an unknown command, or an operand that leaves the device's range for some iteration.
    """
    return _Compiler(device, table).body(body, {"c": (channel, channel)}, channel)


class _Compiler:
    def __init__(self, device: PimDevice, table: RuleTable) -> None:
        self.device, self.table, self.loops = device, table, 0
        self.index = {name: i for i, name in enumerate(table.names)}
        sizes = device.organization
        self.limits = {
            "row": sizes.rows,
            "column": sizes.columns,
            "buffer": sizes.buffer_capacity,
            "latch": sizes.result_latches,
        }

    def body(
        self, nodes: Sequence[Node], ranges: dict[str, tuple[int, int]], channel: int
    ) -> tuple[CompiledOp | CompiledLoop, ...]:
        out: list[CompiledOp | CompiledLoop] = []
        for node in nodes:
            if isinstance(node, Loop):
                inner = self.body(node.body, {**ranges, node.var: (0, node.count - 1)}, channel)
                out.append(self._loop(node, inner))
            else:
                out.append(self._op(node.command, node.args, ranges, channel))
        return tuple(out)

    def _op(self, name: str, args: tuple[Affine, ...], ranges: dict[str, tuple[int, int]], channel: int) -> CompiledOp:
        if name not in self.index:
            raise ProgramError("unknown command", value=name, bound=near_matches(name, self.index))
        op = self.index[name]
        role = self.table.roles[op]
        if self.device.requires("range"):
            self._check_ranges(op, role, args, ranges)
        zero = Affine()
        operands = [_fix(args[i], channel) if i < len(args) else zero for i in range(3)]
        buffer = operands[_BUFFER[role]] if role in _BUFFER else zero
        latch = operands[2] if role == "mac" else operands[0] if role in USES and role != "fill" else zero
        return CompiledOp(op, role, buffer, latch, not buffer.terms and not latch.terms)

    def _check_ranges(self, op: int, role: str, args: tuple[Affine, ...], ranges: dict[str, tuple[int, int]]) -> None:
        from nearbank.devices import ROLES

        for what, arg in zip(ROLES[role], args, strict=False):
            limit = self.limits.get(what)
            if limit is None:
                continue
            limit -= self.table.columns[op] - 1 if role == "fill" else 0
            ends = [
                arg.const + sum(f * ranges[n][side if f > 0 else 1 - side] for n, f in arg.terms) for side in (0, 1)
            ]
            low, high = ends
            if arg.mod and not 0 <= low <= high < arg.mod:
                step = gcd(arg.mod, *(f for _, f in arg.terms))
                low, high = arg.const % step, arg.mod - step + arg.const % step
            if what == "row" and low >= FUNCTION_ROW:
                low, high, limit = low - FUNCTION_ROW, high - FUNCTION_ROW, self.device.organization.function_rows
            if low < 0 or high >= limit:
                raise ProgramError(
                    what, where=self.table.names[op], value=low if low < 0 else high, bound=f"0 to {limit - 1}"
                )

    def _loop(self, node: Loop, body: tuple[CompiledOp | CompiledLoop, ...]) -> CompiledLoop:
        uses: list[Affine] = []
        fills = False
        for child in body:
            if isinstance(child, CompiledLoop):
                uses += [u for u in child.outer if u not in uses]
                fills |= child.fills
            else:
                uses += [a for a in (child.buffer, child.latch) if a.terms and a not in uses]
                fills |= child.role == "fill"
        cycle = 1
        for use in uses:
            factor = dict(use.terms).get(node.var, 0)
            if factor:
                cycle = lcm(cycle, use.mod // gcd(use.mod, factor)) if use.mod and cycle else 0
        outer = tuple(Affine(u.const, t, u.mod) for u in uses if (t := tuple(x for x in u.terms if x[0] != node.var)))
        self.loops += 1
        single = len(body) == 1 and isinstance(body[0], CompiledOp) and not dict(body[0].latch.terms).get(node.var)
        innermost = all(isinstance(child, CompiledOp) for child in body)
        return CompiledLoop(self.loops, node.var, node.count, body, tuple(uses), outer, cycle, fills, innermost, single)


def _fix(arg: Affine, channel: int) -> Affine:
    """The operand with the channel's position put in."""
    terms = tuple(t for t in arg.terms if t[0] != "c")
    if len(terms) == len(arg.terms):
        return arg
    return Affine(arg.const + dict(arg.terms)["c"] * channel, terms, arg.mod)
