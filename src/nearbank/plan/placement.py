"""Where the weights of a plan lie: rows of every channel's banks, one stretch a program, none overlapping, capacity checked.

Weights are loaded once, before the first run. Tasks whose programs want the same weights in the same arrangement share a stretch
(the stages of a chain, mostly); the same weights wanted in another arrangement are a replica. Where the pixels of a product are
dealt over channels, each of these channels has the weights, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim import Compiled, Tile, compile_product
from nearbank.plan.costs import product_of
from nearbank.plan.kernels import kernels
from nearbank.plan.types import Plan, Task

__all__ = ["Placement", "Stretch", "place_plan", "place_weights"]


@dataclass(frozen=True)
class Stretch:
    """Rows ``[row, row + rows)`` of every bank of ``channel`` with weights of ``kernel``; ``tasks`` use them."""

    channel: int
    row: int
    rows: int
    kernel: str
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class Placement:
    """All stretches, by channel and row. ``weight_bytes`` as the banks hold them, padding to whole columns included, replicas
    and every channel's copy too; ``once_bytes``, if each column stood but once; ``replicas`` counts stretches whose weights stand
    elsewhere in their channel too; ``load_us`` to write all over the memory's bus, the channels at the same time."""

    stretches: tuple[Stretch, ...]
    rows_used: int
    rows_there: int
    weight_bytes: int
    once_bytes: int
    replicas: int
    load_us: float


def _weights_name(task: Task) -> str:
    """A name for the weights that a task needs: its kernel's, but for a range of output channels, which has its own."""
    return f"{task.kernel}, {task.part}" if task.part.axis == "channels" else task.kernel


def place_plan(plan: Plan, device: PimDevice) -> Placement:
    """The weights of all tasks in memory, in their order; a range of a kernel's output channels counts as a kernel of its own.

    Raises:
        Infeasible: a channel's banks have too few rows for all of them together.
    """
    known = {kernel.name: kernel for kernel in kernels(plan.graph)}
    return place_weights(
        device,
        (
            (
                task.name,
                _weights_name(task),
                compile_product(
                    device, product_of(known[task.kernel], task.part), plan.system.channels, task.mapping, task.timed
                ),
            )
            for task in plan.tasks
            if task.resource == "pim"
        ),
    )


def place_weights(device: PimDevice, programs: Iterable[tuple[str, str, Compiled]]) -> Placement:
    """Place the weights of (task, kernel, program), first come first served. One kernel, one matrix of weights.

    Raises:
        Infeasible: a channel's banks have too few rows.
    """
    sizes = device.organization
    at: dict[int, int] = {}
    known: dict[tuple[str, int, tuple[Tile, ...], int], int] = {}
    stretches: list[Stretch] = []
    holders: dict[tuple[str, int], int] = {}
    columns: dict[int, int] = {}
    once: dict[str, int] = {}
    for task, kernel, compiled in programs:
        product = compiled.product
        once[kernel] = product.groups(device) * product.chunks(device) * product.blocks
        for channel, tiles in sorted(compiled.tiles.items()):
            rows = max((t.row for t in tiles), default=-1) + 1
            if not rows:
                continue
            key = (kernel, channel, tiles, compiled.product.out_channels)
            if key in known:
                old = stretches[known[key]]
                stretches[known[key]] = Stretch(channel, old.row, old.rows, kernel, (*old.tasks, task))
                continue
            first = at.get(channel, 0)
            if first + rows > sizes.rows:
                raise Infeasible(
                    "the weights of the plan do not fit a bank", demand=first + rows, bound=sizes.rows, unit="rows",
                    where=f"channel {channel}, {kernel}",
                )  # fmt: skip
            at[channel] = first + rows
            columns[channel] = columns.get(channel, 0) + sum(t.count for t in tiles)
            holders[kernel, channel] = holders.get((kernel, channel), 0) + 1
            known[key] = len(stretches)
            stretches.append(Stretch(channel, first, rows, kernel, (task,)))
    burst_us = device.microseconds(device.clocks("nBL"))
    return Placement(
        stretches=tuple(sorted(stretches, key=lambda s: (s.channel, s.row))),
        rows_used=max(at.values(), default=0),
        rows_there=sizes.rows,
        weight_bytes=sum(columns.values()) * sizes.banks * sizes.column_bytes,
        once_bytes=sum(once.values()) * sizes.banks * sizes.column_bytes,
        replicas=_replicas(holders),
        load_us=max(columns.values(), default=0) * sizes.banks * burst_us,
    )


def _replicas(holders: Mapping[tuple[str, int], int]) -> int:
    """Stretches beyond the first of each kernel in each channel."""
    return sum(count - 1 for count in holders.values())
