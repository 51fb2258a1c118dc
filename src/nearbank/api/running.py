"""A network from its name to a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, Unpack

from numpy.typing import NDArray

from nearbank import runtime, zoo
from nearbank.api.feeds import make_feeds
from nearbank.api.provenance import provenance
from nearbank.api.report import Report
from nearbank.errors import InputError, NearbankError, near_matches
from nearbank.graph import Graph, Groups
from nearbank.models import ModelLike, open_model
from nearbank.plan import (
    DeviceLike,
    GpuLike,
    PlanOptions,
    board_energy,
    device_of,
    gpu_of,
    make_plan,
    place_plan,
    plan_energy,
)

__all__ = ["HOSTS", "Progress", "Ticker", "run"]


HOSTS = ("onnx", "torch")
"""Names of what can compute the GPU's part of the values."""


class Ticker(Protocol):
    """Told of each step of something long, and of its end."""

    def __call__(self, step: str = "") -> None:
        """One more step, by its name."""

    def close(self) -> None:
        """No more steps."""


Progress = Callable[[str], Ticker]
"""Called with what begins ("planning mobilenet-v2"); gives what is told of its steps."""


class _Quiet:
    def __init__(self, what: str) -> None:
        pass

    def __call__(self, step: str = "") -> None:
        pass

    def close(self) -> None:
        pass


def run(
    model: ModelLike, device: DeviceLike = "newton-gddr6", gpu: GpuLike = "h200", *, image: str | Path = "chelsea",
    feeds: Mapping[str, NDArray[Any]] | None = None, values: bool = True, batch: int = 1, groups: Groups = "gpu",
    host: str | runtime.Host = "onnx",
    progress: Progress = _Quiet, command: str = "", **options: Unpack[PlanOptions],
) -> Report:  # fmt: skip
    """Plan a network, compute it through the memory's programs, compare with float32, and add up the energy.

    Args:
        model: a built-in model's name, an .onnx or .pt2 file's path, what such a file holds, or a graph (with its own batch).
        device: the memory, by name, by the path of its .toml file, or itself.
        gpu: the GPU, by name, by the path of its profile, or itself.
        image: a photo for the network: "chelsea", "coffee", or a file.
        feeds: the network's inputs by name; then ``image`` says nothing.
        values: whether values are computed; a plan alone is much faster.
        batch: images at a time.
        groups: which convolutions with groups count as products, one of `nearbank.graph.GROUPS`.
        host: what computes the GPU's part of the values: "onnx" or "torch", or a host of one's own.
        progress: called when planning and when running begins.
        command: the command line that this answers, for the report's provenance.
        options: policy, scope, channels, launch_us, join_us, charge_epilogue and mapping, as `nearbank.make_plan` has them.

    Raises:
        Infeasible: the weights do not fit the memory. NearbankError: what cannot be read, is unknown or out of range.
    """
    unit, cost = device_of(device), gpu_of(gpu)
    if isinstance(host, str) and host not in HOSTS:
        raise InputError("host", value=host, bound=near_matches(host, HOSTS))
    network, info = open_model(model, batch=batch, groups=groups)
    given = feeds
    if values and given is None:
        given = make_feeds(network, info, image)
    tick = progress(f"planning {network.name}")
    made = make_plan(network, unit, cost, tick=tick, **options)
    placement = place_plan(made, unit)  # what does not fit the banks cannot run
    tick.close()
    outputs: dict[str, NDArray[Any]] = {}
    compared, labels = None, None
    if values and given is not None:
        tick = progress(f"running {network.name}")
        found = runtime.execute(made, unit, given, tick, _host(host, network))
        outputs = {name: array.view() for name, array in found.items()}
        plain = runtime.reference(network, given)
        tick.close()
        first = network.outputs[0].name
        compared, labels = runtime.compare(outputs[first], plain[first]), _labels(outputs[first].shape)
        for array in outputs.values():
            array.flags.writeable = False
    spent = plan_energy(made, unit) if unit.energy else None
    board, origin = board_energy(made, cost), provenance(unit, cost, command)
    return Report(made, unit, cost, MappingProxyType(outputs), compared, labels, placement, spent, board, origin)


def _host(host: str | runtime.Host, network: Graph) -> runtime.Host:
    if not isinstance(host, str):
        return host
    return runtime.TorchHost(network) if host == "torch" else runtime.OnnxHost(network)


def _labels(shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """ImageNet's class names for outputs of that shape, if they are installed."""
    if len(shape) != 2 or shape[1] != 1000:
        return None
    try:
        return zoo.labels()
    except NearbankError:
        return None
