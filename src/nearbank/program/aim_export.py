"""Commands back to AiM's host instructions: the k-th instruction of all channels, then the next, `AiM EOC` behind them; equal
ones become one.

The format says less than commands do: WR_GB and MAC_ABK begin at column 0, and TMOD, PREA and ACT16 are where `Lowering` puts
them. What is written is lowered again and compared, so what the format cannot say is an error and never another program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

from nearbank.errors import ProgramError
from nearbank.program.aim import CHANNELS, FUNCTION_REGISTER, GPRS, READS, SIZES, Isr, Lowering
from nearbank.program.ir import Program
from nearbank.program.stream import Stream, unroll

__all__ = ["format_isr", "isr_of_program", "isr_of_streams"]

_SINGLE = {"WRMAC16": "AiM WR_BIAS", "RDMAC16": "AiM RD_MAC", "RDAF16": "AiM RD_AF"}
_IMPLIED = ("TMOD", "PREA")


def format_isr(program: Iterable[Isr]) -> Iterator[str]:
    """The lines of a trace; `parse_isr` reads them back."""
    for isr in program:
        yield f"{isr}\n"


def isr_of_program(program: Program, names: Sequence[str], *, exact: bool = True) -> tuple[Isr, ...]:
    """The host program of ``program``; see `isr_of_streams`. ``names`` are the device's commands."""
    streams = {
        channel: unroll(section.body, names, channel=position)
        for section in program.sections
        for position, channel in enumerate(section.channels)
    }
    return isr_of_streams(streams, exact=exact)


def isr_of_streams(streams: Mapping[int, Stream], *, exact: bool = True) -> tuple[Isr, ...]:
    """A host program whose lowering gives each channel its stream again, ended by EOC.

    ``exact=False`` keeps the commands, and so what they cost a channel, but not their columns and host registers: for programs
    that begin behind column 0 of a row or buffer, and then one mask serves all channels that have the same command.

    Raises:
        ProgramError: the format cannot express a command; says the channel and the number of the command.
    """
    found: dict[int, tuple[Isr, ...]] = {}
    for channel, stream in streams.items():
        if not 0 <= channel < CHANNELS:
            raise ProgramError("channel", value=channel, bound=f"0 to {CHANNELS - 1}")
        found[channel] = tuple(_instructions(stream, exact, f"channel {channel}"))
    return tuple(_together(dict(sorted(found.items())), exact))


def _together(channels: Mapping[int, tuple[Isr, ...]], exact: bool) -> Iterator[Isr]:
    """Where the k-th instructions of several channels are equal, one for all of them; reads are one where the registers follow
    each other as the channels do."""
    function = 0
    for row in zip_longest(*channels.values()):
        members: list[tuple[Isr, list[int]]] = []
        for isr, channel in zip(row, channels, strict=True):
            if isr is None:
                continue
            for first, held in members:
                behind = len(held) if exact and isr.name in READS else 0
                if replace(first, gpr=first.gpr + behind) == isr:
                    held.append(channel)
                    break
            else:
                members.append((isr, [channel]))
        for isr, held in members:
            if isr.name == "AiM AF" and isr.value != function:
                function = isr.value
                yield Isr("W CFR", gpr=FUNCTION_REGISTER, value=function)
            yield replace(isr, mask=sum(1 << (CHANNELS - 1 - c) for c in held), value=0)
    yield Isr("AiM EOC")


def _instructions(stream: Stream, exact: bool, where: str) -> list[Isr]:
    """Those of one channel, without mask; an AF keeps its function in ``value``."""
    out: list[Isr] = []
    row, following = 0, (-1, -1)
    for number, (op, args) in enumerate(zip(stream.ops.tolist(), stream.args.tolist(), strict=True), 1):
        name, here = stream.names[op], f"{where}, command {number}, {stream.names[op]}"
        if name in _IMPLIED:
            continue
        if name == "ACT16":
            row = args[0]
        elif name in _SINGLE:
            out.append(Isr(_SINGLE[name], gpr=_gpr(args[1], exact, here)))
        elif name == "AF16":
            out.append(Isr("AiM AF", value=args[1]))
        elif name in ("WRGB", "MAC16"):
            kind = "AiM WR_GB" if name == "WRGB" else "AiM MAC_ABK"
            last, at = out[-1] if out else None, (args[0], args[1])
            if not exact and name == "WRGB":
                at = (args[0], 0)
            if (
                last is not None
                and last.name == kind
                and last.row == row * (name == "MAC16")
                and at == following
                and last.size < SIZES
            ):
                out[-1] = replace(last, size=last.size + 1)
            elif name == "WRGB":
                out.append(Isr(kind, 1, gpr=_gpr(args[1], exact, here)))
            else:
                out.append(Isr(kind, 1, row=row))
            following = (at[0] + 1, at[1] + (exact or name == "MAC16"))
        else:
            raise ProgramError("no host instruction does it", where=here)
    _compare(stream, out, exact, where)
    return out


def _gpr(value: int, exact: bool, where: str) -> int:
    if not exact:
        return 0
    if not 0 <= value < GPRS:
        raise ProgramError("host register", where=where, value=value, bound=f"0 to {GPRS - 1}")
    return value


def _compare(stream: Stream, instructions: list[Isr], exact: bool, where: str) -> None:
    """ProgramError unless the instructions are lowered to the stream again."""
    lowering = Lowering()
    ours: list[tuple[str, tuple[int, ...]]] = []
    for isr in instructions:
        lowering.function = isr.value
        ours += [command for request in lowering.requests(isr) for command in request]
    pairs = zip_longest(zip(stream.ops.tolist(), stream.args.tolist(), strict=True), ours)
    for number, (theirs, command) in enumerate(pairs, 1):
        name = stream.names[theirs[0]] if theirs else "the end"
        if theirs and command and name == command[0]:
            wanted = list(command[1])
            if not exact or theirs[1][: len(wanted)] == wanted:
                continue
            what, value = "host instructions cannot have these operands", str(theirs[1])
            raise ProgramError(what, where=f"{where}, command {number}, {name}", value=value, bound=str(wanted))
        what = "host instructions have another command here"
        raise ProgramError(
            what, where=f"{where}, command {number}", value=name, bound=command[0] if command else "the end"
        )
