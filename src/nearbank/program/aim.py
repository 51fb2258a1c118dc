"""AiM's host instructions (ISR), a level above commands: `AiM MAC_ABK 12 0x1 0` multiplies 12 columns in every channel of the
mask 0x1. A trace is text, one instruction a line, `#` comments, closed by `AiM EOC`.

Bit i of a mask selects channel 31 - i. A read of several channels fills a register for each, from its gpr on in the order of the
channels (assumed: that simulator computes no values). Which commands an instruction becomes depends on the channel's open row and
mode: `Lowering` keeps those. Public AiM simulator's format; a register (gpr) is one 32 B column at the host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nearbank.devices import FUNCTION_ROW
from nearbank.errors import ProgramError, near_matches
from nearbank.program.stream import OPERANDS, Stream

__all__ = [
    "CHANNELS",
    "FUNCTION_REGISTER",
    "GPRS",
    "READS",
    "SIZES",
    "Isr",
    "Lowering",
    "Request",
    "is_isr",
    "lower_isr",
    "parse_isr",
]

CHANNELS = 32
"""Channels that a mask can name."""

FIELDS: dict[str, tuple[str, ...]] = {
    "AiM WR_GB": ("size", "gpr", "mask"),
    "AiM WR_BIAS": ("gpr", "mask"),
    "AiM MAC_ABK": ("size", "mask", "row"),
    "AiM AF": ("mask",),
    "AiM RD_MAC": ("gpr", "mask"),
    "AiM RD_AF": ("gpr", "mask"),
    "AiM SYNC": (),
    "AiM EOC": (),
    "AiM WR_SBK": ("gpr", "mask", "bank", "row"),
    "AiM WR_ABK": ("gpr", "mask", "row"),
    "AiM RD_SBK": ("gpr", "mask", "bank", "row"),
    "AiM COPY_BKGB": ("size", "mask", "bank", "row"),
    "AiM COPY_GBBK": ("size", "mask", "bank", "row"),
    "AiM MAC_SBK": ("size", "mask", "bank", "row"),
    "AiM EWMUL": ("size", "mask", "row"),
    "AiM EWADD": ("size", "gpr", "gpr"),
    "W CFR": ("gpr", "value"),
    "W GPR": ("gpr",),
    "R GPR": ("gpr",),
    "W MEM": ("value", "bank", "row"),
    "R MEM": ("value", "bank", "row"),
}
"""The fields of each instruction, in the order of the text."""

SIZES, GPRS = 64, 1 << 21
"""The most columns of one instruction, and registers at the host."""

READS = ("AiM RD_MAC", "AiM RD_AF")
"""The instructions that bring results to the host."""

_LIMITS = {"bank": 16, "row": 1 << 14, "mask": 1 << CHANNELS, "gpr": GPRS, "value": 1 << 31}
_PLAYED = {"WR_GB", "WR_BIAS", "MAC_ABK", "AF", "RD_MAC", "RD_AF", "SYNC", "EOC", "CFR", "GPR"}
_REGISTER = frozenset(("WRGB", "WRMAC16", "RDMAC16", "RDAF16"))

FUNCTION_REGISTER = 2
"""The configuration register (CFR) that selects the activation function; 0 and 1 do not matter to time here."""

Request = tuple[tuple[str, tuple[int, ...]], ...]
"""What the controller keeps in its queue: one command with those that must come before it, each a name and operands."""


@dataclass(frozen=True, slots=True)
class Isr:
    """One host instruction. ``name`` as written, "AiM MAC_ABK"; fields that it does not have are 0; ``line`` of the text."""

    name: str
    size: int = 0
    gpr: int = 0
    mask: int = 0
    row: int = 0
    bank: int = 0
    value: int = 0
    line: int = 0

    @property
    def blocks(self) -> bool:
        """Whether the host waits until it is done."""
        return self.name in (*READS, "AiM SYNC", "AiM EOC")

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels of the mask, ascending."""
        return tuple(c for c in range(CHANNELS) if self.mask >> (CHANNELS - 1 - c) & 1)

    def __str__(self) -> str:
        words = [hex(self.mask) if f == "mask" else str(getattr(self, f)) for f in FIELDS[self.name]]
        return " ".join([self.name, *words])


def is_isr(text: str) -> bool:
    """Whether the first line that is no comment is of this format."""
    first = next((w for line in text.splitlines() if (w := line.split("#")[0].split())), [])
    return first[:1] == ["AiM"] or (first[:1] in (["W"], ["R"]) and first[1:2] in (["CFR"], ["GPR"], ["MEM"]))


def parse_isr(text: str, *, where: str = "trace") -> tuple[Isr, ...]:
    """The instructions of a trace, `AiM EOC` the last.

    Raises:
        ProgramError: a line that is no instruction, a field out of range, an instruction behind EOC, or no EOC; says the line.
    """
    out: list[Isr] = []
    for number, raw in enumerate(text.splitlines(), 1):
        words, here = raw.split("#")[0].split(), f"{where}, line {number}"
        if not words:
            continue
        if out and out[-1].name == "AiM EOC":
            raise ProgramError("an instruction behind AiM EOC", where=here, value=raw.strip()[:80])
        out.append(_instruction(words, number, here))
    if not out or out[-1].name != "AiM EOC":
        raise ProgramError("the trace does not end with AiM EOC", where=where)
    return tuple(out)


def _instruction(words: list[str], line: int, here: str) -> Isr:
    name, fields = " ".join(words[:2]).replace("AiM ISR_", "AiM "), words[2:]
    if name not in FIELDS:
        raise ProgramError("unknown instruction", where=here, value=name[:80], bound=near_matches(name, FIELDS))
    if len(fields) != len(FIELDS[name]):
        expected = " ".join([name, *FIELDS[name]])
        raise ProgramError("wrong number of fields", where=here, value=" ".join(words)[:80], bound=f"`{expected}`")
    values: dict[str, int] = {}
    for field, word in zip(FIELDS[name], fields, strict=True):
        try:
            value = int(word, 16 if word[:2].lower() == "0x" else 10)
        except ValueError:
            raise ProgramError(f"{field} is not a whole number", where=here, value=word[:80]) from None
        least, most = (1, SIZES) if field == "size" else (int(field == "mask"), _LIMITS[field] - 1)
        if not least <= value <= most:
            raise ProgramError(field, where=here, value=value, bound=f"{least} to {most}")
        values[field] = value
    if name == "W CFR" and values["gpr"] > FUNCTION_REGISTER:
        raise ProgramError("configuration register", where=here, value=values["gpr"], bound="0 to 2")
    if name == "W CFR" and values["gpr"] == FUNCTION_REGISTER and values["value"] > 7:
        raise ProgramError("activation function", where=here, value=values["value"], bound="0 to 7")
    return Isr(name, line=line, **values)


class Lowering:
    """The commands of one channel's instructions, given one after the other.

    A switch of the mode comes first (TMOD), then, where another row is open or none, PREA and ACT16.
    """

    def __init__(self) -> None:
        self.row: int | None = None
        self.in_registers = False
        self.function = 0

    def requests(self, isr: Isr, position: int = 0) -> Iterator[Request]:
        """The requests of ``isr``, in order; none for one that only the host plays. ``position``: of the channel in its mask.

        Raises:
            ProgramError: an instruction that is known but not modelled.
        """
        kind = isr.name.split()[1]
        if kind not in _PLAYED:
            raise ProgramError("the instruction is not modelled", where=f"line {isr.line}", value=isr.name)
        if isr.name == "W CFR" and isr.gpr == FUNCTION_REGISTER:
            self.function = isr.value
        elif kind == "WR_GB":
            for i in range(isr.size):
                yield self._request("WRGB", (i, isr.gpr + i))
        elif kind == "WR_BIAS":
            yield self._request("WRMAC16", (0, isr.gpr))
        elif kind == "MAC_ABK":
            for i in range(isr.size):
                yield self._request("MAC16", (i, i, 0), isr.row)
        elif kind == "AF":
            yield self._request("AF16", (0, self.function), FUNCTION_ROW + self.function)
        elif kind in ("RD_MAC", "RD_AF"):
            yield self._request("RDMAC16" if kind == "RD_MAC" else "RDAF16", (0, isr.gpr + position))

    def _request(self, name: str, args: tuple[int, ...], row: int | None = None) -> Request:
        before: list[tuple[str, tuple[int, ...]]] = []
        if (name in _REGISTER) != self.in_registers:
            before.append(("TMOD", ()))
            self.in_registers = not self.in_registers
        if row is not None and row != self.row:
            before += [("PREA", ())] * (self.row is not None) + [("ACT16", (row,))]
            self.row = row
        return (*before, (name, args))


def lower_isr(program: Iterable[Isr], names: Sequence[str]) -> dict[int, Stream]:
    """The commands that each channel named by a mask gets, in order; opcodes index ``names``.

    Raises:
        ProgramError: an instruction that is not modelled, or a command that is not in ``names``.
    """
    index = {name: i for i, name in enumerate(names)}
    channels = {c: Lowering() for c in range(CHANNELS)}
    found: dict[int, list[tuple[str, tuple[int, ...]]]] = {}
    for isr in program:
        for position, channel in enumerate(isr.channels or range(CHANNELS)):
            commands = [command for request in channels[channel].requests(isr, position) for command in request]
            if commands:
                found.setdefault(channel, []).extend(commands)
    return {c: stream_of(commands, names, index) for c, commands in sorted(found.items())}


def stream_of(commands: Sequence[tuple[str, tuple[int, ...]]], names: Sequence[str], index: dict[str, int]) -> Stream:
    """Commands as numbers; ProgramError for one that the device does not have."""
    for name, _ in commands:
        if name not in index:
            raise ProgramError("unknown command", value=name, bound=near_matches(name, names))
    ops = np.array([index[name] for name, _ in commands], np.int64)
    args = np.array([(*args, *(0,) * (OPERANDS - len(args))) for _, args in commands], np.int64)
    return Stream(tuple(names), ops, args.reshape(-1, OPERANDS))
