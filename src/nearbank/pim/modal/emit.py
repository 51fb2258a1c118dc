"""The program of a choice: every sum is preset, switched, multiplied, switched and read; a row opens while that happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nearbank.devices import FUNCTION_ROW, PimDevice
from nearbank.errors import Infeasible
from nearbank.pim.emit import Dialect
from nearbank.pim.modal.layout import Area, Layout, lay_out
from nearbank.pim.modal.shares import Piece, Share
from nearbank.pim.product import Compiled, Epilogue, Packed, Product, Tile
from nearbank.program import Affine, Node, Op, Program, Section, Var, loop

__all__ = ["Choice", "build", "function_of"]


@dataclass(frozen=True)
class Choice:
    """A name, the pieces of the reduction, and what each channel with work does."""

    name: str
    pieces: tuple[Piece, ...]
    shares: tuple[Share, ...]


def function_of(device: PimDevice, product: Product, pieces: int, epilogue: Epilogue) -> int | None:
    """The number of the activation function of ``epilogue``, if it has one.

    Raises:
        Infeasible: the device has no such function, or the sums are not complete in memory; a preset cannot hold the bias.
    """
    sizes = device.organization
    if epilogue.bias and sizes.banks != sizes.lanes:
        raise Infeasible(
            "a preset is a column, with one value a bank",
            demand=sizes.banks,
            bound=sizes.lanes,
            unit="values",
            where=device.name,
        )
    if epilogue.function is None:
        return None
    if epilogue.function not in device.functions:
        raise Infeasible(
            f"no table of the activation function {epilogue.function!r}; there are: {', '.join(device.functions) or 'none'}",
            demand=1, bound=0, unit="tables", where=device.name,
        )  # fmt: skip
    if pieces > 1:
        raise Infeasible(
            "an activation function in memory needs sums that are not divided", demand=pieces, bound=1, unit="pieces",
            where=str(product),
        )  # fmt: skip
    return device.functions.index(epilogue.function)


def build(device: PimDevice, product: Product, channels: int, choice: Choice, epilogue: Epilogue) -> Compiled:
    """The program, and where the weights lie.

    Raises:
        Infeasible: the weights do not fit, or the epilogue is not possible with these pieces.
    """
    function = function_of(device, product, len(choice.pieces), epilogue)
    sizes, last = device.organization, product.groups(device) - 1
    used = product.out_channels % sizes.banks
    sections: list[Section] = []
    tiles: dict[int, tuple[Tile, ...]] = {}
    packed: list[Packed] = []
    for channel, share in enumerate(choice.shares):
        layout = lay_out(share, choice.pieces, last, sizes.columns, sizes.buffer_capacity)
        placed: list[Tile] = []
        for (number, group), (row, column) in layout.places.items():
            piece = choice.pieces[number]
            for slot in range(piece.pack if group == last else 1):
                at = column + slot * piece.count
                placed.append(Tile(row, at, group, piece.first, piece.count, slot * used))
        for area in layout.areas:
            pack = choice.pieces[area.piece].pack
            if pack > 1 and any(last in groups for _, groups in area.rows):
                packed.append(Packed(area.piece, area.start, area.stop, pack))
        writer = _Writer(device, product, choice.pieces, layout, epilogue, function)
        sections.append(Section((channel,), writer.body()))
        tiles[channel] = tuple(placed)
    return Compiled(
        product, device, choice.name, channels, Program(device.name, tuple(sections)),
        tuple((p.first, p.first + p.count) for p in choice.pieces), tiles, tuple((p.first, p.count) for p in choice.pieces),
        epilogue, tuple(packed),
    )  # fmt: skip


class _Writer:
    """The commands of one channel."""

    def __init__(
        self, device: PimDevice, product: Product, pieces: Sequence[Piece], layout: Layout, epilogue: Epilogue,
        function: int | None,
    ) -> None:  # fmt: skip
        self.device, self.product, self.pieces, self.layout = device, product, pieces, layout
        self.epilogue, self.function, self.say = epilogue, function, Dialect(device)
        self.groups = product.groups(device)
        self.zeros = product.pixels * product.chunks(device)
        self.switch: tuple[Node, ...] = (Op(device.one("mode").name),)

    def body(self) -> tuple[Node, ...]:
        """Everything: the first row opens before the first switch, each further one behind the last sum of the row before."""
        areas = self.layout.areas
        out: list[Node] = [*self.say.open(areas[0].first, first=True), *self.switch]
        for area, following in zip(areas, [*areas[1:], None], strict=True):
            upcoming = following.first if following else None
            out += self._area(area, upcoming if upcoming != area.final else None, end=following is None)
        return tuple(out)

    def _area(self, area: Area, upcoming: int | None, *, end: bool) -> list[Node]:
        """``upcoming``: the row to open behind the last sum, None if it stays; ``end``: no sum follows."""
        rows = [self._of(area.piece, row, groups) for row, groups in area.rows]
        rows = rows if area.forward else rows[::-1]
        back, full = rows[::-1], area.tiles - 1
        rest = area.stop - area.start - full * area.size
        start, size = Affine(area.start), area.size
        if len(rows) == 1:
            out = [*loop("t", full, self._tile(area.piece, rows, start + size * Var("t"), size))]
        else:
            both = start + 2 * size * Var("t")
            pair = [*self._tile(area.piece, rows, both, size), *self._tile(area.piece, back, both + size, size)]
            out = [*loop("t", full // 2, pair)]
            if full % 2:
                out += self._tile(area.piece, rows, start + size * (full - 1), size)
                rows = back
        return out + self._tile(area.piece, rows, start + size * full, rest, upcoming, end=end)

    def _of(self, number: int, row: int, groups: tuple[int, ...]) -> _Row:
        packed = self.pieces[number].pack > 1 and self.groups - 1 in groups
        plain = len(groups) - packed
        column = self.layout.places[number, groups[0]][1]
        return _Row(number, row, groups[0], plain, packed, column)

    def _tile(
        self,
        number: int,
        rows: Sequence[_Row],
        base: Affine,
        size: int,
        upcoming: int | None = None,
        *,
        end: bool = False,
    ) -> list[Node]:
        """Rows that differ by the same step from one to the next are a loop."""
        piece = self.pieces[number]
        source = base * piece.count + piece.first * self.product.pixels
        out: list[Node] = [*self.say.fill(0, source, size * piece.count)]
        at = 0
        while at < len(rows):
            row, count = rows[at], 1
            step = rows[at + 1].step_from(row) if at + 1 < len(rows) else None
            while step and at + count < len(rows) and rows[at + count].step_from(rows[at + count - 1]) == step:
                count += 1
            # The last of them may be followed by another step: it is not part of the loop.
            if step and count > 2:
                r = Var("r")
                out += loop(
                    "r",
                    count - 1,
                    self._row(row, step[1] * r, step[0] * r, step[0] * r + (row.row + step[0]), base, size),
                )
                at += count - 1
                continue
            last = at + 1 == len(rows)
            following = upcoming if last else rows[at + 1].row
            opening = None if following is None else Affine(following)
            out += self._row(row, Affine(), Affine(), opening, base, size, end=end and last)
            at += 1
        return out

    def _row(
        self,
        row: _Row,
        groups: Affine,
        rows: Affine,
        following: Affine | None,
        base: Affine,
        size: int,
        *,
        end: bool = False,
    ) -> list[Node]:
        """All sums of the row ``row.row + rows``, whose groups begin ``groups`` later, with the pixels in the buffer; the very
        last sum opens the row ``following``."""
        piece, p, g, zero = self.pieces[row.number], Var("p"), Var("g"), Affine()
        here = rows + row.row

        def one(
            group: Affine, pixel: Affine, opening: Affine | None = None, *, pack: int = 0, end: bool = False
        ) -> list[Node]:
            return self._sum(row, group, groups, base + pixel, pixel, pack, here, opening, end=end)

        out: list[Node] = []
        if row.packed:
            full = (size - 1) // piece.pack
            rest = zero + full * piece.pack
            out += loop("p", size, loop("g", row.plain, one(g, p)))
            out += loop("p", full, one(zero + row.plain, piece.pack * p, pack=piece.pack))
            return out + one(zero + row.plain, rest, following, pack=size - full * piece.pack, end=end)
        final = zero + (size - 1)
        out += loop("p", size - 1, loop("g", row.plain, one(g, p)))
        out += loop("g", row.plain - 1, one(g, final))
        return out + one(zero + (row.plain - 1), final, following, end=end)

    def _sum(
        self, row: _Row, group: Affine, shift: Affine, pixel: Affine, offset: Affine, pack: int, here: Affine,
        following: Affine | None, *, end: bool,
    ) -> list[Node]:  # fmt: skip
        """One sum, its read included: of the ``group``-th group of the row, ``shift`` groups behind those of `_Row`, and of the
        pixel ``pixel``, which stands in the buffer from column ``offset`` times a pixel's on; or of ``pack`` pixels from it."""
        piece, say = self.pieces[row.number], self.say
        output = group + shift + row.low
        result = (pixel + row.number * self.product.pixels) * self.groups + output
        macs = say.mac(piece.count * group + row.column, piece.count * offset, 0, piece.count * max(pack, 1))
        head = (*self._preset(row.number, output, packed=pack > 0), *self.switch, *macs)
        if self.function is None:
            opening = say.open(following, first=False) if following is not None else ()
            return [*head, *opening, *self.switch, *say.read(0, result)]
        apply = Op(self.device.one("function").name, (Affine(0), Affine(self.function)))
        table = (*say.open(FUNCTION_ROW + self.function, first=False), apply)
        data = () if end else say.open(here if following is None else following, first=False)
        read = Op(self.device.one("read_function").name, (Affine(0), result))
        return [*head, *table, *data, *self.switch, read]

    def _preset(self, number: int, output: Affine, *, packed: bool) -> tuple[Node, ...]:
        """Zeros, or the bias of a group in the first piece; that of a packed group is written once for each of its pixels."""
        source = Affine(self.zeros)
        if self.epilogue.bias and number == 0:
            source = Affine(self.zeros + 1 + self.groups) if packed else output + (self.zeros + 1)
        return (Op(self.device.one("preset").name, (Affine(0), source)),)


@dataclass(frozen=True)
class _Row:
    """``plain`` groups from ``low`` with weights from ``column`` of a row, and then the packed group if ``packed``."""

    number: int
    row: int
    low: int
    plain: int
    packed: bool
    column: int

    def step_from(self, before: _Row) -> tuple[int, int] | None:
        """Rows and groups from ``before`` to this, if they differ in nothing else."""
        alike = (self.plain, self.packed, self.column) == (before.plain, before.packed, before.column)
        return (self.row - before.row, self.low - before.low) if alike else None
