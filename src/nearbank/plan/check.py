"""Verifies a plan from its definition, sharing no code with what makes plans: resources, order, and that all work is done once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from nearbank.errors import PlanError
from nearbank.plan.kernels import Kernel, kernels
from nearbank.plan.types import Part, Plan, Task

__all__ = ["check_plan"]

_CLOSE = 1e-6
_RENAMING = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"}


def check_plan(plan: Plan) -> None:
    """Raise unless the plan can be carried out as it stands.

    Raises:
        PlanError: a task has no time, or is in memory without a product; a resource has two tasks at once;
            a task starts before one it needs is over (and, from memory to GPU, joined); a
            task reads what no task that it needs, directly or through others, has made; a kernel's output is not made, or a part of
            a divided kernel is made twice, or finished twice; a task in memory reads what memory made and nothing has finished,
            where that is charged.
    """
    by_name = {task.name: task for task in plan.tasks}
    if len(by_name) < len(plan.tasks):
        raise PlanError("two tasks of one name", where=plan.graph.name)
    everything = {kernel.name: kernel for kernel in kernels(plan.graph)}
    for task in plan.tasks:
        _check_task(task, everything.get(task.kernel))
        for name in task.needs:
            _check_need(plan, task, by_name.get(name), name)
    _check_resources(plan.tasks)
    done: dict[str, list[Task]] = {name: [] for name in everything}
    for task in plan.tasks:
        done[task.kernel].append(task)
    for name, tasks in done.items():
        _check_covered(everything[name], [task for task in tasks if task.role == "work"])
    makers = {t: k.name for k in everything.values() for node in k.nodes for t in node.outputs}
    before = _ancestors(plan.tasks)
    for task in plan.tasks:
        if task.role == "work":
            _check_reads(everything[task.kernel], task, makers, done, before[task.name])
        else:
            _check_behind(task, everything[task.kernel], done[task.kernel])
        if task.resource == "pim" and plan.system.charge_epilogue:
            _check_finished(task, everything, makers, done)


def _check_task(task: Task, kernel: Kernel | None) -> None:
    if kernel is None:
        raise PlanError("a task of no kernel", where=task.name, value=task.kernel)
    if not (0 <= task.start_us <= task.end_us and math.isfinite(task.end_us)):
        raise PlanError(
            "no time", where=task.name, value=f"{task.start_us} to {task.end_us}", bound="0 <= start <= end"
        )
    if task.part.axis != "whole" and task.part.size < 1:
        raise PlanError("an empty part", where=task.name, value=str(task.part))
    in_memory = task.resource == "pim"
    if in_memory and (kernel.work is None or task.role != "work"):
        raise PlanError("cannot be in memory", where=task.name, value=kernel.reason or task.role)
    if in_memory != bool(task.mapping):
        raise PlanError("in memory with a mapping, or on the GPU without", where=task.name, value=task.mapping)


def _check_behind(task: Task, kernel: Kernel, tasks: Sequence[Task]) -> None:
    """A sum or a finish works on what one task in memory read out, needs it, and is the only one to do so."""
    mine = [t for t in tasks if t.name in task.needs and t.part == task.part and t.resource == "pim"]
    if not mine:
        raise PlanError("works on what nothing made", where=task.name, value=task.needs)
    if any(t.role != "work" and t.part == task.part and t is not task for t in tasks):
        raise PlanError("finished twice", where=task.name, value=str(task.part))
    if task.role == "finish" and not any(_is_left(kernel, t) for t in mine):
        raise PlanError("nothing left to finish", where=task.name, value=str(task.part))


def _is_left(kernel: Kernel, task: Task) -> bool:
    """Whether a task in memory leaves the kernel's bias, or nodes behind the product, undone."""
    unbiased = kernel.work is not None and kernel.work.bias is not None and not task.epilogue.bias
    return unbiased or (len(kernel.nodes) > 1 and not task.epilogue.function)


def _check_finished(
    task: Task, everything: dict[str, Kernel], makers: dict[str, str], done: dict[str, list[Task]]
) -> None:
    """What a task in memory reads, itself or through kernels that only rename, is no memory's unfinished sum."""
    queue = [(everything[task.kernel], tensor, task.part) for tensor in everything[task.kernel].sources]
    while queue:
        reader, tensor, part = queue.pop()
        if tensor not in makers:
            continue
        maker = everything[makers[tensor]]
        if all(node.op_type in _RENAMING for node in maker.nodes):
            queue += [(maker, source, Part()) for source in maker.sources]
            continue
        ended = {t.part for t in done[maker.name] if t.role != "work"}
        for other in done[maker.name]:
            left = other.resource == "pim" and other.part not in ended and _is_left(maker, other)
            if left and _touches(reader, part, tensor, other.part):
                raise PlanError("reads in memory what nothing has finished", where=task.name, value=other.name)


def _check_resources(tasks: Sequence[Task]) -> None:
    for resource in ("gpu", "pim"):
        mine = sorted((t for t in tasks if t.resource == resource), key=lambda t: (t.start_us, t.end_us))
        for one, two in itertools.pairwise(mine):
            if two.start_us < one.end_us - _CLOSE:
                raise PlanError(
                    f"the {resource} does two things at once", where=two.name, value=two.start_us, bound=f"{one.end_us}"
                )


def _check_need(plan: Plan, task: Task, before: Task | None, name: str) -> None:
    if before is None:
        raise PlanError("needs a task that is not in the plan", where=task.name, value=name)
    lag = plan.system.join_us if (before.resource, task.resource) == ("pim", "gpu") else 0.0
    if task.start_us < before.end_us + lag - _CLOSE:
        raise PlanError(
            "starts too early", where=task.name, value=task.start_us, bound=f"{before.end_us + lag} ({name} is over)"
        )


def _check_covered(kernel: Kernel, tasks: Sequence[Task]) -> None:
    """The parts are one whole, or ranges that follow each other from 0 to the end; rows may be made twice, in stages."""
    if not tasks:
        raise PlanError("nothing makes this kernel's output", where=kernel.name)
    axes = {task.part.axis for task in tasks}
    if len(axes) > 1:
        raise PlanError("parts along two axes", where=kernel.name, value=sorted(axes))
    axis = axes.pop()
    if axis == "whole":
        if len(tasks) > 1:
            raise PlanError("made twice", where=kernel.name, value=[t.name for t in tasks])
        return
    at = 0
    for start, stop in sorted((t.part.start, t.part.stop) for t in tasks):
        if start > at or (start < at and axis != "rows"):
            raise PlanError(
                "parts leave a gap or overlap", where=kernel.name, value=f"{axis} {start}", bound=f"{axis} {at}"
            )
        work = kernel.work
        if axis == "channels" and work is not None and work.blocks > 1 and start % work.gather.block_channels:
            raise PlanError(
                "a part cuts a block", where=kernel.name, value=start, bound=f"{work.gather.block_channels}"
            )
        if stop <= at:
            raise PlanError("made twice", where=kernel.name, value=f"{axis} {start} to {stop}")
        at = stop
    if at != kernel.extent(axis):
        raise PlanError("parts end early", where=kernel.name, value=at, bound=f"{kernel.extent(axis)} {axis}")


def _ancestors(tasks: Sequence[Task]) -> dict[str, set[str]]:
    """Task -> all that are over before it starts, by needs alone."""
    out: dict[str, set[str]] = {}
    for task in tasks:
        found: set[str] = set()
        for name in task.needs:
            if name not in out:
                raise PlanError("stands before what it needs", where=task.name, value=name)
            found |= out[name] | {name}
        out[task.name] = found
    return out


def _check_reads(
    kernel: Kernel, task: Task, makers: dict[str, str], done: dict[str, list[Task]], before: set[str]
) -> None:
    for tensor in kernel.sources:
        if tensor not in makers:
            continue
        sources = done[makers[tensor]]
        wanted = [t for t in sources if _touches(kernel, task.part, tensor, t.part)]
        missing = [t.name for t in wanted if t.name not in before]
        if missing:
            raise PlanError("reads what may not be there yet", where=task.name, value=missing[:3])


def _touches(kernel: Kernel, mine: Part, tensor: str, other: Part) -> bool:
    """Whether ``mine`` of the kernel needs ``other`` of what makes ``tensor``."""
    if mine.axis == other.axis == "images":
        return mine.start < other.stop and other.start < mine.stop
    if mine.axis == other.axis == "rows" and tensor in kernel.banded and kernel.window is not None:
        first = mine.start * kernel.window.stride - kernel.window.pad
        last = (mine.stop - 1) * kernel.window.stride - kernel.window.pad + kernel.window.reach - 1
        return first < other.stop and other.start <= last
    return True
