"""A nest prepared for the fast engine: of the operands only what timing and state depend on; equal parts are one object.

Rows of a mapping differ in addresses that do not matter to time. Made one object, what was learnt of one holds for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import gcd, lcm
from typing import TYPE_CHECKING

from nearbank.devices import FUNCTION_ROW, PimDevice
from nearbank.errors import ProgramError, near_matches
from nearbank.program import Affine, Loop, Node
from nearbank.sim.fast.commands import Variant, Variants

if TYPE_CHECKING:
    from nearbank.sim.fast.loops import Effect
    from nearbank.sim.fast.trips import Place

__all__ = ["BUFFER", "LATCH", "NestCompiler", "PlayedLoop", "PlayedNode", "PlayedOp"]

BUFFER = {"fill": 0, "mac": 1}
LATCH = {"mac": 2, "preset": 0, "read": 0, "function": 0, "read_function": 0}
"""Which operand of a role is the buffer column, and which the result latch."""

_PLAIN = 24
"""Commands below which a loop is played plainly: to compare states would cost more than to play."""


@dataclass(slots=True, eq=False)
class PlayedOp:
    """One command. ``buffer`` and ``latch`` are None where no loop variable is in them: then ``column`` and ``variant`` hold,
    else ``variants`` by latch. ``touches``: mask of all columns that it may read or fill."""

    variants: tuple[Variant, ...]
    variant: Variant
    column: int
    buffer: Affine | None
    latch: Affine | None
    touches: int
    size: int = 1


@dataclass(slots=True, eq=False)
class PlayedLoop:
    """A loop of ``trip`` commands a trip, ``size`` in all, with the commands in it that have columns (``columns``) or moving
    latches (``latches``).

    ``run``: its only command, if it is a run of one command on one latch over columns ``step`` apart.
    Trips i and j are alike where the latches are (i = j modulo ``latch_cycle``; 0: never) and the columns are: all of them
    (modulo ``cycle``), or told from a place that moves ``shift`` columns a trip round the first ``ring`` ones (0: no such place).
    ``outer`` and ``outer_latches``: the operands that depend on loops further out.
    """

    var: str
    count: int
    body: tuple[PlayedNode, ...]
    trip: int
    size: int
    columns: dict[PlayedOp, None]
    latches: dict[PlayedOp, None]
    fills: bool
    reads: int
    cycle: int
    latch_cycle: int
    ring: int
    shift: int
    run: PlayedOp | None
    step: int
    plain: bool
    outer: tuple[Affine, ...]
    outer_latches: tuple[Affine, ...]
    places: dict[object, Place] = field(default_factory=dict)
    whole: dict[object, list[Effect]] = field(default_factory=dict)


PlayedNode = PlayedOp | PlayedLoop


class NestCompiler:
    """Prepares the bodies of one program's sections. ``doubtful`` tells whether some operand of the last body may leave the
    device's range: such a body must not be played before that is cleared up."""

    def __init__(self, device: PimDevice, variants: Variants) -> None:
        self.device, self.table, self.variants = device, variants.table, variants
        self.index = {name: i for i, name in enumerate(self.table.names)}
        self.capacity = device.organization.buffer_capacity
        self.function_end = FUNCTION_ROW + device.organization.function_rows
        self.ops: dict[object, PlayedOp] = {}
        self.loops: dict[object, PlayedLoop] = {}
        self.doubtful = False

    def section(self, body: Sequence[Node], channel: int) -> tuple[PlayedNode, ...]:
        """The body of a section's ``channel``-th channel; equal bodies are the same objects.

        Raises:
            ProgramError: an unknown command.
        """
        self.doubtful = False
        return self._body(body, {}, channel)

    def _body(self, nodes: Sequence[Node], last: dict[str, int], channel: int) -> tuple[PlayedNode, ...]:
        """``last`` has the last value of every loop variable around the nodes."""
        out: list[PlayedNode] = []
        for node in nodes:
            if isinstance(node, Loop):
                inner = self._body(node.body, {**last, node.var: node.count - 1}, channel)
                key = (node.var, node.count, inner)
                found = self.loops.get(key)
                if found is None:
                    found = self.loops[key] = self._loop(node.var, node.count, inner)
                out.append(found)
            else:
                out.append(self._op(node.command, node.args, last, channel))
        return tuple(out)

    def _op(self, name: str, args: tuple[Affine, ...], last: dict[str, int], channel: int) -> PlayedOp:
        op = self.index.get(name)
        if op is None:
            raise ProgramError("unknown command", value=name, bound=near_matches(name, self.index))
        role = self.table.roles[op]
        buffer = latch = _ZERO
        low = high = 0
        at, which = BUFFER.get(role, -1), LATCH.get(role, -1)
        for i, (arg, limit) in enumerate(zip(args, self.variants.limits[op], strict=False)):
            if limit < 0:
                continue
            if arg.terms:
                arg, first, final = _range(arg, last, channel)
            else:
                first = final = arg.const % arg.mod if arg.mod else arg.const
            if first < 0 or final >= limit:
                self.doubtful |= not (role == "activate" and FUNCTION_ROW <= first <= final < self.function_end)
            if i == at:
                buffer, low, high = arg, first, final
            elif i == which:
                latch = arg
        key = (op, low, high, buffer.const, buffer.terms, buffer.mod, latch.const, latch.terms, latch.mod)
        found = self.ops.get(key)
        if found is None:
            found = self.ops[key] = self._made(op, buffer, latch, low, high)
        return found

    def _made(self, op: int, buffer: Affine, latch: Affine, low: int, high: int) -> PlayedOp:
        variants = self.variants.of[op]
        low, high = max(low, 0), min(high, self.capacity - 1) + variants[0].width - 1
        touches = (1 << (high + 1)) - (1 << low) if variants[0].role in BUFFER and high >= low else 0
        which = latch.value({}) if not latch.terms and len(variants) > 1 else 0
        return PlayedOp(
            variants,
            variants[which if which < len(variants) else 0],
            low,
            buffer if buffer.terms and self.variants.columns else None,
            latch if latch.terms and len(variants) > 1 else None,
            touches,
        )

    def _loop(self, var: str, count: int, body: tuple[PlayedNode, ...]) -> PlayedLoop:
        columns: dict[PlayedOp, None] = {}
        latches: dict[PlayedOp, None] = {}
        outer: dict[Affine, None] = {}
        outer_latches: dict[Affine, None] = {}
        trip = 0
        for child in body:
            trip += child.size
            if isinstance(child, PlayedLoop):
                columns.update(child.columns)
                latches.update(child.latches)
                outer.update(dict.fromkeys(_without(arg, var) for arg in child.outer))
                outer_latches.update(dict.fromkeys(_without(arg, var) for arg in child.outer_latches))
            else:
                if child.touches:
                    columns[child] = None
                if child.buffer is not None:
                    outer[_without(child.buffer, var)] = None
                if child.latch is not None:
                    latches[child] = None
                    outer_latches[_without(child.latch, var)] = None
        ring, shift, cycle = self._movement(var, columns)
        latch_cycle = 1
        for op in latches:
            latch_cycle = lcm(latch_cycle, _cycle(op.latch, var)) if latch_cycle else 0
        run, step = body[0], 0
        is_run = isinstance(run, PlayedOp) and _runs(run, var)
        if isinstance(run, PlayedOp) and run.buffer is not None:
            step = dict(run.buffer.terms).get(var, 0)
        return PlayedLoop(
            var, count, body, trip, trip * count, columns, latches,
            fills=any(op.variant.role == "fill" for op in columns),
            reads=_union(op.touches for op in columns if op.variant.role == "mac"),
            cycle=cycle, latch_cycle=latch_cycle, ring=ring, shift=shift,
            run=run if is_run and isinstance(run, PlayedOp) and len(body) == 1 else None, step=step,
            plain=count == 1 or trip * count < _PLAIN,
            outer=tuple(a for a in outer if a.terms), outer_latches=tuple(a for a in outer_latches if a.terms),
        )  # fmt: skip

    def _movement(self, var: str, columns: dict[PlayedOp, None]) -> tuple[int, int, int]:
        """Ring, shift and cycle (see `PlayedLoop`) of the columns that the commands of a loop touch."""
        fixed, cycle = 0, 1
        moves: set[tuple[int, int]] = set()
        for op in columns:
            factor = dict(op.buffer.terms).get(var, 0) if op.buffer is not None else 0
            if op.buffer is None or not factor or (op.buffer.mod and not factor % op.buffer.mod):
                fixed |= op.touches
                continue
            cycle = lcm(cycle, _cycle(op.buffer, var)) if cycle else 0
            # Without a modulus a column never leaves the buffers: it might as well go round all of them.
            ring = op.buffer.mod or self.capacity
            moves.add((ring, factor % ring) if op.variant.width == 1 and ring <= self.capacity else (0, 0))
        if len(moves) != 1:
            return 0, 0, cycle
        ((ring, shift),) = moves
        return (0, 0, cycle) if fixed & ((1 << ring) - 1) else (ring, shift, cycle)


_ZERO = Affine()


def _runs(op: PlayedOp, var: str) -> bool:
    variant = op.variant
    if variant.role not in BUFFER or variant.joins or variant.heeds:
        return False
    if op.latch is not None and dict(op.latch.terms).get(var):
        return False
    step = dict(op.buffer.terms).get(var, 0) if op.buffer is not None else 0
    return step in (0, variant.width) and not (variant.role == "fill" and variant.wants >= 0)


def _cycle(arg: Affine | None, var: str) -> int:
    """After how many trips the operand repeats; 0 for never."""
    factor = dict(arg.terms).get(var, 0) if arg is not None else 0
    if arg is None or not factor:
        return 1
    return arg.mod // gcd(arg.mod, factor) if arg.mod else 0


def _without(arg: Affine, var: str) -> Affine:
    return Affine(arg.const, tuple(t for t in arg.terms if t[0] != var), arg.mod)


def _union(masks: Iterable[int]) -> int:
    total = 0
    for mask in masks:
        total |= mask
    return total


def _range(arg: Affine, last: dict[str, int], channel: int) -> tuple[Affine, int, int]:
    """The operand with the channel's position put in, its least and its largest value, or values beyond them."""
    low = high = arg.const
    for name, factor in arg.terms:
        if name == "c":
            low += factor * channel
            high += factor * channel
        elif factor > 0:
            high += factor * last[name]
        else:
            low += factor * last[name]
    if any(name == "c" for name, _ in arg.terms):
        const = arg.const + dict(arg.terms)["c"] * channel
        arg = Affine(const, tuple(t for t in arg.terms if t[0] != "c"), arg.mod)
    if arg.mod and not 0 <= low <= high < arg.mod:
        step = gcd(arg.mod, *(f for _, f in arg.terms))
        low, high = arg.const % step, arg.mod - step + arg.const % step
    return arg, low, high
