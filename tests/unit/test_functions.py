"""Activation functions by table and straight lines: against hand arithmetic, exact where they are, near the function elsewhere."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from nearbank.devices import FUNCTIONS, device
from nearbank.errors import DeviceError
from nearbank.sim import apply_function, oracle

UNIT = device("aim-gddr6")
EVERY = np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.bfloat16).astype(np.float32)
FINITE = EVERY[np.isfinite(EVERY)]


def of(name: str, *values: float) -> list[float]:
    return [float(v) for v in apply_function(UNIT, name, np.array(values, np.float32))]


def test_the_functions_of_the_device() -> None:
    assert UNIT.functions == ("identity", "relu", "relu6", "silu", "hardswish", "sigmoid", "tanh", "gelu")


def test_a_line_between_two_entries() -> None:
    """Sigmoid: 0.62246 at 0.5 is the bf16 159/256, 0.62613 at 0.5 + 1/64 is 160/256. Half way between them is a tie: to even."""
    assert of("sigmoid", 0.5, 0.515625, 0.5078125) == [159 / 256, 160 / 256, 160 / 256]
    # SiLU at 1/64: 0.0078735 is 129 x 2^-14; a quarter of the way from 0 is a quarter of it.
    assert of("silu", 1 / 64, 1 / 256) == [129 / 2**14, 129 / 2**16]
    # Hard swish at 1: 4/6 is 171/256.
    assert of("hardswish", 1.0) == [171 / 256]


def test_outside_the_table() -> None:
    inf = math.inf
    assert of("sigmoid", -9, 9, -inf, inf) == [0, 1, 0, 1]
    assert of("tanh", -9, 9, -inf, inf) == [-1, 1, -1, 1]
    assert of("silu", -20, 20, -inf, inf) == [0, 20, 0, inf]
    assert of("gelu", -20, 20) == [0, 20]
    assert of("relu6", -20, 20, inf) == [0, 6, 6]
    assert of("identity", -inf, inf) == [-inf, inf]
    assert all(math.isnan(of(name, math.nan)[0]) for name in FUNCTIONS)


@pytest.mark.parametrize(
    ("name", "exact"),
    [("identity", lambda x: x), ("relu", lambda x: np.maximum(x, 0)), ("relu6", lambda x: np.clip(x, 0, 6))],
)
def test_exact_for_every_operand(name: str, exact) -> None:  # type: ignore[no-untyped-def]
    assert np.array_equal(apply_function(UNIT, name, FINITE), exact(FINITE))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_near_the_function_and_equal_to_the_plain_form(name: str) -> None:
    x = FINITE[(np.abs(FINITE) <= 12) & (np.abs(FINITE) >= 2**-20)]
    ours = apply_function(UNIT, name, x)
    exact = np.array([FUNCTIONS[name].exact(float(v)) for v in x])
    # An entry is half a unit of the last of 8 digits off and so is the result; 0.003 is what SiLU jumps at the table's end.
    assert (np.abs(ours - exact) <= np.abs(exact) / 128 + 0.003).all()
    # The oracle of 1 x 1 products with weight 1: its own plain form of the same definition.
    plain = oracle(UNIT, x[:, None], np.ones((1, 1), np.float32), ((0, 1),), function=name)
    assert np.array_equal(plain[:, 0].view(np.uint32), (ours + np.float32(0)).view(np.uint32))


def test_bad_functions_of_a_device_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    for text, message in (
        ('names = ["relu7"]', "activation function; got 'relu7'; did you mean relu"),
        ('names = "relu"', "functions.names"),
        (f"names = {['relu'] * 9}", "at most organization.function_rows = 8"),
        ('name = ["relu"]', "unknown key in functions"),
    ):
        file.write_text(f'base = "aim-gddr6"\n[functions]\n{text}\n')
        with pytest.raises(DeviceError, match=message):
            device(file)
    file.write_text('base = "aim-gddr6"\n[functions]\nnames = ["hardsigmoid"]\n')
    assert device(file).functions == ("hardsigmoid",)
    assert device(file).hash != UNIT.hash == replace(UNIT).hash
