"""Plays a program on bytes in banks: what the memory computes, with the device's own arithmetic.

Operands are fp16 or bf16; a product of two is exact in float32 (11 + 11 and 8 + 8 significant bits; bf16 products beyond
float32's range are not); sixteen go through an adder tree of float32 additions, neighbours first; the tree's result is added
to a float32 accumulator; a result is rounded to the operand type (to nearest, ties to even) when it is read out.

Commands are taken many at a time, never in another order of summation: the k-th accumulations of all results at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from nearbank.devices import PimDevice
from nearbank.errors import ProgramError
from nearbank.program import Program, Stream, unroll
from nearbank.sim.rules import rule_table

__all__ = ["play_values", "round_operands"]

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
_BLOCK = 2048


def round_operands(device: PimDevice, values: NDArray[np.floating]) -> FloatArray:
    """Values rounded to the device's operand type, held in float32. Beyond its range they become infinite, as there."""
    kind = np.float16 if device.numerics.operand == "fp16" else ml_dtypes.bfloat16
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32).astype(kind).astype(np.float32)


def play_values(
    device: PimDevice, program: Program, banks: Mapping[int, FloatArray], inputs: FloatArray, results: int,
    tick: Callable[[], None] = lambda: None,
) -> FloatArray:  # fmt: skip
    """Results float32 [results, banks] of playing ``program``.

    Args:
        device: whose arithmetic is used.
        program: its fills name columns of ``inputs``, its reads rows of the result.
        banks: contents of each channel, float32 [rows, columns, banks, lanes], rounded to operands here.
        inputs: source columns, float32 [n, lanes], rounded to operands here.
        results: how many results there are; those the program never reads stay 0.
        tick: called once a channel, for progress.

    Raises:
        ProgramError: a command reads a column, row or latch that nothing was put in.
    """
    names = rule_table(device).names
    source = np.ascontiguousarray(round_operands(device, inputs).T)
    out = np.zeros((results, device.organization.banks), np.float32)
    rounded: dict[int, FloatArray] = {}
    for section in program.sections:
        for position, channel in enumerate(section.channels):
            stream = unroll(section.body, names, channel=position)
            raw = banks[channel]
            if id(raw) not in rounded:
                rounded[id(raw)] = np.ascontiguousarray(round_operands(device, raw).transpose(3, 0, 1, 2))
            try:
                _Channel(device, stream).play(rounded[id(raw)], source, out)
            except IndexError:
                raise ProgramError(
                    "a row, column, source or result is out of range", where=f"channel {channel}"
                ) from None
            tick()
    return out


class _Channel:
    """One channel's stream, taken apart by roles."""

    def __init__(self, device: PimDevice, stream: Stream) -> None:
        table = rule_table(device)
        self.device, self.stream, self.table = device, stream, table
        self.at = {
            role: np.flatnonzero(np.isin(stream.ops, [i for i, r in enumerate(table.roles) if r == role]))
            for role in set(table.roles)
        }

    def play(self, banks: FloatArray, source: FloatArray, out: FloatArray) -> None:
        """banks [lanes, rows, columns, banks], source [lanes, n] -> out [results, banks], written in place."""
        macs, reads = self.at["mac"], self.at["read"]
        if not len(macs) or not len(reads):
            return
        args = self.stream.args
        rows, columns = self._open_rows(macs), args[macs, 0]
        sources = self._filled_from(macs, args[macs, 1])
        # The read that ends an accumulation: the next one of the same latch.
        runs = self._next(reads, args[reads, 0], macs, args[macs, 2])
        kept = runs < len(reads)
        order = np.argsort(runs[kept], kind="stable")
        runs, picked = runs[kept][order], np.flatnonzero(kept)[order]
        starts = np.flatnonzero(np.r_[True, runs[1:] != runs[:-1]]) if len(runs) else np.zeros(0, np.int64)
        step = np.arange(len(runs)) - np.repeat(starts, np.diff(np.r_[starts, len(runs)]))
        total = np.zeros((len(reads), banks.shape[3]), np.float32)
        flat = banks.reshape(banks.shape[0], -1, banks.shape[3])
        limits = (
            (rows, banks.shape[1]),
            (columns, banks.shape[2]),
            (sources, source.shape[1]),
            (args[reads, 1], len(out)),
        )
        if any(int(found.min()) < 0 or int(found.max()) >= limit for found, limit in limits):
            raise IndexError
        self._check_presets(macs[picked[starts]], reads)
        where = rows * banks.shape[2] + columns
        for k in range(int(step.max()) + 1 if len(step) else 0):
            chosen = np.flatnonzero(step == k)
            for begin in range(0, len(chosen), _BLOCK):
                some = chosen[begin : begin + _BLOCK]
                command = picked[some]
                total[runs[some]] += _tree(source, sources[command], flat, where[command])
        read = np.unique(runs)
        out[args[reads[read], 1]] = round_operands(self.device, total[read])

    def _check_presets(self, firsts: IntArray, reads: IntArray) -> None:
        """Refuse what is not computed here, rather than give a wrong number: a register preset to a value, or one that keeps
        an earlier sum, and activation functions."""
        if not self.device.by_role("preset"):
            return
        presets = self.at["preset"]
        if len(self.at.get("function", ())) or self.stream.args[presets, 1].any():
            raise ProgramError("activation functions and presets other than zero (source 0) are timed but not computed")
        before = np.searchsorted(presets, firsts) - 1
        read = np.searchsorted(reads, firsts) - 1
        fresh = np.where(before >= 0, presets[before], -1) if len(presets) else np.full(len(firsts), -1)
        ended = np.where(read >= 0, reads[read], -1)
        if (fresh <= ended).any():
            raise ProgramError("a sum starts in a register that was not preset")

    def _open_rows(self, macs: IntArray) -> IntArray:
        """The row each multiplication reads. All banks must have the same one open: a row is one to all of this device."""
        rows: IntArray | None = None
        for group in range(self.device.organization.bank_groups):
            ours = [i for i, g in enumerate(self.table.groups) if g >> group & 1 and self.table.roles[i] == "activate"]
            at = np.flatnonzero(np.isin(self.stream.ops, ours))
            last = np.searchsorted(at, macs) - 1
            if not len(at) or last.min() < 0:
                raise ProgramError("multiplies before a row was opened", where=f"bank group {group}")
            found = self.stream.args[at[last], 0]
            if rows is not None and not np.array_equal(rows, found):
                raise ProgramError("the banks have different rows open", where=f"bank group {group}")
            rows = found
        assert rows is not None
        return rows

    def _filled_from(self, macs: IntArray, columns: IntArray) -> IntArray:
        """The source column that each multiplication finds in its buffer column: the latest fill's."""
        fills, args = self.at["fill"], self.stream.args
        width = np.array(self.table.columns)[self.stream.ops[fills]]
        at = np.repeat(fills, width)
        step = np.arange(len(at)) - np.repeat(np.cumsum(width) - width, width)
        buffers, sources = np.repeat(args[fills, 0], width) + step, np.repeat(args[fills, 1], width) + step
        length = len(self.stream) + 1
        keys = buffers * length + at
        order = np.argsort(keys)
        found = np.searchsorted(keys[order], columns * length + macs) - 1
        if not len(at) or found.min() < 0 or not np.array_equal(buffers[order[found]], columns):
            raise ProgramError("multiplies a buffer column that was never filled")
        return np.asarray(sources[order[found]], np.int64)

    def _next(self, reads: IntArray, latches: IntArray, macs: IntArray, wanted: IntArray) -> IntArray:
        """Index into ``reads`` of the first read behind each multiplication with its latch; len(reads) if none."""
        length = len(self.stream) + 1
        keys = latches * length + reads
        order = np.argsort(keys)
        found = np.searchsorted(keys[order], wanted * length + macs)
        inside = found < len(reads)
        index = order[np.minimum(found, len(reads) - 1)]
        return np.where(inside & (latches[index] == wanted), index, len(reads))


def _tree(source: FloatArray, sources: IntArray, weights: FloatArray, where: IntArray) -> FloatArray:
    """One MAC command each: float32 [n, banks], products summed by a tree over the lanes, neighbours first."""
    level = [source[lane].take(sources)[:, None] * weights[lane].take(where, axis=0) for lane in range(len(source))]
    while len(level) > 1:
        level = [a + b for a, b in zip(level[::2], level[1::2], strict=True)]
    return np.asarray(level[0], np.float32)
