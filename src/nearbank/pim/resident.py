"""`resident`: a row stays open while all pixels of the channel stream through it.

Pixels are divided over the channels, weights replicated; as many output groups as fit share a row; all global buffers are
filled, then read. A reduction longer than a row is done in stretches whose partial sums the host adds.
"""

from __future__ import annotations

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim.emit import Dialect
from nearbank.pim.product import Compiled, Product, Tile
from nearbank.program import Affine, Node, Program, Section, Var, loop

__all__ = ["resident", "shares"]


def shares(total: int, channels: int) -> list[tuple[tuple[int, ...], int, int]]:
    """``total`` units dealt over channels in runs that differ by one at most: (channels, units each, first unit) of those with
    equal shares; channels without units are left out."""
    small, larger = divmod(total, channels)
    out = [
        (tuple(range(larger)), small + 1, 0),
        (tuple(range(larger, channels)), small, larger * (small + 1)),
    ]
    return [part for part in out if part[0] and part[1]]


def resident(device: PimDevice, product: Product, channels: int) -> Compiled:
    """Compile with resident rows.

    Raises:
        Infeasible: the device needs mode switches, or its banks are too small for the weights.
    """
    if device.by_role("mode"):
        raise Infeasible(
            "this mapping has no mode switches",
            demand=1,
            bound=0,
            unit="mode commands",
            where=f"resident on {device.name}",
        )
    chunks, wide = product.chunks(device), min(device.organization.columns, device.organization.buffer_columns)
    spans = tuple((start, min(wide, chunks - start)) for start in range(0, chunks, wide))
    sections, tiles = [], dict[int, tuple[Tile, ...]]()
    for members, pixels, first in shares(product.pixels, channels):
        base = Affine(first, (("c", pixels),))
        body: list[Node] = []
        placed: list[Tile] = []
        row = 0
        for piece, span in enumerate(spans):
            nodes, found = _stretch(device, product, span, piece, row, pixels, base)
            body += nodes
            placed += found
            row = found[-1].row + 1
        sections.append(Section(members, tuple(body)))
        tiles.update(dict.fromkeys(members, tuple(placed)))
    pieces = tuple((start, start + count) for start, count in spans)
    return Compiled(product, device, "resident", channels, Program(device.name, tuple(sections)), pieces, tiles, spans)


def _stretch(
    device: PimDevice, product: Product, span: tuple[int, int], piece: int, row: int, pixels: int, base: Affine
) -> tuple[list[Node], list[Tile]]:
    start, count = span
    groups, wide = product.groups(device), min(device.organization.columns, device.organization.buffer_columns)
    a_row, pack = wide // count, wide // count
    nodes: list[Node] = []
    tiles: list[Tile] = []
    for first in range(0, groups, a_row):
        here = min(a_row, groups - first)
        tiles += [Tile(row, i * count, first + i, start, count) for i in range(here)]
        nodes += Dialect(device).open(row, first=row == 0)
        row += 1
        work = _Row(device, product, piece, start, count, first, here)
        batch = pack * device.organization.global_buffers
        nodes += loop("b", pixels // batch, work.batch(base + batch * Var("b"), pack, batch))
        if pixels % batch:
            nodes += work.batch(base + pixels // batch * batch, pack, pixels % batch)
    return nodes, tiles


class _Row:
    """The work on one open row: ``here`` output groups from ``first``, ``count`` chunks each."""

    def __init__(
        self, device: PimDevice, product: Product, piece: int, start: int, count: int, first: int, here: int
    ) -> None:
        self.dialect, self.product = Dialect(device), product
        self.groups, self.wide = product.groups(device), device.organization.buffer_columns
        self.piece, self.start, self.count, self.first, self.here = piece, start, count, first, here

    def batch(self, base: Affine, pack: int, pixels: int) -> tuple[Node, ...]:
        """Fill the buffers with ``pixels`` pixels, ``pack`` in each, then multiply them all."""
        full, rest = divmod(pixels, pack)
        q, p = Var("q"), Var("p")
        fills = (
            *loop("q", full, self._fill(base + pack * q, self.wide * q, pack)),
            *(self._fill(base + full * pack, Affine(full * self.wide), rest) if rest else ()),
        )
        macs = (
            *loop("q", full, loop("p", pack, self._pixel(base + pack * q + p, self.wide * q + self.count * p))),
            *loop("p", rest, self._pixel(base + full * pack + p, full * self.wide + self.count * p)),
        )
        return (*fills, *macs)

    def _fill(self, pixel: Affine, buffer: Affine, pixels: int) -> tuple[Node, ...]:
        return self.dialect.fill(buffer, pixel * self.count + self.start * self.product.pixels, pixels * self.count)

    def _pixel(self, pixel: Affine, buffer: Affine) -> tuple[Node, ...]:
        g = Var("g")
        result = (pixel + self.piece * self.product.pixels) * self.groups + self.first + g
        return loop(
            "g", self.here, self.dialect.mac(self.count * g, buffer, 0, self.count), self.dialect.read(0, result)
        )
