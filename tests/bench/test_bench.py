"""How fast the simulators are. Not tests of speed: numbers to look at, beside checks that the work was done.

`make bench` prints them; commands a second stand under extra_info of `--benchmark-json FILE`, and in the printed lines.
"""

from __future__ import annotations

import importlib
import time

import pytest

from nearbank import runtime, zoo
from nearbank.devices import device
from nearbank.graph import load
from nearbank.pim import Product, cache, compile_product, time_product
from nearbank.pim.search import search
from nearbank.plan import gpu, make_plan
from nearbank.program import parse_program
from nearbank.sim import play_values, time_program, time_program_reference

EXPAND = Product(12544, 16, 96)  # MobileNetV2, block 1, expand

NEST = """program newton-gddr6
channels 0
G_ACT0 0
G_ACT1 0
G_ACT2 0
G_ACT3 0
loop b 128 {
  GWRITE b b
}
loop p 1000000 {
  loop g 3 {
    loop k 32 {
      COMP k k g%2
    }
    READRES g%2 3*p+g
  }
}
"""


def rate(benchmark, commands: int) -> None:
    """Commands a second, of the median round."""
    if benchmark.stats is not None:
        speed = commands / benchmark.stats.stats.median
        benchmark.extra_info.update(commands=commands, commands_per_second=round(speed))
        print(f"\n{benchmark.name}: {commands:,} commands, {speed:,.0f} a second")


def test_reference_engine(benchmark) -> None:
    unit = device("newton-gddr6")
    program = compile_product(unit, Product(784, 16, 96), 1, "resident").program
    timing = benchmark.pedantic(time_program_reference, (unit, program), rounds=3)
    rate(benchmark, sum(timing.commands.values()))


@pytest.mark.parametrize("mapping", ["newton++", "resident"])
def test_fast_engine_over_reference(benchmark, mapping: str) -> None:
    unit = device("newton-gddr6")
    program = compile_product(unit, EXPAND, 16, mapping).program
    start = time.perf_counter()
    expected = time_program_reference(unit, program)
    reference = time.perf_counter() - start
    assert benchmark.pedantic(time_program, (unit, program), rounds=5) == expected
    rate(benchmark, sum(expected.commands.values()))
    if benchmark.stats is not None:
        ratio = reference / benchmark.stats.stats.median
        benchmark.extra_info.update(reference_seconds=reference, fast_over_reference=ratio)
        print(f"{mapping}: fast engine {ratio:,.0f} x the reference's {reference:.2f} s")


def test_fast_engine_on_a_hundred_million_commands(benchmark) -> None:
    unit, program = device("newton-gddr6"), parse_program(NEST)
    timing = benchmark.pedantic(time_program, (unit, program), rounds=10)
    assert timing.commands["COMP"] == 96_000_000
    assert timing.commands["READRES"] == 3_000_000
    rate(benchmark, sum(timing.commands.values()))
    if benchmark.stats is not None:
        short = parse_program(NEST.replace("1000000", "1000"))
        start = time.perf_counter()
        played = sum(time_program_reference(unit, short).commands.values())
        reference = played / (time.perf_counter() - start)
        ratio = sum(timing.commands.values()) / benchmark.stats.stats.median / reference
        benchmark.extra_info.update(reference_commands_per_second=round(reference), fast_over_reference=ratio)
        print(f"fast engine {ratio:,.0f} x the reference's {reference:,.0f} commands a second")


@pytest.mark.parametrize("name", ["newton-gddr6", "newton-gddr6-pimflow"])
def test_candidates_a_second_of_a_search(benchmark, monkeypatch, name: str) -> None:
    """All pointwise layers of MobileNetV2, searched anew; and of the time, the fast engine's share."""
    module = importlib.import_module("nearbank.pim.search")
    unit, layers, spent = device(name), _layers(), [0.0, 0.0]

    def timed(*arguments):
        start = time.perf_counter()
        try:
            return time_program(*arguments)
        finally:
            spent[0] += 1
            spent[1] += time.perf_counter() - start

    monkeypatch.setattr(module, "time_program", timed)

    def run() -> None:
        spent[:] = 0, 0
        for product in layers:
            search(unit, product, 16)

    benchmark.pedantic(run, rounds=3)
    assert spent[0] >= len(layers)
    if benchmark.stats is not None:
        candidates, seconds = spent[0], benchmark.stats.stats.median
        benchmark.extra_info.update(
            candidates=candidates,
            candidates_per_second=candidates / seconds,
            candidates_per_second_in_engine=candidates / spent[1],
        )
        print(
            f"\n{name}: {candidates:.0f} candidates of {len(layers)} layers in {seconds:.2f} s, "
            f"{candidates / seconds:,.0f} a second; the engine alone {candidates / spent[1]:,.0f} a second"
        )


def _layers() -> list[Product]:
    """The different pointwise layers of MobileNetV2."""
    nodes = load(zoo.build("mobilenet-v2"), name="mobilenet-v2").nodes
    works = [node.work for node in nodes if node.work is not None and node.work.kind == "pointwise"]
    return list(dict.fromkeys(Product(w.pixels, w.in_channels, w.out_channels) for w in works))


def test_planning_with_a_warm_cache(benchmark, tmp_path) -> None:
    """MobileNetV2 planned from kept mappings, beside planning it from nothing."""
    unit, cost, graph = device("newton-gddr6"), gpu("h200"), load(zoo.build("mobilenet-v2"), name="mobilenet-v2")

    def run() -> list[int | None]:
        compile_product.cache_clear()
        time_product.cache_clear()
        return [layer.pim_cycles for layer in make_plan(graph, unit, cost, policy="pim").layers]

    cache.use(cache.MappingCache(tmp_path))
    try:
        start = time.perf_counter()
        cold_cycles = run()
        cold = time.perf_counter() - start
        assert benchmark.pedantic(run, rounds=5) == cold_cycles
    finally:
        cache.use(None)
    if benchmark.stats is not None:
        benchmark.extra_info.update(cold_seconds=cold)
        print(f"\nplanning {cold:.2f} s cold, {benchmark.stats.stats.median:.3f} s warm")


def test_values(benchmark) -> None:
    import numpy as np

    unit, rng = device("newton-gddr6"), np.random.default_rng(0)
    compiled = compile_product(unit, EXPAND, 16, "resident")
    x = rng.standard_normal((EXPAND.pixels, EXPAND.in_channels), np.float32)
    w = rng.standard_normal((EXPAND.in_channels, EXPAND.out_channels), np.float32)
    parts = compiled.weights(w), compiled.inputs(x), compiled.result_count
    results = benchmark.pedantic(play_values, (unit, compiled.program, *parts), rounds=3)
    assert np.isfinite(results).all()


def test_a_whole_run(benchmark) -> None:
    """Load, plan and compute EfficientNet-Lite0 on a photo, every layer that can in memory."""
    unit, cost, photo = device("newton-gddr6"), gpu("h200"), zoo.photo("chelsea")

    def run() -> int:
        graph = load(zoo.build("efficientnet-lite0"), name="efficientnet-lite0")
        plan = make_plan(graph, unit, cost, policy="pim")
        feeds = {graph.inputs[0].name: zoo.preprocess(photo, zoo.info("efficientnet-lite0"))}
        return int(runtime.execute(plan, unit, feeds)[graph.outputs[0].name].argmax())

    assert benchmark.pedantic(run, rounds=1) in range(281, 286)  # a cat
