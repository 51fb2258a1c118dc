"""The one error tree. Every message says what is wrong, where, the value found and the bound it breaks."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "DeviceError",
    "Infeasible",
    "InputError",
    "ModelError",
    "NearbankError",
    "PlanError",
    "ProgramError",
    "near_matches",
]


_MEANT = "did you mean "


class NearbankError(Exception):
    """Base of all errors that nearbank raises on purpose; the command line prints it as one line, exit status 2."""

    def __init__(self, what: str, *, where: str = "", value: object = None, bound: str = "") -> None:
        self.what, self.where, self.value, self.bound = what, where, value, bound
        parts = [f"{where}: {what}" if where else what]
        if value is not None:
            parts.append(f"got {value!r}" if isinstance(value, str) else f"got {value}")
        if bound:
            parts.append(bound if bound.startswith(_MEANT) else f"must be {bound}")
        super().__init__("; ".join(parts))


class InputError(NearbankError):
    """A file or option that the user gave cannot be used (missing, not an image, unwritable, out of range)."""


class ModelError(NearbankError):
    """A model that cannot be read, or that has something nearbank cannot compile."""


class DeviceError(NearbankError):
    """A device description with an unknown key, a bad value or an impossible organization."""


class ProgramError(NearbankError):
    """A program or trace that the device cannot play: unknown command, closed row, unfilled buffer, unread latch."""


class PlanError(NearbankError):
    """A plan that cannot be made or that breaks its own rules."""


class Infeasible(PlanError):
    """A mapping that does not fit the device: how much it demands, how much there is, and of what."""

    def __init__(self, what: str, *, demand: int, bound: int, unit: str, where: str = "") -> None:
        self.demand, self.limit, self.unit = demand, bound, unit
        super().__init__(what, where=where, value=f"{demand} {unit}", bound=f"at most {bound} {unit}")


def near_matches(word: str, known: Iterable[str]) -> str:
    """``"did you mean a, b?"`` for the known words near ``word``, else the whole list; for error messages."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=3, cutoff=0.5)
    return f"{_MEANT}{', '.join(near)}?" if near else f"one of {', '.join(words)}"
