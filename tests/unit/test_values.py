"""What the value player refuses, rather than give a wrong number."""

from __future__ import annotations

import numpy as np
import pytest

from nearbank.devices import device
from nearbank.errors import ProgramError
from nearbank.program import parse_program
from nearbank.sim import play_values

HEAD = "program aim-gddr6\nchannels 0\nACT16 0\nTMOD\nWRGB 0 0\n"


def play(body: str, name: str = "aim-gddr6") -> np.ndarray:
    unit, sizes = device(name), device(name).organization
    banks = {0: np.ones((1, sizes.columns, sizes.banks, sizes.lanes), np.float32)}
    return play_values(unit, parse_program(body), banks, np.ones((1, sizes.lanes), np.float32), 2)


def test_a_preset_sum() -> None:
    one = "WRMAC16 0 0\nTMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 {}\n"
    # Sixteen products of 1 x 1 in every bank, twice over: each result is 16.
    assert (play(HEAD + one.format(0) + one.format(1)) == 16).all()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("WRMAC16 0 1\nTMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 0\n", "presets other than zero"),
        ("TMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 0\n", "not preset"),
        ("WRMAC16 0 0\nTMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 0\nTMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 1\n", "not preset"),
        ("WRMAC16 0 0\nTMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 2\n", "out of range"),
        ("WRGB 0 1\nWRMAC16 0 0\nTMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 0\n", "out of range"),
    ],
)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        play(HEAD + body)
