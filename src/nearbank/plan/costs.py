"""Both cost curves: what any part of any kernel takes on the GPU and in memory. Pure questions, each answered once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible, PlanError
from nearbank.graph import MatMul
from nearbank.pim import NO_EPILOGUE, Epilogue, Product, bias_in_memory, bound, choose_epilogue, time_product
from nearbank.pim.product import ceil_div
from nearbank.plan.gpu import GpuModel, GpuTime
from nearbank.plan.gpu_time import finish_time, gpu_time, sum_time
from nearbank.plan.kernels import Kernel
from nearbank.plan.types import WHOLE, Part, System

__all__ = ["Costs", "MemoryCost", "blocks_of", "product_of"]


_WORTH = 0.9
"""What another program could take at least must be below this share of what is known, for the search after it to pay."""


@dataclass(frozen=True)
class MemoryCost:
    """A part of a kernel in memory: ``us`` and ``cycles`` of the program, without launch and join; ``sum_us`` of the GPU kernel
    that adds its ``pieces`` partial sums, 0 if there is but one; ``mapping`` makes the program, and none is shorter than
    ``bound_cycles``; ``epilogue`` is what memory does to its sums."""

    us: float
    cycles: int
    bound_cycles: int
    pieces: int
    sum_us: float
    mapping: str
    epilogue: Epilogue = NO_EPILOGUE


def product_of(kernel: Kernel, part: Part) -> Product:
    """The matrix product that makes ``part`` of a kernel's first node. Raises `PlanError` for a kernel that is none."""
    work = kernel.work
    if work is None:
        raise PlanError("no matrix product", where=kernel.name, value=kernel.reason)
    pixels, outputs, blocks = work.pixels, work.gather.columns, work.blocks
    if part.axis == "pixels":
        pixels = part.size
    elif part.axis == "channels" and blocks > 1:
        first, stop = blocks_of(work, part)
        blocks = stop - first
    elif part.axis == "channels":
        outputs = part.size
    elif part.axis == "rows":
        batch, channels, _, width = kernel.shape
        pixels = replace(work.gather, output_shape=(batch, channels, part.size, width)).pixels
    elif part.axis == "images":
        pixels = pixels // kernel.extent(part.axis) * part.size
    return Product(pixels, work.in_channels, outputs, blocks)


def blocks_of(work: MatMul, part: Part) -> tuple[int, int]:
    """The blocks ``[first, stop)`` of a range of output channels. Raises `PlanError` where that cuts a block."""
    size, channels = work.gather.block_channels, work.out_channels
    if part.start % size or (part.stop % size and part.stop != channels):
        raise PlanError("a part cuts a block", where=work.name, value=str(part), bound=f"a multiple of {size}")
    return part.start // size, -(-part.stop // size)


class Costs:
    """What parts take under one system: ``gpu`` has the bandwidth that the memory leaves it, ``alone`` all of it. Kernels whose
    kind is not in ``counted`` take no time and stay on the GPU; None counts all."""

    def __init__(
        self, device: PimDevice, alone: GpuModel, system: System, counted: frozenset[str] | None = None
    ) -> None:
        self.device, self.alone, self.system, self._counted = device, alone, system, counted
        self.gpu = alone.with_bandwidth(system.gpu_share)
        self._gpu: dict[tuple[str, Part], float] = {}
        self._memory: dict[tuple[str, Part], MemoryCost | Infeasible] = {}
        self._finish: dict[tuple[str, Part], float] = {}
        self._inside: dict[tuple[str, Part], MemoryCost | None] = {}

    def gpu_us(self, kernel: Kernel, part: Part = WHOLE) -> float:
        """Microseconds on the GPU beside a working memory."""
        if not self.counts(kernel):
            return 0.0
        key = (kernel.name, part)
        if key not in self._gpu:
            self._gpu[key] = gpu_time(kernel, self.gpu, part).us
        return self._gpu[key]

    def alone_us(self, kernel: Kernel) -> float:
        """Microseconds on the GPU that has all channels."""
        return self.alone_time(kernel).us

    def alone_time(self, kernel: Kernel) -> GpuTime:
        """As `alone_us`, with the note of what was not measured."""
        return gpu_time(kernel, self.alone) if self.counts(kernel) else GpuTime(0.0)

    def counts(self, kernel: Kernel) -> bool:
        """Whether a kernel takes time in this scope."""
        return self._counted is None or kernel.kind in self._counted

    def fits(self, kernel: Kernel) -> bool:
        """Whether the memory can do the kernel, and it counts."""
        able = kernel.work is not None and self.counts(kernel)
        return able and not isinstance(self.memory(kernel), Infeasible)

    def memory(self, kernel: Kernel, part: Part = WHOLE) -> MemoryCost | Infeasible:
        """In memory, or why it cannot be there."""
        key = (kernel.name, part)
        if key not in self._memory:
            self._memory[key] = self._ask(kernel, part)
        return self._memory[key]

    def rough(self, kernel: Kernel, part: Part) -> MemoryCost | Infeasible:
        """As `memory` if it was asked before, else the whole's time in proportion, a row's opening included (an estimate)."""
        if part.axis == "whole" or (kernel.name, part) in self._memory:
            return self.memory(kernel, part)
        full = self.memory(kernel)
        if isinstance(full, Infeasible):
            return full
        share = part.size / kernel.extent(part.axis)
        opening = min(self.opening_us, full.us)
        added = full.sum_us and max(share * full.sum_us, self.gpu.launch_us)
        us = opening + share * (full.us - opening)
        return MemoryCost(us, round(us * self.device.clock_mhz), 0, full.pieces, added, full.mapping, full.epilogue)

    def finish_us(self, kernel: Kernel, part: Part = WHOLE) -> float:
        """The GPU kernel that finishes what the memory made, for a reader in memory; 0 where nothing is left to do, or charged."""
        key = (kernel.name, part)
        if key not in self._finish:
            charged = self.system.charge_epilogue and self._unfinished(kernel)
            self._finish[key] = finish_time(kernel, self.gpu, part).us if charged else 0.0
        return self._finish[key]

    def inside(self, kernel: Kernel, part: Part = WHOLE) -> MemoryCost | None:
        """In memory with the activation; None if that is not all there is to finish, or takes longer than finishing on the GPU.
        Ranges of pixels or channels are put together before they are finished, and never finished in memory."""
        key = (kernel.name, part)
        if key not in self._inside:
            self._inside[key] = self._ask_inside(kernel, part)
        return self._inside[key]

    def _unfinished(self, kernel: Kernel) -> bool:
        """Whether the memory leaves the bias or what is fused behind it undone."""
        if kernel.work is None:
            return False
        return len(kernel.nodes) > 1 or (kernel.work.bias is not None and not self._epilogue(kernel).bias)

    def _epilogue(self, kernel: Kernel) -> Epilogue:
        """What the memory does to the sums in any case, as it costs nothing."""
        if kernel.work is None or kernel.work.blocks > 1:
            return NO_EPILOGUE
        return bias_in_memory(self.device, self.system.mapping, bias=kernel.work.bias is not None)

    def _ask_inside(self, kernel: Kernel, part: Part) -> MemoryCost | None:
        work, system, plain = kernel.work, self.system, self.memory(kernel, part)
        if work is None or isinstance(plain, Infeasible) or not self.finish_us(kernel, part):
            return None
        function, behind = work.activation, {node.name for node in kernel.nodes[1:]}
        biased = self._epilogue(kernel).bias
        if function not in self.device.functions or behind != set(work.activation_nodes):
            return None
        if part.axis in ("pixels", "channels") or work.blocks > 1 or (work.bias is not None and not biased):
            return None
        outside = system.join_us + (plain.sum_us or self.finish_us(kernel, part))
        choice = choose_epilogue(
            self.device, product_of(kernel, part), system.channels, plain.mapping, bias=biased, function=function,
            function_us=outside,
        )  # fmt: skip
        if not choice.epilogue.function:
            return None
        timing = choice.timing
        return MemoryCost(
            timing.time_us, timing.timing.cycles, timing.bound.cycles, 1, 0.0, plain.mapping, choice.epilogue
        )

    @cached_property
    def opening_us(self) -> float:
        """The least product there is: what every program takes to open a row and to read a result."""
        return self.device.microseconds(bound(self.device, Product(1, 1, 1), 1).cycles)

    def _ask(self, kernel: Kernel, part: Part) -> MemoryCost | Infeasible:
        product = product_of(kernel, part)
        try:
            found = self._mapped(kernel, product, self.system.mapping)
        except Infeasible as error:
            return error
        if found.sum_us and self.system.mapping == "search" and self._may_pay(product, found):
            with suppress(Infeasible):
                fewer = self._mapped(kernel, product, "unsplit")
                found = min(found, fewer, key=lambda cost: cost.us + cost.sum_us)
        return found

    def _may_pay(self, product: Product, found: MemoryCost) -> bool:
        """Whether a program with the fewest partial sums, which may be longer, could take clearly less in all."""
        fewest = ceil_div(product.chunks(self.device), self.device.organization.longest_sum)
        least = self.device.microseconds(found.bound_cycles) + self._sum_us(product, fewest)
        return fewest < found.pieces and least < _WORTH * (found.us + found.sum_us)

    def _mapped(self, kernel: Kernel, product: Product, mapping: str) -> MemoryCost:
        """One mapping's answer. Raises `Infeasible`."""
        timing = time_product(self.device, product, self.system.channels, mapping)
        return MemoryCost(
            timing.time_us, timing.timing.cycles, timing.bound.cycles, timing.pieces, self._sum_us(product, timing.pieces),
            mapping, self._epilogue(kernel),
        )  # fmt: skip

    def _sum_us(self, product: Product, pieces: int) -> float:
        """The GPU kernel that adds the partial sums, if there are any and it is charged."""
        if pieces < 2 or not self.system.charge_epilogue:
            return 0.0
        return sum_time(self.gpu, product.pixels * product.out_channels * product.blocks, pieces).us
