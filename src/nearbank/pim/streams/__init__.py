"""In: a product and a device whose fills bring one column. Out: a mapping whose bus and banks work side by side.

`choice` deals the work to channels, `work` lays it in rows and buffers, `merge` puts the commands in order (`skip` leaves out what
repeats, `repeat` writes it as loops, `rest` tells what cannot win), and `search` ranks choices. Knows no value of a weight and no
other mapping.
"""

from nearbank.pim.streams.choice import Choice, streamed
from nearbank.pim.streams.search import ceiling, ranked

__all__ = ["Choice", "ceiling", "ranked", "streamed"]
