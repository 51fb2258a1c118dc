"""What a torch operator gets: the node, its tensors, and what is known of them on the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearbank.errors import ModelError
from nearbank.graph import Node

__all__ = ["Call", "Operator"]

Tensor = Any
"""A torch.Tensor; torch is imported only where a host is made."""


@dataclass(frozen=True)
class Call:
    """One call of a node.

    ``inputs`` and ``known`` stand in the node's positions, None where an input is left out; ``known`` has the values of constants,
    so that axes and shapes need not be fetched from the device. ``attributes`` are the node's own; ``rows`` replaces the padding
    above and below where a band is computed. Floating-point tensors are computed as ``kind``.
    """

    torch: Any
    node: Node
    inputs: tuple[Tensor | None, ...]
    known: tuple[NDArray[Any] | None, ...]
    attributes: Mapping[str, Any]
    kind: Any
    rows: tuple[int, int] | None = None

    @property
    def x(self) -> Tensor:
        """The first input."""
        return self.inputs[0]

    def get(self, attribute: str, default: Any) -> Any:
        """A plain attribute."""
        return self.attributes.get(attribute, default)

    def tensor(self, position: int) -> Tensor | None:
        """An input that may be left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def value(self, position: int) -> NDArray[Any] | None:
        """The same on the host."""
        found = self.tensor(position)
        if found is None:
            return None
        known = self.known[position]
        return known if known is not None else np.asarray(found.detach().cpu().numpy())

    def ints(self, position: int, attribute: str = "") -> tuple[int, ...] | None:
        """Whole numbers that are an input in new versions of an operator and an attribute in old ones; None if left out."""
        found = self.attributes.get(attribute) if attribute else None
        if found is None:
            found = self.value(position)
        return None if found is None else tuple(int(i) for i in np.atleast_1d(np.asarray(found)))

    def number(self, position: int) -> float | None:
        """A number that is an input; None if it is left out."""
        found = self.value(position)
        return None if found is None else float(np.asarray(found).reshape(-1)[0])

    def refuse(self, what: str, value: object) -> ModelError:
        """The error of an operator that is there, but not in this form."""
        return ModelError(f"torch host: {self.node.op_type} {what}", where=self.node.name, value=str(value))

    def pads(self) -> tuple[int, ...]:
        """Padding of a sliding window as ONNX has it: all begins, then all ends."""
        found = tuple(int(p) for p in self.node.attributes["pads"])
        if self.rows is None:
            return found
        count = len(found) // 2
        return (self.rows[0], *found[1:count], self.rows[1], *found[count + 1 :])


Operator = Callable[[Call], Any]
"""One tensor, or a tuple of them, from a call."""
