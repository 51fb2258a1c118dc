"""What became of a torch module: its plan, how often it was used, what fell back to torch and why, and the errors."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from nearbank.plan import Plan

__all__ = ["CompileReport", "Fallbacks", "OutputError", "errors_of"]

_LOG = logging.getLogger("nearbank.frontend")


class Fallbacks:
    """Why calls went to torch instead; each reason is logged when it first occurs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: dict[str, int] = {}

    def add(self, reason: str) -> None:
        """One more call for that reason."""
        if reason not in self.counts:
            _LOG.warning("%s: computed by torch, not by a plan: %s", self.name, reason)
        self.counts[reason] = self.counts.get(reason, 0) + 1


@dataclass(frozen=True)
class OutputError:
    """How far an output through the plan is from eager torch's, which computes in ``dtype``."""

    output: int
    dtype: str
    max_abs_error: float
    relative_l2_error: float


def errors_of(ours: Sequence[object], eager: Sequence[object]) -> tuple[OutputError, ...]:
    """Of all outputs that are tensors, in float64; NaN where only one side has it, and by the norm itself where that is 0."""
    found = []
    for index, (a, b) in enumerate(zip(ours, eager, strict=True)):
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and not b.is_complex():
            left, right = a.detach().to("cpu", torch.float64), b.detach().to("cpu", torch.float64)
            both = left.isnan() & right.isnan()
            difference = torch.where(both | (left == right), 0.0, left - right)
            norm = float(torch.linalg.vector_norm(torch.where(both, 0.0, right)))
            off = float(torch.linalg.vector_norm(difference))
            largest = float(difference.abs().max()) if difference.numel() else 0.0
            name = str(b.dtype).removeprefix("torch.")
            found.append(OutputError(index, name, largest, off / norm if norm else off))
    return tuple(found)


@dataclass(frozen=True)
class CompileReport:
    """``str(report)`` is for a person. ``calls`` went through the plan; ``fallbacks`` counts the others by reason.

    ``errors`` compares the last checked call with eager torch; None if none was checked. ``graph_break``: why torch ended the
    graph where it did, "" if it did not break.
    """

    name: str
    plan: Plan | None
    calls: int
    fallbacks: Mapping[str, int]
    errors: tuple[OutputError, ...] | None
    graph_break: str = ""

    def __str__(self) -> str:
        lines = [self.name]
        if self.plan is not None:
            lines += _plan_lines(self.plan)
        lines.append(f"{self.calls} calls through the plan, {sum(self.fallbacks.values())} by torch")
        lines += [f"  by torch, {count} times: {reason}" for reason, count in self.fallbacks.items()]
        if self.graph_break:
            lines.append(f"torch broke the graph behind it: {self.graph_break}")
        if self.errors is None:
            lines.append("not compared with eager torch")
        for error in self.errors or ():
            lines.append(
                f"output {error.output} against eager torch in {error.dtype}: largest error {error.max_abs_error:.3g}, "
                f"relative L2 error {error.relative_l2_error:.3g}"
            )
        return "\n".join(lines)


def _plan_lines(plan: Plan) -> list[str]:
    system, moved = plan.system, plan.offloaded
    chosen = "" if plan.chosen == plan.policy else f" ({plan.chosen})"
    lines = [
        f"{system.device} ({system.channels} of {system.all_channels} channels, mapping {system.mapping}) + {system.gpu}, "
        f"policy {plan.policy}{chosen}, scope {plan.scope}",
        f"GPU only {plan.gpu_only_us:.1f} us, planned {plan.planned_us:.1f} us, speedup {plan.speedup:.3f}x",
        f"{len(moved)} of {len(plan.layers)} layers in memory" + (f": {', '.join(moved)}" if moved else ""),
    ]
    if moved:
        lines.append("their operands are rounded to the memory's type, which the errors below, if any, contain")
    return lines
