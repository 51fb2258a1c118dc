"""Plays a program on bytes in banks: what the memory computes, with the device's own arithmetic.

Operands are fp16 or bf16; a product of two is exact in float32 (11 + 11 and 8 + 8 significant bits; bf16 products beyond
float32's range are not); sixteen go through an adder tree of float32 additions, neighbours first; the tree's result is added
to a float32 accumulator; a result is rounded to the operand type (to nearest, ties to even) when it is read out. A sum begins
at 0, or at what was preset: a column of the host's input, one value a bank, added to 0 (so that -0 is 0 as well). An activation
function is applied to the sum as it would be read (`nearbank.sim.functions`).

Commands are taken many at a time, never in another order of summation: the k-th accumulations of all results at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from nearbank.devices import FUNCTION_ROW, PimDevice
from nearbank.errors import ProgramError
from nearbank.program import Program, Stream, unroll
from nearbank.sim.functions import apply_function
from nearbank.sim.operands import round_operands
from nearbank.sim.rules import rule_table

__all__ = ["play_values"]

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
_BLOCK = 2048


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
                with np.errstate(over="ignore", invalid="ignore"):  # as in hardware, what overflows is infinite
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
        macs, reads = self.at["mac"], np.sort(np.r_[self.at["read"], self.at.get("read_function", [])]).astype(np.int64)
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
        flat = banks.reshape(banks.shape[0], -1, banks.shape[3])
        limits = (
            (rows, banks.shape[1]),
            (columns, banks.shape[2]),
            (sources, source.shape[1]),
            (args[reads, 1], len(out)),
        )
        if any(int(found.min()) < 0 or int(found.max()) >= limit for found, limit in limits):
            raise IndexError
        total = self._preset(reads, source, banks.shape[3])
        self._check_presets(macs, reads)
        where = rows * banks.shape[2] + columns
        for k in range(int(step.max()) + 1 if len(step) else 0):
            chosen = np.flatnonzero(step == k)
            for begin in range(0, len(chosen), _BLOCK):
                some = chosen[begin : begin + _BLOCK]
                command = picked[some]
                total[runs[some]] += _tree(source, sources[command], flat, where[command])
        read = np.arange(len(reads)) if self.device.by_role("preset") else np.unique(runs)
        out[args[reads[read], 1]] = round_operands(self.device, total[read])
        self._functions(macs, reads, total, out)

    def _preset(self, reads: IntArray, source: FloatArray, banks: int) -> FloatArray:
        """What each read's sum begins at, float32 [reads, banks]: the latest preset of its latch, or 0 on a device without."""
        total = np.zeros((len(reads), banks), np.float32)
        if not self.device.by_role("preset"):
            return total
        args, presets = self.stream.args, self.at["preset"]
        found = self._latest(presets, args[presets, 0], reads, args[reads, 0])
        if (found < 0).any():
            raise ProgramError("a sum starts in a register that was not preset")
        columns = args[presets[found], 1]
        if columns.min() < 0 or columns.max() >= source.shape[1]:
            raise IndexError
        values = source[:, columns].T
        if len(source) != banks:
            if values.any():
                raise ProgramError("a preset needs a column with one value a bank", value=len(source), bound=str(banks))
            return total
        return np.asarray(total + values)

    def _check_presets(self, macs: IntArray, reads: IntArray) -> None:
        """Refuse a sum that goes on in a register behind a read: what is read later would be more than its own."""
        if not self.device.by_role("preset"):
            return
        args, presets = self.stream.args, self.at["preset"]
        begun = self._latest(presets, args[presets, 0], macs, args[macs, 2])
        ended = self._latest(reads, args[reads, 0], macs, args[macs, 2])
        if ((begun < 0) | ((ended >= 0) & (presets[begun] < reads[ended]))).any():
            raise ProgramError("a sum starts in a register that was not preset")
        # Two reads of one sum read the same, but only the first one's multiplications are summed.
        repeated = self._latest(reads, args[reads, 0], reads, args[reads, 0])
        fresh = self._latest(presets, args[presets, 0], reads, args[reads, 0])
        if ((repeated >= 0) & (presets[fresh] < reads[repeated])).any():
            raise ProgramError("a sum is read twice: timed but not computed")

    def _functions(self, macs: IntArray, reads: IntArray, total: FloatArray, out: FloatArray) -> None:
        """Read what the activation functions made of the sums."""
        args, applied = self.stream.args, self.at.get("function", np.zeros(0, np.int64))
        wanted = np.flatnonzero(np.isin(reads, self.at.get("read_function", ())))
        if not len(wanted):
            return
        ends, latches = reads[wanted], args[reads[wanted], 0]
        found = self._latest(applied, args[applied, 0], ends, latches)
        last = self._latest(macs, args[macs, 2], ends, latches)
        behind = np.where(last >= 0, macs[last], -1)
        if (found < 0).any() or (applied[found] < behind).any():
            raise ProgramError("reads an activation function that was not applied to its sum")
        numbers = args[applied[found], 1]
        if not np.array_equal(self._open_rows(applied[found]), numbers + FUNCTION_ROW):
            raise ProgramError("applies an activation function whose row is not open")
        for number in np.unique(numbers):
            if not 0 <= number < len(self.device.functions):
                raise ProgramError(
                    "activation function", value=int(number), bound=f"0 to {len(self.device.functions) - 1}"
                )
            some = wanted[numbers == number]
            out[args[reads[some], 1]] = apply_function(self.device, self.device.functions[number], total[some])

    def _latest(self, events: IntArray, latches: IntArray, at: IntArray, wanted: IntArray) -> IntArray:
        """Index into ``events`` of the latest one before each of ``at`` with its latch; -1 if none."""
        if not len(events):
            return np.full(len(at), -1)
        length = len(self.stream) + 1
        keys = latches * length + events
        order = np.argsort(keys)
        found = np.searchsorted(keys[order], wanted * length + at) - 1
        index = order[np.maximum(found, 0)]
        return np.where((found >= 0) & (latches[index] == wanted), index, -1)

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
