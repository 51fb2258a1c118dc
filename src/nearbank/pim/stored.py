"""Compiled products and timings as plain lists and dictionaries, and back: what `cache` keeps of them.

A node is [command, operand, ...] or [[variable, count], node, ...]; an operand is a number, or [const, mod, variable, factor, ...].
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

from nearbank.devices import PimDevice
from nearbank.pim.blocks import BlockCompiled, Laid, Run
from nearbank.pim.product import NO_EPILOGUE, Compiled, Epilogue, Packed, Product, Tile
from nearbank.program import Affine, Loop, Node, Op, Program, Section
from nearbank.sim import ChannelTiming, Timing

__all__ = ["compiled_from", "compiled_to", "timing_from", "timing_to"]


def compiled_to(compiled: Compiled) -> dict[str, Any]:
    """All of it but the device and the product."""
    runs = {}
    if isinstance(compiled, BlockCompiled):
        runs["runs"] = [[astuple(x.run), x.pieces, x.spans, _packed_to(x.packed)] for x in compiled.runs]
    return runs | {
        "mapping": compiled.mapping,
        "sections": [[s.channels, list(map(_node_to, s.body))] for s in compiled.program.sections],
        "pieces": compiled.pieces,
        "tiles": {
            channel: [[t.row, t.column, t.group, t.chunk, t.count, t.bank] for t in tiles]
            for channel, tiles in compiled.tiles.items()
        },
        "spans": compiled.spans,
        "packed": _packed_to(compiled.packed),
    }


def compiled_from(
    stored: Any, device: PimDevice, product: Product, channels: int, epilogue: Epilogue = NO_EPILOGUE
) -> Compiled:
    """What was stored, for the same device, product, channels and epilogue."""
    sections = tuple(Section(tuple(numbers), tuple(map(_node_from, body))) for numbers, body in stored["sections"])
    parts = (
        product, device, stored["mapping"], channels, Program(device.name, sections), _pairs(stored["pieces"]),
        {int(channel): tuple(Tile(*tile) for tile in tiles) for channel, tiles in stored["tiles"].items()},
        _pairs(stored["spans"]), epilogue, _packed_from(stored["packed"]),
    )  # fmt: skip
    if "runs" not in stored:
        return Compiled(*parts)
    runs = (Laid(Run(*run), _pairs(a), _pairs(b), _packed_from(c)) for run, a, b, c in stored["runs"])
    return BlockCompiled(*parts, tuple(runs))


def _packed_to(packed: tuple[Packed, ...]) -> list[tuple[Any, ...]]:
    return [astuple(run) for run in packed]


def _packed_from(stored: Any) -> tuple[Packed, ...]:
    return tuple(Packed(*run) for run in stored)


def _pairs(stored: Any) -> tuple[tuple[int, int], ...]:
    return tuple((first, second) for first, second in stored)


def timing_to(timing: Timing) -> dict[str, Any]:
    """Cycles and commands of every channel."""
    return {str(channel): [t.cycles, dict(t.commands)] for channel, t in timing.channels.items()}


def timing_from(stored: Any) -> Timing:
    """What was stored."""
    return Timing({int(channel): ChannelTiming(cycles, commands) for channel, (cycles, commands) in stored.items()})


def _node_to(node: Node) -> list[Any]:
    if isinstance(node, Loop):
        return [[node.var, node.count], *map(_node_to, node.body)]
    return [node.command, *map(_operand_to, node.args)]


def _node_from(stored: list[Any]) -> Node:
    head, *rest = stored
    if isinstance(head, list):
        return Loop(head[0], head[1], tuple(map(_node_from, rest)))
    return Op(head, tuple(map(_operand_from, rest)))


def _operand_to(arg: Affine) -> int | list[Any]:
    if not arg.terms and not arg.mod:
        return arg.const
    return [arg.const, arg.mod, *(part for term in arg.terms for part in term)]


def _operand_from(stored: int | list[Any]) -> Affine:
    if isinstance(stored, int):
        return Affine(stored)
    const, mod, *parts = stored
    return Affine(const, tuple(zip(parts[::2], parts[1::2], strict=True)), mod)
