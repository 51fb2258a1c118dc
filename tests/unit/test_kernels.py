"""Which question a convolution asks of the GPU's cost model."""

from __future__ import annotations

import pytest
from tests.e2e.models import convolution

import nearbank as nb
from nearbank.plan.gpu_time import gpu_time
from nearbank.plan.kernels import kernels


def test_kernels_that_are_not_square_are_timed_as_products(tmp_path):
    gpu = nb.gpu("h200")
    graph = nb.load(convolution(tmp_path / "m.onnx", shape=(1, 64, 17, 17), out_channels=64, kernel=(1, 7)))
    time = gpu_time(kernels(graph)[0], gpu)
    assert time.us == gpu.matmul(pixels=17 * 11, in_channels=64 * 7, out_channels=64).us
    assert time.note == "a 1 x 7 kernel is timed as its im2col product"


@pytest.mark.parametrize("name", ["h200", "rtx2060"])
def test_without_padding_there_are_fewer_pixels(tmp_path, name: str) -> None:
    gpu = nb.gpu(name)
    for pads, stride, size in (((1,) * 4, 1, 56), ((0,) * 4, 1, 54), ((1,) * 4, 2, 56), ((0,) * 4, 2, 54)):
        shape = {"shape": (1, 64, 56, 56), "out_channels": 64, "pads": pads, "strides": (stride, stride)}
        graph = nb.load(convolution(tmp_path / "m.onnx", **shape))
        assert gpu_time(kernels(graph)[0], gpu).us == gpu.conv(1, 64, 64, size, size, 3, stride).us


def test_grouped_pointwise_is_no_dense_product(tmp_path):
    path = convolution(tmp_path / "m.onnx", shape=(1, 512, 28, 28), out_channels=512, kernel=(1, 1), groups=4)
    for name in ("h200", "rtx2060"):
        graphs = [nb.load(path, groups=groups) for groups in ("gpu", "block-diagonal")]
        times = {gpu_time(kernels(graph)[0], nb.gpu(name)) for graph in graphs}
        assert times == {nb.gpu(name).conv(1, 512, 512, 28, 28, 1, 1, 4)}
