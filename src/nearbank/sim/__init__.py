"""In: a Program and a PimDevice. Out: cycles, values or energy. Knows no convolution."""

from nearbank.sim.fast import time_program_fast as time_program
from nearbank.sim.frontend import time_isr
from nearbank.sim.functions import apply_function
from nearbank.sim.operands import round_operands
from nearbank.sim.oracle import oracle
from nearbank.sim.reference import time_program as time_program_reference
from nearbank.sim.reference import time_stream
from nearbank.sim.timing import ChannelTiming, Timing
from nearbank.sim.values import play_values

__all__ = [
    "ChannelTiming",
    "Timing",
    "apply_function",
    "oracle",
    "play_values",
    "round_operands",
    "time_isr",
    "time_program",
    "time_program_reference",
    "time_stream",
]
