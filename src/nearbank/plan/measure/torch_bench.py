"""The machine's own GPU, timed through torch: CUDA graphs of many calls, replayed, medians."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Sequence
from typing import Any

from nearbank.errors import InputError
from nearbank.plan.measure import power
from nearbank.plan.measure.bench import By, Facts
from nearbank.plan.measure.kernels import Kernel, MapKernel, MatmulKernel
from nearbank.plan.measure.torch_kernels import Call, build_call

__all__ = ["TorchBench"]

_CALLS = 20  # a graph, so that the launch of the graph itself does not count
_WARM_UPS = 3
_LONG_S = 2e-4  # calls longer than this need fewer of them a graph
_REPLAYS = 21
_PEAK_SIZE = 8192
_COPY_ELEMENTS = 1 << 27


class TorchBench:
    """A Bench over torch.

    Args:
        device: ``"cuda"``, or ``"cpu"``: the same calls on the host by the wall clock, to try them without a GPU.
        benchmark: cuDNN tries its algorithms and keeps the fastest, instead of its heuristics' choice.

    Raises:
        InputError: no torch, or a torch that sees no CUDA GPU.
    """

    def __init__(self, device: str = "cuda", *, benchmark: bool = False) -> None:
        try:
            self.torch: Any = importlib.import_module("torch")
        except ImportError:
            raise InputError(
                "measuring needs torch", where="torch", value="not installed", bound="the extra [torch]"
            ) from None
        if device == "cuda" and not self.torch.cuda.is_available():
            build = f"torch {self.torch.__version__}, which sees no CUDA GPU"
            raise InputError(
                "measuring needs an NVIDIA GPU", where="torch", value=build, bound="a CUDA build on its machine"
            )
        self.device, self.benchmark = device, benchmark
        self._cuda = device == "cuda"
        if self._cuda:
            self._stream = self.torch.cuda.Stream()
            self._pool = self.torch.cuda.graph_pool_handle()
            # a graph that lives as long as the bench keeps the pool's memory from going back after every kernel
            self._keep = self._capture([lambda: self.torch.zeros(1, device=device)], 1)

    def facts(self) -> Facts:
        """The GPU, its driver and libraries."""
        if not self._cuda:
            return Facts("cpu", str(self.torch.__version__), "", {}, {})
        cudnn = str(self.torch.backends.cudnn.version())
        made = {"cuda": str(self.torch.version.cuda), "cudnn": cudnn}
        l2_bytes = int(getattr(self.torch.cuda.get_device_properties(0), "L2_cache_size", 0))
        with self._meter() as meter:
            self._load(self._peak_call(), 0.5)
            clocks = meter.clocks_mhz()
            driver = meter.driver
        self.torch.cuda.synchronize()
        return Facts(self.torch.cuda.get_device_name(0), str(self.torch.__version__), driver, made, clocks, l2_bytes)

    def empty_us(self) -> float:
        """A kernel of one thread that waits for no clock at all."""
        if not self._cuda:
            return self._time([lambda: None])
        return self._time([lambda: self.torch.cuda._sleep(0)])

    def kernel_us(self, kernel: Kernel, by: By = "cudnn") -> float:
        """See Bench."""
        return self._time([build_call(self.torch, self.device, kernel, by)])

    def sequence_us(self, kernels: Sequence[tuple[Kernel, By]]) -> float:
        """See Bench."""
        return self._time([build_call(self.torch, self.device, kernel, by) for kernel, by in kernels])

    def calls_us(self, calls: Sequence[Call]) -> float:
        """All ``calls``, of whatever torch computes on this device, one behind the other, in one CUDA graph."""
        return self._time(calls)

    def fp16_tflops(self) -> float:
        """See Bench: 8192 cubed, on random numbers (zeros would run faster)."""
        return 2e-6 * self._peak_size() ** 3 / self._time([self._peak_call()])

    def copy_tb_s(self) -> float:
        """See Bench: ReLU over 256 MiB, a kernel that reads and writes them (a copy node of a graph is slower)."""
        elements = _COPY_ELEMENTS if self._cuda else 1 << 16
        return 2e-6 * elements / self.kernel_us(MapKernel("relu", elements))

    def power_w(self) -> dict[str, float]:
        """See Bench: ``idle``, ``memory`` (ReLU over 256 MiB), ``tensor`` (a large product), ``small`` (a short kernel)."""
        if not self._cuda:
            return {}
        small = build_call(self.torch, self.device, MatmulKernel(784, 96, 576), "cublas")
        loads = {
            "tensor": self._peak_call(),
            "memory": build_call(self.torch, self.device, MapKernel("relu", _COPY_ELEMENTS)),
            "small": small,
        }
        watts = {}
        with self._meter() as meter:
            self.torch.cuda.synchronize()
            time.sleep(1.5)
            watts["idle"] = meter.watts()
            for name, call in loads.items():
                watts[name] = self._under(self._graph([call], _CALLS), meter)
        return {name: round(w, 1) for name, w in watts.items() if w is not None}

    def _meter(self) -> power.Meter:
        uuid = getattr(self.torch.cuda.get_device_properties(0), "uuid", None)
        return power.Meter(f"GPU-{uuid}" if uuid else None)

    def _under(self, graph: Any, meter: power.Meter) -> float | None:
        """Median watts under replays of ``graph``, once the meter's average has caught up with the load."""
        readings, started = [], time.monotonic()
        while (now := time.monotonic() - started) < 2.5:
            for _ in range(50):
                graph.replay()
            self.torch.cuda.synchronize()
            if now > 1.2:
                readings.append(meter.watts())
        found = [watts for watts in readings if watts is not None]
        return statistics.median(found) if found else None

    def _peak_size(self) -> int:
        return _PEAK_SIZE if self._cuda else 64

    def _peak_call(self) -> Call:
        size = self._peak_size()
        return build_call(self.torch, self.device, MatmulKernel(size, size, size), "cublas")

    def _load(self, call: Call, seconds: float) -> None:
        graph, until = self._graph([call], _CALLS), time.monotonic() + seconds
        while time.monotonic() < until:
            graph.replay()
            self.torch.cuda.synchronize()
        graph.replay()  # still running when the caller reads

    def _time(self, calls: Sequence[Call]) -> float:
        """Microseconds of all ``calls`` once, one behind the other."""
        with self.torch.inference_mode():
            return self._graph_us(calls) if self._cuda else self._wall_us(calls)

    def _wall_us(self, calls: Sequence[Call]) -> float:
        for call in calls:
            call()
        started = time.perf_counter()
        for call in calls:
            call()
        return float(time.perf_counter() - started) * 1e6

    def _graph_us(self, calls: Sequence[Call]) -> float:
        torch = self.torch
        once = self._warm_up(calls)
        many = max(1, min(_CALLS, round(_CALLS * _LONG_S / max(once, 1e-9))))
        graph = self._capture(calls, many)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        times = []
        with torch.cuda.stream(self._stream):
            graph.replay()
            for _ in range(_REPLAYS):
                begin.record()
                graph.replay()
                end.record()
                end.synchronize()
                times.append(begin.elapsed_time(end) * 1e3 / many)
        return float(statistics.median(times))

    def _warm_up(self, calls: Sequence[Call]) -> float:
        """Run all calls a few times, cuDNN's trials among them; seconds of the last time."""
        torch = self.torch
        torch.backends.cudnn.benchmark = self.benchmark
        took = 0.0
        self._stream.wait_stream(torch.cuda.current_stream())  # which makes the operands
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UPS):
                started = time.perf_counter()
                for call in calls:
                    call()
                self._stream.synchronize()
                took = time.perf_counter() - started
        return took

    def _graph(self, calls: Sequence[Call], many: int) -> Any:
        """As ``_capture``, after a warm-up: libraries may not be loaded while capturing."""
        self._warm_up(calls)
        return self._capture(calls, many)

    def _capture(self, calls: Sequence[Call], many: int) -> Any:
        """A graph of ``many`` times all calls.

        Begun and ended by hand: the context manager empties torch's memory cache each time, which takes far longer
        than what is measured.
        """
        graph = self.torch.cuda.CUDAGraph()
        self._stream.synchronize()
        with self.torch.cuda.stream(self._stream):
            graph.capture_begin(pool=self._pool)
            try:
                for _ in range(many):
                    for call in calls:
                        call()
            finally:
                graph.capture_end()
        return graph
