"""In: the table of EfficientNet-B0. Out: its graph, and that of EfficientNet-Lite0, which is simpler on purpose."""

from __future__ import annotations

from nearbank.zoo.blocks import InvertedResidual, classify, inverted_residual
from nearbank.zoo.builder import Activation, GraphBuilder, Padding, Value

__all__ = ["efficientnet_b0", "efficientnet_lite0", "efficientnet_lite0_keys"]

# Tan and Le, "EfficientNet", arXiv 1905.11946, table 1, stages 2 to 8: kernel, expansion, channels, repeats, stride of
# the first block.
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)


def efficientnet_b0(g: GraphBuilder) -> Value:
    """EfficientNet-B0: blocks ``b0`` to ``b15``, SiLU, squeeze-excite to a quarter of each block's *input* channels."""
    return _efficientnet(g, act="silu", squeezed=True, padding="half")


def efficientnet_lite0(g: GraphBuilder) -> Value:
    """EfficientNet-Lite0: B0 with ReLU6 and no squeeze-excite (tensorflow/tpu, models/official/efficientnet/lite).

    Its weights were trained in TensorFlow, and need that padding: a stride of 2 has its odd zero after the image.
    """
    return _efficientnet(g, act="relu6", squeezed=False, padding="same")


def _efficientnet(g: GraphBuilder, *, act: Activation, squeezed: bool, padding: Padding) -> Value:
    x = g.conv("stem", g.input, 32, kernel=3, stride=2, padding=padding, act=act)
    index = 0
    for kernel, expansion, out, repeats, stride in STAGES:
        for repeat in range(repeats):
            hidden, squeeze = x.channels * expansion, x.channels // 4 if squeezed else 0
            block = InvertedResidual(kernel, 1 if repeat else stride, hidden, out, act, squeeze, squeeze_act=act)
            x = inverted_residual(g, f"b{index}", x, block, padding=padding)
            index += 1
    return classify(g, g.conv("head", x, 1280, act=act))


def efficientnet_lite0_keys(layer: str) -> tuple[str, str]:
    """Names of a layer's convolution and batch norm in the weight file (the first block's batch norms start at 1)."""
    whole = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1"), "fc": ("_fc", "")}
    if layer in whole:
        return whole[layer]
    block, part = layer.split(".")
    norm = {"expand": 0, "depthwise": 1, "project": 2}[part]
    return f"_blocks.{block[1:]}._{part}_conv", f"_blocks.{block[1:]}._bn{norm}"
