"""Which question a convolution asks of the GPU's cost model."""

from __future__ import annotations

import pytest
from tests.e2e.models import convolution
from tests.planning import convolutions

import nearbank as nb
from nearbank.graph import Graph
from nearbank.plan import GpuModel, GpuTime, Part, kernels
from nearbank.plan.gpu_time import gpu_time, sum_time


def kernel_time(graph: Graph, gpu: GpuModel, part: Part | None = None) -> GpuTime:
    (kernel,) = kernels(graph)
    return gpu_time(kernel, gpu) if part is None else gpu_time(kernel, gpu, part)


def test_kernels_that_are_not_square_are_timed_as_products(tmp_path):
    gpu = nb.gpu("h200")
    graph = nb.load(convolution(tmp_path / "m.onnx", shape=(1, 64, 17, 17), out_channels=64, kernel=(1, 7)))
    time = kernel_time(graph, gpu)
    assert time.us == gpu.matmul(pixels=17 * 11, in_channels=64 * 7, out_channels=64).us
    assert time.note == "a 1 x 7 kernel is timed as its im2col product"


@pytest.mark.parametrize("name", ["h200", "rtx2060"])
def test_without_padding_there_are_fewer_pixels(tmp_path, name: str) -> None:
    gpu = nb.gpu(name)
    for pads, stride, size in (((1,) * 4, 1, 56), ((0,) * 4, 1, 54), ((1,) * 4, 2, 56), ((0,) * 4, 2, 54)):
        shape = {"shape": (1, 64, 56, 56), "out_channels": 64, "pads": pads, "strides": (stride, stride)}
        graph = nb.load(convolution(tmp_path / "m.onnx", **shape))
        assert kernel_time(graph, gpu).us == gpu.conv(1, 64, 64, size, size, 3, stride).us


def test_grouped_pointwise_is_no_dense_product(tmp_path):
    path = convolution(tmp_path / "m.onnx", shape=(1, 512, 28, 28), out_channels=512, kernel=(1, 1), groups=4)
    for name in ("h200", "rtx2060"):
        graphs = [nb.load(path, groups=groups) for groups in ("gpu", "block-diagonal")]
        times = {kernel_time(graph, nb.gpu(name)) for graph in graphs}
        assert times == {nb.gpu(name).conv(1, 512, 512, 28, 28, 1, 1, 4)}


def test_parts_of_a_pointwise_layer_are_smaller_products():
    gpu, graph = nb.gpu("h200"), convolutions((96, 1, {}), channels=16, size=(56, 28), batch=2)
    for part, pixels, outputs in [
        (Part(), 3136, 96), (Part("pixels", 1000, 3136), 2136, 96), (Part("channels", 32, 96), 3136, 64),
        (Part("rows", 0, 14), 784, 96), (Part("images", 1, 2), 1568, 96),
    ]:  # fmt: skip
        asked = gpu.matmul(pixels=pixels, in_channels=16, out_channels=outputs)
        assert kernel_time(graph, gpu, part) == asked


def test_parts_of_a_convolution_are_smaller_images():
    gpu, same = nb.gpu("h200"), {"pads": [1] * 4}
    graph = convolutions((64, 3, same), channels=32, size=(56, 28), batch=4)
    assert kernel_time(graph, gpu).us == gpu.conv(4, 32, 64, 56, 28, 3).us
    assert kernel_time(graph, gpu, Part("rows", 10, 24)).us == gpu.conv(4, 32, 64, 14, 28, 3).us
    assert kernel_time(graph, gpu, Part("images", 0, 3)).us == gpu.conv(3, 32, 64, 56, 28, 3).us
    assert kernel_time(graph, gpu, Part("channels", 16, 64)).us == gpu.conv(4, 32, 48, 56, 28, 3).us
    # 1000 pixels are 36 rows of 28, of one long image.
    assert kernel_time(graph, gpu, Part("pixels", 0, 1000)).us == gpu.conv(1, 32, 64, 36, 28, 3).us
    depthwise = convolutions((32, 3, same | {"group": 32}), channels=32, size=(56, 56))
    assert kernel_time(depthwise, gpu, Part("rows", 0, 28)).us == gpu.depthwise(1, 32, 28, 3, 1, 56).us


def test_adding_partial_sums_reads_all_but_the_first():
    gpu = nb.gpu("h200")
    assert sum_time(gpu, 1000, 3) == gpu.elementwise("add", 2000)
