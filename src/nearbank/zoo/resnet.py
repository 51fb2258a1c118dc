"""In: the table of ResNet-50. Out: its graph."""

from __future__ import annotations

from nearbank.zoo.blocks import classify
from nearbank.zoo.builder import GraphBuilder, Value

__all__ = ["resnet50"]

# He et al., "Deep Residual Learning", arXiv 1512.03385, table 1, 50 layers, conv2_x to conv5_x: channels inside the
# bottleneck, blocks, stride of the first. Modelling decision: the stride is that of the 3x3 convolution (known as
# v1.5), as in the weights in common use; the paper has it in the first 1x1, at 3.8 instead of 4.1 billion MACs.
STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
WIDENING = 4


def resnet50(g: GraphBuilder) -> Value:
    """ResNet-50: blocks ``l1.0`` to ``l4.2``, each ``.conv1`` to ``.conv3`` and, where shapes change, ``.down``."""
    x = g.conv("stem", g.input, 64, kernel=7, stride=2, act="relu")
    x = g.max_pool("stem.pool", x, kernel=3, stride=2)
    for stage, (width, blocks, stride) in enumerate(STAGES, 1):
        for block in range(blocks):
            x = _bottleneck(g, f"l{stage}.{block}", x, width, 1 if block else stride)
    return classify(g, x)


def _bottleneck(g: GraphBuilder, name: str, x: Value, width: int, stride: int) -> Value:
    out = width * WIDENING
    y = g.conv(f"{name}.conv1", x, width, act="relu")
    y = g.conv(f"{name}.conv2", y, width, kernel=3, stride=stride, act="relu")
    y = g.conv(f"{name}.conv3", y, out)
    if stride != 1 or x.channels != out:
        x = g.conv(f"{name}.down", x, out, stride=stride)
    return g.activate(f"{name}.act", g.add(f"{name}.add", x, y), "relu")
