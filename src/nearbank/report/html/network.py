"""The network as a picture: layers in columns by their depth, wrapped like lines of text, drawn as SVG.

Where a layer runs is told by colour, by the strip below its name (hatched: the memory's share; cut where the layer is), by the
thickness of its frame and in words.
"""

from __future__ import annotations

from nearbank.plan import Layer, Plan
from nearbank.report.html.markup import esc, shortened

__all__ = ["KINDS", "draw_network", "where"]

_COLUMNS, _WIDTH, _HEIGHT, _STEP_X, _STEP_Y, _GAP, _LEFT = 12, 80, 42, 94, 50, 30, 22
KINDS = {"pointwise": "1×1", "depthwise": "dw", "linear": "fc", "elementwise": "elem.", "conv": "k×k"}
"""Short words for kinds of kernels."""


def where(layer: Layer, plan: Plan) -> str:
    """Where a layer runs, in a word or two."""
    if layer.target == "split":
        return f"{layer.share:.0%} PIM"
    if layer.target == "pipeline":
        stages = sum(task.role == "work" for task in plan.tasks_of(layer.name))
        return f"{stages}× {'PIM' if layer.share else 'GPU'}"
    return layer.target.upper()


def _edges(plan: Plan) -> list[tuple[int, int]]:
    """(producer, reader) as positions in the plan's layers."""
    at = {node: i for i, layer in enumerate(plan.layers) for node in layer.nodes}
    found: dict[tuple[int, int], None] = {}
    for reader, layer in enumerate(plan.layers):
        for name in layer.nodes:
            for tensor in plan.graph.node(name).inputs:
                maker = plan.graph.producer(tensor)
                if maker is not None and at.get(maker.name, reader) != reader:
                    found[at[maker.name], reader] = None
    return sorted(found)


class _Layout:
    """Top left corners of all layers, and where the lines between wrapped rows run."""

    def __init__(self, count: int, edges: list[tuple[int, int]]) -> None:
        self.depth = [0] * count
        for a, b in sorted(edges, key=lambda edge: edge[1]):
            self.depth[b] = max(self.depth[b], self.depth[a] + 1)
        used: dict[int, int] = {}
        lanes = []
        for depth in self.depth:
            lanes.append(used.get(depth, 0))
            used[depth] = lanes[-1] + 1
        self.row = [depth // _COLUMNS for depth in self.depth]
        tall = [
            max((used.get(r * _COLUMNS + c, 0) for c in range(_COLUMNS)), default=1) for r in range(max(self.row) + 1)
        ]
        self.top = [_GAP]
        for height in tall:
            self.top.append(self.top[-1] + height * _STEP_Y + _GAP)
        self.at = [
            (_LEFT + self.depth[i] % _COLUMNS * _STEP_X, self.top[self.row[i]] + lanes[i] * _STEP_Y)
            for i in range(count)
        ]
        self.width = _LEFT + _COLUMNS * _STEP_X

    def path(self, a: int, b: int) -> str:
        """An SVG path from layer ``a`` to layer ``b``, clear of the layers between."""
        (x, y), (u, v) = self.at[a], self.at[b]
        out, into, middle = x + _WIDTH, u, _HEIGHT // 2
        if self.row[a] == self.row[b]:
            if self.depth[b] == self.depth[a] + 1:
                half = (out + into) / 2
                return f"M{out} {y + middle}C{half} {y + middle} {half} {v + middle} {into} {v + middle}"
            top, leave = self.top[self.row[a]] - 12, x + _WIDTH - 16
            over = f"C{leave + 8} {top} {leave + 16} {top} {leave + 24} {top}H{u}"
            return f"M{leave} {y}{over}C{u + 8} {top} {u + 8} {top} {u + 14} {v}"
        above, below = self.top[self.row[a] + 1] - _GAP + 2, self.top[self.row[b]] - 8
        if self.depth[b] == self.depth[a] + 1:
            right, left = self.width - 6, _LEFT - 14
            return f"M{out} {y + middle}H{right}V{above}H{left}V{v + middle}H{into}"
        side = self.width - 2 if self.row[b] > self.row[a] + 1 else u + 14
        return f"M{x + _WIDTH - 16} {y + _HEIGHT}V{above + 6}H{side}V{below}H{u + 14}V{v}"


def draw_network(plan: Plan) -> str:
    """The SVG; every layer is a link to its row of the table, ``#layer-N``, with its reason as title."""
    edges = _edges(plan)
    layout = _Layout(len(plan.layers), edges)
    height = layout.top[-1] - _GAP // 2
    lines = "".join(f'<path d="{layout.path(a, b)}" marker-end="url(#arrow)"/>' for a, b in edges)
    boxes = "".join(_box(i, layer, plan, *layout.at[i]) for i, layer in enumerate(plan.layers))
    return (
        f'<svg class="network" viewBox="0 0 {layout.width} {height}" role="group" aria-label="The network, a box a layer">'
        '<defs><marker id="arrow" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">'
        '<path d="M0 0L6 3L0 6z" class="tip"/></marker><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="5" height="5" class="ground"/><path d="M0 0V5" class="lines"/></pattern></defs>'
        f'<g class="edges">{lines}</g>{boxes}</svg>'
    )


def _box(index: int, layer: Layer, plan: Plan, x: int, y: int) -> str:
    place = where(layer, plan)
    side = "both" if 0 < layer.share < 1 else "pim" if layer.share else "gpu"
    name = shortened(layer.name, 13)
    inner, share = _WIDTH - 8, layer.share
    strip = f'<rect class="gpu" x="{x + 4}" y="{y + 33}" width="{inner}" height="5"/>' if share < 1 else ""
    strip += f'<rect class="pim" x="{x + 4}" y="{y + 33}" width="{inner * share:.1f}" height="5"/>' if share else ""
    if layer.target == "pipeline":
        stages = sum(task.role == "work" for task in plan.tasks_of(layer.name))
        strip += "".join(
            f'<rect class="cut" x="{x + 4 + inner * k / stages - 1:.1f}" y="{y + 32}" width="2" height="7"/>'
            for k in range(1, stages)
        )
    title = f"{layer.name} ({layer.kind}): {place}. {layer.reason}"
    return (
        f'<a href="#layer-{index}" class="{side}" aria-label="{esc(title)}"><title>{esc(title)}</title>'
        f'<rect class="box" x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="3"/>{strip}'
        f'<text x="{x + _WIDTH // 2}" y="{y + 13}">{esc(name)}</text>'
        f'<text class="where" x="{x + _WIDTH // 2}" y="{y + 26}">{esc(KINDS.get(layer.kind, layer.kind))} · {esc(place)}</text></a>'
    )
