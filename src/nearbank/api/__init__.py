"""In: names, files and numbers, as a person gives them. Out: frozen results that show themselves in notebooks and go to pandas.

What `import nearbank as nb` offers beside the rooms' own functions; the command line is a thin shell over it.
"""

from nearbank.api.comparing import compare
from nearbank.api.layers import LayerReport, layer
from nearbank.api.provenance import Provenance
from nearbank.api.report import Report
from nearbank.api.running import HOSTS, Progress, Ticker, run
from nearbank.api.traces import Traces, TraceTiming, simulate

__all__ = [
    "HOSTS",
    "LayerReport",
    "Progress",
    "Provenance",
    "Report",
    "Ticker",
    "TraceTiming",
    "Traces",
    "compare",
    "layer",
    "run",
    "simulate",
]
