"""Outputs through memory beside those of plain float32, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Values", "compare"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Values:
    """Outputs through memory beside those of plain float32: classes of the first image, best first, and the errors."""

    top: tuple[int, ...]
    top_reference: tuple[int, ...]
    probabilities: tuple[float, ...]
    probabilities_reference: tuple[float, ...]
    max_abs_error: float
    relative_l2_error: float


def compare(ours: Array, plain: Array, *, best: int = 5) -> Values:
    """Compare outputs [batch, classes] or any shape; the classes are of the first row, after a softmax."""
    a, b = np.asarray(ours, np.float64), np.asarray(plain, np.float64)
    with np.errstate(invalid="ignore"):  # of infinite outputs errors are no numbers
        error, norm = np.abs(a - b), float(np.linalg.norm(b))
        relative = float(np.linalg.norm(error)) / norm if norm else float(np.linalg.norm(error))
    first, other = a.reshape(len(a), -1)[0], b.reshape(len(b), -1)[0]
    order, order_plain = np.argsort(-first, kind="stable")[:best], np.argsort(-other, kind="stable")[:best]
    return Values(
        tuple(map(int, order)), tuple(map(int, order_plain)),
        tuple(map(float, _softmax(first)[order])), tuple(map(float, _softmax(other)[order_plain])),
        float(error.max(initial=0.0)), relative,
    )  # fmt: skip


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())
