"""In: a product and a device whose fills bring whole buffers. Out: a mapping that keeps rows open and buffers full.

`write` says what a choice is and writes its program; `search` finds the best. Knows no other mapping.
"""

from nearbank.pim.whole.search import best
from nearbank.pim.whole.write import Choice, whole

__all__ = ["Choice", "best", "whole"]
