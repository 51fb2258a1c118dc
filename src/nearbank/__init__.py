"""nearbank: convolutional networks on a GPU whose memory can compute.

import nearbank as nb
report = nb.run("mobilenet-v2", "newton-gddr6", "h200", policy="best")
print(report.speedup, report.classes)
report.to_pandas()

`run`, `layer`, `simulate` and `compare` take names and give results that show themselves in notebooks; `load`, `device`, `gpu`,
`make_plan`, `execute` are the steps in between. `plan` and `devices` are rooms of the package; `plan` can be called, too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Product",
    "Report",
    "__version__",
    "compare",
    "compile",
    "device",
    "devices",
    "execute",
    "gpu",
    "layer",
    "load",
    "make_plan",
    "plan",
    "reference",
    "regions",
    "run",
    "simulate",
    "time_product",
]

if TYPE_CHECKING:
    import nearbank.devices as devices
    from nearbank.api import Report, compare, layer, run, simulate
    from nearbank.devices import device
    from nearbank.frontend import compile, regions
    from nearbank.models import load
    from nearbank.pim import Product, time_product
    from nearbank.plan import make_plan
    from nearbank.plan import plan_model as plan
    from nearbank.plan.gpu import gpu
    from nearbank.runtime import execute, reference

_HOMES = {
    "Product": "pim", "Report": "api", "compare": "api", "compile": "frontend", "device": "devices", "execute": "runtime",
    "gpu": "plan", "layer": "api", "load": "models", "make_plan": "plan", "reference": "runtime", "regions": "frontend",
    "run": "api", "simulate": "api", "time_product": "pim",
}  # fmt: skip
_ROOMS = ("devices", "plan")


def __getattr__(name: str) -> Any:
    """Import on first use: the command line's help should not wait for ONNX Runtime."""
    if name in _ROOMS:
        return import_module(f"nearbank.{name}")
    if name in _HOMES:
        return getattr(import_module(f"nearbank.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'nearbank' has no attribute {name!r}")
