"""Sentences that tables and pages share."""

from __future__ import annotations

from nearbank.devices import PimDevice
from nearbank.plan import Placement, Plan, System
from nearbank.sim.energy import Energy

__all__ = [
    "counted",
    "energy_origin",
    "energy_parts",
    "gpu_named",
    "said_of_channels",
    "said_of_gpu_alone",
    "said_of_weights",
]


def counted(count: int, noun: str, more: str = "s") -> str:
    """``1 layer``, ``2 layers``."""
    return f"{count:,} {noun}{'' if count == 1 else more}"


def gpu_named(system: System) -> str:
    """The GPU, whose kernels its times are of, and the clock that they are for, if it is recorded."""
    clock = f" at {system.gpu_clock_mhz:g} MHz" if system.gpu_clock_mhz else ""
    return f"{system.gpu}{clock} by {system.library}"


def said_of_channels(plan: Plan) -> str:
    """What giving up memory channels costs the GPU, over all layers and on the one that it costs most."""
    system = plan.system
    kept = f"{system.gpu} keeps {system.gpu_share:.0%} of the memory's channels"
    more = {x.name: x.gpu_shared_us - x.gpu_us for x in plan.layers}
    most = max(more, key=lambda name: more[name], default="")
    if not most or more[most] < 0.005:
        return f"{kept}, and no layer takes longer for it."
    slower = sum(us >= 0.005 for us in more.values())
    return (
        f"{kept}: all of its layers would take {sum(more.values()):.1f} us more with these, {counted(slower, 'layer')} of "
        f"{len(more)}, {most} the most ({more[most]:.2f} us; --json and explain say it of each)."
    )


def said_of_gpu_alone(plan: Plan) -> str:
    """Why a plan moves nothing to memory, in a sentence."""
    if plan.policy == "gpu-only":
        return "Everything is on the GPU, as policy gpu-only says."
    if all(layer.pim_us is None for layer in plan.layers):
        return "No layer of this network may go to memory: the layers' reasons say why."
    return f"PIM does not pay here: {plan.system.gpu} is faster on every layer, launch cost included."


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.2f} MB" if count >= 1e5 else f"{count / 1e3:,.2f} kB"


def said_of_weights(placement: Placement) -> str:
    """Where the weights lie, in a sentence or two."""
    copies = f", {placement.replicas} of them replicas, arranged otherwise" if placement.replicas else ""
    return (
        f"weights: {_bytes(placement.weight_bytes)} in {counted(len(placement.stretches), 'stretch', 'es')} of rows{copies}; "
        f"{_bytes(placement.once_bytes)} without the copies of channels that share a layer's pixels. At most "
        f"{placement.rows_used:,} of a bank's {placement.rows_there:,} rows ({placement.rows_used / placement.rows_there:.1%}). "
        f"Loading takes {placement.load_us:,.1f} us, once, and is in no time above."
    )


def energy_parts(spent: Energy) -> str:
    """The total and its components."""
    parts = ", ".join(f"{name.replace('_', ' ')} {uj:.2f}" for name, uj in spent.components().items())
    return f"{spent.total_uj:.2f} uJ ({parts})"


def energy_origin(device: PimDevice) -> str:
    """Where the constants and their sources are printed."""
    return f"energy constants and their sources: nearbank devices {device.name} ({device.hash})"
