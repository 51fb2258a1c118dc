"""In: a torch module and a system. Out: a callable that computes through a plan of it, and torch.compile's backend.

Nothing here imports torch before it is needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nearbank.errors import InputError
from nearbank.frontend.settings import Options, Settings

__all__ = ["CompileReport", "Compiled", "Options", "Region", "Settings", "backend", "compile", "regions"]

if TYPE_CHECKING:
    from nearbank.frontend.compiled import Compiled, compile
    from nearbank.frontend.dynamo import Region, backend, regions
    from nearbank.frontend.summary import CompileReport

_HOMES = {"Region": "dynamo", "backend": "dynamo", "regions": "dynamo", "Compiled": "compiled", "compile": "compiled",
          "CompileReport": "summary"}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import on first use, for the sake of those without torch."""
    if name in _HOMES:
        try:
            home = import_module(f"nearbank.frontend.{_HOMES[name]}")
        except ModuleNotFoundError as error:
            raise InputError(
                f"nearbank.{name} needs {error.name}", bound='installed: pip install "nearbank[torch]"'
            ) from error
        return getattr(home, name)
    raise AttributeError(f"module 'nearbank.frontend' has no attribute {name!r}")
