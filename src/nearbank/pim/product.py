"""The values of this room: a matrix product, and what compiling it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible, InputError
from nearbank.program import Program

__all__ = ["NO_EPILOGUE", "Compiled", "Epilogue", "Packed", "Product", "Tile", "added", "ceil_div"]

FloatArray = NDArray[np.float32]


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up."""
    return -(-a // b)


@dataclass(frozen=True, order=True)
class Product:
    """``pixels x in_channels`` by ``in_channels x out_channels``; weights constant. ``blocks`` of these, each with inputs and
    weights of its own, where there are several; sizes, chunks and groups are then of one block."""

    pixels: int
    in_channels: int
    out_channels: int
    blocks: int = 1

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():
            if not 1 <= value <= 1 << 31:
                raise InputError(name.replace("_", " "), where="matrix product", value=value, bound="from 1 to 2^31")

    @property
    def macs(self) -> int:
        """Multiplications, those with zeros inside a block included."""
        return self.pixels * self.in_channels * self.out_channels * self.blocks

    def chunks(self, device: PimDevice) -> int:
        """Columns that one pixel's inputs fill, the last one padded with zeros."""
        return ceil_div(self.in_channels, device.organization.lanes)

    def groups(self, device: PimDevice) -> int:
        """Groups of output channels, one channel a bank."""
        return ceil_div(self.out_channels, device.organization.banks)

    def __str__(self) -> str:
        one = f"{self.pixels} x {self.in_channels} -> {self.out_channels}"
        return one if self.blocks == 1 else f"{self.blocks} blocks of {one}"


@dataclass(frozen=True)
class Epilogue:
    """What memory does to a finished sum: ``bias``: it starts at the bias, rounded to an operand; ``function``: the name of the
    activation function that is applied before it is read, None for none."""

    bias: bool = False
    function: str | None = None

    def __bool__(self) -> bool:
        return self.bias or self.function is not None

    def __str__(self) -> str:
        return " and ".join([*["bias"] * self.bias, *([self.function] if self.function else [])])


NO_EPILOGUE = Epilogue()
"""The sum alone."""


@dataclass(frozen=True)
class Tile:
    """Weights in a row: from ``column``, ``count`` columns hold the chunks from ``chunk`` of output group ``group``; its first
    output stands in bank ``bank``, and those that go beyond the last bank are not there (nor any but zeros elsewhere)."""

    row: int
    column: int
    group: int
    chunk: int
    count: int
    bank: int = 0


@dataclass(frozen=True)
class Packed:
    """Of piece ``piece`` and the last group, the pixels ``start`` to ``stop`` stand in results by ``pack``: those of a result
    have the banks one behind the other, and the first one names the result."""

    piece: int
    start: int
    stop: int
    pack: int


@dataclass(frozen=True)
class Compiled:
    """A product laid over a device. ``pieces``: chunk ranges that are summed apart in memory and added by the host; result
    index = (piece * pixels + pixel) * groups + group. ``spans``: (first chunk, chunks) of the stretches of the reduction that lie
    together at the host, all pixels of one before the next; source column = pixels * first + pixel * chunks + chunk - first.
    Behind them stand, for presets: a column of zeros, and with a bias a column for each group, one value a bank, and one more
    in which the last group's bias stands once for each pixel of a packed result."""

    product: Product
    device: PimDevice
    mapping: str
    channels: int
    program: Program
    pieces: tuple[tuple[int, int], ...]
    tiles: Mapping[int, tuple[Tile, ...]]
    spans: tuple[tuple[int, int], ...]
    epilogue: Epilogue = NO_EPILOGUE
    packed: tuple[Packed, ...] = ()

    def __post_init__(self) -> None:
        rows = self.device.organization.rows
        for tiles in self.tiles.values():
            last = max((t.row for t in tiles), default=0) + 1
            if last > rows:
                raise Infeasible(
                    "weights do not fit a bank", demand=last, bound=rows, unit="rows", where=str(self.product)
                )

    def weights(self, matrix: FloatArray) -> dict[int, FloatArray]:
        """Contents of the banks, float32 [rows, columns, banks, lanes] a channel, from weights [in_channels, out_channels]."""
        sizes = self.device.organization
        chunks, groups = self.product.chunks(self.device), self.product.groups(self.device)
        padded = np.zeros((chunks * sizes.lanes, groups * sizes.banks), np.float32)
        padded[: matrix.shape[0], : matrix.shape[1]] = matrix
        blocks = padded.reshape(chunks, sizes.lanes, groups, sizes.banks).transpose(2, 0, 3, 1)
        out: dict[int, FloatArray] = {}
        same: dict[tuple[Tile, ...], FloatArray] = {}
        for channel, tiles in self.tiles.items():
            if tiles not in same:
                banks = np.zeros(
                    (max((t.row for t in tiles), default=0) + 1, sizes.columns, sizes.banks, sizes.lanes), np.float32
                )
                for t in tiles:
                    block = blocks[t.group, t.chunk : t.chunk + t.count]
                    banks[t.row, t.column : t.column + t.count, t.bank :] = block[:, : sizes.banks - t.bank]
                same[tiles] = banks
            out[channel] = same[tiles]
        return out

    def inputs(self, matrix: FloatArray, bias: FloatArray | None = None) -> FloatArray:
        """Source columns, float32 [columns, lanes], from inputs [pixels, in_channels] and bias [out_channels].

        Raises:
            InputError: a bias that the program does not preset, or none for one that does.
        """
        if (bias is not None) != self.epilogue.bias:
            raise InputError("bias", where=str(self.product), value=bias is not None, bound=str(self.epilogue.bias))
        lanes, chunks = self.device.organization.lanes, self.product.chunks(self.device)
        padded = np.zeros((self.product.pixels, chunks * lanes), np.float32)
        padded[:, : matrix.shape[1]] = matrix
        columns = padded.reshape(self.product.pixels, chunks, lanes)
        out = [columns[:, first : first + count].reshape(-1, lanes) for first, count in self.spans]
        if self.device.by_role("preset"):
            out.append(np.zeros((1, lanes), np.float32))
        if bias is not None:
            groups, used = self.product.groups(self.device), self.product.out_channels % lanes
            values = np.zeros(groups * lanes, np.float32)
            values[: len(bias)] = bias
            out.append(values.reshape(groups, lanes))
            if used:
                out.append(np.resize(values[-lanes:][:used], (1, lanes)))
        return np.concatenate(out)

    def outputs(self, results: FloatArray) -> FloatArray:
        """Outputs float32 [pixels, out_channels] from results [pieces * pixels * groups, banks]: pieces added in order."""
        groups, banks = self.product.groups(self.device), self.device.organization.banks
        parts = results.reshape(len(self.pieces), self.product.pixels, groups, banks)
        return added(parts, self.packed, self.product.out_channels)

    @property
    def result_count(self) -> int:
        """Results of one bank group row each that the program reads out."""
        return len(self.pieces) * self.product.pixels * self.product.groups(self.device)


def added(parts: FloatArray, packed: tuple[Packed, ...], out_channels: int) -> FloatArray:
    """Sums float32 [pixels, out_channels] of results [pieces, pixels, groups, banks], packed ones taken apart: pieces in order."""
    pixels, banks = parts.shape[1], parts.shape[3]
    if packed:
        parts, used = parts.copy(), out_channels % banks
        for run in packed:
            step = np.arange(run.stop - run.start)
            first = parts[run.piece, run.start + step // run.pack * run.pack, -1]
            at = (step % run.pack * used)[:, None] + np.arange(used)
            parts[run.piece, run.start : run.stop, -1, :used] = np.take_along_axis(first, at, axis=1)
    total = parts[0].reshape(pixels, -1).copy()
    for part in parts[1:]:
        total += part.reshape(pixels, -1)
    return np.asarray(total[:, :out_channels], np.float32)
