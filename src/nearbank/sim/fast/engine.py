"""A program's channels through the fast engine; channels that differ only in addresses are played once."""

from __future__ import annotations

from nearbank.devices import PimDevice
from nearbank.errors import ProgramError
from nearbank.program import Loop, Node, Program, Section, commands, unroll
from nearbank.sim.fast.commands import variants_of
from nearbank.sim.fast.faults import RangeFault, first_range_fault
from nearbank.sim.fast.loops import Player
from nearbank.sim.fast.machine import Fault
from nearbank.sim.fast.nest import NestCompiler, PlayedNode
from nearbank.sim.reference import check_range, time_stream
from nearbank.sim.timing import ChannelTiming, Timing

__all__ = ["time_program_fast"]


def time_program_fast(device: PimDevice, program: Program) -> Timing:
    """What `reference.time_program` returns for the same device and program, to the clock.

    Raises:
        ProgramError: as the reference.
    """
    compiler = NestCompiler(device, variants_of(device))
    channels: dict[int, ChannelTiming] = {}
    known: dict[tuple[PlayedNode, ...], ChannelTiming] = {}
    for section in program.sections:
        # Channels of a section differ in addresses at the host alone, unless another operand names them.
        alike = len(section.channels) > 1 and not _names_channel(section.body, compiler)
        for position, channel in enumerate(section.channels):
            if position and alike:
                channels[channel] = channels[section.channels[0]]
                continue
            body = compiler.section(section.body, position)
            if body not in known or compiler.doubtful:
                known[body] = _play(device, compiler, section, position, body)
            channels[channel] = known[body]
    return Timing(dict(sorted(channels.items())))


def _play(
    device: PimDevice, compiler: NestCompiler, section: Section, position: int, prepared: tuple[PlayedNode, ...]
) -> ChannelTiming:
    channel = section.channels[position]
    player = Player(device)
    try:
        if compiler.doubtful:
            wrong = first_range_fault(device, compiler.variants, section.body, position)
            if wrong is not None and device.requires("range"):
                _fail(device, compiler, player, wrong, position)
            if wrong is not None and (compiler.variants.columns or compiler.variants.latches):
                raise OverflowError
        player.body(prepared)
    except Fault as fault:
        where = f"channel {channel}, command {fault.before + 1}, {fault.command}"
        raise ProgramError(fault.what, where=where, value=fault.value, bound=fault.bound) from None
    except OverflowError:
        # Numbers beyond the device's sizes that it plays all the same, or operands of no simple form.
        names = compiler.table.names
        return time_stream(device, unroll(section.body, names, channel=position), where=f"channel {channel}, ")
    player.finish()
    counts = dict(zip(player.table.names, player.added, strict=True))
    for name, times in commands(section.body):
        counts[name] += times
    return ChannelTiming(player.end, {name: count for name, count in counts.items() if count})


def _fail(device: PimDevice, compiler: NestCompiler, player: Player, wrong: RangeFault, position: int) -> None:
    """Play up to the first operand out of range, unless something else is wrong before it."""
    player.body(compiler.section(wrong.before, position))
    op = compiler.index[wrong.op.command]
    try:
        player.play_wrong(op, lambda: check_range(device, op, wrong.args))
    except Fault as fault:
        fault.before += sum(times for _, times in commands(wrong.before))
        raise


def _names_channel(body: tuple[Node, ...], compiler: NestCompiler) -> bool:
    """Whether an operand other than an address at the host depends on the channel."""
    for node in body:
        if isinstance(node, Loop):
            if _names_channel(node.body, compiler):
                return True
        elif node.command in compiler.index:
            limits = compiler.variants.limits[compiler.index[node.command]]
            for arg, limit in zip(node.args, limits, strict=False):
                if limit >= 0 and any(name == "c" for name, _ in arg.terms):
                    return True
    return False
