"""Activation functions of a memory: a table of each over a range, straight lines between its entries, a rule outside.

How real parts do it is public only in outline (tables in rows of the banks, interpolated); all numbers here are assumed:
a table is one row of a bank, its entries are operands at equal distances from `LOW` on, up to `HIGH` without it. The argument is
the sum, rounded to an operand as a read rounds it; the line between two entries is computed in float32 from the one nearer to 0,
and the result rounded to an operand. With bf16 operands and rows of 2 KB (1024 entries, 1/64 apart) identity, ReLU and ReLU6 are
exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["FUNCTIONS", "HIGH", "LOW", "Function"]

LOW = -8.0
"""The first argument that every table has an entry for (assumed)."""
HIGH = 8.0
"""The argument that every table ends before (assumed)."""


@dataclass(frozen=True)
class Function:
    """``exact``: what the entries are rounded from. Below the first entry the result is ``below[0] + below[1] * x``, and
    above the last ``above[0] + above[1] * x``."""

    exact: Callable[[float], float]
    below: tuple[float, float]
    above: tuple[float, float]

    def entries(self, count: int) -> list[float]:
        """The values of ``count`` entries, not yet rounded."""
        return [self.exact(LOW + (HIGH - LOW) * i / count) for i in range(count)]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _hardsigmoid(x: float) -> float:
    return min(max(x / 6 + 0.5, 0.0), 1.0)


_ZERO, _ONE, _ITSELF = (0.0, 0.0), (1.0, 0.0), (0.0, 1.0)

FUNCTIONS: Mapping[str, Function] = {
    "identity": Function(lambda x: x, _ITSELF, _ITSELF),
    "relu": Function(lambda x: max(x, 0.0), _ZERO, _ITSELF),
    "relu6": Function(lambda x: min(max(x, 0.0), 6.0), _ZERO, (6.0, 0.0)),
    "silu": Function(lambda x: x * _sigmoid(x), _ZERO, _ITSELF),
    "hardswish": Function(lambda x: x * _hardsigmoid(x), _ZERO, _ITSELF),
    "sigmoid": Function(_sigmoid, _ZERO, _ONE),
    "tanh": Function(math.tanh, (-1.0, 0.0), _ONE),
    "gelu": Function(lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2, _ZERO, _ITSELF),
    "hardsigmoid": Function(_hardsigmoid, _ZERO, _ONE),
}
"""Every function that a device file can name."""
