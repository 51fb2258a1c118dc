"""`newton+` and `newton++`: the public code generator's mapping of a pointwise convolution, as PIMFlow (CGO 2023) has it.

Every fill of a global buffer opens the rows again and nothing is reused between fills. Where that generator drops work (a
reduction cut into parts that do not divide it), nearbank does the whole reduction: the parts differ by a column at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim.emit import Dialect
from nearbank.pim.product import Compiled, Product, Tile, ceil_div
from nearbank.program import Affine, Loop, Node, Program, Section

__all__ = ["newton_plus", "newton_plus_plus"]

# Bytes a line of that generator's trace text, which breaks its ties.
_BYTES = {"GWRITE": 21, "G_ACT": 4 * 18, "COMP": 16, "READRES": 8}


@dataclass(frozen=True)
class _Pass:
    """Stretches of the reduction of ``chunks`` each, from ``starts``; ``pack`` pixels a fill; the fills of all stretches are
    shared by ``sets`` sets of channels; units are cut in ``cuts``."""

    starts: tuple[int, ...]
    chunks: int
    pack: int
    sets: int = 1
    cuts: int = 1

    def cut(self, index: int) -> tuple[int, int]:
        """Chunks, from the stretch's first, of a cut: none empty, differing by one at most."""
        return self.chunks * index // self.cuts, self.chunks * (index + 1) // self.cuts

    def fills(self, pixels: int, which: int) -> Iterator[tuple[int, int, int, int]]:
        """(stretch, first pixel, pixels a fill, how often) of the fills that set ``which`` takes."""
        each = ceil_div(pixels, self.pack)
        share = ceil_div(each * len(self.starts), self.sets)
        for stretch in range(len(self.starts)):
            first = max(which * share - stretch * each, 0)
            last = min((which + 1) * share - stretch * each, each)
            ragged = 1 if first < last == each and pixels % self.pack else 0
            if last - ragged > first:
                yield stretch, first * self.pack, self.pack, last - ragged - first
            if ragged:
                yield stretch, (each - 1) * self.pack, pixels % self.pack, 1


@dataclass(frozen=True)
class _Stride:
    """Consecutive units of one fill that a channel does after opening the rows: (piece, group, pixel) each."""

    units: tuple[tuple[int, int, int], ...]


def newton_plus(device: PimDevice, product: Product, channels: int) -> Compiled:
    """One global buffer, one set of all channels."""
    return _compile(device, product, channels, "newton+", (1,))


def newton_plus_plus(device: PimDevice, product: Product, channels: int) -> Compiled:
    """Up to four global buffers: one, two or four sets of channels, whichever opens rows least."""
    most = min(device.organization.global_buffers, 4)
    return _compile(device, product, channels, "newton++", tuple(g for g in (1, 2, 4) if g <= most))


def _compile(device: PimDevice, product: Product, channels: int, name: str, choices: tuple[int, ...]) -> Compiled:
    sizes = device.organization
    wide = min(sizes.columns, sizes.buffer_columns)
    if device.by_role("mode"):
        raise Infeasible(
            "this mapping has no mode switches",
            demand=1,
            bound=0,
            unit="mode commands",
            where=f"{name} on {device.name}",
        )
    chunks = product.chunks(device)
    whole = chunks // wide if chunks > wide else 0
    passes: list[_Pass] = []
    if whole:
        passes.append(_Pass(tuple(i * wide for i in range(whole)), wide, 1))
    if chunks > whole * wide:
        passes.append(_Pass((whole * wide,), chunks - whole * wide, wide // (chunks - whole * wide)))
    passes = [_choose(device, product, channels, p, choices) for p in passes]
    pieces = [(s + p.cut(i)[0], s + p.cut(i)[1]) for p in passes for s in p.starts for i in range(p.cuts)]
    sections = []
    for channel in range(channels):
        body = _channel(device, product, channels, channel, passes)
        if body:
            sections.append(Section((channel,), body))
    groups = product.groups(device)
    tiles, row = [], 0
    for p in passes:
        for start in p.starts:
            for g in range(groups := product.groups(device)):
                tiles.append(Tile(row + g, 0, g, start, p.chunks))
                if 2 * p.chunks <= device.organization.columns and g + 1 < groups:
                    tiles.append(Tile(row + g, p.chunks, g + 1, start, p.chunks))
            row += groups
    return Compiled(
        product, device, name, channels, Program(device.name, tuple(sections)), tuple(pieces),
        dict.fromkeys(range(channels), tuple(tiles)), tuple((s, p.chunks) for p in passes for s in p.starts),
    )  # fmt: skip


def _choose(device: PimDevice, product: Product, channels: int, part: _Pass, choices: tuple[int, ...]) -> _Pass:
    """Sets and cuts with the fewest openings in the first channel; a cut made for a smaller choice stays for the next."""
    groups, cuts = product.groups(device), 1
    trials: list[tuple[int, int, int, _Pass]] = []
    for sets in choices:
        width = channels // sets
        if width < 1:
            break
        units = groups * min(part.pack, product.pixels) * cuts
        while units <= width // 2:
            factor = min(width // units, part.chunks // cuts)
            if factor < 2:
                break
            cuts, units = cuts * factor, units * factor
        trial = replace(part, sets=sets, cuts=cuts)
        opened, size = 0, 0
        for _, _, pixels, times in trial.fills(product.pixels, 0):
            strides = _strides(groups, pixels, cuts, width, 0)
            units_done = [u for s in strides for u in s.units]
            comps = sum(high - low for low, high in (trial.cut(u[0]) for u in units_done))
            opened += times * len(strides)
            size += times * (_BYTES["GWRITE"] + len(strides) * _BYTES["G_ACT"] + comps * _BYTES["COMP"])
            size += times * len(units_done) * _BYTES["READRES"]
        trials.append((opened, size, len(trials), trial))
    return min(trials)[3]


def _strides(groups: int, pixels: int, cuts: int, width: int, member: int) -> list[_Stride]:
    """The strides that the ``member``-th channel of a set does for one fill: dealt round-robin."""
    units = groups * pixels * cuts
    step = min(max(ceil_div(units, width), 1), pixels * cuts)
    out = []
    for number, start in enumerate(range(0, units, step)):
        if number % width == member:
            found = range(start, min(start + step, units))
            out.append(_Stride(tuple((u // pixels % cuts, u // (pixels * cuts), u % pixels) for u in found)))
    return out


def _channel(device: PimDevice, product: Product, channels: int, channel: int, passes: list[_Pass]) -> tuple[Node, ...]:
    body: list[Node] = []
    groups, opened, row, piece = product.groups(device), False, 0, 0
    for p in passes:
        which, member = divmod(channel, channels // p.sets)
        writer = _Writer(Dialect(device), product, p, row, piece)
        for stretch, start, pixels, times in p.fills(product.pixels, which) if which < p.sets else ():
            strides = _strides(groups, pixels, p.cuts, channels // p.sets, member)
            first = bool(strides) and not opened and bool(device.state_checks)
            body += _repeat(times, start, p.pack, partial(writer.fill, stretch, pixels, strides), first)
            opened |= bool(strides)
        row, piece = row + groups * len(p.starts), piece + p.cuts * len(p.starts)
    return tuple(body)


@dataclass(frozen=True)
class _Writer:
    """Writes the commands of one pass; ``row`` and ``piece`` are where the pass starts in the banks and in the results."""

    dialect: Dialect
    product: Product
    part: _Pass
    row: int
    piece: int

    def fill(self, stretch: int, pixels: int, strides: list[_Stride], base: Affine, first: bool) -> list[Node]:
        """One fill of ``pixels`` pixels from pixel ``base`` and a channel's strides on it (none: that generator sends the fill
        all the same)."""
        p, product, dialect = self.part, self.product, self.dialect
        groups = product.groups(dialect.device)
        nodes = list(dialect.fill(0, base * p.chunks + p.starts[stretch] * product.pixels, pixels * p.chunks))
        for stride in strides:
            opened = stride.units[0][1]
            nodes += dialect.open(self.row + stretch * groups + opened, first=first)
            first = False
            for piece, group, pixel in stride.units:
                low, high = p.cut(piece)
                # A stride may run into the next group of outputs: its weights stand in the same row, behind this group's, if
                # there is room (that generator, whose commands check no row, does not ask).
                if group > opened and 2 * p.chunks > dialect.device.organization.columns:
                    opened = group
                    nodes += dialect.open(self.row + stretch * groups + opened, first=False)
                nodes += dialect.mac((group - opened) * p.chunks + low, pixel * p.chunks + low, 0, high - low)
                result = ((self.piece + stretch * p.cuts + piece) * product.pixels + pixel) * groups + group
                nodes += dialect.read(0, base * groups + result)
        return nodes


def _repeat(times: int, start: int, step: int, trip: Callable[[Affine, bool], list[Node]], first: bool) -> list[Node]:
    """``trip`` for pixels start, start + step, ...: a loop, with the very first trip apart where it opens the first row."""
    if not first or times == 1:
        base = Affine(start, (("w", step),)) if times > 1 else Affine(start)
        nodes = trip(base, first)
        return [Loop("w", times, tuple(nodes))] if times > 1 else nodes
    return trip(Affine(start), True) + _repeat(times - 1, start + step, step, trip, False)
