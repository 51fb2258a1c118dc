"""A nest as a flat stream of numbers: arrays of opcodes and operands, made by tiling, never command by command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearbank.errors import ProgramError
from nearbank.program.ir import Loop, Node, Op

__all__ = ["OPERANDS", "Stream", "unroll"]

OPERANDS = 3
"""The most operands a command has."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Stream:
    """``names[ops[i]]`` with ``args[i]`` is the i-th command; ops [n], args [n, OPERANDS], 0 where there is no operand."""

    names: tuple[str, ...]
    ops: IntArray
    args: IntArray

    def __len__(self) -> int:
        return len(self.ops)


@dataclass
class _Block:
    """Commands of a body with the loop variables still open: operand = const + sum(coefficient * variable), modulo."""

    ops: IntArray
    const: IntArray
    mod: IntArray
    coefficients: dict[str, IntArray]


def unroll(body: Sequence[Node], names: Sequence[str], *, channel: int = 0) -> Stream:
    """The stream of a section's body for its ``channel``-th channel; opcodes index ``names``.

    Raises:
        ProgramError: a command that is not in ``names``.
    """
    index = {name: i for i, name in enumerate(names)}
    block = _body(body, index)
    for name, factor in block.coefficients.items():
        if name != "c":
            raise ProgramError("unknown loop variable", value=name)
        block.const = block.const + factor * channel
    args = np.where(block.mod > 0, np.mod(block.const, np.maximum(block.mod, 1)), block.const)
    return Stream(tuple(names), block.ops, args)


def _body(body: Sequence[Node], index: dict[str, int]) -> _Block:
    return _join([_loop(n, index) if isinstance(n, Loop) else _op(n, index) for n in body])


def _op(op: Op, index: dict[str, int]) -> _Block:
    if op.command not in index:
        raise ProgramError("unknown command", value=op.command)
    const = np.zeros((1, OPERANDS), np.int64)
    mod = np.zeros((1, OPERANDS), np.int64)
    coefficients: dict[str, IntArray] = {}
    for i, arg in enumerate(op.args):
        const[0, i], mod[0, i] = arg.const, arg.mod
        for name, factor in arg.terms:
            coefficients.setdefault(name, np.zeros((1, OPERANDS), np.int64))[0, i] = factor
    return _Block(np.array([index[op.command]], np.int64), const, mod, coefficients)


def _loop(node: Loop, index: dict[str, int]) -> _Block:
    body, count = _body(node.body, index), node.count
    own = body.coefficients.pop(node.var, None)
    const = np.tile(body.const, (count, 1))
    if own is not None:
        const += np.tile(own, (count, 1)) * np.repeat(np.arange(count), len(body.ops))[:, None]
    others = {name: np.tile(factor, (count, 1)) for name, factor in body.coefficients.items()}
    return _Block(np.tile(body.ops, count), const, np.tile(body.mod, (count, 1)), others)


def _join(blocks: list[_Block]) -> _Block:
    if not blocks:
        empty = np.zeros((0, OPERANDS), np.int64)
        return _Block(np.zeros(0, np.int64), empty, empty, {})
    if len(blocks) == 1:
        return blocks[0]
    coefficients = {
        name: np.concatenate([b.coefficients.get(name, np.zeros_like(b.const)) for b in blocks])
        for name in {n for b in blocks for n in b.coefficients}
    }
    parts = [np.concatenate([getattr(b, key) for b in blocks]) for key in ("ops", "const", "mod")]
    return _Block(parts[0], parts[1], parts[2], coefficients)
