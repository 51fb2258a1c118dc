"""What the planner offers, by its own tables."""

from __future__ import annotations

from nearbank.plan import POLICIES, SCOPES
from sitegen.markdown import table

__all__ = ["policies", "scopes"]


def policies() -> str:
    """Names of the policies and what they decide."""
    return table(("policy", "what runs where"), ((f"`{n}`", about) for n, about in POLICIES.items()),
                 left=("policy", "what runs where"))  # fmt: skip


def scopes() -> str:
    """Names of the scopes and the kinds of kernels that count."""
    rows = ((f"`{name}`", "all" if kinds is None else ", ".join(sorted(kinds))) for name, kinds in SCOPES.items())
    return table(("scope", "kernels that count"), rows, left=("scope", "kernels that count"))
