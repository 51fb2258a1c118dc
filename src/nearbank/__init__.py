"""nearbank: convolutional networks on a GPU whose memory can compute.

import nearbank as nb
graph = nb.load("model.onnx", batch=1)
plan = nb.make_plan(graph, nb.device("newton-gddr6"), nb.gpu("h200"), policy="best")
print(plan.speedup)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Product", "__version__", "compile", "device", "execute", "gpu", "load", "make_plan", "reference", "regions",
           "time_product"]  # fmt: skip

if TYPE_CHECKING:
    from nearbank.devices import device
    from nearbank.frontend import compile, load, regions
    from nearbank.pim import Product, time_product
    from nearbank.plan import gpu, make_plan
    from nearbank.runtime import execute, reference

_HOMES = {"compile": "frontend", "device": "devices", "load": "frontend", "regions": "frontend", "Product": "pim",
          "time_product": "pim", "gpu": "plan", "make_plan": "plan", "execute": "runtime", "reference": "runtime"}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import on first use: the command line's help should not wait for ONNX Runtime."""
    if name in _HOMES:
        return getattr(import_module(f"nearbank.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'nearbank' has no attribute {name!r}")
