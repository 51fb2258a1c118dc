"""In: one matrix product and a PimDevice. Out: a mapping and its Program. Knows no GPU and no graph."""

from nearbank.pim.bound import Bound, bound
from nearbank.pim.compile import MAPPINGS, LayerTiming, compile_product, time_product
from nearbank.pim.epilogue import EpilogueChoice, bias_in_memory, choose_epilogue
from nearbank.pim.pause import uncollected
from nearbank.pim.product import NO_EPILOGUE, Compiled, Epilogue, Packed, Product, Tile

__all__ = [
    "MAPPINGS",
    "NO_EPILOGUE",
    "Bound",
    "Compiled",
    "Epilogue",
    "EpilogueChoice",
    "LayerTiming",
    "Packed",
    "Product",
    "Tile",
    "bias_in_memory",
    "bound",
    "choose_epilogue",
    "compile_product",
    "time_product",
    "uncollected",
]
