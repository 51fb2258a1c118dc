"""Random nests that a device can play: state is kept right by construction, timing is anything. And nests with mistakes in them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from nearbank.devices import FUNCTION_ROW, REGISTER_ROLES, ROLES, PimDevice
from nearbank.program import Affine, Loop, Node, Op, Program, Section

__all__ = ["bodies", "programs", "rewritten", "wrong_programs"]


@st.composite
def programs(draw: st.DrawFn, device: PimDevice, *, most: int, deep: int = 5) -> Program:
    """A program of about ``most`` commands at the most: opens the row, fills every column, then a random nest of steps each of
    which leaves the state as it found it (all banks open, latches empty, out of the register mode)."""
    writer = _Writer(draw, device, deep)
    return Program(device.name, (Section((0,), (*writer.start(), *writer.nest(0, most))),))


@st.composite
def bodies(draw: st.DrawFn, device: PimDevice, *, most: int, count: int, deep: int = 4) -> tuple[Node, ...]:
    """(start, one loop over ``n`` of up to ``count`` trips, each of about ``most`` commands at the most)."""
    writer = _Writer(draw, device, deep)
    writer.variables.append("n")
    return (*writer.start(), Loop("n", count, tuple(writer.nest(1, most))))


@st.composite
def wrong_programs(draw: st.DrawFn, device: PimDevice, *, most: int) -> Program:
    """A program as of `programs` with one command changed, left out or put in anywhere: most often it cannot be played."""
    program = draw(programs(device, most=most, deep=3))
    spots = _count(program.sections[0].body)
    at, change = draw(st.integers(0, spots - 1)), draw(st.sampled_from(["drop", "double", "operand", "command"]))
    by = draw(st.sampled_from([-1, 1, 2, 31, 127, 20_000]))
    name = draw(st.sampled_from([c.name for c in device.commands if c.role != "refresh"]))
    which, moving = draw(st.integers(0, 2)), draw(st.booleans())

    def changed(op: Op, variables: tuple[str, ...]) -> list[Node]:
        if change == "command":
            role = next(c.role for c in device.commands if c.name == name)
            return [Op(name, (Affine(0),) * len(ROLES[role])), op]
        if change == "operand" and op.args:
            args = list(op.args)
            old = args[which % len(args)]
            terms = dict(old.terms)
            if moving and variables:
                terms[variables[-1]] = terms.get(variables[-1], 0) + by
            const = old.const if moving and variables else old.const + by
            args[which % len(args)] = Affine(
                const, tuple(sorted((n, f) for n, f in terms.items() if f)), old.mod * (which % 2)
            )
            return [replace(op, args=tuple(args))]
        return [op, op] if change == "double" else []

    body = tuple(_changed(program.sections[0].body, [at], (), changed))
    return replace(program, sections=(Section((0,), body),))


def rewritten(draw: st.DrawFn, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """The same commands in the same order, from other loops: split in two, or tiled into loops of loops."""
    out: list[Node] = []
    for node in nodes:
        if isinstance(node, Op):
            out.append(node)
            continue
        body, count, var = rewritten(draw, node.body), node.count, node.var
        how = draw(st.sampled_from(["split", "tile", "leave"])) if count > 1 else "leave"
        first = draw(st.integers(1, count - 1)) if how == "split" else count
        if how == "tile":
            size = draw(st.sampled_from([2, 3, 7, 100, 1000]))
            inner, rest = f"{var}i", count % size
            if count // size:
                index = Affine(0, ((inner, 1), (var, size)))
                tiled = tuple(_put(child, var, index) for child in body)
                out.append(Loop(var, count // size, (Loop(inner, size, tiled),)))
            first = count - rest
        else:
            out.append(Loop(var, first, body))
        if first < count:
            out.append(Loop(var, count - first, tuple(_put(child, var, Affine(first, ((var, 1),))) for child in body)))
    return tuple(out)


def _put(node: Node, var: str, index: Affine) -> Node:
    """The node with ``index`` for the variable."""
    if isinstance(node, Loop):
        return Loop(node.var, node.count, tuple(_put(child, var, index) for child in node.body))
    args = []
    for arg in node.args:
        terms = dict(arg.terms)
        factor = terms.pop(var, 0)
        for name, times in index.terms if factor else ():
            terms[name] = terms.get(name, 0) + factor * times
        args.append(Affine(arg.const + factor * index.const, tuple(sorted(terms.items())), arg.mod))
    return Op(node.command, tuple(args))


def _count(nodes: tuple[Node, ...]) -> int:
    return sum(_count(node.body) if isinstance(node, Loop) else 1 for node in nodes)


def _changed(nodes: tuple[Node, ...], left: list[int], variables: tuple[str, ...], change) -> list[Node]:
    """The nodes with the ``left[0]``-th command changed."""
    out: list[Node] = []
    for node in nodes:
        if isinstance(node, Loop):
            body = tuple(_changed(node.body, left, (*variables, node.var), change))
            out += [Loop(node.var, node.count, body)] if body else []
        else:
            out += change(node, variables) if left[0] == 0 else [node]
            left[0] -= 1
    return out


class _Writer:
    """Draws one program's parts; ``variables``: those of the loops around."""

    def __init__(self, draw: st.DrawFn, device: PimDevice, deep: int) -> None:
        self.draw, self.device, self.deep = draw, device, deep
        self.names = {c.role: [x.name for x in device.by_role(c.role)] for c in device.commands}
        self.variables: list[str] = []
        self.made = 0

    def start(self) -> list[Node]:
        """All banks opened, all columns filled."""
        fill = self.device.one("fill")
        columns = range(0, self.device.organization.buffer_capacity, fill.columns)
        return [*self._activate(), *self._play(*(Op(fill.name, (Affine(i), Affine())) for i in columns))]

    def nest(self, depth: int, budget: int) -> list[Node]:
        """Steps and loops of them, of about ``budget`` commands at the most."""
        draw, out = self.draw, list[Node]()
        parts = draw(st.integers(1, 3))
        budget //= parts
        for _ in range(parts):
            if depth < self.deep and draw(st.booleans()):
                var = self._new("v")
                count = draw(st.one_of(st.integers(1, 6), st.integers(1, max(1, budget // 60))))
                self.variables.append(var)
                body = self.nest(depth + 1, budget // count)
                self.variables.pop()
                out.append(Loop(var, count, tuple(body)))
            else:
                out += self._step()
        return out

    def _new(self, letter: str) -> str:
        self.made += 1
        return f"{letter}{self.made}"

    def _column(self) -> Affine:
        draw, wide = self.draw, self.device.one("fill").columns
        capacity = self.device.organization.buffer_capacity // wide
        const = draw(st.integers(0, capacity - 1))
        terms = tuple((v, draw(st.integers(1, 3))) for v in self.variables if draw(st.booleans()))
        affine = Affine(const, terms) % draw(st.sampled_from([capacity, 2, 1, capacity - capacity % 9 or 1]))
        return Affine(affine.const * wide, tuple((n, f * wide) for n, f in affine.terms), affine.mod * wide)

    def _latch(self) -> Affine:
        terms = tuple((v, 1) for v in self.variables[-1:] if self.draw(st.booleans()))
        return Affine(self.draw(st.integers(0, 1)), terms) % self.device.organization.result_latches

    def _activate(self, first: int = 0) -> list[Node]:
        return [Op(name, (Affine(first + self.draw(st.integers(0, 3))),)) for name in self.names["activate"]]

    def _play(self, *ops: Op) -> list[Node]:
        """The commands, between switches of the mode if the device has modes and they are register commands."""
        roles = {c.name: c.role for c in self.device.commands}
        switch: list[Node] = [Op(name) for name in self.names.get("mode", ())]
        return [*switch, *ops, *switch] if roles[ops[0].command] in REGISTER_ROLES else list(ops)

    def _step(self) -> list[Node]:
        draw, names = self.draw, self.names
        kinds = ["sum", "sum", "fill", "row", "stream", *(role for role in ("preset", "function") if role in names)]
        kind = draw(st.sampled_from(kinds))
        if kind == "fill":
            return self._play(*[Op(names["fill"][0], (self._column(), Affine()))] * draw(st.integers(1, 3)))
        if kind == "preset":
            return self._play(Op(names["preset"][0], (self._latch(), Affine())))
        if kind == "row":
            return [Op(names["precharge"][0]), *self._activate()]
        latch = self._latch()
        if kind == "function":
            close = Op(names["precharge"][0])
            function = Op(names["function"][0], (latch, Affine()))
            read = self._play(Op(names["read_function"][0], (latch, Affine())))
            return [close, *self._activate(FUNCTION_ROW), function, *read, close, *self._activate()]
        var, count = self._new("k"), draw(st.integers(1, 40))
        buffer = self._column()
        if (kind == "stream" or draw(st.booleans())) and buffer.mod:
            buffer = Affine(buffer.const, tuple(sorted((*buffer.terms, (var, 1)))), buffer.mod)
        inner: list[Node] = [Op(names["mac"][0], (Affine(0), buffer, latch))]
        if kind == "stream" and buffer.mod and not buffer.mod % self.device.one("fill").columns:
            # Fills that run ahead of the reads round the same ring, as mappings have them.
            wide = self.device.one("fill").columns
            ahead = Affine(buffer.const // wide * wide, tuple((n, f * wide) for n, f in buffer.terms), buffer.mod)
            ahead = Affine((ahead.const + draw(st.integers(0, 9)) * wide) % ahead.mod, ahead.terms, ahead.mod)
            inner += self._play(Op(names["fill"][0], (ahead, Affine())))
        elif draw(st.booleans()):
            inner += self._play(Op(names["fill"][0], (self._column(), Affine())))
        return [Loop(var, count, tuple(inner)), *self._play(Op(names["read"][0], (latch, Affine())))]
