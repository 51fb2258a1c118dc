"""The compiler on `newton-gddr6`: sums over the pointwise layers of every built-in network beside the bound, 16 channels.

The limits are requirements, set from outside: 1.15 times the bound in total, 1.5 times on the worst layer.
"""

from __future__ import annotations

import pytest

from nearbank import zoo
from nearbank.devices import device
from nearbank.graph import load
from nearbank.pim import Product, time_product


@pytest.mark.parametrize("model", zoo.names())
def test_totals(model: str) -> None:
    graph, cycles, least = load(zoo.build(model, weights="random"), batch=1, name=model), 0, 0
    for work in graph.work:
        if work.kind == "pointwise":
            product = Product(work.pixels, work.in_channels, work.out_channels)
            timing = time_product(device("newton-gddr6"), product, 16, "search")
            assert timing.timing.cycles <= 1.5 * timing.bound.cycles, product
            cycles, least = cycles + timing.timing.cycles, least + timing.bound.cycles
    assert cycles <= 1.15 * least
