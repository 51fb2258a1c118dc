"""Arithmetic over named timing parameters ("nRTP + nRP"): a small parser, so that a device file never runs code."""

from __future__ import annotations

import re
from collections.abc import Mapping

from nearbank.errors import DeviceError, near_matches

__all__ = ["evaluate"]

_TOKEN = re.compile(r"\s*(?:(\d+)|([A-Za-z_]\w*)|([-+*()]))")


def evaluate(text: str | int, names: Mapping[str, int], *, where: str) -> int:
    """The value, in clocks, of ``text``: whole numbers, names, ``+ - *`` and parentheses.

    Raises:
        DeviceError: a character or name that is not known, or an expression that does not parse; says where.
    """
    if isinstance(text, int):
        return text
    tokens = _tokens(text, where)
    value, rest = _sum(tokens, names, text, where)
    if rest:
        raise DeviceError(f"cannot read the expression after {rest[0]!r}", where=where, value=text)
    return value


def _tokens(text: str, where: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise DeviceError(f"cannot read {text[at:].lstrip()[0]!r} in an expression", where=where, value=text)
        tokens.append(match.group().strip())
        at = match.end()
    return tokens


def _sum(tokens: list[str], names: Mapping[str, int], text: str, where: str) -> tuple[int, list[str]]:
    value, rest = _product(tokens, names, text, where)
    while rest and rest[0] in "+-":
        sign = 1 if rest[0] == "+" else -1
        term, rest = _product(rest[1:], names, text, where)
        value += sign * term
    return value, rest


def _product(tokens: list[str], names: Mapping[str, int], text: str, where: str) -> tuple[int, list[str]]:
    value, rest = _atom(tokens, names, text, where)
    while rest and rest[0] == "*":
        factor, rest = _atom(rest[1:], names, text, where)
        value *= factor
    return value, rest


def _atom(tokens: list[str], names: Mapping[str, int], text: str, where: str) -> tuple[int, list[str]]:
    if not tokens:
        raise DeviceError("the expression ends too early", where=where, value=text)
    head, rest = tokens[0], tokens[1:]
    if head == "(":
        value, rest = _sum(rest, names, text, where)
        if not rest or rest[0] != ")":
            raise DeviceError("missing )", where=where, value=text)
        return value, rest[1:]
    if head.isdigit():
        return int(head), rest
    if head in names:
        return names[head], rest
    if head.isidentifier():
        raise DeviceError(
            f"unknown timing parameter {head!r}", where=where, value=text, bound=near_matches(head, names)
        )
    raise DeviceError(f"unexpected {head!r}", where=where, value=text)
