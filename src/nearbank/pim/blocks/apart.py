"""Block by block: every run is an ordinary product on one channel, and the runs' programs stand one behind the other.

Where a run needs one row only, opened once, several blocks share a row, and only the first of them opens it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache

from nearbank.devices import PimDevice
from nearbank.pim.blocks.types import BlockCompiled, Laid, Run, alike, deal
from nearbank.pim.product import Compiled, Product, Tile
from nearbank.program import Affine, Loop, Node, Op, Program, Section, commands

__all__ = ["apart"]

Single = Callable[[PimDevice, Product, int], Compiled]
"""Compiles an ordinary product on so many channels."""


def apart(device: PimDevice, product: Product, channels: int, single: Single, name: str) -> BlockCompiled:
    """Compile ``product`` with ``single`` for each run.

    Raises:
        Infeasible: a run, or the weights of all, do not fit.
    """

    @cache
    def compiled(pixels: int) -> Compiled:
        return single(device, Product(pixels, product.in_channels, product.out_channels), 1)

    shares = deal(product, channels)
    sections, tiles = [], dict[int, tuple[Tile, ...]]()
    source = result = 0
    for members in alike(shares):
        share = shares[members[0]]
        ones = [compiled(run.pixels) for run in share]
        sources = product.chunks(device) * sum(run.pixels for run in share) + _zeros(device) * len(share)
        results = sum(one.result_count for one in ones)
        writer = _Writer(device, product, Affine(source, (("c", sources),)), Affine(result, (("c", results),)))
        for run, one in zip(share, ones, strict=True):
            writer.run(run, one)
        sections.append(Section(members, tuple(writer.nodes)))
        source, result = source + len(members) * sources, result + len(members) * results
        for member in members:
            ahead = (shares[member][0].block - share[0].block) * product.groups(device)
            tiles[member] = tuple(replace(t, group=t.group + ahead) for t in writer.tiles)
    runs = [(run, compiled(run.pixels)) for share in shares for run in share]
    most = max((one for _, one in runs), key=lambda one: len(one.pieces))
    laid = tuple(Laid(run, one.pieces, one.spans, one.packed) for run, one in runs)
    program = Program(device.name, tuple(sections))
    name = f"{name}, block by block"
    return BlockCompiled(product, device, name, channels, program, most.pieces, tiles, most.spans, runs=laid)


class _Writer:
    """One channel's nodes and tiles; ``source`` and ``result``: the first numbers that are free."""

    def __init__(self, device: PimDevice, product: Product, source: Affine, result: Affine) -> None:
        self.device, self.product, self.source, self.result = device, product, source, result
        self.nodes: list[Node] = []
        self.tiles: list[Tile] = []
        self.row = self.column = 0  # the next free place in a row that is open; column 0: none is
        self.roles = {command.name: command.role for command in device.commands}
        self.closing: tuple[Node, ...] = ()

    def run(self, run: Run, one: Compiled) -> None:
        """Write a run with the program of its own product."""
        (section,) = one.program.sections
        (tiles,) = one.tiles.values()
        groups = self.product.groups(self.device)
        body, rows = section.body, max(t.row for t in tiles) + 1
        wide = max(t.column + t.count for t in tiles)
        shares = rows == 1 and self._openings(body) == 1 and not self.device.by_role("mode")
        if shares and self.column and self.column + wide <= self.device.organization.columns:
            body = self._without_opening(body)
        else:
            self.row += 1 if self.column else 0
            self.column = 0
            self.nodes += self.closing
            self.closing = self._closing(body)
        self.nodes += self._moved(body)
        self.tiles += [
            replace(t, row=self.row + t.row, column=self.column + t.column, group=run.block * groups + t.group)
            for t in tiles
        ]
        if shares:
            self.column += wide
        else:
            self.row += rows
        self.source = self.source + (run.pixels * self.product.chunks(self.device) + _zeros(self.device))
        self.result = self.result + one.result_count

    def _openings(self, body: tuple[Node, ...]) -> int:
        first = self.device.by_role("activate")[0].name
        return sum(times for name, times in commands(body) if name == first)

    def _closing(self, body: tuple[Node, ...]) -> tuple[Node, ...]:
        """What brings a channel back to where ``body`` found it: the mode that it began in, and all rows closed."""
        count = dict[str, int]()
        for name, times in commands(body):
            count[self.roles[name]] = count.get(self.roles[name], 0) + times
        out: list[Node] = []
        if count.get("mode", 0) % 2:
            out.append(Op(self.device.one("mode").name))
        activates = len(self.device.by_role("activate"))
        if self.device.state_checks and count["activate"] > count.get("precharge", 0) * activates:
            out.append(Op(self.device.one("precharge").name))
        return tuple(out)

    def _without_opening(self, body: Iterable[Node]) -> tuple[Node, ...]:
        return tuple(
            Loop(node.var, node.count, self._without_opening(node.body)) if isinstance(node, Loop) else node
            for node in body
            if isinstance(node, Loop) or self.roles[node.command] not in ("activate", "precharge")
        )

    def _moved(self, body: Iterable[Node]) -> tuple[Node, ...]:
        """The nodes with rows, columns, sources and results counted from where this run's are."""
        out: list[Node] = []
        for node in body:
            if isinstance(node, Loop):
                out.append(Loop(node.var, node.count, self._moved(node.body)))
                continue
            role, args = self.roles[node.command], tuple(_alone(arg) for arg in node.args)
            if role == "activate":
                args = (_plus(args[0], self.row), *args[1:])
            elif role == "mac":
                args = (_plus(args[0], self.column), *args[1:])
            elif role in ("fill", "preset"):
                args = (args[0], _plus(args[1], self.source))
            elif role == "read":
                args = (args[0], _plus(args[1], self.result))
            out.append(Op(node.command, args))
        return tuple(out)


def _zeros(device: PimDevice) -> int:
    """Source columns of zeros behind a run's own, for presets."""
    return 1 if device.by_role("preset") else 0


def _plus(arg: Affine, by: Affine | int) -> Affine:
    return (Affine(arg.const, arg.terms) + by) % arg.mod if arg.mod else arg + by


def _alone(arg: Affine) -> Affine:
    """The operand of the only channel: its position is 0."""
    return Affine(arg.const, tuple(term for term in arg.terms if term[0] != "c"), arg.mod)
