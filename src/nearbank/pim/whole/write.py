"""For devices whose fill brings a whole buffer: a tile of pixels fills the buffers, and every row is multiplied with it.

Rectangles of pixels by output groups, rows packed with groups; the next tile meets the rows in opposite order, so that the row
open at the seam stays open. A result is read while the next is summed, ``lag`` multiplications into it, when the adder tree has
just finished.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from nearbank.devices import PimDevice
from nearbank.pim.division import Deal, Rectangle
from nearbank.pim.emit import Dialect
from nearbank.pim.product import Compiled, Product, Tile, ceil_div
from nearbank.program import Affine, Loop, Node, Op, Program, Section, Var, loop

__all__ = ["Choice", "samples", "whole"]


@dataclass(frozen=True)
class Choice:
    """A mapping: the deal over channels, in how many pieces the reduction is cut, and how many multiplications of the next sum
    precede a read. The deal is among one of ``sets`` equal sets of channels, each of which does its part of the pieces."""

    deal: Deal
    pieces: int
    lag: int
    sets: int = 1

    def __str__(self) -> str:
        cut = f", reduction in {self.pieces}" if self.pieces > 1 else ""
        apart = f", {self.sets} sets of channels over inputs" if self.sets > 1 else ""
        return f"{self.deal.name}{apart}{cut}, read lag {self.lag}"


def whole(device: PimDevice, product: Product, channels: int, choice: Choice) -> Compiled:
    """Compile with the given choice. The caller sees to it that pieces fit a row and a buffer."""
    pieces = _pieces(product.chunks(device), choice.pieces)
    sections: list[Section] = []
    tiles: dict[int, tuple[Tile, ...]] = {}
    for which in range(choice.sets):
        for share in choice.deal.shares:
            channel = len(sections)
            nodes, tiles[channel] = _share(device, product, choice, share, which)
            sections.append(Section((channel,), nodes))
    spans = tuple((first, last - first) for first, last in pieces)
    return Compiled(
        product, device, f"search: {choice}", channels, Program(device.name, tuple(sections)), pieces, tiles, spans
    )


def samples(device: PimDevice, product: Product, choice: Choice) -> Iterator[Program]:
    """One-channel programs, one for each kind of share there is, the fullest first: together they take as long as the whole,
    since a channel's time depends on the sizes of its rectangles and not on where they lie."""
    kinds: dict[tuple[tuple[int, int], ...], tuple[Rectangle, ...]] = {}
    for share in choice.deal.shares:
        kinds.setdefault(tuple((r.pixels, r.groups) for r in share), share)
    pieces = _pieces(product.chunks(device), choice.pieces)
    # Sets differ in the lengths of their pieces, by a column at most: one of each kind.
    sets = {
        tuple(last - first for first, last in _part(pieces, choice.sets, which)): which for which in range(choice.sets)
    }
    for share in sorted(kinds.values(), key=lambda share: (-sum(r.units for r in share), -len(share), share)):
        for which in sorted(sets.values()):
            yield Program(device.name, (Section((0,), _share(device, product, choice, share, which)[0]),))


def _pieces(chunks: int, count: int) -> tuple[tuple[int, int], ...]:
    edges = [chunks * i // count for i in range(count + 1)]
    return tuple(pairwise(edges))


def _part(pieces: tuple[tuple[int, int], ...], sets: int, which: int) -> tuple[tuple[int, int], ...]:
    """The pieces that set ``which`` does."""
    return pieces[len(pieces) * which // sets : len(pieces) * (which + 1) // sets]


def _share(
    device: PimDevice, product: Product, choice: Choice, share: tuple[Rectangle, ...], which: int
) -> tuple[tuple[Node, ...], tuple[Tile, ...]]:
    writer = _Writer(device, product, choice)
    pieces = _pieces(product.chunks(device), choice.pieces)
    first_piece = len(pieces) * which // choice.sets
    for number, (first, last) in enumerate(_part(pieces, choice.sets, which)):
        for rectangle in share:
            writer.rectangle(rectangle, first_piece + number, first, last - first)
    writer.finish()
    return tuple(writer.nodes), tuple(writer.tiles)


@dataclass(frozen=True)
class _Unit:
    """A sum: pixel (from the rectangle's first) and group (of the row's), both affine."""

    pixel: Affine
    group: int


class _Writer:
    """One channel's nodes and tiles, as rectangles are written."""

    def __init__(self, device: PimDevice, product: Product, choice: Choice) -> None:
        self.device, self.product, self.choice, self.say = device, product, choice, Dialect(device)
        self.nodes: list[Node] = []
        self.tiles: list[Tile] = []
        self.row, self.opened = 0, False
        self.pending: list[Node] = []
        self.wide = device.organization.buffer_columns

    # -- a rectangle ---------------------------------------------------------------------------------------------------

    def rectangle(self, area: Rectangle, piece: int, start: int, count: int) -> None:
        """Write the commands of ``area`` for the ``count`` chunks from ``start``, which are piece number ``piece``."""
        self.area, self.piece, self.start, self.count = area, piece, start, count
        a_row = max(self.device.organization.columns // count, 1)
        rows = ceil_div(area.groups, a_row)
        blocks = [(area.groups * i // rows, area.groups * (i + 1) // rows) for i in range(rows)]
        for i, (low, high) in enumerate(blocks):
            self.tiles += [
                Tile(self.row + i, (g - low) * count, area.group + g, start, count) for g in range(low, high)
            ]
        self._whole(blocks)
        self.row += rows

    def finish(self) -> None:
        """Read what is still in a latch."""
        self.nodes += self.pending
        self.pending = []

    def _opening(self, row: int) -> list[Node]:
        """Close, read the last result while the banks precharge, open."""
        nodes = list(self.say.open(row, first=not self.opened))
        opens = len(self.say.activates)
        return [*nodes[: len(nodes) - opens], *self.pending, *nodes[len(nodes) - opens :]]

    def _result(self, unit: _Unit, low: int) -> Affine:
        pixels, groups = self.product.pixels, self.product.groups(self.device)
        return (unit.pixel + (self.area.pixel + self.piece * pixels)) * groups + (self.area.group + low + unit.group)

    def _whole(self, blocks: list[tuple[int, int]]) -> None:
        pack = max(self.wide // self.count, 1)
        most = pack * self.device.organization.global_buffers
        total = self.area.pixels
        tile = ceil_div(total, ceil_div(total, most))
        if pack > 1 and tile > pack:
            tile = ceil_div(tile, pack) * pack  # whole fills
        full, rest = divmod(total, tile)
        first = tile if full else rest
        self._open_tile(first, pack)
        forth = list(range(len(blocks)))
        self.nodes += self._rows(blocks, forth, Affine(0), first, pack)
        if not full:
            return
        order = forth[::-1] if len(blocks) > 1 else forth
        pairs, odd = divmod(full - 1, 2) if len(blocks) > 1 else (full - 1, 0)
        step = 2 if len(blocks) > 1 else 1
        if pairs:
            base = step * tile * Var("t") + tile
            # Every trip begins with the read that the one before left; which that is, a first writing tells.
            for _ in range(2):
                body = self._tile(blocks, order, base, tile, pack)
                if step == 2:
                    body += self._tile(blocks, order[::-1], base + tile, tile, pack)
                left, self.pending = self.pending, _shifted(self.pending, "t", -1)
            self.nodes += loop("t", pairs, body)
            self.pending = _at(left, "t", pairs - 1)
        at = 1 + pairs * step
        for size in [tile] * odd + ([rest] if rest else []):
            self.nodes += self._tile(blocks, order, Affine(at * tile), size, pack)
            at, order = at + 1, order[::-1]

    def _open_tile(self, size: int, pack: int) -> None:
        """Bring the rectangle's first tile, and open its first row."""
        self.nodes += [*self.pending, *self._fill_tile(Affine(0), size, pack)]
        self.pending = []
        self.nodes += self._opening(self.row)
        self.opened = True

    def _tile(self, blocks: list[tuple[int, int]], order: list[int], base: Affine, size: int, pack: int) -> list[Node]:
        """A tile behind another: its last result is read, the buffers filled anew, the open row used first."""
        nodes = [*self.pending, *self._fill_tile(base, size, pack)]
        self.pending = []
        return nodes + self._rows(blocks, order, base, size, pack)

    def _rows(self, blocks: list[tuple[int, int]], order: list[int], base: Affine, size: int, pack: int) -> list[Node]:
        """The sums of all rows on the tile in the buffers, the first of ``order`` being open; leaves the last read pending."""
        nodes: list[Node] = []
        for number, index in enumerate(order):
            if number:
                nodes += self._opening(self.row + index)
                self.pending = []
            done, self.pending = self._units(blocks[index], base, size, pack)
            nodes += done
        return nodes

    def _fill_tile(self, base: Affine, size: int, pack: int) -> list[Node]:
        q = Var("q")
        full, rest = divmod(size, pack)
        source = self.start * self.product.pixels + self.area.pixel * self.count
        at = (base + pack * q) * self.count + source
        nodes = [*loop("q", full, self.say.fill(self.wide * q, at, pack * self.count))] if full > 1 else []
        if full == 1:
            nodes += self.say.fill(0, base * self.count + source, pack * self.count)
        if rest:
            nodes += self.say.fill(full * self.wide, (base + full * pack) * self.count + source, rest * self.count)
        return nodes

    def _units(self, block: tuple[int, int], base: Affine, size: int, pack: int) -> tuple[list[Node], list[Node]]:
        """All sums of a tile on the open row, each read ``lag`` multiplications into the next one; and the last read, apart."""
        low, high = block
        groups, lag, p = high - low, self.choice.lag, Var("p")
        nodes: list[Node] = []
        for first in range(0, size, pack):
            here = min(pack, size - first)
            buffer = first // pack * self.wide

            def unit(pixel: Affine, group: int, first: int = first) -> _Unit:
                return _Unit(base + pixel + first, group)

            if not lag:
                body: list[Node] = []
                for g in range(groups):
                    body += self.say.mac(g * self.count, self.count * p + buffer, 0, self.count)
                    body += self.say.read(0, self._result(unit(p, g), low))
                nodes += loop("p", here, body)
                continue
            latches = self.device.organization.result_latches
            one = Affine(1)
            for g in range(groups):  # the first pixel, by itself
                before = unit(Affine(0), g - 1) if g else (unit(Affine(-1), groups - 1) if first else None)
                place = Affine(buffer)
                nodes += self._sum(
                    g, place, Affine((first * groups + g) % latches), before, low, (first * groups + g - 1) % latches
                )
            body = []
            for g in range(groups):
                number = groups * (p + one) + (first * groups + g)
                before = unit(p + one, g - 1) if g else unit(p, groups - 1)
                place = self.count * (p + one) + buffer
                body += self._sum(g, place, number % latches, before, low, (number + -1) % latches)
            nodes += loop("p", here - 1, body)
        if not lag:
            return nodes, []
        last = _Unit(base + (size - 1), groups - 1)
        return nodes, list(
            self.say.read((size * groups - 1) % self.device.organization.result_latches, self._result(last, low))
        )

    def _sum(
        self, group: int, place: Affine, latch: Affine, before: _Unit | None, low: int, read: Affine | int
    ) -> list[Node]:
        """One sum's multiplications with the read of the one before in their midst."""
        lag = min(self.choice.lag, self.count) if before is not None else self.count
        nodes: list[Node] = []
        column = group * self.count
        nodes += self.say.mac(column, place, latch, lag)
        if before is not None:
            nodes += self.say.read(read, self._result(before, low))
            if lag < self.count:
                nodes += self.say.mac(column + lag, place + lag, latch, self.count - lag)
        return nodes


def _shifted(nodes: list[Node], var: str, by: int) -> list[Node]:
    """The nodes as they are ``by`` iterations later."""
    out: list[Node] = []
    for node in nodes:
        if isinstance(node, Loop):
            out.append(Loop(node.var, node.count, tuple(_shifted(list(node.body), var, by))))
        else:
            out.append(Op(node.command, tuple(_later(arg, var, by) for arg in node.args)))
    return out


def _later(arg: Affine, var: str, by: int) -> Affine:
    factor = dict(arg.terms).get(var, 0)
    const = arg.const + factor * by
    return Affine(const % arg.mod if arg.mod else const, arg.terms, arg.mod)


def _at(nodes: list[Node], var: str, value: int) -> list[Node]:
    """The nodes with the loop variable ``var`` put in."""
    out: list[Node] = []
    for node in nodes:
        if isinstance(node, Loop):
            out.append(Loop(node.var, node.count, tuple(_at(list(node.body), var, value))))
        else:
            later = (_later(arg, var, value) for arg in node.args)
            args = tuple(Affine(a.const, tuple(t for t in a.terms if t[0] != var), a.mod) for a in later)
            out.append(Op(node.command, args))
    return out
