"""A kernel's line in a plan: where it runs and why, in numbers, with what else it could do."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from nearbank.errors import Infeasible
from nearbank.plan.assembly import Share
from nearbank.plan.choose import Rules
from nearbank.plan.costs import Costs, MemoryCost
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import Layer, Task

__all__ = ["layer"]


def layer(kernel: Kernel, shares: Sequence[Share], tasks: Sequence[Task], costs: Costs, rules: Rules) -> Layer:
    """What the plan says of one kernel."""
    time, mine = costs.alone_time(kernel), [task for task in tasks if task.kernel == kernel.name]
    cost = costs.memory(kernel) if rules.pim and costs.fits(kernel) else None
    memory = cost if isinstance(cost, MemoryCost) else None
    planned = max(t.end_us for t in mine) - min(t.start_us for t in mine)
    if any(t.resource == "pim" for t in mine):
        planned += costs.system.join_us if mine[-1].resource == "pim" else 0.0
    pixels, inputs, outputs = _sizes(kernel)
    return Layer(
        name=kernel.name, kind=kernel.kind, nodes=tuple(node.name for node in kernel.nodes), pixels=pixels, in_channels=inputs,
        out_channels=outputs, target=_target(shares), reason=_reason(kernel, shares, costs, rules, memory), gpu_us=time.us,
        gpu_note=time.note, gpu_shared_us=costs.gpu_us(kernel), pim_us=memory.us if memory else None,
        pim_cycles=memory.cycles if memory else None, bound_cycles=memory.bound_cycles if memory else None, planned_us=planned,
        share=_share(kernel, shares),
    )  # fmt: skip


def _target(shares: Sequence[Share]) -> str:
    if len(shares) == 1:
        return shares[0][0]
    return "pipeline" if shares[0][1].is_band else "split"


def _share(kernel: Kernel, shares: Sequence[Share]) -> float:
    """Of the work that the memory does."""
    if len(shares) == 1:
        return float(shares[0][0] == "pim")
    extent = kernel.extent(shares[0][1].axis)
    return sum(part.size for resource, part in shares if resource == "pim") / extent


def _reason(kernel: Kernel, shares: Sequence[Share], costs: Costs, rules: Rules, memory: MemoryCost | None) -> str:
    if memory is None:
        if kernel.work is None:
            return kernel.reason
        if not costs.counts(kernel):
            return "out of scope"
        cost = costs.memory(kernel) if rules.pim else None
        return str(cost) if isinstance(cost, Infeasible) else "policy gpu-only"
    gpu, system = costs.gpu_us(kernel), costs.system
    pim = system.launch_us + memory.us + system.join_us + memory.sum_us
    target = _target(shares)
    if target == "split":
        part = next(part for resource, part in shares if resource == "pim")
        return (
            f"{_share(kernel, shares):.0%} of {part.axis} in memory: faster than gpu {gpu:.1f} us or pim {pim:.1f} us"
        )
    if target == "pipeline":
        return f"{len(shares)} stages on {shares[0][0]}; alone gpu {gpu:.1f} us, pim {pim:.1f} us"
    compared = f"pim {pim:.1f} us {'<' if pim < gpu else '>='} gpu {gpu:.1f} us"
    return compared if rules.gpu else f"policy pim; {compared}"


def _sizes(kernel: Kernel) -> tuple[int, int, int]:
    """Pixels, input and output channels for the table; 0 where the word has no meaning."""
    if kernel.work is not None and kernel.work.blocks == 1:
        return kernel.work.pixels, kernel.work.in_channels, kernel.work.out_channels
    node, out = kernel.nodes[0], kernel.shape
    into = node.input_shapes[0] if node.input_shapes else ()
    if len(out) == 4:
        return out[0] * out[2] * out[3], into[1] if len(into) == 4 else 0, out[1]
    return (prod(out[:-1]), 0, out[-1]) if out else (0, 0, 0)
