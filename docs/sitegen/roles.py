"""What commands can be, by the device model's own table."""

from __future__ import annotations

from nearbank import devices
from sitegen.markdown import table

__all__ = ["table_of_roles"]


def table_of_roles() -> str:
    """Roles with their operands, and the built-in commands that have them."""
    units = [devices.device(name) for name in devices.names()]
    rows = []
    for role, operands in devices.ROLES.items():
        named = dict.fromkeys(c.name for unit in units for c in unit.by_role(role))
        rows.append((f"`{role}`", ", ".join(operands) or "none", ", ".join(f"`{name}`" for name in named)))
    return table(("role", "operands", "commands"), rows, left=("role", "operands", "commands"))
