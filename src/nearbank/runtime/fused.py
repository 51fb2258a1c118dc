"""The calls of a segment as torch's compiler makes them: what stands behind a product fused into as few kernels as it can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nearbank.errors import InputError

__all__ = ["Call", "fuse"]

Call = Callable[[], object]


def fuse(torch: Any, calls: Sequence[Call], backend: str = "inductor") -> Call:
    """One call that makes what ``calls`` make, one behind the other; compiled when it is first called.

    The operators are traced from one run, whatever Python stands between them; what a call returns is made for good, as a kernel
    leaves its output in memory.

    Args:
        torch: the module.
        calls: each returns a tensor, or tensors in lists and dictionaries.
        backend: of torch.compile.

    Raises:
        InputError: the compiler fails, with what it says first.
    """
    from torch.fx.experimental.proxy_tensor import make_fx

    def everything() -> list[object]:
        return [call() for call in calls]

    def failed(error: Exception) -> InputError:
        said = str(error).strip().partition("\n")[0]
        return InputError(f"torch's compiler {backend} fails", value=f"{type(error).__name__}: {said}")

    try:
        with torch.inference_mode(False), torch.no_grad():
            compiled = torch.compile(make_fx(everything)(), backend=backend, dynamic=False)
    except Exception as error:  # whatever the compiler and its tools raise, here and below
        raise failed(error) from error

    def call() -> object:
        try:
            return compiled()
        except Exception as error:
            raise failed(error) from error

    return call
