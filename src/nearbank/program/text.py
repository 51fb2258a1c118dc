"""The text form of a Program; it round-trips. One command or loop a line:

program newton-gddr6
channels 0 1 2
loop p 49 {
  COMP p (2*p+c)%128 p%2
}
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nearbank.errors import ProgramError
from nearbank.program.ir import Affine, Loop, Node, Op, Program, Section

__all__ = ["format_program", "parse_program"]

# Numbers of eighteen digits at most, so that all of them are 64-bit.
_TERM = re.compile(r"([+-]?)(?:(\d{1,18})\*)?([A-Za-z_]\w*|\d{1,18})")
_AFFINE = re.compile(r"\(([^()]+)\)%(\d{1,18})|([^()%]+)%(\d{1,18})|([^()%]+)")
_NUMBER = re.compile(r"\d{1,9}")
_RESERVED = ("program", "channels", "loop")


def format_program(program: Program) -> str:
    """Text of all sections, ending in a line break."""
    lines = [f"program {program.device}"]
    for section in program.sections:
        lines.append("channels " + " ".join(map(str, section.channels)))
        lines.extend(_lines(section.body, ""))
    return "\n".join(lines) + "\n"


def _lines(body: tuple[Node, ...], indent: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, Loop):
            yield f"{indent}loop {node.var} {node.count} {{"
            yield from _lines(node.body, indent + "  ")
            yield f"{indent}}}"
        else:
            yield " ".join([f"{indent}{node.command}", *map(str, node.args)])


def parse_program(text: str, *, where: str = "program") -> Program:
    """A Program from its text form; ``#`` starts a comment.

    Raises:
        ProgramError: a line that cannot be read; says the file and line.
    """
    device = ""
    sections: list[Section] = []
    channels: tuple[int, ...] | None = None
    stack: list[tuple[str, int, list[Node]]] = [("", 0, [])]

    def close() -> None:
        if channels is not None:
            sections.append(Section(channels, tuple(stack[0][2])))
            stack[0][2].clear()

    for number, raw in enumerate(text.splitlines(), 1):
        words, here = raw.split("#")[0].split(), f"{where}, line {number}"
        if not words:
            continue
        if words[0] == "program" and len(words) == 2 and not device:
            device = words[1]
        elif words[0] == "channels" and len(stack) == 1 and all(map(_NUMBER.fullmatch, words[1:])) and len(words) > 1:
            close()
            channels = tuple(map(int, words[1:]))
        elif words[0] == "loop" and len(words) == 4 and words[3] == "{" and _NUMBER.fullmatch(words[2]):
            stack.append((words[1], int(words[2]), []))
        elif words == ["}"] and len(stack) > 1:
            var, count, body = stack.pop()
            stack[-1][2].append(Loop(var, count, tuple(body)))
        elif channels is not None and words[0] not in _RESERVED and re.fullmatch(r"[A-Za-z_]\w*", words[0]):
            stack[-1][2].append(Op(words[0], tuple(_affine(w, here) for w in words[1:])))
        else:
            raise ProgramError("cannot read the line", where=here, value=raw.strip())
    if len(stack) > 1:
        raise ProgramError("a loop is not closed", where=where, value=stack[-1][0])
    if not device:
        raise ProgramError("no `program DEVICE` line", where=where)
    close()
    return Program(device, tuple(sections))


def _affine(text: str, here: str) -> Affine:
    match = _AFFINE.fullmatch(text)
    if match is None:
        raise ProgramError("cannot read the operand", where=here, value=text)
    inner, mod = next((match[i], match[i + 1] if i < 5 else "") for i in (1, 3, 5) if match[i])
    const, at = 0, 0
    terms: dict[str, int] = {}
    while at < len(inner):
        term = _TERM.match(inner, at)
        if term is None or (at and not term[1]):
            raise ProgramError("cannot read the operand", where=here, value=text)
        factor = int(term[2] or 1) * (-1 if term[1] == "-" else 1)
        if term[3].isdigit():
            const += factor * int(term[3])
        else:
            terms[term[3]] = terms.get(term[3], 0) + factor
        at = term.end()
    return Affine(const, tuple(sorted((n, f) for n, f in terms.items() if f)), int(mod) if mod else 0)
