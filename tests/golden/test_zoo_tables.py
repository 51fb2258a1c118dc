"""Counts and shapes of the built-in models against what others have published."""

import math

import pytest
from onnx import numpy_helper

from nearbank import zoo

# name: exact MACs; the figure in M as it is printed; parameters before folding (torchvision; lite0: 4.652 M).
PUBLISHED = {
    "efficientnet-lite0": (385_187_552, "385.2", 4_652_008),
    "mobilenet-v2": (300_774_272, "300.8", 3_504_872),
    "mobilenet-v3-large": (216_589_760, "216.6", 5_483_032),
    "efficientnet-b0": (385_814_752, "385.8", 5_288_548),
    "mnasnet-1.0": (314_415_872, "314.4", 4_383_312),
    "resnet-50": (4_089_184_256, "4089", 25_557_032),
}

# Pointwise and fully connected layers: output size, channels in, channels out; as in the published PIM traces of these
# models (PIMFlow, CGO 2023).
MOBILENET_V2 = """
b0.project 112 32 16
b1.expand 112 16 96
b1.project 56 96 24
b2.expand|b3.expand 56 24 144
b2.project 56 144 24
b3.project 28 144 32
b4.expand|b5.expand|b6.expand 28 32 192
b4.project|b5.project 28 192 32
b6.project 14 192 64
b7.expand|b8.expand|b9.expand|b10.expand 14 64 384
b7.project|b8.project|b9.project 14 384 64
b10.project 14 384 96
b11.expand|b12.expand|b13.expand 14 96 576
b11.project|b12.project 14 576 96
b13.project 7 576 160
b14.expand|b15.expand|b16.expand 7 160 960
b14.project|b15.project 7 960 160
b16.project 7 960 320
head 7 320 1280
fc 1 1280 1000
"""
RESNET_50 = """
l1.0.conv1 56 64 64
l1.0.conv3|l1.0.down|l1.1.conv3|l1.2.conv3 56 64 256
l1.1.conv1|l1.2.conv1 56 256 64
l2.0.conv1 56 256 128
l2.0.conv3|l2.1.conv3|l2.2.conv3|l2.3.conv3 28 128 512
l2.1.conv1|l2.2.conv1|l2.3.conv1 28 512 128
l3.0.conv1 28 512 256
l3.0.conv3|l3.1.conv3|l3.2.conv3|l3.3.conv3|l3.4.conv3|l3.5.conv3 14 256 1024
l3.1.conv1|l3.2.conv1|l3.3.conv1|l3.4.conv1|l3.5.conv1 14 1024 256
l4.0.conv1 14 1024 512
l4.0.conv3|l4.1.conv3|l4.2.conv3 7 512 2048
l4.1.conv1|l4.2.conv1 7 2048 512
fc 1 2048 1000
"""


def test_every_model_has_its_figures():
    assert set(PUBLISHED) == set(zoo.names())


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_macs_are_the_published_ones_to_the_printed_digit(name):
    exact, printed, _ = PUBLISHED[name]
    assert zoo.macs(zoo.build(name, weights="random")) == exact
    digits = len(printed.partition(".")[2])
    assert f"{exact / 1e6:.{digits}f}" == printed
    assert zoo.info(name).macs_published == round(float(printed) * 1e6)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_parameters_are_the_published_ones(name):
    graph = zoo.build(name, weights="random").graph
    sizes = {t.name: math.prod(t.dims) for t in graph.initializer if not t.name.startswith("relu6.")}
    # Folding left one bias where there were a batch norm's scale and shift.
    plain = ("fc.bias", "hidden.bias")
    folded = sum(n for key, n in sizes.items() if key.endswith(".bias") and ".se." not in key and key not in plain)
    assert sum(sizes.values()) + folded == PUBLISHED[name][2]


@pytest.mark.parametrize(("name", "table"), [("mobilenet-v2", MOBILENET_V2), ("resnet-50", RESNET_50)])
def test_layers_have_the_names_and_shapes_of_the_published_table(name, table):
    model = zoo.build(name, weights="random")
    weights = {t.name: t for t in model.graph.initializer}
    outputs = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.value_info}
    expected = {
        layer: (int(size), int(into), int(out))
        for row in table.strip().splitlines()
        for layers, size, into, out in [row.split()]
        for layer in layers.split("|")
    }
    found = {
        layer: (outputs.get(layer, [1])[-1], weights[f"{layer}.weight"].dims[1], weights[f"{layer}.weight"].dims[0])
        for layer in expected
    }
    assert found == expected
    # Nothing pointwise is missing from the table but ResNet's strided shortcuts, which those traces leave out.
    pointwise = {key.removesuffix(".weight") for key, t in weights.items() if list(t.dims[2:]) in ([1, 1], [])}
    biases = {key for key in pointwise if key.endswith(".bias") or key.startswith("relu6.")}
    assert pointwise - biases - set(expected) == (
        {"l2.0.down", "l3.0.down", "l4.0.down"} if name == "resnet-50" else set()
    )


def test_the_first_random_weights_are_fixed():
    weight = numpy_helper.to_array(zoo.build("resnet-50").graph.initializer[0]).ravel()
    assert [round(float(w), 5) for w in weight[:3]] == [-0.05817, 0.00874, -0.04117]
