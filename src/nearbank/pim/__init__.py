"""In: one matrix product and a PimDevice. Out: a mapping and its Program. Knows no GPU and no graph."""

from nearbank.pim.bound import Bound, bound
from nearbank.pim.compile import MAPPINGS, LayerTiming, compile_product, time_product
from nearbank.pim.product import Compiled, Product, Tile

__all__ = [
    "MAPPINGS",
    "Bound",
    "Compiled",
    "LayerTiming",
    "Product",
    "Tile",
    "bound",
    "compile_product",
    "time_product",
]
