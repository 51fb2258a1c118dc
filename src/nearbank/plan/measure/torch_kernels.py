"""A kernel's shape to a torch callable on random operands: ``call()`` runs it once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nearbank.plan.measure.bench import By
from nearbank.plan.measure.kernels import ConvKernel, GapKernel, Kernel, MapKernel, MatmulKernel, image_of

__all__ = ["MAPS", "Call", "build_call"]

Call = Callable[[], object]
_SCALE_CHANNELS = 64
MAPS = ("add", "hardsigmoid", "hardswish", "mul", "relu", "relu6", "scale", "sigmoid", "silu")
"""Elementwise operators that can be measured; ``scale`` is a product with one factor a channel (squeeze-excite)."""


def build_call(torch: Any, device: str, kernel: Kernel, by: By = "cudnn") -> Call:
    """A callable that runs ``kernel`` once on ``device``, in fp16 and channels last; operands are made here, random.

    ``by`` says who computes products and pointwise convolutions: ``cublas`` or ``cudnn``; others have one way each.
    No bias: engines fuse it, torch would launch another kernel for it.
    """

    def random(*shape: int) -> Any:
        # products of long sums stay in fp16's range
        return torch.randn(shape, device=device, dtype=torch.float16) / 4

    if isinstance(kernel, ConvKernel) and by == "cublas" and kernel.as_product is not None:
        kernel = kernel.as_product
    if isinstance(kernel, MatmulKernel):
        if by == "cublas":
            x, weight = random(kernel.pixels, kernel.in_channels), random(kernel.out_channels, kernel.in_channels)
            return lambda: torch.nn.functional.linear(x, weight)
        kernel = ConvKernel(1, kernel.in_channels, kernel.out_channels, *image_of(kernel.pixels), 1)
    if isinstance(kernel, ConvKernel):
        return _conv(torch, random, kernel)
    if isinstance(kernel, GapKernel):
        image = random(kernel.batch, kernel.channels, kernel.height, kernel.width)
        image = image.contiguous(memory_format=torch.channels_last)
        return lambda: image.mean((2, 3), keepdim=True)
    return _map(torch, random, kernel)


def _conv(torch: Any, random: Callable[..., Any], k: ConvKernel) -> Call:
    last = torch.channels_last
    image = random(k.batch, k.in_channels, k.height, k.width).contiguous(memory_format=last)
    weight = random(k.out_channels, k.in_channels // k.groups, k.kernel, k.kernel).contiguous(memory_format=last)
    padding = k.kernel // 2
    return lambda: torch.nn.functional.conv2d(image, weight, None, k.stride, padding, 1, k.groups)


def _map(torch: Any, random: Callable[..., Any], kernel: MapKernel) -> Call:
    functional = torch.nn.functional
    if kernel.op == "scale":
        height, width = image_of(max(kernel.elements // _SCALE_CHANNELS, 1))
        image = random(1, _SCALE_CHANNELS, height, width).contiguous(memory_format=torch.channels_last)
        gate = random(1, _SCALE_CHANNELS, 1, 1)
        return lambda: image * gate
    x = random(kernel.elements)
    if kernel.op in ("add", "mul"):
        y = random(kernel.elements)
        return lambda: x + y if kernel.op == "add" else x * y
    one: Callable[[Any], object] = {
        "hardsigmoid": functional.hardsigmoid, "hardswish": functional.hardswish, "relu": torch.relu,
        "relu6": functional.relu6, "sigmoid": torch.sigmoid, "silu": functional.silu,
    }[kernel.op]  # fmt: skip
    return lambda: one(x)
