"""`host`: programs that AiM's host instructions can express.

There a fill and a multiplication begin at column 0, and a row is opened by the multiplication that wants it, behind the switch
of the mode. So each group and piece has a row of its own, the buffer holds one pixel, and nothing is opened early. One instruction
serves all channels that do the same, so all multiply the same pixel, each with its own groups of outputs.
"""

from __future__ import annotations

from nearbank.devices import FUNCTION_ROW, PimDevice
from nearbank.pim.emit import Dialect
from nearbank.pim.modal.clocks import clocks, with_refresh
from nearbank.pim.modal.emit import function_of
from nearbank.pim.modal.shares import Piece, cuts, pieces_of
from nearbank.pim.product import NO_EPILOGUE, Compiled, Epilogue, Product, Tile, ceil_div
from nearbank.program import Affine, Node, Op, Program, Section, Var, loop

__all__ = ["host", "host_floor"]


def host(device: PimDevice, product: Product, channels: int, epilogue: Epilogue = NO_EPILOGUE) -> Compiled:
    """Groups are dealt to the channels in turn; a channel takes all pixels of a group, then the next group, then the next piece.

    Raises:
        Infeasible: the device has no modes to switch, or cannot have the epilogue.
    """
    clocks(device)
    groups, lengths = product.groups(device), _lengths(device, product)
    pieces = pieces_of(device, product, lengths, packed=False)
    writer = _Writer(device, product, pieces, epilogue)
    sections, tiles = [], {}
    for channel in range(min(channels, groups)):
        rows = [(piece, group) for piece in range(len(pieces)) for group in range(channel, groups, channels)]
        body = list(writer.switch)
        for row, (piece, group) in enumerate(rows):
            body += writer.group(row, piece, group)
        sections.append(Section((channel,), tuple(body)))
        tiles[channel] = tuple(
            Tile(row, 0, group, pieces[piece].first, pieces[piece].count) for row, (piece, group) in enumerate(rows)
        )
    spans = tuple((p.first, p.count) for p in pieces)
    return Compiled(
        product, device, "host", channels, Program(device.name, tuple(sections)),
        tuple((first, first + count) for first, count in spans), tiles, spans, epilogue,
    )  # fmt: skip


def host_floor(device: PimDevice, product: Product, channels: int, epilogue: Epilogue = NO_EPILOGUE) -> int:
    """Clocks that `host` cannot undercut: those of its sums, fills and rows, and all refreshes but one."""
    ours, sums = clocks(device), product.pixels * ceil_div(product.groups(device), channels)
    between = ours.between + (ours.function if epilogue.function else 0)
    total = ours.start - ours.fill + ours.end - between
    for length in _lengths(device, product):
        total += sums * (between + ours.step * (length - 1) + ours.fill * length)
    return with_refresh(device, total)


def _lengths(device: PimDevice, product: Product) -> tuple[int, ...]:
    """As few pieces as there can be: a unit for each channel says that none is without work."""
    return cuts(product.chunks(device), device.organization.longest_sum, 1, 1)[0]


class _Writer:
    def __init__(self, device: PimDevice, product: Product, pieces: tuple[Piece, ...], epilogue: Epilogue) -> None:
        self.device, self.product, self.pieces, self.bias = device, product, pieces, epilogue.bias
        self.function = function_of(device, product, len(pieces), epilogue)
        self.say, self.zeros = Dialect(device), product.pixels * product.chunks(device)
        self.switch: tuple[Node, ...] = (Op(device.one("mode").name),)

    def group(self, row: int, piece: int, group: int) -> list[Node]:
        """All pixels of a group, whose weights are in ``row``. A function's table closes the row: each pixel opens it again."""
        again = self.say.open(row, first=False) if self.function is not None else ()
        first = self._pixel(piece, group, Affine(0), self.say.open(row, first=row == 0))
        return [*first, *loop("p", self.product.pixels - 1, self._pixel(piece, group, Var("p") + 1, again))]

    def _pixel(self, number: int, group: int, pixel: Affine, opening: tuple[Node, ...]) -> list[Node]:
        piece, say = self.pieces[number], self.say
        source = pixel * piece.count + piece.first * self.product.pixels
        result = (pixel + number * self.product.pixels) * self.product.groups(self.device) + group
        start = self.zeros + (1 + group if self.bias and number == 0 else 0)
        preset = Op(self.device.one("preset").name, (Affine(0), Affine(start)))
        macs = say.mac(0, 0, 0, piece.count)
        head = [*say.fill(0, source, piece.count), preset, *self.switch, *opening, *macs]
        if self.function is None:
            return [*head, *self.switch, *say.read(0, result)]
        table = say.open(FUNCTION_ROW + self.function, first=False)
        apply = Op(self.device.one("function").name, (Affine(0), Affine(self.function)))
        return [*head, *table, apply, *self.switch, Op(self.device.one("read_function").name, (Affine(0), result))]
