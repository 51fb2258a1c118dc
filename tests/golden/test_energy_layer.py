"""Energy of a whole layer: MobileNetV2's 784 x 192 -> 32 on 16 channels with resident rows.

Made by counting: 784 pixels of 192 / 16 = 12 columns, 32 / 16 = 2 groups of outputs; one row a channel, 49 pixels each.
"""

from __future__ import annotations

import pytest

from nearbank.devices import device
from nearbank.pim import Product, compile_product
from nearbank.sim import time_program
from nearbank.sim.energy import energy, read_energy


def test_mobilenet_layer() -> None:
    newton = device("newton-gddr6")
    timed = time_program(newton, compile_product(newton, Product(784, 192, 32), 16, "resident").program)
    counts = timed.commands
    assert (counts["COMP"], counts["GWRITE"], counts["READRES"]) == (784 * 12 * 2, 784 * 12, 784 * 2)
    assert sum(counts[c.name] for c in newton.by_role("activate")) == 16 * 4
    found = energy(newton, timed)
    assert found.activate == pytest.approx(256 * 0.716364e-3)  # 16 channels x 16 banks: 0.183 uJ
    assert found.column_read == pytest.approx(18816 * 16 * 1.16822e-3 / 32)  # 10.991 uJ
    assert found.mac == pytest.approx(18816 * 0.384e-3)  # 7.225 uJ
    assert found.buffer == pytest.approx(18816 * 0.1758e-3 + 9408 * 0.1820e-3 + 1568 * 0.1758e-3)  # 5.296 uJ
    assert found.bus == pytest.approx((9408 * 170 + 1568 * 187) * 1.35 * 16 / 7 * 1e-6)  # 5.840 uJ
    assert found.refresh == pytest.approx(counts["REF"] * 36.45e-3)  # 32: 1.166 uJ
    assert found.background == pytest.approx(16 * 0.08235 * timed.cycles / 875)  # 4810 clocks: 7.243 uJ


def test_the_same_data_over_the_bus() -> None:
    # Inputs 784 x 192 and weights 192 x 32 of 2 B: 9792 columns in 306 rows; outputs 784 x 32: 1568 columns in 49 rows.
    found = read_energy(device("newton-gddr6"), 2 * (784 * 192 + 192 * 32), write_bytes=2 * 784 * 32)
    assert found.activate == pytest.approx((306 + 49) * 0.716364e-3)
    assert found.column_read == pytest.approx((9792 + 1568) * 1.16822e-3 / 32)
    assert found.bus == pytest.approx((9792 * 187 + 1568 * 170) * 1.35 * 16 / 7 * 1e-6)
    assert found.mac == found.buffer == 0
