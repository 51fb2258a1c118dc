"""From a graph and the costs of both sides to a plan, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible, InputError, PlanError, near_matches
from nearbank.graph import Graph, Node, fused_groups
from nearbank.pim import LayerTiming, Product, time_product
from nearbank.plan.gpu import GpuModel, GpuTime
from nearbank.plan.kernels import kernel_kind, kernel_time
from nearbank.plan.types import POLICIES, Layer, Plan, System

__all__ = ["make_plan"]


def make_plan(
    graph: Graph, device: PimDevice, gpu: GpuModel, *, policy: str = "best", channels: int = 16, launch_us: float | None = None,
    mapping: str = "search", tick: Callable[[str], None] = lambda name: None,
) -> Plan:  # fmt: skip
    """Decide for every kernel of ``graph`` where it runs.

    Args:
        graph: what is computed.
        device: the memory.
        gpu: the cost model of the GPU.
        policy: "gpu-only"; "pim" (in memory whatever can be); "best" (each where it is faster, launch included).
        channels: memory channels that compute, 1 to the device's number.
        launch_us: microseconds to launch work in memory, once a layer; the GPU's empty kernel if None.
        mapping: how products are laid over the memory.
        tick: called with each layer's name, for progress.

    Raises:
        InputError: an unknown policy or mapping, or channels or launch cost out of range.
    """
    if policy not in POLICIES:
        raise InputError("unknown policy", value=policy, bound=near_matches(policy, POLICIES))
    if not 1 <= channels <= device.organization.channels:
        raise InputError("channels", where=device.name, value=channels, bound=f"1 to {device.organization.channels}")
    launch = gpu.launch_us if launch_us is None else launch_us
    if not 0 <= launch < 1e6:
        raise InputError("launch cost in microseconds", value=launch, bound="0 to 10^6")
    layers = []
    for nodes in fused_groups(graph):
        node = graph.node(nodes[0])
        tick(node.name)
        time = kernel_time(graph, nodes, gpu)
        product: Product | None = None
        timing: LayerTiming | Infeasible | None = None
        if node.work is not None:
            product = Product(node.work.pixels, node.work.in_channels, node.work.out_channels)
            if policy != "gpu-only":
                try:
                    timing = time_product(device, product, channels, mapping)
                except Infeasible as error:
                    timing = error
        layers.append(_layer(node, nodes, time, product, timing, policy, launch))
    return Plan(graph, System(device.name, gpu.name, channels, launch, mapping), policy, tuple(layers))


def _layer(
    node: Node, nodes: tuple[str, ...], time: GpuTime, product: Product | None, timing: LayerTiming | Infeasible | None,
    policy: str, launch: float,
) -> Layer:  # fmt: skip
    pixels, inputs, outputs = _sizes(node, product)
    pim_us = cycles = bound = None
    target, planned = "gpu", time.us
    if isinstance(timing, LayerTiming):
        pim_us, cycles, bound = timing.time_us, timing.timing.cycles, timing.bound.cycles
        total = pim_us + launch
        if total <= 0:
            raise PlanError("a layer takes no time", where=node.name, value=total, bound="above 0")
        faster = total < time.us
        compared = f"pim {total:.1f} us {'<' if faster else '>='} gpu {time.us:.1f} us"
        if policy == "pim" or faster:
            target, planned = "pim", total
        reason = f"policy pim; {compared}" if policy == "pim" else compared
    elif isinstance(timing, Infeasible):
        reason = str(timing)
    elif product is not None:
        reason = "policy gpu-only"
    else:
        reason = node.reason
    return Layer(
        node.name,
        kernel_kind(node),
        nodes,
        pixels,
        inputs,
        outputs,
        target,
        reason,
        time.us,
        time.note,
        pim_us,
        cycles,
        bound,
        planned,
    )


def _sizes(node: Node, product: Product | None) -> tuple[int, int, int]:
    """Pixels, input and output channels for the table; 0 where the word has no meaning."""
    if product is not None:
        return product.pixels, product.in_channels, product.out_channels
    out = node.output_shapes[0] if node.output_shapes else ()
    into = node.input_shapes[0] if node.input_shapes else ()
    if len(out) == 4:
        return out[0] * out[2] * out[3], into[1] if len(into) == 4 else 0, out[1]
    return (prod(out[:-1]), 0, out[-1]) if out else (0, 0, 0)
