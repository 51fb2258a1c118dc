"""How nearbank compares with other simulators, papers and measurements: computed from the tests' data when the site is built.

Where a test asserts a figure, the page calls what that test calls, so both have the same number.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nearbank import zoo
from nearbank.devices import device
from nearbank.pim import Product, compile_product
from nearbank.program import aim, pimflow
from nearbank.reproduce import TABLES, settings
from nearbank.sim import Timing, time_isr, time_program, time_stream
from sitegen.markdown import table
from sitegen.shell import ROOT

__all__ = [
    "aim_traces", "gpu_foretold", "gpu_models", "gpu_networks", "pimflow_layers", "pimflow_totals", "pimflow_traces",
    "published", "zoo_counts",
]  # fmt: skip

GOLDEN = ROOT / "tests" / "golden" / "data"
DATA = ROOT / "docs" / "data"


def pimflow_traces() -> str:
    """Traces of PIMFlow's memory simulator, to the clock."""
    golden = json.loads((GOLDEN / "pimflow_traces" / "cycles.json").read_text())
    rows = []
    for name, said in sorted(golden.items()):
        text = pimflow.read_text(GOLDEN / "pimflow_traces" / f"{name}.gz")
        for option, key in (("on", "hide"), ("off", "nohide")):
            unit = device("newton-gddr6-pimflow", {"gwrite_hiding": option})
            stream = pimflow.parse_trace(text, [c.name for c in unit.commands], where=name)
            rows.append((name, option, len(stream), *_beside(said[key], time_stream(unit, stream).cycles)))
    columns = ("trace", "GWRITE hidden", "commands", "its clocks", "nearbank's", "error")
    return table(columns, rows, left=columns[:2])


def aim_traces() -> str:
    """Traces of the AiM simulator, to the clock; its refresh never fires, so it is off here too."""
    golden = json.loads((GOLDEN / "aim_traces" / "cycles.json").read_text())
    unit, rows = device("aim-gddr6", {"refresh": "off"}), []
    for name, said in sorted(golden.items()):
        isr = aim.parse_isr(pimflow.read_text(GOLDEN / "aim_traces" / f"{name}.gz"), where=name)
        timing = time_isr(unit, isr)
        same = "all equal" if timing.commands == said["commands"] else "differ"
        rows.append((name, sum(said["commands"].values()), same, *_beside(said["cycles"], timing.cycles)))
    columns = ("trace", "commands", "counts by command", "its clocks", "nearbank's", "error")
    return table(columns, rows, left=("trace", "counts by command"))


def _beside(theirs: float, ours: float) -> tuple[object, object, str]:
    apart = f"{ours / theirs - 1:+.2%}"
    if apart in ("+0.00%", "-0.00%"):
        apart = f"{ours - theirs:+,}" if ours != theirs else "0"
    return theirs, ours, apart


def _layers() -> list[dict[str, str]]:
    with (GOLDEN / "pimflow_layers.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _played(mapping: str, product: Product) -> Timing:
    unit = device("newton-gddr6-pimflow", {"gwrite_hiding": "off" if mapping == "newton+" else "on"})
    return time_program(unit, compile_product(unit, product, 16, mapping).program)


def _product(row: dict[str, str]) -> Product:
    return Product(int(row["H"]) * int(row["W"]), int(row["Cin"]), int(row["Cout"]))


def pimflow_layers() -> str:
    """Every pointwise layer of two networks, by both of that generator's mappings."""
    rows = []
    for row in _layers():
        product = _product(row)
        cells: list[object] = [row["model"].replace("_", "-"), row["layer"].partition("|")[0], str(product)]
        for mapping, end in (("newton+", "plus"), ("newton++", "pp")):
            cells += _beside(int(row[f"cycles_newton_{end}"]), _played(mapping, product).cycles)
        need, meant = int(row["comp_useful"]), int(row["comp_expected"])
        rows.append((*cells, "the same" if need == meant else _difference(row, product)))
    columns = (
        "model",
        "layer",
        "pixels x in -> out",
        "newton+",
        "nearbank",
        "error",
        "newton++",
        "nearbank ",
        "error ",
        "its work",
    )
    return table(columns, rows, left=("model", "layer", "its work"))


def _difference(row: dict[str, str], product: Product) -> str:
    """What the generator issues, against the COMPs that the product needs."""
    needed = product.pixels * -(-product.in_channels // 16) * -(-product.out_channels // 16)
    issued = {int(row["comp_plus"]), int(row["comp_pp"])}
    if issued == {needed}:
        return "the same, padded"
    return "leaves some out" if max(issued) < needed else "fills up the last buffer"


def pimflow_totals() -> str:
    """Sums over the networks' pointwise layers, beside nearbank's own mapping in the same timing."""
    rows = []
    for model in ("mobilenet_v2", "resnet50"):
        mine = [row for row in _layers() if row["model"] == model and row["kind"] == "conv"]
        for mapping, end in (("newton+", "plus"), ("newton++", "pp")):
            theirs = sum(int(row["count"]) * int(row[f"cycles_newton_{end}"]) for row in mine)
            ours = sum(int(row["count"]) * _played(mapping, _product(row)).cycles for row in mine)
            rows.append((model.replace("_", "-"), f"`{mapping}`", *_beside(theirs, ours)))
    return table(("model", "mapping", "its clocks", "nearbank's", "error"), rows, left=("model", "mapping"))


def zoo_counts() -> str:
    """The built-in networks against published counts."""
    rows = []
    for name in zoo.names():
        info = zoo.info(name)
        counted = zoo.macs(zoo.build(name, weights="random"))
        rows.append((f"`{name}`", f"{info.macs_published / 1e6:,.1f}", f"{counted / 1e6:,.4f}"))
    return table(("network", "published, million MACs", "counted, million MACs"), rows, left=("network",))


def _tests(name: str) -> Any:
    """A module of the golden tests, whose own functions make these figures."""
    import importlib

    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module(f"tests.golden.{name}")


def _errors(found: Iterable[float]) -> tuple[int, str, str]:
    values = np.abs(list(found))
    return len(values), f"{np.percentile(values, 50):.1%}", f"{np.percentile(values, 90):.1%}"


def gpu_foretold() -> str:
    """Measured times foretold from the rows that are left."""
    t = _tests("test_gpu_profile")
    model = t.MeasuredGpu(t.h200(), "best")
    rows = [
        ("products, best of cuBLAS and cuDNN, interior of the grid", *_errors(t.left_out_grid("best"))),
        ("products, cuDNN, interior of the grid", *_errors(t.left_out_grid("cudnn"))),
        ("pointwise layers of networks, cuDNN, from the grid", *_errors(t.left_out_layers())),
        ("the same cuDNN product measured twice", *_errors(t.cudnn_measured_twice())),
        ("depthwise convolutions", *_errors(t.left_out(model._depthwise))),
        ("k x k convolutions", *_errors(t.left_out(model._dense))),
        ("global pooling", *_errors(t.left_out(model._gap))),
    ]
    return table(("H200, rows left out one by one", "rows", "median error", "90th percentile"), rows,
                 left=("H200, rows left out one by one",))  # fmt: skip


def gpu_models() -> str:
    """The analytic model beside all that was measured, and beside a published total."""
    t = _tests("test_gpu_analytic")
    kinds = {"grid": "products", "conv": "convolutions", "linear": "dense layers", "dw": "depthwise convolutions",
             "gap": "global pooling", "elementwise": "elementwise operators"}  # fmt: skip
    rows: list[Sequence[object]] = [(kinds[kind], *_errors(found)) for kind, found in t.errors().items()]
    rows.append(("all", *_errors(np.concatenate(list(t.errors().values())))))
    clocks = sum(t.mobilenet_v2_clocks(32).values())
    text = table(("`h200-analytic` beside the H200", "rows", "median error", "90th percentile"), rows,
                 left=("`h200-analytic` beside the H200",))  # fmt: skip
    total = f"{clocks / 1e6:.4f} M clocks for {t.PUBLISHED_CLOCKS / 1e6:.4f} M published ({clocks / t.PUBLISHED_CLOCKS - 1:+.2%})"
    return (
        f"{text}\n`rtx2060`, all 52 convolutions of MobileNetV2: {total}. Its one free constant is set by this total.\n"
    )


def gpu_networks() -> str:
    """Sums of single kernels beside the same kernels measured behind one another on an H100."""
    t = _tests("test_gpu_h100")
    rows = [
        (f"`{model}`", batch, f"{ours:.1f}", f"{measured:.1f}", f"{ours / measured - 1:+.1%}")
        for model in zoo.names()
        for batch, ours, measured in t.network_us(model)
    ]
    return table(
        ("network", "batch", "sum of kernels, us", "measured in one graph, us", "error"), rows, left=("network",)
    )


def published() -> str:
    """Published speedups, and energies where there are some, beside nearbank's, from the committed results."""
    parts = []
    for name, (about, _) in TABLES.items():
        document = json.loads((DATA / f"{name}.json").read_text())
        rows = [_published(row) for row in document["rows"]]
        columns = ("setting", "model", "batch", "policy", "scope", "published", "nearbank", "error", "no plan is above")
        energies: tuple[str, ...] = ("energy published", "energy")
        if not any(row["energy_published"] for row in document["rows"]):
            rows, energies = [row[: len(columns)] for row in rows], ()
        parts += [f"### {name}\n", f"{about[0].upper()}{about[1:]}. `{document['command']}` makes this table.\n"]
        parts.append(table((*columns, *energies), rows, left=("setting", "model", "policy", "scope")))
        used = {row["setting"] for row in document["rows"]}
        parts += ["\n".join(f"- {s.name}: {s.about}." for s in settings(name) if s.name in used) + "\n"]
    return "\n".join(parts)


def _published(row: dict[str, Any]) -> tuple[str, ...]:
    said, ours = row["published"], row["ours"]
    columns = (row["setting"], row["model"], str(row["batch"]), row["policy"], row["scope"])
    return (
        *columns, f"{said:.3f}x" if said else "", f"{ours:.3f}x", f"{ours / said - 1:+.1%}" if said else "", f"{row['bound']:.2f}x",
        _change(row["energy_published"]), _change(row["energy"]),
    )  # fmt: skip


def _change(ratio: float | None) -> str:
    return f"{ratio - 1:+.0%}" if ratio else ""
