"""Times torch calls on a CUDA GPU: captured in a graph, replayed, the median."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from nearbank.errors import InputError
from nearbank.runtime.torch_host import import_torch

__all__ = ["CudaTimer"]

_WARM_UPS, _REPLAYS = 3, 51
_LEAST_US = 400.0
"""Calls are repeated within a graph until that takes about as long, so that the launch of the graph itself does not count."""
_MOST = 50


class CudaTimer:
    """Microseconds of a sequence of calls, as one of many repetitions back to back in a CUDA graph.

    Raises:
        InputError: no torch, or no CUDA GPU.
    """

    def __init__(self) -> None:
        self.torch = import_torch()
        if not self.torch.cuda.is_available():
            build = f"torch {self.torch.__version__}, which sees no CUDA GPU"
            raise InputError(
                "measuring needs an NVIDIA GPU", where="torch", value=build, bound="a CUDA build on its machine"
            )
        self._stream = self.torch.cuda.Stream()

    def __call__(self, calls: Sequence[Callable[[], object]]) -> float:
        """Median over the replays, all calls once."""
        torch = self.torch
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            self._stream.wait_stream(torch.cuda.default_stream())  # which makes the operands
            for _ in range(_WARM_UPS):
                for call in calls:
                    call()
            once = self._median(self._graph(calls, 1), 5)
            many = max(1, min(_MOST, round(_LEAST_US / max(once, 1e-3))))
            return self._median(self._graph(calls, many), _REPLAYS) / many

    def _graph(self, calls: Sequence[Callable[[], object]], many: int) -> Any:
        graph = self.torch.cuda.CUDAGraph()
        self._stream.synchronize()
        with self.torch.cuda.graph(graph, stream=self._stream):
            for _ in range(many):
                for call in calls:
                    call()
        return graph

    def _median(self, graph: Any, replays: int) -> float:
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        graph.replay()
        times = []
        for _ in range(replays):
            begin.record(self._stream)
            graph.replay()
            end.record(self._stream)
            end.synchronize()
            times.append(float(begin.elapsed_time(end)) * 1e3)
        return statistics.median(times)
