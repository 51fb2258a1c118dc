"""In: a Plan and real tensors. Out: the network's values, computed task by task as the plan says. Decides nothing."""

from nearbank.runtime.execution import execute, reference
from nearbank.runtime.host import Host, OnnxHost
from nearbank.runtime.measure import SegmentTime, Timer, gpu_segments, measure_gpu
from nearbank.runtime.torch_host import TorchHost
from nearbank.runtime.values import Values, compare

__all__ = [
    "Host",
    "OnnxHost",
    "SegmentTime",
    "Timer",
    "TorchHost",
    "Values",
    "compare",
    "execute",
    "gpu_segments",
    "measure_gpu",
    "reference",
]
