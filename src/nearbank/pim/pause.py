"""Python's cycle collector held back while many small values are made that have no cycles.

Programs are trees of tuples that live as long as the process; the collector would walk all of them again and again, which takes
as long as the search itself. What is no longer wanted is freed by its reference count all the same."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """No collection inside; as it was before, behind."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if not gc.get_freeze_count():
                # What was made counts as old at once: else the next collection of the young would walk all of it.
                gc.freeze()
                gc.unfreeze()
            gc.enable()
