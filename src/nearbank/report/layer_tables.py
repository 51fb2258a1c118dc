"""One product, and traces, for a person."""

from __future__ import annotations

from collections.abc import Sequence

from nearbank.devices import PimDevice
from nearbank.pim import LayerTiming
from nearbank.report.tables import console, table
from nearbank.report.wording import energy_origin, energy_parts
from nearbank.sim.energy import Energy

__all__ = ["print_layer", "print_traces"]


def print_layer(
    timing: LayerTiming, device: PimDevice, channels: int, spent: Energy | None, bus: tuple[Energy, Energy] | None
) -> None:
    """One product: cycles, bound by resource, commands, energy beside that of the same data over the bus (whole, weights)."""
    out, bound = console(), timing.bound
    out.print(f"{timing.product} on {device.name}, {channels} channels, mapping {timing.mapping}{_in_memory(timing)}")
    out.print(
        f"{timing.timing.cycles:,} cycles = {timing.time_us:.2f} us at {device.clock_mhz:g} MHz; "
        f"{timing.timing.cycles / bound.cycles:.2f} x the bound of {bound.cycles:,}; {timing.utilization:.1%} of the MAC peak"
    )
    resources = ", ".join(f"{name} {clocks:,}" for name, clocks in bound.by_resource)
    out.print(f"bound by {bound.binding} ({resources})")
    out.print("commands, all channels: " + ", ".join(f"{n} {c:,}" for n, c in timing.timing.commands.items()))
    if spent and bus:
        out.print(f"energy: {energy_parts(spent)}")
        out.print(
            f"the same data over the bus: {bus[0].total_uj:.2f} uJ, of that weights {bus[1].total_uj:.2f} uJ; the GPU's own "
            "energy is not known"
        )
        out.print(energy_origin(device))


def _in_memory(timing: LayerTiming) -> str:
    return f", {timing.epilogue} in memory" if timing.epilogue else ""


def print_traces(rows: Sequence[tuple[str, int, float, dict[str, int]]]) -> None:
    """A row a trace: file, cycles, time, commands."""
    made = table("trace", "cycles", "us", "commands", left=("trace", "commands"))
    for file, cycles, us, commands in rows:
        made.add_row(file, f"{cycles:,}", f"{us:.2f}", ", ".join(f"{n} {c:,}" for n, c in commands.items()))
    console().print(made)
