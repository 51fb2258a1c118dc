"""Where the bias and the activation of a product are computed: in memory, or by the processor beside it."""

from __future__ import annotations

from dataclasses import dataclass

from nearbank.devices import PimDevice
from nearbank.errors import Infeasible, InputError
from nearbank.pim.compile import LayerTiming, time_product
from nearbank.pim.product import NO_EPILOGUE, Epilogue, Product

__all__ = ["EpilogueChoice", "bias_in_memory", "choose_epilogue"]


@dataclass(frozen=True)
class EpilogueChoice:
    """The faster of both. ``time_us``: that of the product and of what the processor still has to do; ``reason`` with numbers."""

    epilogue: Epilogue
    timing: LayerTiming
    time_us: float
    reason: str


def bias_in_memory(device: PimDevice, mapping: str, *, bias: bool) -> Epilogue:
    """The epilogue that costs nothing: a bias where every sum is preset anyway."""
    return (
        Epilogue(bias=True)
        if bias and device.by_role("preset") and mapping in ("search", "unsplit", "host")
        else NO_EPILOGUE
    )


def choose_epilogue(
    device: PimDevice, product: Product, channels: int, mapping: str, *, bias: bool, function: str | None, function_us: float
) -> EpilogueChoice:  # fmt: skip
    """Compare the product with the activation ``function`` in memory against the product alone and ``function_us`` for a kernel
    that applies it (0 where it rides on the next kernel). The bias is in memory where that costs nothing.

    Raises:
        InputError: a time below 0, or as `compile_product`.
        Infeasible: the product itself does not fit.
    """
    if not 0 <= function_us < 1e9:
        raise InputError("time of the activation in microseconds", value=function_us, bound="0 to 10^9")
    free = bias_in_memory(device, mapping, bias=bias)
    plain = time_product(device, product, channels, mapping, free)
    if function is None:
        return EpilogueChoice(free, plain, plain.time_us, "no activation")
    outside = plain.time_us + function_us
    try:
        inside = time_product(device, product, channels, mapping, Epilogue(free.bias, function))
    except Infeasible as error:
        return EpilogueChoice(free, plain, outside, f"activation outside memory: {error}")
    compared = f"with {function} {inside.time_us:.2f} us, without {plain.time_us:.2f} + {function_us:.2f} us"
    if inside.time_us < outside:
        return EpilogueChoice(inside.epilogue, inside, inside.time_us, f"activation in memory: {compared}")
    return EpilogueChoice(free, plain, outside, f"activation outside memory: {compared}")
