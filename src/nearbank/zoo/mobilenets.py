"""In: the tables of MobileNetV2, MobileNetV3-Large and MnasNet-B1. Out: their graphs."""

from __future__ import annotations

from nearbank.zoo.blocks import InvertedResidual, classify, inverted_residual, make_divisible
from nearbank.zoo.builder import Activation, GraphBuilder, Value

__all__ = ["mnasnet", "mobilenet_v2", "mobilenet_v2_keys", "mobilenet_v3_large"]

# Sandler et al., "MobileNetV2", arXiv 1801.04381, table 2: expansion t, channels c, repeats n, stride s of the first.
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)

# Howard et al., "Searching for MobileNetV3", arXiv 1905.02244, table 1: kernel, expansion size, channels,
# squeeze-excite, non-linearity, stride.
MOBILENET_V3_LARGE: tuple[tuple[int, int, int, bool, Activation, int], ...] = (
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hard_swish", 2),
    (3, 200, 80, False, "hard_swish", 1),
    (3, 184, 80, False, "hard_swish", 1),
    (3, 184, 80, False, "hard_swish", 1),
    (3, 480, 112, True, "hard_swish", 1),
    (3, 672, 112, True, "hard_swish", 1),
    (5, 672, 160, True, "hard_swish", 2),
    (5, 960, 160, True, "hard_swish", 1),
    (5, 960, 160, True, "hard_swish", 1),
)

# Tan et al., "MnasNet", arXiv 1807.11626; the variant without squeeze-excite, B1 in the authors' code (tensorflow/tpu,
# models/official/mnasnet/mnasnet_models.py): kernel, expansion, channels, repeats, stride of the first. The first row
# is the separable convolution of the paper's figure 7.
MNASNET = (
    (3, 1, 16, 1, 1),
    (3, 3, 24, 3, 2),
    (5, 3, 40, 3, 2),
    (5, 6, 80, 3, 2),
    (3, 6, 96, 2, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)


def mobilenet_v2(g: GraphBuilder) -> Value:
    """MobileNetV2, width 1.0: blocks ``b0`` to ``b16``."""
    rows = [(3, t, c, n, s) for t, c, n, s in MOBILENET_V2]
    return _expanding(g, rows, "relu6")


def mnasnet(g: GraphBuilder) -> Value:
    """MnasNet-B1, depth multiplier 1.0: blocks ``b0`` to ``b16``."""
    return _expanding(g, list(MNASNET), "relu")


def mobilenet_v3_large(g: GraphBuilder) -> Value:
    """MobileNetV3-Large, width 1.0: blocks ``b0`` to ``b14``; the squeeze is a quarter of the expansion size."""
    x = g.conv("stem", g.input, 16, kernel=3, stride=2, act="hard_swish")
    for index, (kernel, hidden, out, squeezed, act, stride) in enumerate(MOBILENET_V3_LARGE):
        squeeze = make_divisible(hidden / 4) if squeezed else 0
        block = InvertedResidual(kernel, stride, hidden, out, act, squeeze, "relu", "hard_sigmoid")
        x = inverted_residual(g, f"b{index}", x, block)
    x = g.conv("head", x, 960, act="hard_swish")
    return classify(g, x, hidden=1280, act="hard_swish")


def _expanding(g: GraphBuilder, rows: list[tuple[int, int, int, int, int]], act: Activation) -> Value:
    x = g.conv("stem", g.input, 32, kernel=3, stride=2, act=act)
    index = 0
    for kernel, expansion, out, repeats, stride in rows:
        for repeat in range(repeats):
            first = repeat == 0
            block = InvertedResidual(kernel, stride if first else 1, x.channels * expansion, out, act)
            x = inverted_residual(g, f"b{index}", x, block)
            index += 1
    return classify(g, g.conv("head", x, 1280, act=act))


def mobilenet_v2_keys(layer: str) -> tuple[str, str]:
    """Names of a layer's convolution and batch norm in the weight file (there, block ``b0`` is ``features.1``)."""
    whole = {
        "stem": ("features.0.0", "features.0.1"),
        "head": ("features.18.0", "features.18.1"),
        "fc": ("classifier.1", ""),
    }
    if layer in whole:
        return whole[layer]
    block, part = layer.split(".")
    index = int(block[1:])
    place = ["depthwise", "project"] if index == 0 else ["expand", "depthwise", "project"]
    at = f"features.{index + 1}.conv.{place.index(part)}"
    if part != "project":
        return f"{at}.0", f"{at}.1"
    return at, f"features.{index + 1}.conv.{len(place)}"
