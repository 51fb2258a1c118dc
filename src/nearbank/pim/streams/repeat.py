"""A flat list of commands folded into loops: where the same commands come again with operands that grow evenly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nearbank.program import Affine, Loop, Node, Op

__all__ = ["Entry", "Repeat", "nodes", "repeated"]

_WIDEST = 3
"""Commands of the longest pattern that is looked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command. ``pixel``: by how much each operand grows from one pixel to the next; ``owner``: the visit it belongs to, or
    -1 - load."""

    command: str
    args: tuple[Affine, ...]
    pixel: tuple[int, ...]
    owner: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """``body`` played ``count`` times with ``var`` = 0, 1, ..."""

    var: str
    count: int
    body: tuple[Entry | Repeat, ...]


def repeated(
    var: str, count: int, body: Iterable[Entry | Repeat], growth: Callable[[Entry], tuple[int, ...]]
) -> Repeat:
    """``body`` in a loop, the operands of each command growing by ``growth`` a trip."""
    out: list[Entry | Repeat] = []
    for node in body:
        if isinstance(node, Repeat):
            out.append(Repeat(node.var, node.count, repeated(var, count, node.body, growth).body))
        else:
            grown = tuple(_plus(a, var, by) for a, by in zip(node.args, growth(node), strict=True))
            out.append(Entry(node.command, grown, node.pixel, node.owner))
    return Repeat(var, count, tuple(out))


def _plus(arg: Affine, var: str, by: int) -> Affine:
    by = by % arg.mod if arg.mod else by
    return Affine(arg.const, (*arg.terms, (var, by)), arg.mod) if by else arg


def nodes(entries: Sequence[Entry | Repeat]) -> tuple[Node, ...]:
    """The program: repeats as loops, and runs of commands with evenly growing operands as loops over ``k``."""
    out: list[Node] = []
    i, n = 0, len(entries)
    while i < n:
        entry = entries[i]
        if isinstance(entry, Repeat):
            out.append(Loop(entry.var, entry.count, nodes(entry.body)))
            i += 1
            continue
        times, wide = _run(entries, i)
        if times > 1:
            second = entries[i + wide : i + 2 * wide]
            body = [_op(a, b) for a, b in zip(entries[i : i + wide], second, strict=True)]
            out.append(Loop("k", times, tuple(body)))
        else:
            out.append(_op(entry, entry))
        i += times * wide
    return tuple(out)


def _op(entry: Entry | Repeat, following: Entry | Repeat) -> Op:
    assert isinstance(entry, Entry) and isinstance(following, Entry)
    args = []
    for a, b in zip(entry.args, following.args, strict=True):
        arg = _plus(a, "k", b.const - a.const)
        args.append(Affine(arg.const % arg.mod if arg.mod else arg.const, tuple(sorted(arg.terms)), arg.mod))
    return Op(entry.command, tuple(args))


def _run(entries: Sequence[Entry | Repeat], i: int) -> tuple[int, int]:
    """How often the commands from ``i`` repeat evenly, and of how many they are: the most commands told by the fewest."""
    best, saved = (1, 1), 0
    for wide in range(1, _WIDEST + 1):
        times = _times(entries, i, wide)
        if times > 1 and (times - 1) * wide > saved:
            best, saved = (times, wide), (times - 1) * wide
    return best


def _times(entries: Sequence[Entry | Repeat], i: int, wide: int) -> int:
    n = len(entries)
    if i + 2 * wide > n:
        return 1
    steps = []
    for j in range(i, i + wide):
        step = _step(entries[j], entries[j + wide])
        if step is None:
            return 1
        steps.append(step)
    times = 2
    j = i + wide
    while j + 2 * wide <= n and all(
        _step(entries[j + o], entries[j + o + wide]) == steps[o] for o in range(wide)
    ):
        j += wide
        times += 1
    return times


def _step(a: Entry | Repeat, b: Entry | Repeat) -> tuple[int, ...] | None:
    """By how much the operands grow; None for commands that differ otherwise."""
    if isinstance(a, Repeat) or isinstance(b, Repeat) or a.command != b.command:
        return None
    step = []
    for x, y in zip(a.args, b.args, strict=True):
        if x.terms != y.terms or x.mod != y.mod:
            return None
        step.append(y.const - x.const)
    return tuple(step)
