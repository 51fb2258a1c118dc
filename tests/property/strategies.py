"""Random nests that a device can play: state is kept right by construction, timing is anything."""

from __future__ import annotations

from hypothesis import strategies as st

from nearbank.devices import PimDevice
from nearbank.program import Affine, Loop, Node, Op, Program, Section


@st.composite
def programs(draw: st.DrawFn, device: PimDevice, *, most: int, deep: int = 4) -> Program:
    """A program of about ``most`` commands at the most: opens the row, fills every column, then a random nest of steps each of
    which leaves the state as it found it (all banks open, latches empty)."""
    sizes = device.organization
    names = {c.role: [x.name for x in device.by_role(c.role)] for c in device.commands}
    wide = device.one("fill").columns
    variables: list[tuple[str, int]] = []
    counter = [0]

    def column() -> Affine:
        capacity = sizes.buffer_capacity // wide
        const = draw(st.integers(0, capacity - 1))
        terms = tuple((v, draw(st.integers(1, 3))) for v, _ in variables if draw(st.booleans()))
        affine = Affine(const, terms) % draw(st.sampled_from([capacity, 2, 1, capacity]))
        return Affine(affine.const * wide, tuple((n, f * wide) for n, f in affine.terms), affine.mod * wide)

    def latch() -> Affine:
        terms = tuple((v, 1) for v, _ in variables[-1:] if draw(st.booleans()))
        return Affine(draw(st.integers(0, 1)), terms) % sizes.result_latches

    def activate() -> list[Node]:
        return [Op(name, (Affine(draw(st.integers(0, 3))),)) for name in names["activate"]]

    def step() -> list[Node]:
        kind = draw(st.sampled_from(["sum", "sum", "fill", "row", "macs"]))
        if kind == "fill":
            return [Op(names["fill"][0], (column(), Affine()))] * draw(st.integers(1, 3))
        if kind == "row":
            return [Op(names["precharge"][0]), *activate()]
        where, count = latch(), draw(st.integers(1, 40))
        counter[0] += 1
        var = f"k{counter[0]}"
        buffer = column()
        inner: list[Node] = [Op(names["mac"][0], (Affine(0), buffer, where))]
        if draw(st.booleans()):
            inner.append(Op(names["fill"][0], (column(), Affine())))
        if buffer.mod and draw(st.booleans()):
            moving = Affine(buffer.const, tuple(sorted((*buffer.terms, (var, 1)))), buffer.mod)
            inner[0] = Op(names["mac"][0], (Affine(0), moving, where))
        return [Loop(var, count, tuple(inner)), Op(names["read"][0], (where, Affine()))]

    def nest(depth: int, budget: int) -> list[Node]:
        out: list[Node] = []
        for _ in range(draw(st.integers(1, 3))):
            if depth < deep and draw(st.booleans()):
                counter[0] += 1
                var, count = f"v{counter[0]}", draw(st.one_of(st.integers(1, 6), st.integers(1, max(1, budget // 60))))
                variables.append((var, count))
                body = nest(depth + 1, budget // count)
                variables.pop()
                out.append(Loop(var, count, tuple(body)))
            else:
                out += step()
        return out

    start: list[Node] = [
        Op(names["fill"][0], (Affine(i * wide), Affine())) for i in range(sizes.buffer_capacity // wide)
    ]
    return Program(device.name, (Section((0,), (*activate(), *start, *nest(0, most))),))
