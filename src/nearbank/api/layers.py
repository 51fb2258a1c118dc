"""One matrix product: timed, its energy, and its values verified on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nearbank import pim, sim
from nearbank.api.provenance import Provenance, provenance
from nearbank.devices import FUNCTIONS, PimDevice
from nearbank.errors import InputError, NearbankError, near_matches
from nearbank.plan import DeviceLike, device_of
from nearbank.report import documents, layer_tables, tables
from nearbank.sim.energy import Energy, energy, product_energy
from nearbank.tabular import Table, Tabular

__all__ = ["LayerReport", "layer", "verify_values"]


@dataclass(frozen=True, repr=False)
class LayerReport(Tabular):
    """What `nearbank.layer` returns. ``energy``: of its commands; ``bus``: of the same data over the bus, whole and weights alone;
    None for a memory without energy constants. ``verified``: how many values were compared, 0 if not asked for."""

    timing: pim.LayerTiming
    device: PimDevice
    channels: int
    energy: Energy | None
    bus: tuple[Energy, Energy] | None
    verified: int
    provenance: Provenance

    def table(self) -> Table:
        """One row: clocks, bound, energy."""
        made, spent = self.timing.table(), self.energy.total_uj if self.energy else None
        caption = f"{self.timing.product} on {self.device.name}, {self.channels} channels"
        return Table(caption, (*made.columns, "energy_uj"), ((*made.rows[0], spent),))

    def document(self) -> dict[str, Any]:
        """All of it for programs to read: what `nearbank layer --json` writes."""
        made = documents.layer_document(self.timing, self.device, self.channels, self.energy, self.bus)
        return made | {"origin": made["origin"] | {"command": self.provenance.command}}

    def print(self) -> None:
        """All of it for a person, on standard output."""
        layer_tables.print_layer(self.timing, self.device, self.channels, self.energy, self.bus)
        if self.verified:
            tables.console().print(f"verified: {self.verified:,} values bit-equal to the oracle")


def layer(
    pixels: int, in_channels: int, out_channels: int, device: DeviceLike = "newton-gddr6", *, channels: int = 16,
    mapping: str = "search", bias: bool = False, function: str | None = None, verify: bool = False,
    tick: Callable[[], None] = lambda: None, command: str = "",
) -> LayerReport:  # fmt: skip
    """Compile and time ``pixels x in_channels`` by ``in_channels x out_channels``; ``verify`` also computes random values.

    Args:
        pixels: rows of the input: batch x height x width.
        in_channels: length of the reduction.
        out_channels: columns of the result.
        device: the memory, by name, by the path of its .toml file, or itself.
        channels: memory channels that compute.
        mapping: how the product is laid over them; one of `nearbank.pim.MAPPINGS`.
        bias: whether memory adds one: its sums begin there.
        function: an activation function, as "silu", that memory applies before it is read; None leaves it to the host.
        verify: whether to compute values and compare them, bit for bit, with a plain oracle.
        tick: called at steps of the verification, for progress.
        command: the command line that this answers, for the report's provenance.

    Raises:
        InputError: sizes or channels out of range, an unknown mapping or function.
        Infeasible: a mapping that does not fit the device, or cannot have the epilogue.
        NearbankError: values that differ from the oracle.
    """
    if function is not None and function not in FUNCTIONS:
        raise InputError("activation function", value=function, bound=near_matches(function, FUNCTIONS))
    unit, product = device_of(device), pim.Product(pixels, in_channels, out_channels)
    epilogue = pim.Epilogue(bias, function)
    timing = pim.time_product(unit, product, channels, mapping, epilogue)
    spent = energy(unit, timing.timing) if unit.energy else None
    bus = product_energy(unit, pixels, in_channels, out_channels) if unit.energy else None
    verified = verify_values(pim.compile_product(unit, product, channels, mapping, epilogue), tick) if verify else 0
    return LayerReport(timing, unit, channels, spent, bus, verified, provenance(unit, command=command))


def verify_values(compiled: pim.Compiled, tick: Callable[[], None] = lambda: None) -> int:
    """Seeded random values through the program and by the oracle: how many were compared.

    Raises:
        NearbankError: any of them differ in a bit.
    """
    product, rng = compiled.product, np.random.default_rng(0)
    x = rng.standard_normal((product.pixels, product.in_channels), np.float32)
    w = rng.standard_normal((product.in_channels, product.out_channels), np.float32)
    bias = rng.standard_normal(product.out_channels, np.float32) if compiled.epilogue.bias else None
    results = sim.play_values(
        compiled.device, compiled.program, compiled.weights(w), compiled.inputs(x, bias), compiled.result_count, tick
    )
    ours = compiled.outputs(results)
    plain = sim.oracle(compiled.device, x, w, compiled.pieces, bias, compiled.epilogue.function)
    wrong = int(np.count_nonzero(ours.view(np.uint32) != plain.view(np.uint32)))
    if wrong:
        raise NearbankError(
            "values differ from the oracle", where=str(product), value=f"{wrong} of {ours.size} values", bound="bit-equal"
        )  # fmt: skip
    return ours.size
