"""torch tensors and NumPy arrays, and what of a tensor decides whether a plan can take it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

__all__ = ["Like", "fingerprint", "to_array", "to_tensor", "why_not"]

_HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Like:
    """What a tensor looks like: sizes, strides in elements (its memory format), type and device."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def of(cls, tensor: torch.Tensor) -> Like:
        """Of a real tensor, or of the fake one that torch.export has for a result."""
        return cls(tuple(map(int, tensor.shape)), tuple(map(int, tensor.stride())), tensor.dtype, tensor.device)

    def differs(self, other: Like) -> str:
        """In which way ``other`` cannot stand for this, in words; "" if it can. Strides do not matter."""
        for what in ("shape", "dtype", "device"):
            mine, its = getattr(self, what), getattr(other, what)
            if mine != its:
                return f"{what} {its}, compiled for {mine}"
        return ""


def to_array(tensor: torch.Tensor) -> NDArray[Any]:
    """The values on the host; float16 and bfloat16 widened to float32, as loading widens the graph."""
    plain = tensor.detach().to("cpu")
    if plain.dtype in _HALF:
        plain = plain.to(torch.float32)
    return np.asarray(plain.contiguous().numpy())


def to_tensor(array: NDArray[Any], like: Like) -> torch.Tensor:
    """The values as a new tensor of that type, device and memory format."""
    values = torch.from_numpy(np.array(array))  # a copy: torch warns of arrays that are read-only
    if not _dense(like):
        return values.to(like.dtype).reshape(like.shape).to(like.device)
    out = torch.empty_strided(like.shape, like.strides, dtype=like.dtype, device=like.device)
    return out.copy_(values.reshape(like.shape))


def _dense(like: Like) -> bool:
    """Whether the elements lie in one block without holes or overlaps."""
    block = 1
    for stride, size in sorted(zip(like.strides, like.shape, strict=True)):
        if size == 1:
            continue
        if stride != block:
            return False
        block *= size
    return True


def fingerprint(weights: Iterable[torch.Tensor]) -> int:
    """A checksum of values: changes when a weight does, whichever way it was written to."""
    checksum = 0
    for weight in weights:
        plain = weight.detach().to("cpu").contiguous()
        checksum = zlib.crc32(plain.reshape(-1).view(torch.uint8).numpy().data, checksum)
    return checksum


def why_not(inputs: Iterable[torch.Tensor], weights: Mapping[str, torch.Tensor]) -> str:
    """Why these must be computed by torch itself, in words; "" if a plan will do."""
    inputs = list(inputs)
    for what, tensor in (*((f"input {i}", t) for i, t in enumerate(inputs)), *weights.items()):
        if type(tensor) not in (torch.Tensor, nn.Parameter):
            return f"{what} is a {type(tensor).__name__}, not a plain tensor"
        if tensor.device.type == "meta":
            return f"{what} is on the meta device: it has no values"
        if tensor.layout != torch.strided or tensor.is_quantized:
            return f"{what} is no plain dense tensor"
        if torch.is_grad_enabled() and tensor.requires_grad:
            return f"a gradient may be wanted: {what} requires grad; call it under torch.no_grad()"
        if torch.is_autocast_enabled(tensor.device.type):
            return "autocast is on, which changes types on the way"
    return ""
