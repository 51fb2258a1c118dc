import onnx
import pytest
from onnx import TensorProto, helper

from nearbank import zoo
from nearbank.errors import ModelError


def one_conv(*, dims, out, weight="w"):
    node = helper.make_node("Conv", ["x", weight], ["y"], name="the.conv", group=2)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [helper.make_tensor("w", TensorProto.FLOAT, [6, 2, 3, 3], [0.0] * 108)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_a_convolution_multiplies_its_whole_weight_at_each_position():
    assert zoo.macs(one_conv(dims=["n", 4, 7, 9], out=["n", 6, 5, 7])) == 108 * 5 * 7
    assert zoo.macs(one_conv(dims=[8, 4, 7, 9], out=[8, 6, 5, 7])) == 108 * 5 * 7


def test_shapes_that_are_not_written_are_inferred():
    model = zoo.build("mobilenet-v3-large")
    count = zoo.macs(model)
    del model.graph.value_info[:]
    assert zoo.macs(model) == count
    assert not model.graph.value_info


def test_what_cannot_be_counted_is_named():
    with pytest.raises(ModelError, match=r"the\.conv: the shape"):
        zoo.macs(one_conv(dims=["n", 4, "h", "w"], out=["n", 6, "h2", "w2"]))
    with pytest.raises(ModelError, match=r"the\.conv: the weight is not an initializer"):
        zoo.macs(one_conv(dims=["n", 4, 7, 9], out=["n", 6, 5, 7], weight="x"))
    assert zoo.macs(onnx.ModelProto()) == 0
