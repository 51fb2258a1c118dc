"""Devices that switch modes: mappings, bias and functions in memory, and the bound, on shapes nobody listed."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nearbank.devices import device
from nearbank.pim import Epilogue, Product, bound, compile_product
from nearbank.pim.modal.host import host_floor
from nearbank.pim.modal.serial import serial_floor
from nearbank.program import aim, aim_export
from nearbank.sim import oracle, play_values, time_isr, time_program, time_program_reference

UNITS = {refresh: device("aim-gddr6", {"refresh": refresh}) for refresh in ("on", "off")}
NAMES = [c.name for c in UNITS["on"].commands]
SHAPES = st.builds(
    Product,
    st.one_of(st.integers(1, 40), st.integers(1, 800)),
    st.one_of(st.integers(1, 300), st.integers(1, 3000)),
    st.one_of(st.integers(1, 50), st.integers(1, 700)),
)


@settings(max_examples=40, deadline=None)
@given(product=SHAPES, channels=st.integers(1, 32), refresh=st.sampled_from(["on", "off"]))
def test_between_the_bound_and_the_baselines(product: Product, channels: int, refresh: str) -> None:
    unit = UNITS[refresh]
    found = compile_product(unit, product, channels, "search")
    cycles = time_program(unit, found.program).cycles
    serial, host = (
        time_program(unit, compile_product(unit, product, channels, name).program).cycles for name in ("serial", "host")
    )
    assert bound(unit, product, channels).cycles <= cycles <= min(serial, host)
    assert serial_floor(unit, product, channels) <= serial
    assert host_floor(unit, product, channels) <= host
    for epilogue in (Epilogue(bias=True), Epilogue(function="silu")):
        if epilogue.function is None or product.in_channels <= 1024:
            program = compile_product(unit, product, channels, "search", epilogue).program
            assert time_program(unit, program).cycles >= bound(unit, product, channels, epilogue).cycles
    compile_product.cache_clear()
    assert compile_product(unit, product, channels, "search").program == found.program


@settings(max_examples=60, deadline=None)
@given(
    pixels=st.integers(1, 60), inputs=st.integers(1, 1300), outputs=st.integers(1, 70), channels=st.integers(1, 32),
    mapping=st.sampled_from(["search", "host"]), bias=st.booleans(),
    function=st.sampled_from([None, *UNITS["on"].functions]), seed=st.integers(0, 99),
)  # fmt: skip
def test_bias_and_function_in_memory(
    pixels: int, inputs: int, outputs: int, channels: int, mapping: str, bias: bool, function: str | None, seed: int
) -> None:
    assume(function is None or inputs <= 1024)
    unit, product, rng = UNITS["on"], Product(pixels, inputs, outputs), np.random.default_rng(seed)
    x = rng.standard_normal((pixels, inputs), np.float32)
    w = rng.standard_normal((inputs, outputs), np.float32) / np.float32(inputs**0.5)
    b = rng.standard_normal(outputs).astype(np.float32) if bias else None
    compiled = compile_product(unit, product, channels, mapping, Epilogue(bias, function))
    results = play_values(unit, compiled.program, compiled.weights(w), compiled.inputs(x, b), compiled.result_count)
    ours, plain = compiled.outputs(results), oracle(unit, x, w, compiled.pieces, b, function)
    assert np.array_equal(ours.view(np.uint32), plain.view(np.uint32))
    if product.macs < 200_000:
        assert time_program_reference(unit, compiled.program) == time_program(unit, compiled.program)


@settings(max_examples=25, deadline=None)
@given(
    pixels=st.integers(1, 12), inputs=st.integers(1, 1300), outputs=st.integers(1, 400), channels=st.integers(1, 32),
    bias=st.booleans(), function=st.sampled_from([None, "relu6", "gelu"]),
)  # fmt: skip
def test_host_instructions_play_what_was_compiled(
    pixels: int, inputs: int, outputs: int, channels: int, bias: bool, function: str | None
) -> None:
    """The commands are the same, operands included. All channels wait for a read, and one with more groups than others may be
    another one each time: hence the last clocks allowed. Different biases are written one channel after the other."""
    assume(function is None or inputs <= 1024)
    unit, product = UNITS["off"], Product(pixels, inputs, outputs)
    compiled = compile_product(unit, product, channels, "host", Epilogue(bias, function))
    text = "".join(aim_export.format_isr(aim_export.isr_of_program(compiled.program, NAMES)))
    program = aim.parse_isr(text)
    streams = aim.lower_isr(program, NAMES)
    for section in compiled.program.sections:
        for position, channel in enumerate(section.channels):
            own = aim_export.unroll(section.body, NAMES, channel=position)
            assert (streams[channel].ops == own.ops).all()
            assert (streams[channel].args == own.args).all()
    played, alone = time_isr(unit, program), time_program(unit, compiled.program)
    assert played.commands == alone.commands
    reads = sum(isr.blocks for isr in program)
    writers = min(channels, product.groups(unit)) if bias else 1
    assert alone.cycles <= played.cycles <= alone.cycles + 2 + reads * (2 + writers)
