"""Random nests that a device can play: state is kept right by construction, timing is anything."""

from __future__ import annotations

from hypothesis import strategies as st

from nearbank.devices import FUNCTION_ROW, PimDevice
from nearbank.program import Affine, Loop, Node, Op, Program, Section


@st.composite
def programs(draw: st.DrawFn, device: PimDevice, *, most: int, deep: int = 4) -> Program:
    """A program of about ``most`` commands at the most: opens the row, fills every column, then a random nest of steps each of
    which leaves the state as it found it (all banks open, latches empty, out of the register mode)."""
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

    def activate(first: int = 0) -> list[Node]:
        return [Op(name, (Affine(first + draw(st.integers(0, 3))),)) for name in names["activate"]]

    def registers(*nodes: Node) -> list[Node]:
        """Register commands, between switches of the mode if the device has modes."""
        switch: list[Node] = [Op(name) for name in names.get("mode", ())]
        return [*switch, *nodes, *switch]

    def step() -> list[Node]:
        kinds = ["sum", "sum", "fill", "row", "macs", *(role for role in ("preset", "function") if role in names)]
        kind = draw(st.sampled_from(kinds))
        if kind == "fill":
            return registers(*[Op(names["fill"][0], (column(), Affine()))] * draw(st.integers(1, 3)))
        if kind == "preset":
            return registers(Op(names["preset"][0], (latch(), Affine())))
        if kind == "function":
            where, close = latch(), Op(names["precharge"][0])
            read = registers(Op(names["read_function"][0], (where, Affine())))
            return [
                close,
                *activate(FUNCTION_ROW),
                Op(names["function"][0], (where, Affine())),
                *read,
                close,
                *activate(),
            ]
        if kind == "row":
            return [Op(names["precharge"][0]), *activate()]
        where, count = latch(), draw(st.integers(1, 40))
        counter[0] += 1
        var = f"k{counter[0]}"
        buffer = column()
        inner: list[Node] = [Op(names["mac"][0], (Affine(0), buffer, where))]
        if draw(st.booleans()):
            inner += registers(Op(names["fill"][0], (column(), Affine())))
        if buffer.mod and draw(st.booleans()):
            moving = Affine(buffer.const, tuple(sorted((*buffer.terms, (var, 1)))), buffer.mod)
            inner[0] = Op(names["mac"][0], (Affine(0), moving, where))
        return [Loop(var, count, tuple(inner)), *registers(Op(names["read"][0], (where, Affine())))]

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

    fills = (Op(names["fill"][0], (Affine(i * wide), Affine())) for i in range(sizes.buffer_capacity // wide))
    start = registers(*fills)
    return Program(device.name, (Section((0,), (*activate(), *start, *nest(0, most))),))
