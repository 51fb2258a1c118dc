"""`serial`: for devices that switch modes between register access (fills, presets, reads) and the rest, and so do one at a time.

Each sum is: preset, switch, multiply, switch, read. A tile of pixels fills the buffer, all rows are multiplied with it, and the
next row opens while the modes switch and the last result is read. A reduction longer than a row is cut into pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim.division import Deal, Rectangle, deals
from nearbank.pim.emit import Dialect
from nearbank.pim.modal.clocks import clocks, with_refresh
from nearbank.pim.product import Compiled, Product, Tile, ceil_div
from nearbank.program import Affine, Node, Op, Program, Section, Var, loop
from nearbank.sim import time_program

__all__ = ["serial", "serial_floor"]


def serial(device: PimDevice, product: Product, channels: int) -> Compiled:
    """The fastest of the deals over channels, each timed exactly.

    Raises:
        Infeasible: the device has no modes to switch, or its banks are too small for the weights.
    """
    if not device.by_role("mode") or not device.by_role("preset"):
        raise Infeasible(
            "this mapping needs mode switches and presets", demand=2, bound=0, unit="commands", where=device.name
        )
    best: tuple[int, Compiled] | None = None
    for deal in _deals(device, product, channels):
        compiled = _compile(device, product, channels, deal)
        cycles = time_program(device, compiled.program).cycles
        if best is None or cycles < best[0]:
            best = (cycles, compiled)
    assert best is not None
    return best[1]


def _deals(device: PimDevice, product: Product, channels: int) -> list[Deal]:
    return deals(product.pixels, product.groups(device), channels)[:4]


def _pieces(device: PimDevice, product: Product) -> tuple[tuple[int, int], ...]:
    chunks = product.chunks(device)
    count = ceil_div(chunks, device.organization.longest_sum)
    return tuple(pairwise(chunks * i // count for i in range(count + 1)))


def serial_floor(device: PimDevice, product: Product, channels: int) -> int:
    """Clocks that `serial` cannot undercut: those of its sums, fills and rows, and all refreshes but one."""
    ours, pieces = clocks(device), _pieces(device, product)
    least: int | None = None
    for deal in _deals(device, product, channels):
        most = 0
        for share in set(deal.shares):
            total, rows = ours.start + ours.end - ours.between - ours.fill, -ours.row
            for area in share:
                for i, (first, last) in enumerate(pieces):
                    work = _Area(device, product, area, i, first, last - first)
                    blocks = len(work.blocks)
                    total += area.units * (ours.between + ours.step * (last - first - 1))
                    total += area.pixels * (last - first) * ours.fill
                    rows += ours.row * (work.tiles_of_pixels * blocks if blocks > 1 else 1)
            most = max(most, total + rows)
        least = most if least is None else min(least, most)
    assert least is not None
    return with_refresh(device, least)


def _compile(device: PimDevice, product: Product, channels: int, deal: Deal) -> Compiled:
    pieces = _pieces(device, product)
    sections: list[Section] = []
    tiles: dict[int, tuple[Tile, ...]] = {}
    for channel, share in enumerate(deal.shares):
        work = [
            _Area(device, product, area, i, first, last - first)
            for i, (first, last) in enumerate(pieces)
            for area in share
        ]
        row, placed = 0, list[Tile]()
        for area in work:
            area.row = row
            placed += area.tiles()
            row += len(area.blocks)
        nodes: list[Node] = [Op(device.one("activate").name, (Affine(0),)), Op(device.one("mode").name)]
        for area, following in zip(work, [*work[1:], None], strict=True):
            nodes += area.nodes(following.row if following else None)
        sections.append(Section((channel,), tuple(nodes)))
        tiles[channel] = tuple(placed)
    spans = tuple((first, last - first) for first, last in pieces)
    program = Program(device.name, tuple(sections))
    return Compiled(product, device, f"serial: {deal.name}", channels, program, pieces, tiles, spans)


class _Area:
    """A rectangle of one piece of the reduction, from bank row ``row``."""

    def __init__(
        self, device: PimDevice, product: Product, area: Rectangle, piece: int, start: int, count: int
    ) -> None:
        self.device, self.product, self.area, self.say = device, product, area, Dialect(device)
        self.piece, self.start, self.count, self.row = piece, start, count, 0
        rows = ceil_div(area.groups, max(device.organization.columns // count, 1))
        self.blocks = list(pairwise(area.groups * i // rows for i in range(rows + 1)))
        self.switch: tuple[Node, ...] = (Op(device.one("mode").name),)
        # The column of zeros stands behind the inputs.
        zeros = Affine(product.pixels * product.chunks(device))
        self.preset: tuple[Node, ...] = (Op(device.one("preset").name, (Affine(0), zeros)),)

    @property
    def tiles_of_pixels(self) -> int:
        """How often the buffer is filled."""
        return ceil_div(self.area.pixels, max(self.device.organization.buffer_capacity // self.count, 1))

    def tiles(self) -> Iterator[Tile]:
        """Where the weights lie."""
        for i, (low, high) in enumerate(self.blocks):
            for g in range(low, high):
                yield Tile(self.row + i, (g - low) * self.count, self.area.group + g, self.start, self.count)

    def nodes(self, following: int | None) -> list[Node]:
        """All tiles; the first row is open; behind the last sum the row ``following`` is opened, if there is one."""
        most = max(self.device.organization.buffer_capacity // self.count, 1)
        size = ceil_div(self.area.pixels, ceil_div(self.area.pixels, most))
        full, rest = divmod(self.area.pixels, size)
        if not rest:
            full, rest = full - 1, size
        back = self.row if len(self.blocks) > 1 else None
        out: list[Node] = [*loop("t", full, self._tile(size * Var("t"), size, back))]
        return out + self._tile(Affine(full * size), rest, following)

    def _tile(self, base: Affine, size: int, following: int | None) -> list[Node]:
        source = (base + self.area.pixel) * self.count + self.start * self.product.pixels
        out: list[Node] = [*self.say.fill(0, source, size * self.count)]
        for index, (low, high) in enumerate(self.blocks):
            last = index + 1 == len(self.blocks)
            upcoming = following if last else self.row + index + 1
            p, g, groups = Var("p"), Var("g"), high - low
            out += loop("p", size - 1, loop("g", groups, self._sum(base, p, g, low, None)))
            out += loop("g", groups - 1, self._sum(base, Affine(size - 1), g, low, None))
            out += self._sum(base, Affine(size - 1), Affine(groups - 1), low, upcoming)
        return out

    def _sum(self, base: Affine, pixel: Affine, group: Affine, low: int, upcoming: int | None) -> list[Node]:
        """One sum, its read included; the row ``upcoming`` opens behind its multiplications."""
        pixels, groups = self.product.pixels, self.product.groups(self.device)
        result = (base + pixel + (self.area.pixel + self.piece * pixels)) * groups + group + (self.area.group + low)
        opening = self.say.open(upcoming, first=False) if upcoming is not None else ()
        macs = self.say.mac(self.count * group, self.count * pixel, 0, self.count)
        return [*self.preset, *self.switch, *macs, *opening, *self.switch, *self.say.read(0, result)]
