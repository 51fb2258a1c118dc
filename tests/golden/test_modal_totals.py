"""Every built-in network on AiM, 16 channels: the sum over its pointwise and dense layers beside the sum of their bounds.

The limit is a requirement, set from outside: 1.15.
"""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from nearbank import zoo
from nearbank.devices import device
from nearbank.graph import load
from nearbank.pim import Product, time_product


@cache
def products(name: str) -> Counter[Product]:
    """How often each product occurs."""
    graph = load(zoo.build(name), batch=1, name=name)
    return Counter(
        Product(w.pixels, w.in_channels, w.out_channels) for w in graph.work if w.kind in ("pointwise", "linear")
    )


@pytest.mark.parametrize("name", zoo.names())
def test_total(name: str) -> None:
    unit, ours, least = device("aim-gddr6"), 0, 0
    for product, count in products(name).items():
        timing = time_product(unit, product, 16, "search")
        assert timing.timing.cycles <= time_product(unit, product, 16, "serial").timing.cycles
        ours += count * timing.timing.cycles
        least += count * timing.bound.cycles
    assert ours <= 1.15 * least
