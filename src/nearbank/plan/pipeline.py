"""Chains of kernels cut in stages, so that GPU and memory work on different stages at once.

The last kernel's rows are cut in bands; going back through the chain, each kernel makes in stage s the rows that the stages up to
s need and that were not made before: rows of a halo are *carried*, left where they are in memory for the stage behind. (Made
again in each stage, they cost more on either side and save nothing, since both sides see the same memory: `halo` "recomputed"
does so for comparison.) A batch is cut by images instead, without halos.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal

from nearbank.plan.assembly import Share
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import Part, Resource

__all__ = ["MOST_STAGES", "Halo", "chains", "stages"]

Halo = Literal["carried", "recomputed"]
MOST_STAGES = 8
_LONGEST = 8


def chains(kernels: Sequence[Kernel]) -> Iterator[tuple[int, int]]:
    """(first, last) of all runs of 2 to 8 kernels in which each reads the one before, or another of the run, by rows."""
    for first, kernel in enumerate(kernels):
        if kernel.window is None:
            continue
        made = {kernel.output}
        for last in range(first + 1, min(first + _LONGEST, len(kernels))):
            following = kernels[last]
            inside = [t for t in following.sources if t in made]
            if following.window is None or not inside or any(t not in following.banded for t in inside):
                break
            made.add(following.output)
            yield first, last


def stages(
    chain: Sequence[Kernel], resources: Sequence[Resource], count: int, *, halo: Halo = "carried"
) -> tuple[tuple[Share, ...], ...] | None:
    """The parts of each kernel of a chain in ``count`` stages, or None if there are too few rows or images.

    Args:
        chain: kernels in an order that can be run, each with a window.
        resources: where each runs.
        count: stages, 2 to 8.
        halo: what becomes of rows that two stages need.
    """
    images = chain[-1].extent("images")
    if any(kernel.extent("images") != images for kernel in chain):
        return None
    if images >= count:
        cuts = [images * i // count for i in range(count + 1)]
        bands = tuple(Part("images", a, b) for a, b in itertools.pairwise(cuts))
        return tuple(tuple((resource, band) for band in bands) for resource in resources)
    rows = chain[-1].extent("rows")
    if images > 1 or rows < count:
        return None
    low, high = _needed(chain, count)
    out: list[tuple[Share, ...]] = []
    for kernel, resource in zip(chain, resources, strict=True):
        made = 0
        parts: list[Share] = []
        for stage in range(count):
            start = made if halo == "carried" else min(low[kernel.name][stage], made)
            if high[kernel.name][stage] > made:
                parts.append((resource, Part("rows", start, high[kernel.name][stage])))
                made = high[kernel.name][stage]
        if len(parts) < 2:
            return None
        out.append(tuple(parts))
    return tuple(out)


def _needed(chain: Sequence[Kernel], count: int) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Kernel -> the first row that each stage needs, and one past the last that it and those before need."""
    rows = {kernel.name: kernel.extent("rows") for kernel in chain}
    maker = {kernel.output: kernel for kernel in chain}
    last = chain[-1]
    high = {name: [0] * count for name in rows}
    low = {name: [size] * count for name, size in rows.items()}
    high[last.name] = [rows[last.name] * (i + 1) // count for i in range(count)]
    low[last.name] = [rows[last.name] * i // count for i in range(count)]
    for kernel in reversed(chain):
        high[kernel.name][-1] = rows[kernel.name]  # also those that no row of the chain's end needs
        window = kernel.window
        assert window is not None
        for tensor in kernel.banded:
            if tensor not in maker:
                continue
            source = maker[tensor].name
            for stage in range(count):
                if high[kernel.name][stage] == 0:
                    continue
                stop = min(window.stop(high[kernel.name][stage] - 1), rows[source])
                high[source][stage] = max(high[source][stage], stop)
                low[source][stage] = min(low[source][stage], max(window.first(low[kernel.name][stage]), 0))
    for ends in high.values():
        for stage in range(1, count):
            ends[stage] = max(ends[stage], ends[stage - 1])
    return low, high
