"""The picture of the network: boxes that do not touch, lines that start and end at them."""

from __future__ import annotations

import itertools
import re

import pytest
from tests.e2e.models import network

import nearbank as nb
from nearbank.report.html.network import _HEIGHT, _WIDTH, _Layout, draw_network

CHAIN = [(i, i + 1) for i in range(39)]
SHAPES = {
    "chain": (40, CHAIN),
    "residual": (40, [*CHAIN, (2, 6), (9, 14), (1, 38)]),
    "branches": (40, [*((0, i) for i in range(1, 30)), *((i, 30) for i in range(1, 30)), *CHAIN[30:]]),
    "apart": (5, []),
    "alone": (1, []),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_boxes_do_not_touch_and_lines_meet_them(name: str) -> None:
    count, edges = SHAPES[name]
    layout = _Layout(count, edges)
    for (x, y), (u, v) in itertools.combinations(layout.at, 2):
        assert abs(x - u) > _WIDTH or abs(y - v) > _HEIGHT
    assert all(x > 0 and x + _WIDTH < layout.width and y > 0 and y + _HEIGHT < layout.top[-1] for x, y in layout.at)
    for a, b in edges:
        assert layout.depth[a] < layout.depth[b]
        path = layout.path(a, b)
        assert re.fullmatch(r"M[\d.]+ [\d.]+([CHV][\d. ]+)+", path)
        left, top = layout.at[a]
        x, y = (float(n) for n in re.findall(r"[\d.]+", path)[:2])
        assert left <= x <= left + _WIDTH
        assert top <= y <= top + _HEIGHT


def test_every_layer_is_there_and_says_where_it_runs(tmp_path):
    graph = nb.load(network(tmp_path / "n.onnx", channels=(16, 700, 48, 8), size=28))
    memory, cost = nb.device("newton-gddr6-pimflow"), nb.gpu("rtx2060")
    plan = nb.make_plan(graph, memory, cost, policy="split", channels=4, mapping="resident")
    drawn = draw_network(plan)
    assert drawn.count('<rect class="box"') == len(plan.layers) == 3
    assert drawn.count("marker-end=") == 2
    for index, layer in enumerate(plan.layers):
        box = re.search(rf'<a href="#layer-{index}" class="(\w+)".*?</a>', drawn)
        assert box is not None
        assert box[1] == ("both" if layer.target == "split" else layer.target)
        word = f"{layer.share:.0%} PIM" if layer.target == "split" else layer.target.upper()
        assert f"1×1 · {word}</text>" in box[0]
        widths = {
            kind: float(width) for kind, width in re.findall(r'<rect class="(gpu|pim)"[^>]* width="([\d.]+)"', box[0])
        }
        assert widths.get("pim", 0) == pytest.approx((_WIDTH - 8) * layer.share, abs=0.06)
    assert any(layer.target == "split" for layer in plan.layers)
