"""In: a Plan and real tensors. Out: the network's values, computed task by task as the plan says. Decides nothing."""

from nearbank.runtime.execute import execute, reference
from nearbank.runtime.host import Host, OnnxHost
from nearbank.runtime.measure import SegmentTime, Timer, gpu_segments, measure_gpu
from nearbank.runtime.torch_host import TorchHost
from nearbank.runtime.torch_timer import CudaTimer
from nearbank.runtime.values import Values, compare

__all__ = [
    "CudaTimer",
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
