"""Loop nests of commands: small whatever the trip counts, immutable, comparable, hashable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nearbank.errors import ProgramError

__all__ = ["Affine", "Loop", "Node", "Op", "Program", "Section", "Var", "commands", "loop"]


@dataclass(frozen=True, slots=True)
class Affine:
    """``const + sum(coefficient * loop variable)``, taken modulo ``mod`` if that is not 0."""

    const: int = 0
    terms: tuple[tuple[str, int], ...] = ()
    mod: int = 0

    def __add__(self, other: Affine | int) -> Affine:
        if isinstance(other, int):
            return Affine(self.const + other, self.terms)
        if not self.terms or not other.terms:
            return Affine(self.const + other.const, self.terms or other.terms)
        merged = dict(self.terms)
        for name, factor in other.terms:
            merged[name] = merged.get(name, 0) + factor
        return Affine(self.const + other.const, tuple(sorted((n, f) for n, f in merged.items() if f)))

    __radd__ = __add__

    def __mul__(self, factor: int) -> Affine:
        if not self.terms:
            return Affine(self.const * factor)
        return Affine(self.const * factor, tuple((n, f * factor) for n, f in self.terms if factor))

    __rmul__ = __mul__

    def __mod__(self, mod: int) -> Affine:
        if not self.terms:
            return Affine(self.const % mod, (), mod)
        return Affine(self.const % mod, tuple((n, f % mod) for n, f in self.terms if f % mod), mod)

    def value(self, env: dict[str, int]) -> int:
        """The number it is when the loop variables are ``env``."""
        total = self.const
        for name, factor in self.terms:
            total += factor * env[name]
        return total % self.mod if self.mod else total

    def __str__(self) -> str:
        parts = [f"{factor}*{name}" if factor != 1 else name for name, factor in self.terms]
        if self.const or not parts:
            parts.append(str(self.const))
        text = "+".join(parts).replace("+-", "-")
        return f"({text})%{self.mod}" if self.mod else text


def Var(name: str) -> Affine:
    """The loop variable ``name`` as an operand."""
    return Affine(0, ((name, 1),))


@dataclass(frozen=True, slots=True)
class Op:
    """One command; ``args`` in the order of its role's operands."""

    command: str
    args: tuple[Affine, ...] = ()


@dataclass(frozen=True, slots=True)
class Loop:
    """``body`` played ``count`` times with ``var`` = 0, 1, ..."""

    var: str
    count: int
    body: tuple[Node, ...]


Node = Op | Loop


@dataclass(frozen=True, slots=True)
class Section:
    """What the channels of ``channels`` play; the variable ``c`` is a channel's position in that tuple."""

    channels: tuple[int, ...]
    body: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """Command streams of all channels of ``device``; a channel stands in one section at most."""

    device: str
    sections: tuple[Section, ...]

    def __post_init__(self) -> None:
        seen: set[int] = set()
        for section in self.sections:
            if seen & set(section.channels):
                raise ProgramError("a channel stands in two sections", value=sorted(seen & set(section.channels)))
            seen |= set(section.channels)
            _check(section.body, ("c",))

    def __str__(self) -> str:
        from nearbank.program.text import format_program

        return format_program(self)

    def size(self) -> int:
        """Nodes of all nests: what it costs to keep, not to play."""
        return sum(_size(s.body) for s in self.sections)


def loop(var: str, count: int, *body: Node | Iterable[Node]) -> tuple[Node, ...]:
    """A loop as a spliceable tuple: nothing for no trips or an empty body. A single trip keeps its loop for the variable."""
    flat = tuple(flatten(body))
    return (Loop(var, count, flat),) if count > 0 and flat else ()


def flatten(parts: Iterable[Node | Iterable[Node]]) -> Iterator[Node]:
    """Nodes out of nested tuples of nodes."""
    for part in parts:
        if isinstance(part, Op | Loop):
            yield part
        else:
            yield from part


def commands(body: Iterable[Node], times: int = 1) -> Iterator[tuple[str, int]]:
    """Each command of a nest with how often it is played."""
    for node in body:
        if isinstance(node, Loop):
            yield from commands(node.body, times * node.count)
        else:
            yield node.command, times


def _check(body: tuple[Node, ...], variables: tuple[str, ...]) -> None:
    for node in body:
        if isinstance(node, Loop):
            if node.count < 1:
                raise ProgramError("loop count", where=f"loop {node.var}", value=node.count, bound="at least 1")
            if node.var in variables:
                raise ProgramError("a loop hides an outer variable", value=node.var)
            _check(node.body, (*variables, node.var))
        else:
            for arg in node.args:
                for name, _ in arg.terms:
                    if name not in variables:
                        raise ProgramError("unknown loop variable", where=node.command, value=name)


def _size(body: tuple[Node, ...]) -> int:
    return sum(1 + (_size(node.body) if isinstance(node, Loop) else 0) for node in body)
