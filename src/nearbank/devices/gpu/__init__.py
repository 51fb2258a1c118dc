"""In: the name of a GPU or a profile file. Out: its numbers, frozen, checked, with sources. Computes no time."""

from nearbank.devices.gpu.profile import (
    ConvRow,
    GpuProfile,
    LinearRow,
    OpRow,
    ProductRow,
    load_profile,
    parse_profile,
    profile_names,
)
from nearbank.devices.gpu.spec import AnalyticSpec, load_spec, spec_names

__all__ = [
    "AnalyticSpec",
    "ConvRow",
    "GpuProfile",
    "LinearRow",
    "OpRow",
    "ProductRow",
    "load_profile",
    "load_spec",
    "parse_profile",
    "profile_names",
    "spec_names",
]
