"""In: a product of several independent blocks, and how an ordinary product is mapped. Out: one program for all blocks."""

from nearbank.pim.blocks.compile import compile_blocks
from nearbank.pim.blocks.types import BlockCompiled, Laid, Run

__all__ = ["BlockCompiled", "Laid", "Run", "compile_blocks"]
