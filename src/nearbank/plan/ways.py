"""What a kernel may do, as tasks: its own choices, finished for a reader in memory or not, and the runs that are cut in stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nearbank.plan.assembly import Decision, Draft, Share, drafts, readers
from nearbank.plan.costs import Costs
from nearbank.plan.kernels import Kernel

__all__ = ["Choice", "Choices", "choices_of", "runs", "sources"]

Choices = Mapping[str, Sequence[tuple[Share, ...]]]
"""Kernel -> what it may do by itself."""


@dataclass(frozen=True)
class Choice:
    """``shares`` of a kernel as ``plain`` tasks; ``done``: as tasks behind which it may be read in memory, the same where nothing
    is to be finished."""

    shares: tuple[Share, ...]
    plain: tuple[Draft, ...]
    done: tuple[Draft, ...]

    @property
    def in_memory(self) -> bool:
        """Whether any of it is made there."""
        return any(resource == "pim" for resource, _ in self.shares)

    @property
    def adds(self) -> bool:
        """Whether finishing is a task by itself, which may be left out; else all of the choice is another one."""
        return tuple(draft for draft in self.done if draft.role != "finish") == self.plain


def choices_of(kernels: Sequence[Kernel], costs: Costs, choices: Choices) -> dict[str, tuple[Choice, ...]]:
    """Kernel -> its choices."""
    behind = readers(kernels)
    out: dict[str, tuple[Choice, ...]] = {}
    for kernel in kernels:
        name, found = kernel.name, []
        wanted = bool(costs.finish_us(kernel)) and any(reader.work is not None for reader, _ in behind[name])
        for shares in choices[name]:
            plain = done = tuple(drafts([kernel], {name: shares}, costs))
            if wanted and any(resource == "pim" for resource, _ in shares):
                done = tuple(drafts([kernel], {name: shares}, costs, finished=(name,)))
            found.append(Choice(shares, plain, done))
        out[name] = tuple(found)
    return out


def sources(kernels: Sequence[Kernel]) -> dict[str, tuple[str, ...]]:
    """Kernel -> those that it reads."""
    makers = {tensor: kernel.name for kernel in kernels for node in kernel.nodes for tensor in node.outputs}
    return {k.name: tuple(dict.fromkeys(makers[t] for t in k.sources if t in makers)) for k in kernels}


def runs(kernels: Sequence[Kernel], decision: Decision) -> list[list[Kernel]]:
    """The kernels that are cut in stages; neighbours that are cut alike are one run."""
    out: list[list[Kernel]] = []
    before = False
    for kernel in kernels:
        cut = decision[kernel.name][0][1].is_band
        if cut and not before:
            out.append([])
        if cut:
            out[-1].append(kernel)
        before = cut
    return out
