"""The values of this room: runs of sums, and a block product laid over a device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearbank.errors import InputError
from nearbank.pim.product import Compiled, Packed, Product, Tile, added

__all__ = ["BlockCompiled", "Laid", "Run", "alike", "deal"]

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Run:
    """``pixels`` pixels from ``pixel`` of one ``block``."""

    block: int
    pixel: int
    pixels: int


def deal(product: Product, channels: int) -> tuple[tuple[Run, ...], ...]:
    """The runs of every channel that has work. All pixels of a block stand before the next block's in one line, of which each
    channel takes a stretch; stretches differ by a pixel at most, longer ones first."""
    small, larger = divmod(product.pixels * product.blocks, channels)
    shares, at = [], 0
    for channel in range(channels):
        end, share = at + small + (channel < larger), list[Run]()
        while at < end:
            block, pixel = divmod(at, product.pixels)
            share.append(Run(block, pixel, min(product.pixels - pixel, end - at)))
            at += share[-1].pixels
        if share:
            shares.append(tuple(share))
    return tuple(shares)


def alike(shares: tuple[tuple[Run, ...], ...]) -> list[tuple[int, ...]]:
    """Neighbouring channels whose runs have the same lengths: they differ in which blocks and pixels these are, not in time."""
    out: list[tuple[int, ...]] = []
    for channel, share in enumerate(shares):
        before = shares[out[-1][0]] if out else ()
        if [run.pixels for run in before] == [run.pixels for run in share]:
            out[-1] = (*out[-1], channel)
        else:
            out.append((channel,))
    return out


@dataclass(frozen=True)
class Laid:
    """A run with its pieces, spans and packed results, as `Compiled` has them for an ordinary product of the run's pixels."""

    run: Run
    pieces: tuple[tuple[int, int], ...]
    spans: tuple[tuple[int, int], ...]
    packed: tuple[Packed, ...] = ()


@dataclass(frozen=True)
class BlockCompiled(Compiled):
    """A block product laid over a device, run by run: ``runs`` of all channels in line. Source columns and results of a run stand
    behind those of the runs before it, a column of zeros for presets behind each run's on a device that has them. A tile's group
    counts through: block * groups + group; ``pieces`` are of the run with most."""

    runs: tuple[Laid, ...] = ()

    def weights(self, matrix: FloatArray) -> dict[int, FloatArray]:
        """Contents of the banks, float32 [rows, columns, banks, lanes] a channel, from weights [blocks, in_channels,
        out_channels]."""
        sizes, product = self.device.organization, self.product
        chunks, groups = product.chunks(self.device), product.groups(self.device)
        padded = np.zeros((product.blocks, chunks * sizes.lanes, groups * sizes.banks), np.float32)
        padded[:, : matrix.shape[1], : matrix.shape[2]] = matrix
        padded = padded.reshape(product.blocks, chunks, sizes.lanes, groups, sizes.banks).transpose(0, 3, 1, 4, 2)
        columns = padded.reshape(-1, chunks, sizes.banks, sizes.lanes)
        return {channel: self._banks(tiles, columns) for channel, tiles in self.tiles.items()}

    def _banks(self, tiles: tuple[Tile, ...], columns: FloatArray) -> FloatArray:
        sizes = self.device.organization
        rows = max((t.row for t in tiles), default=0) + 1
        banks = np.zeros((rows, sizes.columns, sizes.banks, sizes.lanes), np.float32)
        for t in tiles:
            block = columns[t.group, t.chunk : t.chunk + t.count]
            banks[t.row, t.column : t.column + t.count, t.bank :] = block[:, : sizes.banks - t.bank]
        return banks

    def inputs(self, matrix: FloatArray, bias: FloatArray | None = None) -> FloatArray:
        """Source columns, float32 [n, lanes], from inputs [pixels, blocks, in_channels].

        Raises:
            InputError: a bias, which no program of blocks presets.
        """
        if bias is not None:
            raise InputError("bias", where=str(self.product), value=True, bound="False for blocks")
        lanes, chunks = self.device.organization.lanes, self.product.chunks(self.device)
        padded = np.zeros((*matrix.shape[:2], chunks * lanes), np.float32)
        padded[:, :, : matrix.shape[2]] = matrix
        columns = padded.reshape(*matrix.shape[:2], chunks, lanes)
        zeros = [np.zeros((1, lanes), np.float32)] if self.device.by_role("preset") else []
        parts: list[FloatArray] = []
        for laid in self.runs:
            run = laid.run
            mine = columns[run.pixel : run.pixel + run.pixels, run.block]
            parts += [mine[:, first : first + count].reshape(-1, lanes) for first, count in laid.spans] + zeros
        return np.concatenate(parts)

    def outputs(self, results: FloatArray) -> FloatArray:
        """Outputs float32 [pixels, blocks, out_channels] from results [`result_count`, banks]: pieces added in order."""
        product, groups, banks = self.product, self.product.groups(self.device), self.device.organization.banks
        out = np.empty((product.pixels, product.blocks, product.out_channels), np.float32)
        at = 0
        for laid in self.runs:
            run, count = laid.run, len(laid.pieces) * laid.run.pixels * groups
            parts = results[at : at + count].reshape(len(laid.pieces), run.pixels, groups, banks)
            out[run.pixel : run.pixel + run.pixels, run.block] = added(parts, laid.packed, product.out_channels)
            at += count
        return out

    @property
    def result_count(self) -> int:
        """Results of one bank group row each that the program reads out."""
        return sum(len(x.pieces) * x.run.pixels for x in self.runs) * self.product.groups(self.device)
