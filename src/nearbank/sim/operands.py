"""Rounding to the type that a memory multiplies and stores."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from nearbank.devices import PimDevice

__all__ = ["round_operands"]


def round_operands(device: PimDevice, values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Values rounded to the device's operand type, held in float32. Beyond its range they become infinite, as there."""
    kind = np.float16 if device.numerics.operand == "fp16" else ml_dtypes.bfloat16
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32).astype(kind).astype(np.float32)
