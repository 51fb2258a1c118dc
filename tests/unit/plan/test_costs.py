"""What a product in memory takes, with what its partial sums cost."""

from __future__ import annotations

from tests.planning import convolutions

import nearbank as nb
from nearbank.pim import compile_product
from nearbank.plan import Costs, kernels, product_of
from nearbank.plan.types import WHOLE, System

MEMORY, GPU = nb.device("newton-gddr6"), nb.gpu("rtx2060")


def costs(*, charged: bool) -> Costs:
    return Costs(MEMORY, GPU, System(MEMORY.name, GPU.name, 16, 32, "search", 3.66, 3.66, charged))


def test_fewer_partial_sums_are_worth_a_longer_program():
    """384 inputs are 24 columns of a row's 32: one piece, but two keep the channels busier."""
    (kernel,) = kernels(convolutions((64, 1, {}), channels=384, size=(14, 14)))
    free, charged = (costs(charged=charged).memory(kernel) for charged in (False, True))
    assert (free.mapping, free.pieces, free.sum_us) == ("search", 2, 0)
    assert (charged.mapping, charged.pieces, charged.sum_us) == ("unsplit", 1, 0)
    assert free.us < charged.us < free.us + GPU.launch_us
    assert len(compile_product(MEMORY, product_of(kernel, WHOLE), 16, charged.mapping).pieces) == 1


def test_more_pieces_than_must_be_only_where_that_pays():
    """960 inputs are 60 columns: two pieces at least; four are a little faster, and their sums take longer to add."""
    (kernel,) = kernels(convolutions((160, 1, {}), channels=960, size=(7, 7)))
    found = costs(charged=True)
    chosen, product = found.memory(kernel), product_of(kernel, WHOLE)
    both = [found._mapped(kernel, product, mapping) for mapping in ("search", "unsplit")]
    assert both[0].pieces > both[1].pieces == 2
    assert both[0].us < both[1].us
    assert chosen.us + chosen.sum_us == min(cost.us + cost.sum_us for cost in both)
