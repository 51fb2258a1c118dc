"""Buffers and rows shared by blocks: sums of all blocks in one line, tiles of them in the buffers, as many blocks in a row as fit.

For blocks of one output group whose chunks fit a row and the buffers: then every sum reads inputs of its own, once, and everything
but the weights' place runs on linearly from a block to the next: sources, buffer columns (a sum's may begin in one buffer and end
in the next), latches and results. A row opens where its first block's sums begin, in the midst of a tile if need be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim.blocks.types import BlockCompiled, Laid, Run, alike, deal
from nearbank.pim.emit import Dialect
from nearbank.pim.product import Product, Tile, ceil_div
from nearbank.program import Affine, Node, Program, Section, Var, loop

__all__ = ["shared"]


def shared(device: PimDevice, product: Product, channels: int, *, by_row: bool) -> BlockCompiled:
    """Compile ``product``; ``by_row``: no tile has sums of two rows, so that opening one and filling the buffers coincide.

    Raises:
        Infeasible: blocks of more than one output group, or too long for a row or the buffers, or a device with modes.
    """
    sizes, chunks = device.organization, product.chunks(device)
    longest = sizes.longest_sum
    for what, demand, most, unit in (
        ("blocks with rows of their own only", product.groups(device), 1, "output groups"),
        ("a block does not fit a row or the buffers", chunks, longest, "columns"),
        ("this mapping has no mode switches", len(device.by_role("mode")), 0, "mode commands"),
    ):
        if demand > most:
            raise Infeasible(what, demand=demand, bound=most, unit=unit, where=str(product))
    shares, whole = deal(product, channels), ((0, chunks),)
    sections, tiles = [], dict[int, tuple[Tile, ...]]()
    for members in alike(shares):
        share = shares[members[0]]
        units = sum(run.pixels for run in share)
        first = Affine(share[0].block * product.pixels + share[0].pixel, (("c", units),))
        writer = _Writer(device, chunks, share, first)
        sections.append(Section(members, writer.write(by_row)))
        for member in members:
            ahead = shares[member][0].block - share[0].block
            tiles[member] = tuple(replace(t, group=t.group + ahead) for t in writer.tiles())
    runs = tuple(Laid(run, whole, whole) for share in shares for run in share)
    name = f"search: blocks share rows and buffers{', tiles by row' if by_row else ''}"
    program = Program(device.name, tuple(sections))
    return BlockCompiled(product, device, name, channels, program, whole, tiles, whole, runs=runs)


@dataclass(frozen=True)
class _Segment:
    """Sums ``[start, stop)`` of a channel, whose weights are in ``row`` from ``column``."""

    block: int
    start: int
    stop: int
    row: int
    column: int


class _Writer:
    """One channel's nodes. Sums are counted from the channel's first, which is number ``first`` of the product."""

    def __init__(self, device: PimDevice, chunks: int, share: tuple[Run, ...], first: Affine) -> None:
        self.device, self.chunks, self.first, self.say = device, chunks, first, Dialect(device)
        sizes = device.organization
        mac, read = (device.one(role) for role in ("mac", "read"))
        self.latches = sizes.result_latches
        step, tree = max(device.gap(mac.name, mac.name), 1), max(device.gap(mac.name, read.name), 1)
        self.lag = 0 if tree <= 1 or self.latches < 2 else min(tree // step, chunks)
        self.most = sizes.buffer_capacity // chunks
        self.segments, at = list[_Segment](), 0
        a_row = sizes.columns // chunks
        for number, run in enumerate(share):
            row, place = divmod(number, a_row)
            self.segments.append(_Segment(run.block, at, at + run.pixels, row, place * chunks))
            at += run.pixels
        self.total, self.open = at, -1
        self.nodes: list[Node] = []

    def tiles(self) -> tuple[Tile, ...]:
        """Where the weights lie."""
        return tuple(Tile(s.row, s.column, s.block, 0, self.chunks) for s in self.segments)

    def write(self, by_row: bool) -> tuple[Node, ...]:
        """All tiles, and the last read."""
        edges = [0, self.total]
        if by_row:
            edges = [s.start for s in self.segments if not s.column] + [self.total]
        for low, high in pairwise(edges):
            self._stretch(low, high)
        if self.lag:
            self.nodes += self._read(Affine(self.total))
        return tuple(self.nodes)

    def _stretch(self, low: int, high: int) -> None:
        """Tiles of one size, the last smaller; those in a row that lie in one block as a loop."""
        size = ceil_div(high - low, ceil_div(high - low, self.most))
        at = low
        while at < high:
            segment = self._segment(at)
            times = (segment.stop - at) // size if segment.row == self.open else 0
            if times > 1:
                base = size * Var("t") + at
                self.nodes += loop("t", times, self._tile(base, size, [(0, size, segment)]))
                at += times * size
                continue
            here = min(size, high - at)
            parts = list[tuple[int, int, _Segment]]()
            while not parts or parts[-1][1] < here:
                start = parts[-1][1] if parts else 0
                segment = self._segment(at + start)
                parts.append((start, min(segment.stop - at, here), segment))
            self.nodes += self._tile(Affine(at), here, parts)
            at += here

    def _segment(self, at: int) -> _Segment:
        return next(s for s in self.segments if s.start <= at < s.stop)

    def _tile(self, base: Affine, size: int, parts: list[tuple[int, int, _Segment]]) -> list[Node]:
        """Fill the buffers with the inputs of ``size`` sums from ``base``, and multiply; ``parts``: (from, to, segment) of them."""
        fills = self._fills(base, size)
        first, opened = base == Affine(0), parts[0][2].row != self.open
        nodes: list[Node] = []
        if opened:
            nodes += self._opening(parts[0][2].row, base, fills)
        else:
            nodes += self._read(base) if self.lag and not first else ()
            for fill in fills:
                nodes += fill
        ready = True
        for low, high, segment in parts:
            if segment.row != self.open:
                nodes += self._opening(segment.row, base + low, [])
                ready = True
            nodes += self._sums(base, low, high, segment.column, ready=ready)
            ready = False
        return nodes

    def _fills(self, base: Affine, size: int) -> list[tuple[Node, ...]]:
        """One fill for each buffer or, where a fill brings one column, strips of which each fits between two activates."""
        source, columns, wide = (self.first + base) * self.chunks, size * self.chunks, self.say.fill_op.columns
        if wide > 1:
            return [self.say.fill(q, source + q, min(wide, columns - q)) for q in range(0, columns, wide)]
        names, fill = self.say.activates, self.say.fill_op.name
        gap = self.device.gap(names[0], names[1]) if len(names) > 1 else 1
        room = max(gap // max(self.device.gap(fill, fill), 1), 1)
        edges = [min(i * room, columns) for i in range(len(names))] + [columns]
        return [self.say.fill(low, source + low, high - low) for low, high in pairwise(edges) if high > low]

    def _opening(self, row: int, at: Affine, fills: list[tuple[Node, ...]]) -> list[Node]:
        """Close, read the last result meanwhile, open with the fills before or between the activates."""
        before = self.open
        self.open = row
        nodes = list(self.say.open(row, first=before < 0))
        opens = len(self.say.activates)
        out = nodes[: len(nodes) - opens]
        out += self._read(at) if self.lag and before >= 0 else ()
        if self.say.fill_op.columns > 1:
            for fill in fills:
                out += fill
            return out + nodes[len(nodes) - opens :]
        for i, act in enumerate(nodes[len(nodes) - opens :]):
            out.append(act)
            out += fills[i] if i < len(fills) else ()
        return out

    def _read(self, at: Affine) -> tuple[Node, ...]:
        """Read the sum before number ``at``."""
        return self.say.read((at + -1) % self.latches, self.first + at + -1)

    def _sums(self, base: Affine, start: int, stop: int, column: int, *, ready: bool) -> list[Node]:
        """Sums ``start`` to ``stop`` of a tile, in one block, each read while the next is made; ``ready``: the one
        before them is read already."""
        p, chunks = Var("p"), self.chunks
        buffer = start * chunks
        if not self.lag:
            sums = (
                self.say.mac(column, chunks * p + buffer, 0, chunks),
                self.say.read(0, self.first + base + start + p),
            )
            return list(loop("p", stop - start, *sums))
        out: list[Node] = []
        if ready:
            out += self.say.mac(column, buffer, (base + start) % self.latches, chunks)
            start, buffer = start + 1, buffer + chunks
        at = base + start + p
        place, latch = chunks * p + buffer, at % self.latches
        body = [*self.say.mac(column, place, latch, self.lag), *self._read(at)]
        if self.lag < chunks:
            body += self.say.mac(column + self.lag, place + self.lag, latch, chunks - self.lag)
        out += loop("p", stop - start, body)
        return out
