"""Every model that cannot be used ends in one ModelError line that says what and where."""

from __future__ import annotations

import os

import numpy as np
import onnx
import pytest
from graph_models import Builder
from onnx import helper

from nearbank.errors import ModelError
from nearbank.graph import cut, load


def small():
    b = Builder()
    return b.model(b.conv("input", 3, 4))


def refused(source, *words, **options):
    with pytest.raises(ModelError) as caught:
        load(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    for word in words:
        assert word in message, message


def edited(edit, model=None):
    model = model or small()
    edit(model)
    return model


def dim(model, axis):
    return model.graph.input[0].type.tensor_type.shape.dim[axis]


def test_files_that_are_no_models(tmp_path):
    refused(tmp_path / "no.onnx", "no.onnx", "No such file")
    refused(str(tmp_path), "directory")
    for name, data in {"empty": b"", "text": b"hello world" * 9, "cut": small().SerializeToString()[:-40]}.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(data)
        refused(path, "not an ONNX model", path.name)
    refused("a\0b", "cannot read")
    refused(onnx.ModelProto(), "no graph")


def test_external_weights(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(small(), str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    want = load(small()).work[0]
    assert np.array_equal(load(path).work[0].weight, want.weight)
    assert load(path).name == "model"
    bare = onnx.load(str(path), load_external_data=False)
    refused(bare, "in another file", "w0")
    os.truncate(tmp_path / "weights.bin", 8)
    refused(path, "w0", "external")
    (tmp_path / "weights.bin").unlink()
    refused(path, "weights.bin", "external")
    bare.graph.initializer[0].external_data[0].value = "../secret.bin"
    path.write_bytes(bare.SerializeToString())
    refused(path, "secret.bin", "outside")


def test_operator_sets():
    def version(number):
        return lambda m: setattr(m.opset_import[0], "version", number)

    refused(edited(version(12)), "opset 12", "13 or newer")
    refused(edited(version(0)), "opset 0")
    refused(edited(version(999)), "999")
    refused(edited(lambda m: m.ClearField("opset_import")), "no version")
    assert load(edited(version(13))).work
    assert load(edited(lambda m: setattr(m.opset_import[0], "domain", "ai.onnx"))).work


def test_shapes_of_the_input():
    refused(edited(lambda m: setattr(dim(m, 2), "dim_param", "h")), "input", "axis 2", "dynamic")
    refused(edited(lambda m: setattr(dim(m, 3), "dim_value", -1)), "axis 3", "dynamic")
    refused(edited(lambda m: setattr(dim(m, 2), "dim_value", 0)), "input", "no elements", "(1, 3, 0, 8)")
    refused(edited(lambda m: setattr(dim(m, 1), "dim_value", 4)), "conv1", "got 4", "3 x 1 groups")
    refused(edited(lambda m: m.graph.input[0].type.tensor_type.ClearField("shape")), "input", "no shape")
    refused(edited(lambda m: m.graph.input[0].ClearField("type")), "input", "no type")


def test_batch():
    fixed = edited(lambda m: setattr(dim(m, 0), "dim_value", 4))
    refused(fixed, "batch", "got 1", "must be 4")
    assert load(fixed, batch=4).work[0].pixels == 4 * 64
    assert load(edited(lambda m: dim(m, 0).ClearField("value")), batch=5).work[0].pixels == 5 * 64
    for bad in (0, -1, 1.5, True):
        refused(small(), "batch", "at least 1", batch=bad)


def test_a_batch_written_into_a_reshape_is_found():
    b = Builder()
    x = b.add("Reshape", b.conv("input", 3, 4), b.weight(np.int64([1, -1])))
    model = b.model(b.add("Gemm", x, b.random(256, 3)))
    assert load(model).work[1].pixels == 1
    refused(model, "gemm", batch=3)


def test_outputs():
    refused(edited(lambda m: m.graph.ClearField("output")), "no outputs")
    b = Builder()
    refused(b.model(b.add("Relu", "nowhere")), "nowhere")


def test_structure():
    b = Builder()
    b.add("Relu", "q", out="p")
    b.add("Relu", "p", out="q")
    refused(b.model("q"), "cycle")
    b = Builder()
    b.add("Relu", "input", out="twice")
    b.add("Relu", "input", out="twice")
    refused(b.model("twice"), "twice")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers(value):
    b = Builder()
    weight = np.ones((4, 3, 1, 1), np.float32)
    weight[2, 1] = value
    refused(b.model(b.add("Conv", "input", b.weight(weight, "bad"))), "bad", "(2, 1, 0, 0)", "finite")
    b = Builder()
    constant = helper.make_tensor("c", 1, weight.shape, weight.ravel())
    refused(b.model(b.add("Conv", "input", b.add("Constant", out="bad", value=constant))), "bad", "finite")


def test_infinity_is_a_fair_bound():
    b = Builder()
    x = b.add("Clip", b.conv("input", 3, 4), b.weight(np.float32(0)), b.weight(np.float32(np.inf)))
    assert load(b.model(x)).work[0].activation is None


def test_batch_norm_that_overflows_or_is_negative():
    def norm(gamma, variance):
        b = Builder()
        parts = [b.weight(np.float32([x])) for x in (gamma, 0, 0, variance)]
        return b.model(b.add("BatchNormalization", b.conv("input", 3, 1), *parts))

    refused(norm(1, -3), "variance", "batchnormalization2", "above 0")
    refused(norm(3e38, 0), "conv1_weight", "finite")


def test_tensors_without_elements():
    b = Builder()
    refused(b.model(b.add("Conv", "input", b.weight(np.zeros((0, 3, 1, 1), np.float32)))), "w0", "no elements")
    b = Builder()
    ends = [b.weight(np.int64([0])), b.weight(np.int64([0])), b.weight(np.int64([1]))]
    refused(b.model(b.add("Slice", "input", *ends, out="none")), "none", "(1, 0, 8, 8)")


def test_damaged_weights():
    def truncate(m):
        m.graph.initializer[0].raw_data = m.graph.initializer[0].raw_data[:-4]

    refused(edited(truncate), "w0")
    for first in (2**40, -4):
        refused(edited(lambda m, first=first: m.graph.initializer[0].dims.__setitem__(0, first)), "w0")
    refused(edited(lambda m: setattr(m.graph.initializer[0], "data_type", 77)), "77")


def test_operators_that_the_host_cannot_run():
    b = Builder()
    refused(b.model(b.add("Foo", "input", domain="my.own"), domains=["my.own"]), "my.own:Foo", "foo1")
    b = Builder()
    refused(b.model(b.add("Foo", "input", domain="my.own")), "my.own")
    b = Builder()
    refused(b.model(b.add("Foo", "input")), "Foo")
    b = Builder(dtype=np.float64)
    refused(b.model(b.conv("input", 3, 4)), "conv1", "Conv")


def test_values_that_are_no_fixed_tensors():
    b = Builder()
    refused(b.model(b.add("Cast", b.add("NonZero", "input", out="where"), to=1)), "where", "dynamic")
    b = Builder()
    b.inputs.append(helper.make_tensor_sequence_value_info("list", 1, None))
    refused(b.model(b.add("SequenceAt", "list", b.weight(np.int64(0)))), "list", "not a tensor")


def test_lookups_and_cuts_name_what_is_unknown():
    b = Builder()
    x = b.conv("input", 3, 4, name="first")
    graph = load(b.model(b.add("Relu", x, name="act")))
    for call in (graph.node, graph.shape, graph.producer, lambda name: cut(graph, [name])):
        with pytest.raises(ModelError, match="frist"):
            call("frist")
    with pytest.raises(ModelError, match="elementwise"):
        cut(graph, ["act"])
    work = graph.work[0]
    with pytest.raises(ModelError, match="wrong shape"):
        work.rows(np.zeros((1, 3, 8, 9), np.float32))
    with pytest.raises(ModelError, match="wrong shape"):
        work.restore(np.zeros((64, 5), np.float32))
