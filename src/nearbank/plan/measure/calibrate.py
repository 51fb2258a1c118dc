"""A Bench's times to a GPU profile: the content of the JSON file that ``--gpu`` reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nearbank.plan.measure.bench import Bench, By
from nearbank.plan.measure.kernels import ConvKernel, Kernel, MatmulKernel
from nearbank.plan.measure.shapes import Shapes

__all__ = ["calibrate", "profile_lines"]

_REGULAR = "regular"  # stands where a network's name does, for shapes of no network


def calibrate(bench: Bench, what: Shapes, date: str, tick: Callable[[str], None] = lambda step: None) -> dict[str, Any]:
    """Measure ``what`` on ``bench``.

    Args:
        bench: the machine.
        what: the shapes.
        date: day of the measurement, YYYY-MM-DD.
        tick: called with each step's name, for progress.

    Returns:
        The profile, as ``nearbank.devices.gpu.parse_profile`` reads it from JSON.
    """
    facts = bench.facts()
    tick("peak rates")
    table: dict[str, Any] = {
        "about": _about(facts.gpu),
        "gpu": facts.gpu,
        "date": date,
        "torch": facts.torch,
        "driver": facts.driver,
        "versions": facts.versions,
        "clocks_mhz": facts.clocks_mhz,
        "l2_bytes": facts.l2_bytes,
        "fp16_tflops": round(bench.fp16_tflops(), 4),
        "copy_tb_s": round(bench.copy_tb_s(), 4),
        "empty_kernel_us": round(bench.empty_us(), 3),
    }
    measured = _Measured(bench, tick)
    table["grid"] = [[*_sizes(k), measured.us(k, "cublas"), measured.us(k, "cudnn")] for k in what.grid]
    table["layers"] = _layers(what, measured)
    table["ops"] = [
        *([k.op, k.elements, measured.us(k)] for k in what.maps),
        *(["gap", [k.batch, k.channels, k.height], measured.us(k)] for k in what.gaps),
        *(["dw", [k.batch, k.in_channels, k.height, k.kernel, k.stride], measured.us(k)] for k in what.depthwise),
    ]
    table["whole_model_us"] = _wholes(what, measured, bench, tick)
    tick("power")
    table["power_w"] = bench.power_w()
    return {key: value for key, value in table.items() if value not in ("", {}, 0)}


def profile_lines(table: dict[str, Any]) -> Iterator[str]:
    """The text of a profile's JSON file, one row a line."""
    yield "{\n"
    for i, (key, value) in enumerate(table.items()):
        yield f" {json.dumps(key)}: {_block(value, 2)}{',' if i + 1 < len(table) else ''}\n"
    yield "}\n"


def _block(value: Any, indent: int) -> str:
    pad = " " * indent
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        rows = ",\n".join(f"{pad}{json.dumps(row, allow_nan=False)}" for row in value)
        return f"[\n{rows}\n{pad[1:]}]"
    if isinstance(value, dict) and any(isinstance(v, list | dict) for v in value.values()):
        parts = ",\n".join(f"{pad}{json.dumps(k)}: {_block(v, indent + 1)}" for k, v in value.items())
        return f"{{\n{parts}\n{pad[1:]}}}"
    return json.dumps(value, allow_nan=False)


class _Measured:
    """Each kernel measured once, rounded to nanoseconds."""

    def __init__(self, bench: Bench, tick: Callable[[str], None]) -> None:
        self._bench, self._tick = bench, tick
        self._us: dict[tuple[Kernel, By], float] = {}

    def us(self, kernel: Kernel, by: By = "cudnn") -> float:
        if (kernel, by) not in self._us:
            self._tick(f"{kernel} by {by}")
            self._us[kernel, by] = round(self._bench.kernel_us(kernel, by), 3)
        return self._us[kernel, by]

    def faster(self, kernel: Kernel) -> By:
        """Who computes a product sooner."""
        return "cublas" if self.us(kernel, "cublas") < self.us(kernel, "cudnn") else "cudnn"


def _sizes(kernel: MatmulKernel) -> tuple[int, int, int]:
    return kernel.pixels, kernel.in_channels, kernel.out_channels


def _layers(what: Shapes, measured: _Measured) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for (model, batch), kernels in what.networks.items():
        out.setdefault(model, {})[str(batch)] = [row for k in kernels for row in _layer(k, measured)]
    for kernel in what.convs:
        out.setdefault(_REGULAR, {}).setdefault(str(kernel.batch), []).extend(_layer(kernel, measured))
    return out


def _layer(kernel: Kernel, measured: _Measured) -> Iterable[dict[str, Any]]:
    if isinstance(kernel, MatmulKernel):
        row = {"input": [kernel.pixels, kernel.in_channels], "output": [kernel.pixels, kernel.out_channels]}
        yield {"op": "linear", **row, "us": measured.us(kernel, "cublas")}
    elif isinstance(kernel, ConvKernel):
        yield {
            "op": "conv",
            "input": [kernel.batch, kernel.in_channels, kernel.height, kernel.width],
            "output": [kernel.batch, kernel.out_channels, kernel.out_height, kernel.out_width],
            "kernel": [kernel.kernel] * 2,
            "stride": [kernel.stride] * 2,
            "groups": kernel.groups,
            "us": measured.us(kernel),
        } | ({"cublas_us": measured.us(kernel, "cublas")} if kernel.as_product else {})


def _wholes(what: Shapes, measured: _Measured, bench: Bench, tick: Callable[[str], None]) -> dict[str, Any]:
    """Whole networks as their kernels behind one another in one graph, by cuDNN and by the faster of both."""
    out: dict[str, Any] = {}
    for (model, batch), kernels in what.networks.items():
        tick(f"{model}, batch {batch}, all kernels in one graph")
        runs: dict[str, list[tuple[Kernel, By]]] = {"kernels in one graph, cudnn": [], "kernels in one graph, best": []}
        for kernel in kernels:
            dense = isinstance(kernel, MatmulKernel)
            product = dense or (isinstance(kernel, ConvKernel) and kernel.as_product is not None)
            runs["kernels in one graph, cudnn"].append((kernel, "cublas" if dense else "cudnn"))
            runs["kernels in one graph, best"].append((kernel, measured.faster(kernel) if product else "cudnn"))
        out.setdefault(model, {})[f"batch {batch}"] = {k: round(bench.sequence_us(v), 2) for k, v in runs.items()}
    return out


def _about(gpu: str) -> str:
    return (
        f"Times measured on one {gpu} (torch; cuDNN by its heuristics' choice, cuBLAS; fp16, channels_last, random operands, no "
        "bias), microseconds per call: CUDA-graph replay of up to 20 back-to-back calls on the same operands, median over 21 "
        "replays. grid rows: [pixels, in_channels, out_channels, us by torch linear (cuBLAS), us by conv2d 1x1 (cuDNN)]; layers: "
        "us by cuDNN, cublas_us by torch linear. ops rows: [name, size, us]; dw size = [batch, channels, height, kernel, stride], "
        "gap size = [batch, channels, height]. copy_tb_s: ReLU over 256 MiB. whole_model_us: the network's kernels behind one "
        "another in one graph. power_w: watts of the board by NVML, idle and under sustained load. clocks_mhz: under a large "
        "product, and the highest."
    )
