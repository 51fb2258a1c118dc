"""Small ONNX models, and the check that a cut graph computes what the whole model does."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from nearbank.graph import Graph, MatMul, cut


class Builder:
    """Adds nodes and random weights by name; ``model()`` makes the ModelProto."""

    def __init__(self, shape=("n", 3, 8, 8), *, opset=17, dtype=np.float32, seed=0):
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)
        self.elem = helper.np_dtype_to_tensor_dtype(self.dtype)
        self.nodes, self.weights, self.opset, self.count = [], [], opset, 0
        self.inputs = [helper.make_tensor_value_info("input", self.elem, shape)]

    def weight(self, array, name=None):
        array = np.asarray(array)
        name = name or f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def random(self, *shape, scale=None):
        scale = scale or 1 / np.sqrt(max(1, np.prod(shape[1:])))
        return self.weight((self.rng.standard_normal(shape) * scale).astype(self.dtype))

    def add(self, op, *inputs, out=None, name=None, domain=None, outputs=None, **attributes):
        self.count += 1
        out = out or f"t{self.count}"
        name = f"{op.lower()}{self.count}" if name is None else name
        outputs = outputs or [out]
        self.nodes.append(helper.make_node(op, list(inputs), outputs, name=name, domain=domain, **attributes))
        return outputs[0]

    def conv(self, x, cin, cout, k=1, *, groups=1, bias=True, name=None, **attributes):
        kernel = (k, k) if isinstance(k, int) else k
        inputs = [x, self.random(cout, cin // groups, *kernel)]
        if bias:
            inputs.append(self.weight(self.rng.standard_normal(cout).astype(self.dtype)))
        return self.add("Conv", *inputs, name=name, group=groups, **attributes)

    def norm(self, x, channels, **attributes):
        parts = [
            self.rng.uniform(0.5, 2, channels) if i in (0, 3) else self.rng.standard_normal(channels) for i in range(4)
        ]
        return self.add("BatchNormalization", x, *(self.weight(p.astype(self.dtype)) for p in parts), **attributes)

    def model(self, *outputs, types=None, ir_version=10, domains=()):
        infos = [helper.make_tensor_value_info(o, self.elem, None) for o in outputs]
        graph = helper.make_graph(self.nodes, "net", self.inputs, infos, self.weights)
        opsets = [helper.make_opsetid("", self.opset), *(helper.make_opsetid(d, 1) for d in domains)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


FLOAT = TensorProto.FLOAT


def session(model):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run_whole(model, feeds):
    names = [output.name for output in model.graph.output]
    return dict(zip(names, session(model).run(names, feeds), strict=True))


def feeds_for(graph: Graph, seed=1):
    rng = np.random.default_rng(seed)
    return {spec.name: rng.standard_normal(spec.shape).astype(spec.dtype) for spec in graph.inputs}


def run_cut(graph: Graph, offloaded: Collection[str], feeds):
    values = dict(feeds)
    for part in cut(graph, offloaded):
        if isinstance(part, MatMul):
            product = part.rows(values[part.source]) @ part.weight
            values[part.output] = part.restore(product if part.bias is None else product + part.bias)
        else:
            onnx.checker.check_model(part.model)
            runner = session(part.model)
            assert tuple(i.name for i in runner.get_inputs()) == part.inputs
            assert tuple(o.name for o in runner.get_outputs()) == part.outputs
            made = runner.run(list(part.outputs), {name: values[name] for name in part.inputs})
            values.update(zip(part.outputs, made, strict=True))
    return {spec.name: values[spec.name] for spec in graph.outputs}


def relative(got, want):
    return float(np.linalg.norm(got.astype(np.float64) - want) / max(np.linalg.norm(want), 1e-30))


def same_values(graph: Graph, offloaded=None, original=None, tolerance=1e-4):
    """The cut graph equals its own model, and both equal the original one, in ONNX Runtime."""
    offloaded = [work.name for work in graph.work] if offloaded is None else offloaded
    feeds = feeds_for(graph)
    whole = run_whole(graph.model, feeds)
    parts = run_cut(graph, offloaded, feeds)
    assert list(parts) == [spec.name for spec in graph.outputs]
    for spec in graph.outputs:
        assert parts[spec.name].shape == spec.shape == whole[spec.name].shape
        assert parts[spec.name].dtype == np.dtype(spec.dtype)
        assert relative(parts[spec.name], whole[spec.name]) < tolerance
    if original is not None:
        types = {i.name: helper.tensor_dtype_to_np_dtype(i.type.tensor_type.elem_type) for i in original.graph.input}
        first = run_whole(original, {name: value.astype(types[name]) for name, value in feeds.items()})
        for name, value in first.items():
            assert relative(parts[name], value.astype(np.float64)) < tolerance
