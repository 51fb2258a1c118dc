"""In: a device name or TOML file. Out: a PimDevice, frozen and checked. Knows numbers, not what is done with them."""

from nearbank.devices.check import DeviceCheck, check_device
from nearbank.devices.finding import SEVERITIES, Finding, Severity
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
from nearbank.devices.template import template

__all__ = [
    "CHECKS",
    "FUNCTIONS",
    "FUNCTION_ROW",
    "HIGH",
    "LOW",
    "REGISTER_ROLES",
    "ROLES",
    "SEVERITIES",
    "Command",
    "DeviceCheck",
    "Finding",
    "Function",
    "Numerics",
    "Organization",
    "PimDevice",
    "Refresh",
    "Rule",
    "Severity",
    "check_device",
    "device",
    "names",
    "template",
]
