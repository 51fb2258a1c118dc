"""The HTML report: what it says, and in a headless browser that it opens, sorts, tells why, and can be used by keyboard."""

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest

from nearbank.cli import main
from nearbank.devices import device
from tests.e2e.browser import chromium, opened
from tests.e2e.models import convolution, network

pytest.importorskip("plotly")
SECTIONS = (
    "network",
    "schedule",
    "layers",
    "roofline",
    "clocks",
    "energy",
    "divided",
    "weights",
    "provenance",
    "again",
)


@dataclass(frozen=True)
class Report:
    path: Path
    text: str
    document: dict[str, Any]
    arguments: list[str]


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Report:
    """Of a small network with a layer split over both sides."""
    folder = tmp_path_factory.mktemp("report")
    model = network(folder / "a model.onnx", channels=(16, 700, 48, 700, 16), size=28)
    path = folder / "r.html"
    arguments = ["run", str(model), "--policy", "split", "--device", "newton-gddr6-pimflow", "--gpu", "rtx2060",
                 "--mapping", "resident", "--channels", "4", "--no-values", "--no-cache", "--html", str(path), "--json",
                 str(folder / "r.json")]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["nearbank", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0
    return Report(path, path.read_text(), json.loads((folder / "r.json").read_text()), arguments)


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


def figures(text: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" data-plot="([\w-]+)">(.*?)</script>', text, re.DOTALL)
    return {name: json.loads(data) for name, data in found}


def lane(figure: Any, *names: str) -> list[Any]:
    return [trace for trace in figure["data"] if trace["name"] in names]


def test_the_page_says_what_the_document_says(report):
    totals, layers = report.document["totals"], report.document["layers"]
    assert f"{totals['speedup']:.3f}<span>×" in report.text
    for section in SECTIONS:
        assert report.text.count(f'<section id="{section}"') == 1
    for index, layer in enumerate(layers):
        row = re.search(rf'<tr id="layer-{index}".*?</tr>', report.text, re.DOTALL)
        assert row is not None
        assert layer["name"] in row[0]
        assert f"{layer['gpu_us']:,.2f}" in row[0]
        assert f"{layer['pim_us']:,.2f}" in row[0]
    assert any(layer["target"] == "split" for layer in layers)
    unit = device("newton-gddr6-pimflow")
    for number in (unit.hash, report.document["gpu"], report.document["origin"]["version"], "GWRITE to COMP"):
        assert number in report.text
    command = re.search(r'<pre id="command" tabindex="0">(.*?)</pre>', report.text)
    assert command is not None
    assert shlex.split(command[1].replace("&#x27;", "'")) == ["nearbank", *report.arguments]


def test_the_plots_have_the_tasks(report):
    tasks, plots = report.document["tasks"], figures(report.text)
    assert set(plots) == {"timeline", "roofline-plot", "clocks-plot", "energy-plot", "weights-plot"}
    for resource, names in (("gpu", ("on the GPU", "adding partial sums")), ("pim", ("in memory",))):
        drawn = [
            (data[0], data[2], data[3]) for trace in lane(plots["timeline"], *names) for data in trace["customdata"]
        ]
        mine = [(t["name"], t["start_us"], t["end_us"]) for t in tasks if t["resource"] == resource]
        assert sorted(name for name, _, _ in drawn) == sorted(name for name, _, _ in mine)
        for (_, start, end), (_, low, high) in zip(sorted(drawn), sorted(mine), strict=True):
            assert (start, end) == pytest.approx((low, high))
    moved = {t["name"]: t["cycles"] for t in tasks if t["resource"] == "pim"}
    stacks = dict.fromkeys(moved, 0)
    for trace in plots["clocks-plot"]["data"]:
        for name, clocks in zip(trace["x"], trace["customdata"], strict=True):
            stacks[name] += clocks
    assert stacks == moved
    spent = sum(trace["x"][0] for trace in plots["energy-plot"]["data"])
    assert spent == pytest.approx(report.document["totals"]["energy_uj"]["total"])
    assert {mark["name"] for mark in plots["roofline-plot"]["data"]} >= {"a layer on the GPU", "a layer in memory"}
    held = {data[0] for trace in plots["weights-plot"]["data"] for data in trace["customdata"]}
    assert held == {t["kernel"] for t in tasks if t["resource"] == "pim"}


def shape(trace: Any) -> str:
    """The pattern of its bars."""
    return trace["marker"].get("pattern", {}).get("shape", "")


def test_colour_is_never_alone(report):
    plots = figures(report.text)
    for name in ("clocks-plot", "energy-plot"):
        shapes = [shape(trace) for trace in plots[name]["data"]]
        assert len(set(shapes)) == len(shapes)
    shapes = {trace["name"]: shape(trace) for trace in plots["timeline"]["data"]}
    assert shapes["in memory"] != shapes["on the GPU"]
    assert len({trace["line"]["dash"] for trace in plots["roofline-plot"]["data"] if trace["mode"] == "lines"}) == 3


def test_the_same_run_makes_the_same_page(report, nearbank):
    assert nearbank(*report.arguments).status == 0
    assert report.path.read_text() == report.text


def test_it_opens_and_the_table_sorts(report, browser):
    with opened(browser, report.path) as page:
        assert page.locator(".plot .main-svg").count() >= 5
        column = page.locator("#layers-table thead th", has_text="GPU us")
        index = column.evaluate("e => e.cellIndex")

        def values() -> list[float]:
            return page.evaluate(
                "i => [...document.querySelectorAll('#layers-table tbody tr')].map(r => Number(r.cells[i].dataset.key))",
                index,
            )

        before = values()
        assert column.get_attribute("aria-sort") == "none"
        column.get_by_role("button").click()
        assert values() == sorted(before) != before
        assert column.get_attribute("aria-sort") == "ascending"
        column.get_by_role("button").press("Enter")
        assert values() == sorted(before, reverse=True)
        assert column.get_attribute("aria-sort") == "descending"
        assert page.locator("#layers-table th[aria-sort=none]").count() == 12
        page.get_by_label("Show layers with").fill("conv1")
        assert page.locator("#layers-table tbody tr:visible").count() == 1


def test_hovering_the_timeline_says_why(report, browser):
    reasons = {layer["name"]: layer["reason"] for layer in report.document["layers"]}
    with opened(browser, report.path) as page:
        page.locator("#timeline").scroll_into_view_if_needed()
        task = max(
            (t for t in report.document["tasks"] if t["resource"] == "pim"), key=lambda t: t["end_us"] - t["start_us"]
        )
        # Where the middle of that task is on the screen.
        x, y = page.evaluate(
            """us => { const plot = document.getElementById("timeline"), full = plot._fullLayout;
            const box = plot.getBoundingClientRect();
            return [box.x + full.xaxis._offset + full.xaxis.d2p(us), box.y + full.yaxis._offset + full.yaxis.d2p("memory")]; }""",
            (task["start_us"] + task["end_us"]) / 2,
        )
        page.mouse.move(x, y)
        label = page.locator("#timeline .hoverlayer .hovertext")
        label.wait_for()
        said = " ".join((label.text_content() or "").split())
        assert task["name"] in said
        start = " ".join(reasons[task["kernel"]].split()[:4])
        assert f"why: {start}" in said


def test_zoom_by_keyboard(report, browser):
    with opened(browser, report.path) as page:
        shown = "document.getElementById('timeline').layout.xaxis.range"
        low, high = page.evaluate(shown)
        page.locator("button[data-zoom=in]").press("Enter")
        inner = page.evaluate(shown)
        assert inner == pytest.approx([low + (high - low) / 4, high - (high - low) / 4])
        page.get_by_role("button", name="Later").press("Space")
        assert page.evaluate(shown)[0] == pytest.approx(low + (high - low) / 2)
        page.get_by_role("button", name="Whole").press("Enter")
        assert page.evaluate(shown) == pytest.approx([low, high])


def test_by_keyboard_the_focus_can_be_seen(report, browser):
    with opened(browser, report.path) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.locator(".skip").bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        seen = []
        for _ in range(400):
            page.keyboard.press("Tab")
            tag = page.evaluate(
                "document.activeElement.tagName + (document.activeElement.closest('section')?.id ?? '')"
            )
            outline = page.evaluate(
                "(() => { const e = document.activeElement, s = getComputedStyle(e), b = e.querySelector('.box');"
                "return s.outlineStyle !== 'none' || (b && getComputedStyle(b).strokeWidth === '3px'); })()"
            )
            if tag == "BODY":
                break
            assert outline, tag
            seen.append(tag)
        assert {"anetwork", "BUTTONschedule", "BUTTONlayers", "INPUTlayers", "BUTTONagain", "SUMMARYprovenance"} <= set(
            seen
        )


def test_on_paper_and_on_a_telephone(report, browser, tmp_path):
    with opened(browser, report.path) as page:
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
        assert page.locator("#layers-table").is_visible()
        widths = "[...document.querySelectorAll('.plot .main-svg')].map((e) => e.getBoundingClientRect().width)"
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert max(page.evaluate(widths)) <= 720  # the inside of a sheet of A4 at 96 px an inch
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert max(page.evaluate(widths)) > 1000
    with opened(browser, report.path, viewport={"width": 390, "height": 800}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.screenshot(path=tmp_path / "small.png")


def test_without_plotly_it_says_so(nearbank, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model = network(tmp_path / "m.onnx")
    message = nearbank("run", model, "--html", tmp_path / "r.html").fails()
    assert 'an HTML report needs plotly; must be installed: pip install "nearbank[report]"' in message


def test_a_plan_without_memory_and_without_energy(nearbank, tmp_path):
    (tmp_path / "mine.toml").write_text('base = "newton-gddr6"\n')
    model, path = network(tmp_path / "m.onnx"), tmp_path / "r.html"
    done = nearbank("run", model, "--policy", "gpu-only", "--html", path)
    assert done.status == 0, done.err
    text = path.read_text()
    for said in (
        "Nothing runs in memory in this plan.",
        "No weights are in memory",
        "No layer is divided",
        "relative L2 error",
        "Everything is on the GPU, as policy gpu-only says.",
    ):
        assert said in text
    assert "faster" not in text[text.index('<section id="headline"') : text.index('<section id="network"')]
    assert set(figures(text)) == {"timeline", "roofline-plot", "energy-plot"}


def test_what_may_not_go_to_memory_loses_no_race(nearbank, tmp_path):
    """A depthwise convolution stays on the GPU by the default grouping, however fast it would be in memory."""
    model, path = convolution(tmp_path / "m.onnx", shape=(1, 6, 7, 7), groups=6), tmp_path / "r.html"
    done = nearbank("run", model, "--no-values", "--html", path)
    assert done.status == 0, done.err
    for text in (done.out, path.read_text()):
        assert "No layer of this network may go to memory" in " ".join(text.split())
        assert "is faster" not in text


def test_the_end_of_a_plan_that_takes_as_long_is_labelled_inside_the_plot(nearbank, browser, tmp_path):
    path = tmp_path / "r.html"
    done = nearbank("run", network(tmp_path / "m.onnx"), "--policy", "gpu-only", "--no-values", "--html", path)
    assert done.status == 0, done.err
    with opened(browser, path) as page:
        box = page.locator("#timeline").bounding_box()
        label = page.locator("#timeline .annotation-text-g").bounding_box()
        assert box["x"] <= label["x"]
        assert label["x"] + label["width"] <= box["x"] + box["width"]


def test_long_names_leave_room_for_the_rest(nearbank, browser, tmp_path):
    model = onnx.load(network(tmp_path / "m.onnx", channels=(16, 64)))
    model.graph.node[0].name = "a/path/as/exporters/make/them/" * 4
    onnx.save(model, tmp_path / "m.onnx")
    path = tmp_path / "r.html"
    done = nearbank("run", tmp_path / "m.onnx", "--policy", "pim", "--no-values", "--html", path)
    assert done.status == 0, done.err
    with opened(browser, path, viewport={"width": 1300, "height": 900}) as page:
        bars = page.evaluate("document.getElementById('clocks-plot')._fullLayout._size.h")
        assert bars > 150  # of 340
        assert page.locator("#layers-table").bounding_box()["width"] <= 1300
