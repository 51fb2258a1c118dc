"""The fast engine equals the reference to the clock, on every device and option, refresh on and off."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nearbank.devices import PimDevice, device, names
from nearbank.sim.fast import time_program_fast
from nearbank.sim.reference import time_program
from tests.property.strategies import programs


def variants() -> list[PimDevice]:
    out = []
    for name in names():
        options = device(name).options
        for values in itertools.product(*(choices for _, _, choices in options)):
            out.append(device(name, {key: value for (key, _, _), value in zip(options, values, strict=True)}))
    return out


@pytest.mark.parametrize("which", variants(), ids=lambda d: d.name + "".join(f" {k}={v}" for k, v, _ in d.options))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_fast_engine_equals_reference(which: PimDevice, data: st.DataObject) -> None:
    program = data.draw(programs(which, most=20_000))
    expected = time_program(which, program)
    assert time_program_fast(which, program) == expected
