"""One convolution of MobileNetV2 on its way through nearbank, shown at every stage by nearbank's own functions."""

from __future__ import annotations

from functools import cache
from itertools import groupby

import numpy as np

from nearbank import graph, sim, zoo
from nearbank.devices import PimDevice, device
from nearbank.pim import MAPPINGS, Compiled, LayerTiming, Product, compile_product, time_product
from nearbank.program import unroll
from nearbank.sim.energy import energy
from nearbank.sim.reference import Machine
from sitegen.markdown import code, figure, table

__all__ = ["bound", "commands", "counts", "mappings", "node", "product", "program", "tiles", "values"]

_LAYER, _DEVICE, _CHANNELS, _MAPPING = "b4.project", "newton-gddr6", 16, "resident"


@cache
def _work() -> graph.MatMul:
    found = graph.load(zoo.build("mobilenet-v2", weights="random"), name="mobilenet-v2").node(_LAYER).work
    assert found is not None
    return found


def _product() -> Product:
    return Product(_work().pixels, _work().in_channels, _work().out_channels)


def _unit() -> PimDevice:
    return device(_DEVICE)


def _compiled() -> Compiled:
    return compile_product(_unit(), _product(), _CHANNELS, _MAPPING)


def _timed(mapping: str = _MAPPING) -> LayerTiming:
    return time_product(_unit(), _product(), _CHANNELS, mapping)


def node() -> str:
    """The node of the graph."""
    found = graph.load(zoo.build("mobilenet-v2", weights="random"), name="mobilenet-v2").node(_LAYER)
    rows = [
        ("operator", f"`{found.op_type}`"),
        ("input, NCHW", " x ".join(map(str, found.input_shapes[0]))),
        ("output, NCHW", " x ".join(map(str, found.output_shapes[0]))),
        *((f"`{key}`", found.attributes[key]) for key in ("kernel_shape", "strides", "pads", "group")),
        ("recognized as", _work().kind),
        ("activation that fuses", _work().activation or "none"),
    ]
    return table(("", _LAYER), rows, left=("", _LAYER))


def product() -> str:
    """The product and its sizes in the device's units."""
    p, unit = _product(), _unit()
    sizes = unit.organization
    rows = [
        ("pixels", p.pixels, "batch x height x width of the output"),
        ("inputs of a pixel", p.in_channels, "the length of the sum"),
        ("outputs of a pixel", p.out_channels, "one sum each"),
        ("multiplications", p.macs, "the product of the three"),
        ("chunks", p.chunks(unit), f"columns of {sizes.lanes} inputs that a pixel fills"),
        ("groups", p.groups(unit), f"groups of {sizes.banks} outputs, one a bank"),
    ]
    return table((str(p), "number", "what it is"), rows, left=(str(p), "what it is"))


def mappings() -> str:
    """What every mapping makes of it."""
    rows = []
    for name in MAPPINGS:
        if name in ("serial", "host"):
            continue  # for memories with modes
        found = _timed(name)
        ratio = found.timing.cycles / found.bound.cycles
        rows.append(
            (f"`{name}`", found.timing.cycles, f"{ratio:.2f}", f"{found.time_us:.2f}", f"{found.utilization:.0%}")
        )
    return table(("mapping", "clocks", "times the bound", "us", "of the MAC peak"), rows, left=("mapping",))


def tiles() -> str:
    """Where the weights of channel 0 lie."""
    compiled = _compiled()
    rows = [
        (t.row, f"{t.column} to {t.column + t.count - 1}", f"{16 * t.group} to {16 * t.group + 15}",
         f"{16 * t.chunk} to {16 * (t.chunk + t.count) - 1}")
        for t in compiled.tiles[0]
    ]  # fmt: skip
    return table(("row", "columns", "outputs, one a bank", "inputs"), rows)


def program() -> str:
    """The program's text."""
    return code(str(_compiled().program))


class _Recorder(Machine):
    """The reference engine with a list of what issued when, and which rule held it longest."""

    def __init__(self, unit: PimDevice) -> None:
        super().__init__(unit)
        self.log: list[tuple[int, str, tuple[int, ...], str]] = []

    def issue(self, op: int, args: tuple[int, ...] = (0, 0, 0)) -> int:
        """As the engine; the reason is found before, from the same memory of last commands."""
        clock = self.probe(op, args)
        waits = self._waits(op, args, clock)
        super().issue(op, args)
        self.log.append((clock, self.table.names[op], args, waits))
        return clock

    def _waits(self, op: int, args: tuple[int, ...], clock: int) -> str:
        table = self.table
        known = [(before, gap, self.last.get(before)) for before, gap in table.fixed[op] if gap > 1]
        known += [(before, gap, self.last_fill.get((before, args[1]))) for before, gap in table.buffer[op]]
        if table.latch[op]:
            latch = self._latch(op, args)
            known += [(before, gap, self.last_latch.get((before, latch))) for before, gap in table.latch[op]]
        held = [f"{gap} after {table.names[b]}" for b, gap, last in known if last is not None and last + gap == clock]
        return "; ".join(held) or "nothing: the next clock"


def commands() -> str:
    """The first commands of channel 0 with their clocks, runs of the same drawn together."""
    unit, section = _unit(), _compiled().program.sections[0]
    stream = unroll(section.body, [c.name for c in unit.commands], channel=0)
    machine = _Recorder(unit)
    for op, args in list(zip(stream.ops.tolist(), map(tuple, stream.args.tolist()), strict=True))[:160]:
        machine.play(op, args)
    rows = []
    for (name, waits), found in groupby(machine.log, key=lambda entry: (entry[1], entry[3])):
        run = list(found)
        last = f" to {run[-1][0]}" if len(run) > 1 else ""
        rows.append((f"{run[0][0]}{last}", f"`{name}`", len(run), _operands(unit, name, run[0][2]), waits))
    columns = ("clock", "command", "times", "operands of the first", "why not earlier")
    return table(columns, rows[:18], left=("command", "operands of the first", "why not earlier"))


def _operands(unit: PimDevice, name: str, args: tuple[int, ...]) -> str:
    words = {"fill": ("buffer", "source"), "mac": ("column", "buffer", "latch"), "read": ("latch", "result")}
    role = next(c.role for c in unit.commands if c.name == name)
    named = words.get(role, ("row",) if role == "activate" else ())
    return ", ".join(f"{word} {value}" for word, value in zip(named, args, strict=False))


def counts() -> str:
    """Cycles, commands and energy."""
    timed = _timed()
    spent = energy(_unit(), timed.timing)
    parts = [
        f"The slowest channel ends in clock {timed.timing.cycles:,}: {timed.time_us:.2f} us at {figure(_unit().clock_mhz)} MHz.\n",
        table(
            ("command", "all channels"), ((f"`{n}`", c) for n, c in timed.timing.commands.items()), left=("command",)
        ),
        table(
            ("energy", "uJ"),
            ((n.replace("_", " "), f"{uj:.2f}") for n, uj in spent.components().items()),
            left=("energy",),
        ),
    ]
    return "\n".join(parts)


def bound() -> str:
    """The bound, resource by resource."""
    found = _timed().bound
    rows = ((name, clocks, "binds" if name == found.binding else "") for name, clocks in found.by_resource)
    text = table(("resource", "clocks that it needs at least", ""), rows, left=("resource", ""))
    return f"{text}\nWith the start and the end: no program takes less than {found.cycles:,} clocks.\n"


def values() -> str:
    """The product computed by the program on bytes in banks, beside the oracle and float32."""
    compiled, rng = _compiled(), np.random.default_rng(0)
    x = rng.standard_normal((_product().pixels, _product().in_channels), np.float32)
    w = _work().weight
    ours = compiled.outputs(
        sim.play_values(
            compiled.device, compiled.program, compiled.weights(w), compiled.inputs(x), compiled.result_count
        )
    )
    plain = sim.oracle(compiled.device, x, w, compiled.pieces)
    exact = x.astype(np.float64) @ w.astype(np.float64)
    error = np.linalg.norm(ours - exact) / np.linalg.norm(exact)
    same = np.count_nonzero(ours.view(np.uint32) == plain.view(np.uint32))
    rows = [
        ("values computed", f"{ours.size:,}"),
        ("bit-equal to the oracle", f"{same:,}"),
        ("relative L2 error against float64", f"{error:.2e}"),
    ]
    if same != ours.size:
        raise ValueError("the worked example's values differ from the oracle")
    return table(("", "result"), rows, left=("",))
