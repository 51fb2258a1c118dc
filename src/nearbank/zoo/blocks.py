"""In: a block's row of a published table. Out: its nodes. The inverted residual is shared by five of the six models."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nearbank.zoo.builder import Activation, GraphBuilder, Padding, Value

__all__ = ["InvertedResidual", "classify", "inverted_residual", "make_divisible", "squeeze_excite"]


@dataclass(frozen=True)
class InvertedResidual:
    """One block: pointwise to ``hidden`` channels, depthwise, optional squeeze-excite, linear pointwise to ``out``.

    ``squeeze`` is the width inside the squeeze-excite, 0 for none; its inner activation and its gate follow it.
    """

    kernel: int
    stride: int
    hidden: int
    out: int
    act: Activation
    squeeze: int = 0
    squeeze_act: Activation = "relu"
    gate: Activation = "sigmoid"


def inverted_residual(
    g: GraphBuilder, name: str, x: Value, block: InvertedResidual, *, padding: Padding = "half"
) -> Value:
    """Nodes ``NAME.expand``, ``.depthwise``, ``.se.*``, ``.project``, ``.add`` (arXiv 1801.04381, table 1).

    There is no expansion where the block does not widen, and a residual only where shapes allow it.
    """
    y = x
    if block.hidden != x.channels:
        y = g.conv(f"{name}.expand", y, block.hidden, act=block.act)
    y = g.conv(
        f"{name}.depthwise",
        y,
        block.hidden,
        kernel=block.kernel,
        stride=block.stride,
        groups=block.hidden,
        padding=padding,
        act=block.act,
    )
    if block.squeeze:
        y = squeeze_excite(g, f"{name}.se", y, block.squeeze, act=block.squeeze_act, gate=block.gate)
    y = g.conv(f"{name}.project", y, block.out)
    return g.add(f"{name}.add", x, y) if block.stride == 1 and block.out == x.channels else y


def squeeze_excite(g: GraphBuilder, name: str, x: Value, width: int, *, act: Activation, gate: Activation) -> Value:
    """Each channel times a gate that sees the mean of all channels (arXiv 1709.01507, figure 1)."""
    y = g.mean_pool(f"{name}.pool", x)
    y = g.conv(f"{name}.reduce", y, width, act=act)
    # Random gates are kept near the half that the builder counts on: a chain of open ones would double at every block.
    y = replace(y, power=y.power * 16)
    y = g.conv(f"{name}.expand", y, x.channels, act=gate)
    return g.scale(f"{name}.scale", x, y)


def classify(g: GraphBuilder, x: Value, *, hidden: int = 0, act: Activation = "none") -> Value:
    """Mean over positions, an optional ``hidden`` layer, and ``fc`` to the 1000 ``logits``."""
    y = g.flatten("flatten", g.mean_pool("pool", x))
    if hidden:
        y = g.linear("hidden", y, hidden, act=act)
    return g.linear("fc", y, 1000, output="logits")


def make_divisible(channels: float, by: int = 8) -> int:
    """The multiple of ``by`` nearest to ``channels``, never more than a tenth below it: all these papers' rule."""
    near = max(by, int(channels + by / 2) // by * by)
    return near + by if near < 0.9 * channels else near
