"""A device's dialect: the few things that a mapping says, as that device's commands."""

from __future__ import annotations

from nearbank.devices import PimDevice
from nearbank.program import Affine, Loop, Node, Op, loop

__all__ = ["Dialect"]

Value = Affine | int


def _affine(value: Value) -> Affine:
    return value if isinstance(value, Affine) else Affine(value)


class Dialect:
    """Fill, open, multiply, read: each as a tuple of nodes. Loop variables it makes are named k.. and never clash with a
    mapping's own, which are named otherwise."""

    def __init__(self, device: PimDevice) -> None:
        self.device = device
        self.fill_op, self.mac_op, self.read_op = device.one("fill"), device.one("mac").name, device.one("read").name
        self.activates = tuple(c.name for c in device.by_role("activate"))
        self.precharge = device.one("precharge").name

    def fill(self, buffer: Value, source: Value, count: int) -> tuple[Node, ...]:
        """Source columns source.. to buffer columns buffer.., with as few commands as the device's fill is wide."""
        width = self.fill_op.columns
        times = -(-count // width)
        if times == 1:
            return (Op(self.fill_op.name, (_affine(buffer), _affine(source))),)
        k = Affine(0, (("kf", width),))
        return loop("kf", times, Op(self.fill_op.name, (_shift(buffer, k), _shift(source, k))))

    def open(self, row: Value, *, first: bool) -> tuple[Node, ...]:
        """Open ``row`` in all banks, closing the one before unless this is the channel's first. Where no state is checked
        (a simulator's shortcut), rows are not closed either."""
        close = () if first or not self.device.state_checks else (Op(self.precharge),)
        return (*close, *(Op(name, (_affine(row),)) for name in self.activates))

    def mac(self, column: Value, buffer: Value, latch: Value, count: int) -> tuple[Node, ...]:
        """``count`` column accesses, operands stepping by one."""
        if count == 1:
            return (Op(self.mac_op, (_affine(column), _affine(buffer), _affine(latch))),)
        k = Affine(0, (("k", 1),))
        return (Loop("k", count, (Op(self.mac_op, (_shift(column, k), _shift(buffer, k), _affine(latch))),)),)

    def read(self, latch: Value, result: Value) -> tuple[Node, ...]:
        """Read a result latch of all banks."""
        return (Op(self.read_op, (_affine(latch), _affine(result))),)


def _shift(value: Value, step: Affine) -> Affine:
    """``value + step``, inside the modulus if it has one."""
    base = _affine(value)
    if not base.mod:
        return base + step
    return (Affine(base.const, base.terms) + step) % base.mod
