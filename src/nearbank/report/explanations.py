"""Explanations for a person: a paragraph a layer."""

from __future__ import annotations

from collections.abc import Sequence

from nearbank.plan import Explanation, Plan
from nearbank.report.tables import console

__all__ = ["print_explanations"]


def print_explanations(plan: Plan, found: Sequence[Explanation]) -> None:
    """What each layer takes here and there, and what another decision would cost."""
    out, system = console(), plan.system
    out.print(
        f"{plan.graph.name}, batch {plan.graph.batch}: {system.device} ({system.channels} of {system.all_channels} channels, "
        f"mapping {system.mapping}) + {system.gpu}, policy {plan.policy}, scope {plan.scope}: {plan.planned_us:.1f} us, GPU alone "
        f"{plan.gpu_only_us:.1f} us"
    )
    for x in found:
        out.print(
            f"\n{x.layer.name}, {x.layer.kind}, {x.layer.pixels} x {x.layer.in_channels} -> {x.layer.out_channels}: {x.chosen}"
        )
        out.print(f"  on the GPU    {x.gpu_us:8.2f} us beside the memory, {x.gpu_alone_us:.2f} us with all channels")
        if x.memory_us:
            total = sum(us for _, us in x.memory_us)
            parts = ", ".join(f"{name} {us:.2f}" for name, us in x.memory_us if us)
            ratio = f", {x.cycles / x.bound_cycles:.2f} x its bound" if x.bound_cycles else ""
            out.print(f"  in memory     {total:8.2f} us: {parts} ({x.cycles:,} cycles{ratio})")
        else:
            out.print(f"  in memory     no: {x.layer.reason}")
        for other in x.alternatives:
            more = other.plan_us - x.plan_us
            out.print(f"  instead {other.what}: the plan would take {other.plan_us:.2f} us, {more:+.2f} us")
        if x.curve and (x.layer.target == "split" or len(found) == 1):
            out.print("  share of pixels in memory, memory's side and GPU's side, us:")
            out.print("   " + "  ".join(f"{share:.0%} {memory:.1f}/{gpu:.1f}" for share, memory, gpu in x.curve))
