"""What the value player refuses, rather than give a wrong number."""

from __future__ import annotations

import numpy as np
import pytest

from nearbank.devices import device
from nearbank.errors import ProgramError
from nearbank.program import parse_program
from nearbank.sim import play_values

HEAD = "program aim-gddr6\nchannels 0\nACT16 0\nTMOD\nWRGB 0 0\n"
ZEROS, QUARTERS = 1, 2
FUNCTION = "PREA\nACT16 {}\nAF16 0 {}\nPREA\nACT16 0\nTMOD\nRDAF16 0 {}\n"


def play(body: str, name: str = "aim-gddr6") -> np.ndarray:
    """Weights of ones; the host's columns are ones, zeros, and quarters up to 15/4, one a bank."""
    unit, sizes = device(name), device(name).organization
    banks = {0: np.ones((1, sizes.columns, sizes.banks, sizes.lanes), np.float32)}
    columns = np.stack([np.ones(16), np.zeros(16), np.arange(16) / 4]).astype(np.float32)
    return play_values(unit, parse_program(body), banks, columns, 2)


def test_a_preset_sum() -> None:
    one = "WRMAC16 0 {}\nTMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 {}\n"
    # Sixteen products of 1 x 1 in every bank, twice over: each result is 16 more than what was preset, one value a bank.
    results = play(HEAD + one.format(ZEROS, 0) + one.format(QUARTERS, 1))
    assert (results[0] == 16).all()
    assert (results[1] == 16 + np.round(np.arange(16) / 4 * 8) / 8).all()


def test_a_preset_alone_is_read_as_it_is() -> None:
    assert (
        play(HEAD + f"WRMAC16 0 {QUARTERS}\nTMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 0\nWRMAC16 0 {QUARTERS}\nRDMAC16 0 1\n")[
            1
        ]
        == np.arange(16) / 4
    ).all()


def test_a_function_of_a_sum() -> None:
    body = HEAD + f"WRMAC16 0 {QUARTERS}\nTMOD\nMAC16 0 0 0\n" + FUNCTION.format((1 << 29) + 2, 2, 1)
    assert (play(body)[1] == 6).all()  # ReLU6 of 16 and more
    body = HEAD + f"WRMAC16 0 {QUARTERS}\nTMOD\n" + FUNCTION.format((1 << 29) + 1, 1, 1)
    assert (play(body.replace("TMOD\nPREA", "TMOD\nMAC16 0 0 0\nPREA"))[1] >= 16).all()


SUM = f"WRMAC16 0 {ZEROS}\nTMOD\nMAC16 0 0 0\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("TMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 0\n", "not preset"),
        (f"{SUM}TMOD\nRDMAC16 0 0\nTMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 1\n", "not preset"),
        (f"{SUM}TMOD\nRDMAC16 0 0\nRDMAC16 0 1\n", "read twice"),
        (f"{SUM}TMOD\nRDMAC16 0 2\n", "out of range"),
        (f"WRGB 0 3\n{SUM}TMOD\nRDMAC16 0 0\n", "out of range"),
        ("WRMAC16 0 3\nTMOD\nMAC16 0 0 0\nTMOD\nRDMAC16 0 0\n", "out of range"),
        (f"{SUM}TMOD\nRDAF16 0 0\n", "was not applied"),
        (SUM + FUNCTION.format((1 << 29) + 1, 2, 0), "row is not open"),
        (SUM + FUNCTION.format((1 << 29) + 1, 1, 0).replace("TMOD", "MAC16 0 0 0\nTMOD"), "was not applied"),
        (SUM + FUNCTION.format((1 << 29) + 8, 8, 0), "activation function; got 8"),
    ],
)
def test_refused(body: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        play(HEAD + body)
