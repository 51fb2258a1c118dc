"""The GPU's part of a plan, run for real and timed beside the model: segment by segment, half precision, channels last.

A segment is a run of GPU tasks that follow each other without waiting for the memory: it ends where the GPU would be idle, or
where the next task needs what the memory makes. Its calls are torch's, one for each node, so activations and biases that the model
takes as fused into the kernel before them may be kernels of their own here: measured times are those of torch, the modelled ones of
the profile's engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np

from nearbank.devices import PimDevice
from nearbank.errors import PlanError
from nearbank.graph import Gather
from nearbank.pim import compile_product
from nearbank.plan import Kernel, Part, Plan, Task, kernels, product_of
from nearbank.plan.measure import TorchBench
from nearbank.runtime.regions import read_by, row_pads, take
from nearbank.runtime.torch_host import TorchHost

__all__ = ["SegmentTime", "Timer", "gpu_segments", "measure_gpu"]

Call = Callable[[], object]
_CLOSE = 1e-6


class Timer(Protocol):
    """Times calls on a device."""

    def __call__(self, calls: Sequence[Call]) -> float:
        """Microseconds of all ``calls`` once, one behind the other."""


@dataclass(frozen=True)
class SegmentTime:
    """One segment: ``name`` of its first task, its ``tasks``, their sum in the plan, and the median of what they took."""

    name: str
    tasks: tuple[str, ...]
    modelled_us: float
    measured_us: float


def gpu_segments(plan: Plan) -> tuple[tuple[Task, ...], ...]:
    """The GPU's tasks in order, parted where it waits for the memory."""
    memory = {task.name for task in plan.tasks if task.resource == "pim"}
    out: list[list[Task]] = []
    for task in (task for task in plan.tasks if task.resource == "gpu"):
        waits = not out or task.start_us > out[-1][-1].end_us + _CLOSE or any(name in memory for name in task.needs)
        if waits:
            out.append([])
        out[-1].append(task)
    return tuple(map(tuple, out))


def measure_gpu(
    plan: Plan, device: PimDevice, timer: Timer | None = None, host: TorchHost | None = None
) -> tuple[SegmentTime, ...]:
    """Time every segment of ``plan`` that has anything to compute.

    Args:
        plan: whose GPU tasks are run, on numbers of no meaning.
        device: the memory, which says how many partial sums a task of role "sum" adds.
        timer: on the host's device; that of `nearbank.plan.measure`, with CUDA graphs, if None.
        host: torch in half precision on a CUDA GPU if None.

    Raises:
        InputError: no torch, or no CUDA GPU.
        ModelError: an operator that the torch host has not.
    """
    timer = TorchBench().calls_us if timer is None else timer
    runner = _Calls(plan, device, TorchHost(plan.graph, "cuda", "float16") if host is None else host)
    out = []
    for tasks in gpu_segments(plan):
        calls = runner.segment(tasks)
        if calls:
            modelled = sum(task.us for task in tasks)
            out.append(SegmentTime(tasks[0].name, tuple(task.name for task in tasks), modelled, timer(calls)))
    return tuple(out)


class _Calls:
    """The torch calls of tasks. Within a segment a kernel reads the very buffer that the one before it wrote, so that a cache may
    help as it would in the network; what comes from elsewhere, and parts, are buffers of the same shape."""

    def __init__(self, plan: Plan, device: PimDevice, host: TorchHost) -> None:
        self.plan, self.device, self.host = plan, device, host
        self.kernels = {kernel.name: kernel for kernel in kernels(plan.graph)}
        self.values: dict[str, Any] = {}
        self._rng = np.random.default_rng(0)

    def segment(self, tasks: Sequence[Task]) -> list[Call]:
        """One call a task; none for tasks that take no time: they only rename, or do not count."""
        made: dict[str, Any] = {}
        return [self._call(task, made) for task in tasks if task.us > 0]

    def _call(self, task: Task, made: dict[str, Any]) -> Call:
        kernel, part = self.kernels[task.kernel], task.part
        if task.role == "sum":
            return self._sum(kernel, part)
        if task.role == "finish":
            return self._finish(kernel, part)
        if part.axis in ("pixels", "channels"):
            return self._piece(kernel, part)
        return self._nodes(kernel, part, made)

    def _nodes(self, kernel: Kernel, part: Part, made: dict[str, Any]) -> Call:
        there = {t: self._value(t) for t in read_by(kernel.nodes)}
        pads = row_pads(self.plan.graph, kernel, part, kernel.nodes)

        def call() -> None:
            inputs = {t: take(kernel, part, t, made.get(t, value)) for t, value in there.items()}
            found = self.host.compute(kernel.nodes, inputs, pads)
            if part.axis == "whole":
                made.update(found)

        return call

    def _value(self, tensor: str) -> Any:
        if tensor not in self.values:
            spec = self.plan.graph.spec(tensor)
            if np.dtype(spec.dtype).kind == "f":
                array: Any = self._rng.standard_normal(spec.shape).astype(np.float32)
            else:
                array = np.zeros(spec.shape, spec.dtype)
            self.values[tensor] = self.host.tensor(array)
        return self.values[tensor]

    def _random(self, *shape: int) -> Any:
        return self.host.tensor(self._rng.standard_normal(shape).astype(np.float32))

    def _sum(self, kernel: Kernel, part: Part) -> Call:
        system = self.plan.system
        product = product_of(kernel, part)
        mapping = next(t.mapping for t in self.plan.tasks_of(kernel.name) if t.resource == "pim" and t.part == part)
        pieces = len(compile_product(self.device, product, system.channels, mapping).pieces)
        parts = self._random(pieces, product.pixels * product.out_channels)
        return lambda: parts.sum(dim=0)

    def _finish(self, kernel: Kernel, part: Part) -> Call:
        """Any elementwise operator on as many elements: reading and writing them is what takes time."""
        extent = kernel.extent(part.axis)
        values = self._random(max(prod(kernel.shape) * part.size // extent if extent else prod(kernel.shape), 1))
        return lambda: self.host.torch.relu(values)

    def _piece(self, kernel: Kernel, part: Part) -> Call:
        """A range of pixels or channels of a product; of a convolution wider than a point or in groups, one that makes as many."""
        work, torch = kernel.work, self.host.torch
        if work is None:
            raise PlanError("no matrix product", where=kernel.name, value=kernel.reason)
        gather = work.gather
        outputs = part.size if part.axis == "channels" else work.out_channels
        bias = None if work.bias is None else self._random(outputs)
        if gather.layout == "NCHW" and (prod(gather.kernel) > 1 or gather.groups > 1):
            return self._convolution(gather, part, bias is not None)
        source = self._random(part.size if part.axis == "pixels" else work.pixels, work.in_channels)
        matrix = self._random(work.in_channels, outputs)
        if bias is None:
            return lambda: torch.mm(source, matrix)
        return lambda: torch.addmm(bias, source, matrix)

    def _convolution(self, gather: Gather, part: Part, biased: bool) -> Call:
        """Whole images for a range of channels, all groups that it touches; for one of pixels, whole rows of one long image."""
        images, _, rows, width = gather.output_shape
        groups, outputs = gather.groups, gather.out_channels
        if part.axis == "pixels":
            images, rows = 1, min(-(-part.size * prod(gather.tile) // width), images * rows)
        elif groups == 1:
            outputs = part.size
        else:
            each = outputs // groups
            groups = -(-part.stop // each) - part.start // each
            outputs = groups * each
        inputs, bias = gather.input_shape[1] // gather.groups, self._random(outputs) if biased else None
        height = (rows - 1) * gather.stride[0] + (gather.kernel[0] - 1) * gather.dilation[0] + 1
        across = gather.input_shape[3] + gather.pads[1] + gather.pads[3]
        image = self._random(images, inputs * groups, height, across)
        window = self._random(outputs, inputs, *gather.kernel)
        conv2d = self.host.torch.nn.functional.conv2d
        return lambda: conv2d(image, window, bias, gather.stride, 0, gather.dilation, groups)
