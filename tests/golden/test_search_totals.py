"""The compiler beside the public generator: sums over the pointwise layers of the same data file, 16 channels.

The limits are requirements, set from outside: what the same timing allows when rows stay open (see the data's README for the
newton++ cycles that stand in the file: 427,830 and 2,143,249).
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from nearbank.devices import device
from nearbank.pim import Product, time_product

LAYERS = Path(__file__).parent / "data" / "pimflow_layers.csv"


@pytest.mark.parametrize(
    ("name", "model", "newton_pp", "limit"),
    [
        ("newton-gddr6-pimflow", "mobilenet_v2", 427_830, 160_000),
        ("newton-gddr6-pimflow", "resnet50", 2_143_249, 960_000),
    ],
)
def test_totals(name: str, model: str, newton_pp: int, limit: int) -> None:
    ours = theirs = 0
    with LAYERS.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["model"] == model and row["kind"] == "conv":
                product = Product(int(row["H"]) * int(row["W"]), int(row["Cin"]), int(row["Cout"]))
                timing = time_product(device(name), product, 16, "search")
                ours += int(row["count"]) * timing.timing.cycles
                theirs += int(row["count"]) * int(row["cycles_newton_pp"])
    assert theirs == newton_pp
    assert ours <= limit
