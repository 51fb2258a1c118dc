"""Carries out a plan on real tensors, task by task in its order: the memory's tasks through their programs, the GPU's on a host.

What a task makes is written into the kernel's output at its place, and nothing else is: outputs start as NaN, so that whatever a
wrong plan reads too early, or never makes, shows in the result. A tensor is let go when the last task that reads it is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearbank.devices import PimDevice
from nearbank.errors import InputError, PlanError, near_matches
from nearbank.graph import Graph, MatMul
from nearbank.pim import compile_product
from nearbank.plan import Kernel, Part, Plan, Task, blocks_of, kernels, product_of
from nearbank.runtime.host import Host, OnnxHost, run_model
from nearbank.runtime.regions import gather_of, output_slices, read_by, row_pads, take
from nearbank.sim import play_values

__all__ = ["execute", "reference"]

Array = NDArray[Any]


def reference(graph: Graph, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """The graph's outputs from ONNX Runtime in float32."""
    _check(graph, feeds)
    return run_model(graph.model, feeds, [s.name for s in graph.outputs], graph.name)


def execute(
    plan: Plan, device: PimDevice, feeds: Mapping[str, Array], tick: Callable[[str], None] = lambda name: None,
    host: Host | None = None,
) -> dict[str, Array]:  # fmt: skip
    """The graph's outputs by the plan. Bias, activation and the addition of partial sums are the host's, in float32.

    Args:
        plan: what is done where, in which order.
        device: the memory that the plan was made for.
        feeds: the graph's inputs, by name.
        tick: called with each task's name, for progress.
        host: does the GPU's part; ONNX Runtime in float32 if None.

    Raises:
        InputError: a feed of another name, shape or type than the graph's inputs; another memory than the plan's.
        ModelError: nodes that the host cannot run.
        PlanError: a task reads what no task before it has made.
    """
    _check(plan.graph, feeds)
    if device.name != plan.system.device:
        raise InputError("another memory than the plan was made for", value=device.name, bound=plan.system.device)
    runner = _Runner(plan, device, feeds, OnnxHost(plan.graph) if host is None else host)
    for task in plan.tasks:
        tick(task.name)
        runner.run(task)
    return {spec.name: runner.values[spec.name] for spec in plan.graph.outputs}


class _Runner:
    def __init__(self, plan: Plan, device: PimDevice, feeds: Mapping[str, Array], host: Host) -> None:
        self.plan, self.device, self.host = plan, device, host
        self.kernels = {kernel.name: kernel for kernel in kernels(plan.graph)}
        self.values: dict[str, Array] = dict(feeds)
        self.products: dict[str, Array] = {}
        self.rows: dict[str, Array] = {}
        self.left = Counter(task.kernel for task in plan.tasks)
        # Parts that a task of their own finishes, and their products till then.
        self.behind = {(task.kernel, task.part) for task in plan.tasks if task.role != "work"}
        self.unfinished: dict[tuple[str, Part], Array] = {}
        # How many more times each tensor is read; the graph's outputs once more, at the end.
        self.readers = Counter(spec.name for spec in plan.graph.outputs)
        for name, times in self.left.items():
            for tensor in self.kernels[name].sources:
                self.readers[tensor] += times

    def run(self, task: Task) -> None:
        """One task. Partial sums are added where the memory's results arrive: a "sum" only finishes them, as a "finish" does."""
        kernel, part = self.kernels[task.kernel], task.part
        for tensor in kernel.sources:
            if tensor not in self.values:
                raise PlanError("reads what no task before it has made", where=task.name, value=tensor)
        self.left[kernel.name] -= 1
        if task.role == "work":
            self._work(task, kernel, part)
        elif part.axis not in ("pixels", "channels"):
            self._deliver(kernel, part, self.unfinished.pop((kernel.name, part)))
        if part.axis in ("pixels", "channels") and not self.left[kernel.name]:
            self._complete(kernel)
        for tensor in kernel.sources:
            self.readers[tensor] -= 1
            if not self.readers[tensor]:
                del self.values[tensor]

    def _work(self, task: Task, kernel: Kernel, part: Part) -> None:
        if part.axis in ("pixels", "channels"):
            self._piece(task, kernel, part)
        elif task.resource == "gpu":
            self._host(kernel, part, skip=0, given={})
        else:
            self._memory(task, kernel, part)

    def _host(self, kernel: Kernel, part: Part, *, skip: int, given: Mapping[str, Array]) -> None:
        """The nodes of a kernel from number ``skip``, on ``part``, and ``given`` tensors beside what is there."""
        nodes = kernel.nodes[skip:]
        inputs = {t: given[t] if t in given else take(kernel, part, t, self.values[t]) for t in read_by(nodes)}
        pads = row_pads(self.plan.graph, kernel, part, nodes)
        for tensor, value in self.host.run(f"{kernel.name}, {part}", nodes, inputs, pads).items():
            self._write(tensor, part, value)

    def _memory(self, task: Task, kernel: Kernel, part: Part) -> None:
        work = kernel.work
        if work is None:
            raise PlanError("no matrix product", where=kernel.name, value=kernel.reason)
        gather = gather_of(kernel, part, work.gather)
        rows = gather.rows(take(kernel, part, work.source, self.values[work.source]))
        product = gather.restore(self._product(task, kernel, part, rows))
        if task.epilogue.function:
            self._write(kernel.output, part, product)
        elif (kernel.name, part) in self.behind:
            self.unfinished[kernel.name, part] = product
        else:
            self._deliver(kernel, part, product)

    def _deliver(self, kernel: Kernel, part: Part, product: Array) -> None:
        """What follows the product, on ``part`` of it."""
        if len(kernel.nodes) == 1:
            self._write(kernel.output, part, product)
        else:
            self._host(kernel, part, skip=1, given={kernel.nodes[0].outputs[0]: product})

    def _piece(self, task: Task, kernel: Kernel, part: Part) -> None:
        """A range of pixels or channels of a product, in memory if it has a mapping; with the last of them, what follows."""
        work = kernel.work
        assert work is not None
        if kernel.name not in self.products:
            self.rows[kernel.name] = work.rows(self.values[work.source])
            shape = (*self.rows[kernel.name].shape[:-1], work.gather.columns)[-work.weight.ndim :]
            self.products[kernel.name] = np.full(shape, np.nan, np.float32)
        rows = self.rows[kernel.name]
        place = (slice(part.start, part.stop), slice(None))
        if part.axis == "pixels":
            rows = rows[part.start : part.stop]
        elif work.blocks > 1:
            first, stop = blocks_of(work, part)
            place, rows = (slice(None), slice(first, stop)), rows[:, first:stop]
        else:
            place = place[::-1]
        weight, bias = _columns(work, part)
        if task.mapping:
            found = self._product(task, kernel, part, rows)
        elif work.blocks > 1:
            found = self.host.matmul(kernel.name, rows.transpose(1, 0, 2), weight, None).transpose(1, 0, 2)
            found = found if bias is None else found + bias
        else:
            found = self.host.matmul(kernel.name, rows, weight, bias)
        self.products[kernel.name][place] = found

    def _complete(self, kernel: Kernel) -> None:
        """All ranges of a product are there: put together, and finished."""
        work = kernel.work
        assert work is not None
        del self.rows[kernel.name]
        self._deliver(kernel, Part(), work.restore(self.products.pop(kernel.name)))

    def _product(self, task: Task, kernel: Kernel, part: Part, rows: Array) -> Array:
        """A part of a kernel's product through its program, bias added: float32 [pixels, channels], or [pixels, blocks, N]."""
        work = kernel.work
        assert work is not None
        weight, bias = _columns(work, part)
        product = product_of(kernel, part)
        epilogue = task.epilogue
        compiled = compile_product(self.device, product, self.plan.system.channels, task.mapping, epilogue)
        single = work.blocks > product.blocks == 1  # one block of several is an ordinary product
        if single:
            weight, rows = weight[0], rows[:, 0]
        inputs = np.asarray(rows, np.float32)
        columns = compiled.inputs(inputs, bias) if epilogue.bias else compiled.inputs(inputs)
        results = play_values(self.device, compiled.program, compiled.weights(weight), columns, compiled.result_count)
        outputs = compiled.outputs(results)[:, None] if single else compiled.outputs(results)
        return outputs if bias is None or epilogue.bias else outputs + bias

    def _write(self, tensor: str, part: Part, value: Array) -> None:
        if part.axis not in ("rows", "images"):
            self.values[tensor] = value
            return
        if tensor not in self.values:
            shape = self.plan.graph.shape(tensor)
            self.values[tensor] = np.full(shape, np.nan if value.dtype.kind == "f" else 0, value.dtype)
        self.values[tensor][output_slices(part)] = value


def _columns(work: MatMul, part: Part) -> tuple[Array, Array | None]:
    """The weights and the bias of a part's channels; of all, if it is no range of channels."""
    weight, bias = work.weight, work.bias
    if part.axis != "channels":
        return weight, bias
    if work.blocks > 1:
        first, stop = blocks_of(work, part)
        return weight[first:stop], None if bias is None else bias[first:stop]
    return weight[:, part.start : part.stop], None if bias is None else bias[part.start : part.stop]


def _check(graph: Graph, feeds: Mapping[str, Array]) -> None:
    known = {spec.name for spec in graph.inputs}
    for name in feeds:
        if name not in known:
            raise InputError("no such input", where=graph.name, value=name, bound=near_matches(name, known))
    for spec in graph.inputs:
        if spec.name not in feeds:
            raise InputError("missing input", where=graph.name, value=spec.name)
        feed = feeds[spec.name]
        if tuple(feed.shape) != spec.shape:
            raise InputError(
                f"shape of input {spec.name}", where=graph.name, value=tuple(feed.shape), bound=str(spec.shape)
            )
        if feed.dtype != np.dtype(spec.dtype):
            raise InputError(f"type of input {spec.name}", where=graph.name, value=str(feed.dtype), bound=spec.dtype)
