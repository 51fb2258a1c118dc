"""Plans and kernels made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import nearbank as nb
from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.graph import Graph, Groups, MatMul, Node
from nearbank.graph.gather import Gather
from nearbank.pim import Epilogue
from nearbank.plan import WHOLE, Costs, Kernel, MemoryCost, Part, Plan, System, Window, kernels
from nearbank.plan.assembly import Decision, dispatch, drafts


def product(name: str, pixels: int, inputs: int = 16, outputs: int = 16) -> MatMul:
    """Work of a kernel that is nothing but a product."""
    gather = Gather("rows", (pixels, inputs), (pixels, outputs))
    weight = np.zeros((inputs, outputs), np.float32)
    return MatMul(name, "pointwise", weight, None, None, f"{name} in", name, None, gather)


def hand_kernel(
    name: str, *sources: str, banded: tuple[str, ...] | None = None, shape: tuple[int, ...] = (1, 16, 8, 8),
    window: Window | None = None, work: MatMul | None = None, kind: str = "pointwise",
) -> Kernel:  # fmt: skip
    """A kernel ``name`` of one node that makes the tensor ``name`` of the tensors ``sources``."""
    node = Node(
        name, "Conv", sources, (name,), (shape,) * len(sources), (shape,), ("float32",) * len(sources), ("float32",)
    )
    banded = (sources if window else ()) if banded is None else banded
    return Kernel(name, kind, (node,), sources, banded, name, shape, window, work, "by hand")


@dataclass
class HandCosts:
    """Costs that are looked up: ``gpu`` and ``pim`` map (kernel, part) to microseconds; no ``pim``, no memory."""

    gpu_curve: Callable[[str, Part], float]
    pim_curve: Callable[[str, Part], float | None]
    launch_us: float = 0.0
    join_us: float = 0.0
    sums: Mapping[str, float] = field(default_factory=dict)
    finishes: Mapping[str, float] = field(default_factory=dict)
    insides: Mapping[str, float] = field(default_factory=dict)
    opening_us: float = 0.0
    device: PimDevice = field(default_factory=lambda: nb.device("newton-gddr6"))

    @property
    def system(self) -> System:
        return System("hand", "hand", 16, 32, "search", self.launch_us, self.join_us)

    def gpu_us(self, kernel: Kernel, part: Part = WHOLE) -> float:
        return self.gpu_curve(kernel.name, part)

    alone_us = gpu_us

    def counts(self, kernel: Kernel) -> bool:
        return True

    def fits(self, kernel: Kernel) -> bool:
        return isinstance(self.memory(kernel), MemoryCost)

    def memory(self, kernel: Kernel, part: Part = WHOLE) -> MemoryCost | Infeasible:
        us = self.pim_curve(kernel.name, part)
        if us is None:
            return Infeasible("by hand", demand=1, bound=0, unit="rows")
        return MemoryCost(
            us, round(us), 0, 2 if kernel.name in self.sums else 1, self.sums.get(kernel.name, 0.0), "hand"
        )

    rough = memory

    def finish_us(self, kernel: Kernel, part: Part = WHOLE) -> float:
        return self.finishes.get(kernel.name, 0.0)

    def inside(self, kernel: Kernel, part: Part = WHOLE) -> MemoryCost | None:
        us = self.insides.get(kernel.name)
        return None if us is None else MemoryCost(us, round(us), 0, 1, 0.0, "hand", Epilogue(function="relu"))


def table(gpu: Mapping[str, float], pim: Mapping[str, float], **costs: Any) -> HandCosts:
    """Costs of whole kernels."""
    return HandCosts(lambda name, part: gpu[name], lambda name, part: pim.get(name), **costs)


def plan_of(
    graph: Graph, device: PimDevice, decision: Decision, *, gpu: str = "h200", channels: int = 2, mapping: str = "resident",
    launch_us: float = 1.28, join_us: float = 1.28, charge_epilogue: bool = True,
) -> Plan:  # fmt: skip
    """The plan that carries out a decision as it stands; kernels that it does not name are whole on the GPU."""
    system = System(
        device.name, gpu, channels, device.organization.channels, mapping, launch_us, join_us, charge_epilogue
    )
    costs, everything = Costs(device, nb.gpu(gpu), system), kernels(graph)
    whole = {k.name: decision.get(k.name, (("gpu", WHOLE),)) for k in everything}
    tasks = dispatch(drafts(everything, whole, costs), join_us)
    alone = sum(costs.alone_us(k) for k in everything)
    return Plan(graph, system, "hand", "model", (), tuple(tasks), alone, 0.0, 0.0, "")


def model_of(
    nodes: Sequence[Any], shape: Sequence[int], outputs: Sequence[str], weights: Mapping[str, Any], **feeds: Any
) -> Any:
    """An ONNX model of ``nodes`` over the float input "x" of ``shape`` (and ``feeds``: name = shape), with ``weights``."""
    sources = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(s)) for name, s in {"x": shape, **feeds}.items()
    ]
    targets = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    made = [numpy_helper.from_array(np.asarray(w), name) for name, w in weights.items()]
    graph = helper.make_graph(list(nodes), "hand", sources, targets, made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def convolutions(
    *layers: tuple[int, int, dict[str, Any]],
    channels: int,
    size: tuple[int, int],
    batch: int = 1,
    groups: Groups = "gpu",
) -> Graph:
    """A chain of (output channels, kernel, attributes), a ReLU behind each; kernels "c0", "c1", .. and tensors "r0", "r1", .."""
    rng, nodes, weights, tensor = np.random.default_rng(3), [], {}, "x"
    for i, (outputs, kernel, attributes) in enumerate(layers):
        inputs = channels // attributes.get("group", 1)
        array = rng.standard_normal((outputs, inputs, kernel, kernel)) / np.sqrt(inputs * kernel * kernel)
        weights[f"w{i}"] = array.astype(np.float32)
        weights[f"b{i}"] = rng.standard_normal(outputs).astype(np.float32)
        nodes.append(helper.make_node("Conv", [tensor, f"w{i}", f"b{i}"], [f"t{i}"], name=f"c{i}", **attributes))
        nodes.append(helper.make_node("Relu", [f"t{i}"], [f"r{i}"], name=f"relu{i}"))
        tensor, channels = f"r{i}", outputs
    shape = ("n", int(weights["w0"].shape[1] * layers[0][2].get("group", 1)), *size)
    return nb.load(model_of(nodes, shape, [tensor], weights), batch=batch, name="chain", groups=groups)  # type: ignore[arg-type]
