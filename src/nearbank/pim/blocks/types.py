"""The values of this room: runs of sums, and a block product laid over a device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nearbank.pim.product import Compiled, Product, Tile

__all__ = ["BlockCompiled", "Run", "alike", "deal"]

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
class BlockCompiled(Compiled):
    """A block product laid over a device, run by run: ``runs`` of all channels in line, each with its pieces and spans, which are
    as `Compiled` has them for an ordinary product of the run's pixels. Source columns and results of a run stand behind those of
    the runs before it. A tile's group counts through: block * groups + group; ``pieces`` are of the run with most."""

    runs: tuple[tuple[Run, tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]], ...]

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
            banks[t.row, t.column : t.column + t.count] = columns[t.group, t.chunk : t.chunk + t.count]
        return banks

    def inputs(self, matrix: FloatArray) -> FloatArray:
        """Source columns, float32 [n, lanes], from inputs [pixels, blocks, in_channels]."""
        lanes, chunks = self.device.organization.lanes, self.product.chunks(self.device)
        padded = np.zeros((*matrix.shape[:2], chunks * lanes), np.float32)
        padded[:, :, : matrix.shape[2]] = matrix
        columns = padded.reshape(*matrix.shape[:2], chunks, lanes)
        parts = [
            columns[run.pixel : run.pixel + run.pixels, run.block, first : first + count].reshape(-1, lanes)
            for run, _, spans in self.runs
            for first, count in spans
        ]
        return np.concatenate(parts)

    def outputs(self, results: FloatArray) -> FloatArray:
        """Outputs float32 [pixels, blocks, out_channels] from results [`result_count`, banks]: pieces added in order."""
        product = self.product
        out = np.empty((product.pixels, product.blocks, product.out_channels), np.float32)
        for (run, pieces, _), first, count in self._results():
            parts = results[first : first + count].reshape(len(pieces), run.pixels, -1)
            total = parts[0].copy()
            for part in parts[1:]:
                total += part
            out[run.pixel : run.pixel + run.pixels, run.block] = total[:, : product.out_channels]
        return out

    def _results(
        self,
    ) -> Iterator[tuple[tuple[Run, tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]], int, int]]:
        at, groups = 0, self.product.groups(self.device)
        for entry in self.runs:
            count = len(entry[1]) * entry[0].pixels * groups
            yield entry, at, count
            at += count

    @property
    def result_count(self) -> int:
        """Results of one bank group row each that the program reads out."""
        return sum(count for _, _, count in self._results())
