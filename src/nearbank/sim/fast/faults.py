"""The first command of a nest with an operand out of the device's range: found from the operands' form, not by playing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from nearbank.devices import FUNCTION_ROW, ROLES, PimDevice
from nearbank.program import Affine, Loop, Node, Op, commands
from nearbank.sim.fast.commands import Variants

__all__ = ["RangeFault", "first_range_fault"]

Bools = NDArray[np.bool_]
_Loops = tuple[tuple[str, int], ...]
_LARGEST = 1 << 22
"""The largest modulus whose residues are counted one by one."""


@dataclass(frozen=True)
class RangeFault:
    """Command ``op`` with the values ``args``, behind ``before``: a nest of the commands that are played first."""

    op: Op
    args: tuple[int, ...]
    before: tuple[Node, ...]


def first_range_fault(device: PimDevice, variants: Variants, body: tuple[Node, ...], channel: int) -> RangeFault | None:
    """The first command, in the order of playing, with an operand out of range; None if there is none.

    Raises:
        OverflowError: an operand's modulus is too large to tell.
    """
    first: tuple[int, tuple[int, ...], tuple[int, ...], Op] | None = None
    for path, loops, op in _ops(body, (), (), variants.table.names):
        at = variants.table.names.index(op.command)
        for what, arg, limit in zip(ROLES[variants.table.roles[at]], op.args, variants.limits[at], strict=False):
            if limit < 0:
                continue
            ranges = [(0, limit)]
            if what == "row" and device.organization.function_rows:
                ranges.append((FUNCTION_ROW, FUNCTION_ROW + device.organization.function_rows))
            trips = _first_outside(_fixed(arg, {"c": channel}), loops, ranges)
            if trips is None:
                continue
            number = _number(body, path, trips)
            if first is None or number < first[0]:
                first = (number, path, trips, op)
    if first is None:
        return None
    _, path, trips, op = first
    env = {"c": channel, **dict(zip(_variables(body, path), trips, strict=True))}
    return RangeFault(op, tuple(arg.value(env) for arg in op.args), _before(body, path, trips, {}))


def _ops(
    body: tuple[Node, ...], path: tuple[int, ...], loops: _Loops, names: tuple[str, ...]
) -> Iterator[tuple[tuple[int, ...], _Loops, Op]]:
    """Every command with its place in the nest and the loops around it."""
    for i, node in enumerate(body):
        if isinstance(node, Loop):
            yield from _ops(node.body, (*path, i), (*loops, (node.var, node.count)), names)
        else:
            yield (*path, i), loops, node


def _variables(body: tuple[Node, ...], path: tuple[int, ...]) -> list[str]:
    names = []
    for i in path[:-1]:
        node = body[i]
        assert isinstance(node, Loop)
        names.append(node.var)
        body = node.body
    return names


def _number(body: tuple[Node, ...], path: tuple[int, ...], trips: tuple[int, ...]) -> int:
    """How many commands are played before the one at ``path`` when the loops around it are in the given trips."""
    total = sum(times for _, times in commands(body[: path[0]]))
    node = body[path[0]]
    if isinstance(node, Loop):
        total += trips[0] * sum(times for _, times in commands(node.body)) + _number(node.body, path[1:], trips[1:])
    return total


def _before(
    body: tuple[Node, ...], path: tuple[int, ...], trips: tuple[int, ...], env: dict[str, int]
) -> tuple[Node, ...]:
    """The nest of the commands that are played before the one at ``path``."""
    out = [_put(node, env) for node in body[: path[0]]]
    node = body[path[0]]
    if isinstance(node, Loop):
        if trips[0]:
            out.append(_put(Loop(node.var, trips[0], node.body), env))
        out += _before(node.body, path[1:], trips[1:], {**env, node.var: trips[0]})
    return tuple(out)


def _put(node: Node, env: dict[str, int]) -> Node:
    if isinstance(node, Loop):
        return Loop(node.var, node.count, tuple(_put(child, env) for child in node.body))
    return Op(node.command, tuple(_fixed(arg, env) for arg in node.args))


def _fixed(arg: Affine, env: dict[str, int]) -> Affine:
    """The operand with some variables put in."""
    const = arg.const + sum(factor * env[name] for name, factor in arg.terms if name in env)
    return Affine(const, tuple(t for t in arg.terms if t[0] not in env), arg.mod)


def _first_outside(arg: Affine, loops: _Loops, ranges: list[tuple[int, int]]) -> tuple[int, ...] | None:
    """The first trips, outermost loop first, in which the operand is in none of the ranges [low, end)."""
    factors = dict(arg.terms)
    steps = [(factors.get(name, 0), count) for name, count in loops]
    low = arg.const + sum(min(f * (n - 1), 0) for f, n in steps)
    high = arg.const + sum(max(f * (n - 1), 0) for f, n in steps)
    if arg.mod and not 0 <= low <= high < arg.mod:
        return _first_residue(arg, steps, ranges)
    return _first_value(arg.const, steps, ranges)


def _first_value(const: int, steps: list[tuple[int, int]], ranges: list[tuple[int, int]]) -> tuple[int, ...] | None:
    if not steps:
        return None if any(low <= const < end for low, end in ranges) else ()
    (factor, count), rest = steps[0], steps[1:]
    down = sum(min(f * (n - 1), 0) for f, n in rest)
    up = sum(max(f * (n - 1), 0) for f, n in rest)
    i = 0
    while i < count:
        value = const + factor * i
        inside = next(((low, end) for low, end in ranges if low <= value + down and value + up < end), None)
        if inside is None:
            found = _first_value(value, rest, ranges)
            if found is not None:
                return (i, *found)
            i += 1
        elif not factor:
            return None
        else:
            # As long as all that the inner loops add stays in this range, nothing is wrong.
            i += (inside[1] - 1 - value - up) // factor + 1 if factor > 0 else (value + down - inside[0]) // -factor + 1
    return None


def _first_residue(arg: Affine, steps: list[tuple[int, int]], ranges: list[tuple[int, int]]) -> tuple[int, ...] | None:
    mod = arg.mod
    if mod > _LARGEST:
        raise OverflowError
    wrong = np.ones(mod, bool)
    for low, end in ranges:
        wrong[low:end] = False
    # wrong[d][x]: from residue x the loops from depth d on can reach a wrong one.
    reach: list[Bools] = [wrong]
    for factor, count in reversed(steps):
        reach.append(_any_shift(reach[-1], factor % mod, count))
    reach.reverse()
    value, trips = arg.const % mod, list[int]()
    if not reach[0][value]:
        return None
    for (factor, count), inner in zip(steps, reach[1:], strict=True):
        i = next(i for i in range(count) if inner[(value + factor * i) % mod])
        trips.append(i)
        value = (value + factor * i) % mod
    return tuple(trips)


def _any_shift(mask: Bools, factor: int, count: int) -> Bools:
    """At x: whether ``mask`` holds at x + factor * i for some i below ``count``; by doubling."""
    count = min(count, len(mask) // gcd(factor, len(mask)))
    done, have = mask, 1
    while have < count:
        step = min(have, count - have)
        done = done | np.roll(done, -(factor * step % len(mask)))
        have += step
    return done
