"""The bound beside the fastest program there is, found by trying every order of commands of very small products."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from nearbank.devices import PimDevice, device
from nearbank.pim import Product, bound
from nearbank.pim.search import search
from nearbank.sim import time_program
from nearbank.sim.reference import Machine

NEWTON = device("newton-gddr6")
OFTEN = replace(NEWTON, refresh=replace(NEWTON.refresh, interval=150))


def fastest(unit: PimDevice, pixels: int, chunks: int, groups: int) -> int:
    """Clocks of the fastest program on one channel: every order in which fills, multiplications and reads (each in the order of
    the pixels, which are alike) may stand among each other and the activates, and the rows closed and opened again at will, once.

    A state that was met with no more clocks is not followed again, so the search ends; it knows nothing of the bound.
    """
    index = {c.name: i for i, c in enumerate(unit.commands)}
    fill, mac, read, close = (index[unit.one(role).name] for role in ("fill", "mac", "read", "precharge"))
    activates = [index[c.name] for c in unit.by_role("activate")]
    wide = unit.one(
        "fill"
    ).columns  # pixels stand side by side in the buffers, each of which is filled whole where that is many
    full = unit.organization.buffer_columns // wide  # fills that a buffer takes
    capacity = unit.organization.buffer_capacity
    sums = pixels * groups
    latches = unit.organization.result_latches
    best = 1 << 30
    long = (
        max(rule.gap for rule in unit.rules if rule.before != ("REF",)) + 1
    )  # clocks after which no rule remembers a command
    met: dict[object, int] = {}
    # (machine, fills, multiplications, reads, activates since the last close, closes)
    stack = [(Machine(unit), 0, 0, 0, 0, 0)]
    while stack:
        machine, fills, macs, reads, opened, closes = stack.pop()
        if machine.now + 2 * (sums * chunks - macs) >= best:
            continue
        if reads == sums:
            best = min(best, copy.deepcopy(machine).finish())
            continue
        state = (
            fills, macs, reads, opened, closes, machine.due - machine.now,
            tuple(sorted((op, max(at - machine.now, -long)) for op, at in machine.last.items())),
            tuple(sorted((key, max(at - machine.now, -long)) for key, at in machine.last_latch.items())),
            tuple(sorted((key, max(at - machine.now, -long)) for key, at in machine.last_fill.items())),
        )  # fmt: skip
        if met.get(state, best) <= machine.now:
            continue
        met[state] = machine.now
        moves: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []
        number, chunk = divmod(macs, chunks)
        column = number // groups * chunks + chunk
        # A fill may not take the place of one that is still needed.
        if fills * wide < pixels * chunks and column // wide + unit.organization.global_buffers * full > fills:
            moves.append((fill, (fills * wide % capacity, 0), (1, 0, 0, 0, 0)))
        if number < sums and opened == 4 and column < fills * wide and number - reads < latches:
            moves.append((mac, (chunk, column % capacity, number % latches), (0, 1, 0, 0, 0)))
        if macs >= (reads + 1) * chunks:
            moves.append((read, (reads % latches, 0), (0, 0, 1, 0, 0)))
        if opened < 4:
            moves.append((activates[opened], (0,), (0, 0, 0, 1, 0)))
        elif not closes and macs < sums * chunks and machine.owed(machine.now + 20):
            moves.append((close, (), (0, 0, 0, -4, 1)))
        for op, args, by in moves:
            after = copy.deepcopy(machine)
            after.play(op, args)
            stack.append((after, *(a + b for a, b in zip((fills, macs, reads, opened, closes), by, strict=True))))
    return best


@pytest.mark.parametrize("unit", [NEWTON, OFTEN], ids=["newton", "refresh every 150"])
@pytest.mark.parametrize(
    ("pixels", "chunks", "groups"), [(1, 1, 1), (1, 3, 1), (2, 1, 1), (3, 1, 1), (2, 2, 1), (1, 1, 3), (1, 2, 2)]
)
def test_no_program_is_faster(unit: PimDevice, pixels: int, chunks: int, groups: int) -> None:
    product = Product(pixels, 16 * chunks, 16 * groups)
    least = fastest(unit, pixels, chunks, groups)
    assert bound(unit, product, 1).cycles <= least
    assert least <= time_program(unit, search(unit, product, 1).program).cycles


def with_small_buffers(name: str, buffers: int) -> PimDevice:
    """The device with buffers of four columns, each filled whole by one command."""
    unit = device(name)
    commands = tuple(replace(c, columns=4) if c.role == "fill" else c for c in unit.commands)
    sizes = replace(unit.organization, global_buffers=buffers, buffer_columns=4)
    return replace(unit, commands=commands, organization=sizes)


@pytest.mark.parametrize("name", ["newton-hbm2", "newton-gddr6-pimflow"])
@pytest.mark.parametrize(
    ("buffers", "pixels", "chunks", "groups"),
    [(4, 2, 4, 1), (4, 3, 4, 1), (4, 3, 2, 1), (2, 3, 4, 1), (1, 3, 4, 1), (1, 2, 4, 2)],
)
def test_nothing_multiplies_behind_a_fill(name: str, buffers: int, pixels: int, chunks: int, groups: int) -> None:
    unit, product = with_small_buffers(name, buffers), Product(pixels, 16 * chunks, 16 * groups)
    least = fastest(unit, pixels, chunks, groups)
    assert bound(unit, product, 1).cycles <= least
    assert least <= time_program(unit, search(unit, product, 1).program).cycles
