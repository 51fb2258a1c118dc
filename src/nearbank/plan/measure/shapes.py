"""What calibration measures: a regular grid of products, the layers of the built-in networks, and other operators."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from nearbank.graph import load
from nearbank.plan.measure.asked import graph_kernels
from nearbank.plan.measure.kernels import ConvKernel, GapKernel, Kernel, MapKernel, MatmulKernel
from nearbank.plan.measure.torch_kernels import MAPS
from nearbank.zoo import build, names

__all__ = ["Shapes", "network_kernels", "shapes"]

_BATCHES = (1, 8, 32)
# Pixels of images of 7 to 112 on a side at batches of 1, 8 and 32, dense layers (few rows), and what splitting leaves.
_PIXELS = (1, 4, 8, 32, 49, 98, 196, 392, 784, 1568, 3136, 6272, 12544, 25088, 50176, 100352, 401408)
_CHANNELS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 576, 768, 1024, 1280, 2048)
# Fewer for depthwise kernels, which cuDNN compiles one by one, a fifth of a second each.
_DEPTHWISE_CHANNELS = (16, 32, 96, 192, 384, 768, 1280)
_HEIGHTS = (7, 14, 28, 56, 112)
_MAX_ELEMENTS = 1 << 27  # of an image or matrix: 256 MiB in fp16


@dataclass(frozen=True)
class Shapes:
    """Everything to be measured. ``networks``: kernels of a whole network in order, by (model, batch)."""

    grid: tuple[MatmulKernel, ...]
    convs: tuple[ConvKernel, ...]
    maps: tuple[MapKernel, ...]
    gaps: tuple[GapKernel, ...]
    depthwise: tuple[ConvKernel, ...]
    networks: dict[tuple[str, int], tuple[Kernel, ...]]


def shapes(*, quick: bool = False) -> Shapes:
    """The full set (some 5500 kernels), or a coarser one with one network."""
    step = 3 if quick else 1
    pixels, channels = _PIXELS[::step], _CHANNELS[::step]
    grid = (MatmulKernel(*sizes) for sizes in itertools.product(pixels, channels, channels))
    images = list(itertools.product(_BATCHES[::step], channels, _HEIGHTS[::step]))
    narrow = itertools.product(_BATCHES[::step], _DEPTHWISE_CHANNELS[::step], _HEIGHTS[::step])
    models = ("mobilenet-v2",) if quick else names()
    networks = {(m, b): k for m in models for b, k in network_kernels(m, _BATCHES[::step])}
    return Shapes(
        grid=tuple(k for k in grid if k.pixels * max(k.in_channels, k.out_channels) <= 4 * _MAX_ELEMENTS),
        convs=tuple(_dense(quick)),
        maps=tuple(MapKernel(op, 1 << log) for op in MAPS for log in range(10, 28, 2 * step - 1)),
        gaps=tuple(GapKernel(b, c, h, h) for b, c, h in images if b * c * h * h <= _MAX_ELEMENTS),
        depthwise=tuple(
            ConvKernel(b, c, c, h, h, kernel, stride, c)
            for b, c, h in narrow
            if b * c * h * h <= _MAX_ELEMENTS // 8
            for kernel, stride in itertools.product((3, 5), (1, 2))
        ),
        networks=networks,
    )


def network_kernels(model: str, batches: tuple[int, ...] = _BATCHES) -> Iterator[tuple[int, tuple[Kernel, ...]]]:
    """(batch, kernels in the order they run) of a built-in network."""
    built = build(model, weights="random")
    for batch in batches:
        yield batch, graph_kernels(load(built, batch=batch, name=model))


def _dense(quick: bool) -> Iterator[ConvKernel]:
    """3 x 3 convolutions, so that those of other networks have neighbours."""
    channels = (32, 128, 512) if quick else (16, 32, 64, 128, 256, 512)
    heights = (7, 28, 112) if quick else (7, 14, 28, 56, 112)
    for batch, inputs, height, stride in itertools.product((1,) if quick else (1, 8), channels, heights, (1, 2)):
        for outputs in (inputs, 2 * inputs) if batch == 1 else (inputs,):
            yield ConvKernel(batch, inputs, outputs, height, height, 3, stride)
