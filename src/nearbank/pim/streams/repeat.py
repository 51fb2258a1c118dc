"""A list of commands folded into loops: where the same commands come again with operands that grow evenly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nearbank.program import Affine, Loop, Node, Op

__all__ = ["Entry", "Operands", "Repeat", "nodes", "repeated"]

_WIDEST = 3
"""Commands of the longest pattern that is looked for."""

Terms = tuple[tuple[str, tuple[int, ...]], ...]


class Entry(NamedTuple):
    """``run`` commands, each operand that is counted (`grows`) one more than in the one before. ``pixel``: by how much each
    operand grows from one pixel to the next; ``owner``: the visit it belongs to, or -1 - load; ``terms``: loop variables around
    it, with the growth of each operand a trip."""

    command: str
    args: tuple[int, ...]
    pixel: tuple[int, ...]
    owner: int
    run: int = 1
    terms: Terms = ()


@dataclass(frozen=True, slots=True)
class Repeat:
    """``body`` played ``count`` times with ``var`` = 0, 1, ..."""

    var: str
    count: int
    body: tuple[Entry | Repeat, ...]


Entries = Iterable[Entry | Repeat]


def repeated(var: str, count: int, body: Entries, growth: Callable[[Entry], tuple[int, ...]]) -> Repeat:
    """``body`` in a loop, the operands of each command growing by ``growth`` a trip."""

    def grown(entries: Entries) -> tuple[Entry | Repeat, ...]:
        return tuple(
            Repeat(e.var, e.count, grown(e.body))
            if isinstance(e, Repeat)
            else Entry(e.command, e.args, e.pixel, e.owner, e.run, (*e.terms, (var, growth(e))))
            for e in entries
        )

    return Repeat(var, count, grown(body))


@dataclass(frozen=True, slots=True)
class Operands:
    """Of a command: the modulus of each operand, 0 for none, and which grow within a run (1) and which do not (0)."""

    mods: tuple[int, ...]
    grows: tuple[int, ...]


def nodes(entries: Sequence[Entry | Repeat], kinds: Mapping[str, Operands]) -> tuple[Node, ...]:
    """The program: repeats and runs as loops, and patterns of a few commands that come again as loops over ``j``."""
    out: list[Node] = []
    i, n = 0, len(entries)
    while i < n:
        entry = entries[i]
        if isinstance(entry, Repeat):
            out.append(Loop(entry.var, entry.count, nodes(entry.body, kinds)))
            i += 1
            continue
        times, wide = _pattern(entries, i)
        if times > 1:
            second = entries[i + wide : i + 2 * wide]
            body = [_node(a, b, kinds) for a, b in zip(entries[i : i + wide], second, strict=True)]
            out.append(Loop("j", times, tuple(body)))
        else:
            out.append(_node(entry, entry, kinds))
        i += times * wide
    return tuple(out)


def _node(entry: Entry | Repeat, following: Entry | Repeat, kinds: Mapping[str, Operands]) -> Node:
    assert isinstance(entry, Entry)
    assert isinstance(following, Entry)
    kind = kinds[entry.command]
    args = []
    for i, (const, mod) in enumerate(zip(entry.args, kind.mods, strict=True)):
        terms = {var: by[i] % mod if mod else by[i] for var, by in entry.terms}
        terms["j"] = (following.args[i] - const) % mod if mod else following.args[i] - const
        terms["k"] = kind.grows[i] if entry.run > 1 else 0
        args.append(Affine(const % mod if mod else const, tuple(sorted((v, f) for v, f in terms.items() if f)), mod))
    op = Op(entry.command, tuple(args))
    return Loop("k", entry.run, (op,)) if entry.run > 1 else op


def _pattern(entries: Sequence[Entry | Repeat], i: int) -> tuple[int, int]:
    """(how often, of how many) the commands from ``i`` come evenly: the most commands told by the fewest."""
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
    steps = [_step(entries[j], entries[j + wide]) for j in range(i, i + wide)]
    if None in steps:
        return 1
    times, j = 2, i + wide
    while j + 2 * wide <= n and all(_step(entries[j + o], entries[j + o + wide]) == steps[o] for o in range(wide)):
        j += wide
        times += 1
    return times


def _step(a: Entry | Repeat, b: Entry | Repeat) -> tuple[int, ...] | None:
    """By how much the operands grow; None for commands that differ otherwise."""
    if isinstance(a, Repeat) or isinstance(b, Repeat):
        return None
    if a.command != b.command or a.run != b.run or a.terms != b.terms:
        return None
    return tuple(y - x for x, y in zip(a.args, b.args, strict=True))
