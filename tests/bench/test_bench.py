"""How fast the simulators are. Not tests of speed: numbers to look at, beside checks that the work was done.

`make bench` prints them; commands a second stand under extra_info of `--benchmark-json FILE`, and in the printed lines.
"""

from __future__ import annotations

import time

import pytest

from nearbank import runtime, zoo
from nearbank.devices import device
from nearbank.graph import load
from nearbank.pim import Product, compile_product
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
    timing = benchmark.pedantic(time_program, (unit, program), rounds=3)
    assert timing.commands["COMP"] == 96_000_000
    assert timing.commands["READRES"] == 3_000_000
    rate(benchmark, sum(timing.commands.values()))


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
