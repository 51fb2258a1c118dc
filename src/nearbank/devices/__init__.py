"""In: a device name or TOML file. Out: a PimDevice, frozen and checked. Knows numbers, not what is done with them."""

from nearbank.devices.functions import FUNCTIONS, HIGH, LOW, Function
from nearbank.devices.load import device, names
from nearbank.devices.model import (
    CHECKS,
    FUNCTION_ROW,
    REGISTER_ROLES,
    ROLES,
    Command,
    Numerics,
    Organization,
    PimDevice,
    Refresh,
    Rule,
)

__all__ = [
    "CHECKS",
    "FUNCTIONS",
    "FUNCTION_ROW",
    "HIGH",
    "LOW",
    "REGISTER_ROLES",
    "ROLES",
    "Command",
    "Function",
    "Numerics",
    "Organization",
    "PimDevice",
    "Refresh",
    "Rule",
    "device",
    "names",
]
