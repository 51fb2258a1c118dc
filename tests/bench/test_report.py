"""How long the report of a large plan takes to open. Not a test of speed: numbers to look at (`make bench`)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.browser import chromium, opened
from tests.e2e.models import network

import nearbank as nb
from nearbank.plan import place_plan, plan_energy
from nearbank.report.html import gather, write_html

LAYERS = 200


class Clock:
    """Processor time of the main thread of a page, from before it is opened."""

    def __call__(self, page: Any) -> None:
        self.session = page.context.new_cdp_session(page)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def seconds(self) -> float:
        found = {x["name"]: x["value"] for x in self.session.send("Performance.getMetrics")["metrics"]}
        return float(found["ThreadTime"])


def test_opening_a_plan_of_200_layers(benchmark, tmp_path) -> None:
    """From the start of the navigation until the page has loaded (the timeline is there) and until every plot is drawn."""
    pytest.importorskip("plotly")
    channels = [16 + 16 * (n % 4) for n in range(LAYERS + 1)]
    memory, cost = nb.device("newton-gddr6-pimflow"), nb.gpu("rtx2060")
    graph = nb.load(network(tmp_path / "m.onnx", channels=tuple(channels), size=28))
    plan = nb.make_plan(graph, memory, cost, policy="best", mapping="resident")
    assert len(plan.layers) == LAYERS
    path = tmp_path / "r.html"
    write_html(
        path, gather(plan, memory, cost, place_plan(plan, memory), plan_energy(plan, memory), command="nearbank run")
    )
    with chromium() as browser:
        seen: list[tuple[float, float, float]] = []

        def open_it() -> int:
            clock = Clock()
            with opened(browser, path, prepare=clock) as page:
                loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
                drawn = page.evaluate("performance.getEntriesByName('drawn')[0].startTime")
                seen.append((loaded, drawn, 1e3 * clock.seconds()))
                return int(page.locator("#layers-table tbody tr").count())

        assert benchmark.pedantic(open_it, rounds=5, warmup_rounds=1) == LAYERS
    loaded, drawn, busy = (sorted(times)[len(times) // 2] for times in zip(*seen, strict=True))
    size = path.stat().st_size / 1e6
    benchmark.extra_info.update(loaded_ms=loaded, drawn_ms=drawn, main_thread_ms=busy, megabytes=size)
    print(
        f"\n{LAYERS} layers, {size:.1f} MB: loaded {loaded:.0f} ms, all plots drawn {drawn:.0f} ms; processor time of the page's "
        f"main thread until then, whatever else the machine does: {busy:.0f} ms"
    )
