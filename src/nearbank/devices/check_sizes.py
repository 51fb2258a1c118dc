"""What a device's sizes and clocks come to: peak rates, capacity, buffers, latches, the share of time that refresh takes."""

from __future__ import annotations

from collections.abc import Iterator

from nearbank.devices.finding import Finding, Severity, named_clocks, path_gap
from nearbank.devices.model import PimDevice

__all__ = ["check_refresh", "check_sizes"]

_OWED = 8
"""Refreshes that may be postponed: JEDEC (DDR4, GDDR6)."""


def check_sizes(device: PimDevice) -> Iterator[Finding]:
    """Peak rates, capacity and operands, with the arithmetic."""
    yield from _rates(device)
    yield from _capacity(device)
    yield from _operands(device)


def _rates(device: PimDevice) -> Iterator[Finding]:
    sizes, mhz = device.organization, device.clock_mhz
    mac = device.one("mac")
    step = max(device.gap(mac.name, mac.name), 1)
    banks = len(mac.bank_groups) * sizes.banks_per_group
    gflops = sizes.lanes * 2 * banks * mhz / step / 1000
    yield Finding(
        "note", "peak rate of the MAC units", f"{gflops:,.1f} GFLOPS a channel",
        f"{sizes.lanes} lanes x 2 x {banks} banks x {mhz:g} MHz / {step} clocks a {mac.name}",
        f"x {sizes.pim_channels} channels = {gflops * sizes.pim_channels / 1000:,.2f} TFLOPS",
    )  # fmt: skip
    inner = sizes.column_bytes * banks * mhz / step / 1000
    burst = named_clocks(device, "nBL")
    if burst is None or burst[1] == 0:
        yield Finding("warning", "timing.nBL", "no burst length: bus energy and rates are not known", "nBL is missing")
        return
    bus = sizes.column_bytes * mhz / burst[1] / 1000
    yield Finding(
        "note", "peak rate of the data bus", f"{bus:,.1f} GB/s a channel",
        f"{sizes.column_bytes} B x {mhz:g} MHz / nBL {burst[1]}", f"x {sizes.channels} channels = {bus * sizes.channels:,.0f} GB/s",
    )  # fmt: skip
    severe: Severity = "note" if inner > bus else "warning"
    yield Finding(
        severe, "peak rate inside the banks", f"{inner / bus:.2g} x the data bus",
        f"{banks} banks x {sizes.column_bytes} B x {mhz:g} MHz / {step} = {inner:,.1f} GB/s a channel",
        "" if inner > bus else f"above the bus's {bus:,.1f} GB/s, or the memory gains nothing",
    )  # fmt: skip


def _capacity(device: PimDevice) -> Iterator[Finding]:
    sizes = device.organization
    channel = sizes.rows * sizes.columns * sizes.column_bytes * sizes.banks
    yield Finding(
        "note", "capacity", f"{channel / 2**20:,.4g} MiB a channel",
        f"{sizes.rows} rows x {sizes.columns} columns x {sizes.column_bytes} B x {sizes.banks} banks",
        f"x {sizes.channels} channels = {channel * sizes.channels / 2**30:,.4g} GiB, of that "
        f"{channel * sizes.pim_channels / 2**30:,.4g} GiB in the {sizes.pim_channels} that compute",
    )  # fmt: skip
    for name in ("rows", "columns", "bank_groups", "banks_per_group"):
        value = getattr(sizes, name)
        if value & (value - 1):
            yield Finding(
                "warning", f"organization.{name}", "no power of two: addresses are decoded from bits", str(value)
            )


def _operands(device: PimDevice) -> Iterator[Finding]:
    sizes = device.organization
    buffer = sizes.buffer_columns * sizes.column_bytes
    yield Finding(
        "note", "global buffers", f"{sizes.global_buffers * buffer:,} B a channel",
        f"{sizes.global_buffers} x {sizes.buffer_columns} columns x {sizes.column_bytes} B",
        f"{sizes.buffer_capacity * sizes.lanes:,} inputs at a time; a row of a bank holds {sizes.columns * sizes.lanes:,} weights",
    )  # fmt: skip
    for fill in device.by_role("fill"):
        if sizes.buffer_columns % fill.columns:
            yield Finding(
                "error", f"commands.{fill.name}", "a buffer is no whole number of fills",
                f"buffer_columns {sizes.buffer_columns} / columns {fill.columns}", f"columns that divide {sizes.buffer_columns}",
            )  # fmt: skip
    burst = named_clocks(device, "nBL")
    read, mac, clock = device.one("read"), device.one("mac"), max(burst[1] if burst else 1, 1)
    operand = sizes.column_bytes // sizes.lanes
    moved, gap = sizes.banks * operand, max(device.gap(read.name, read.name), 1)
    carried = sizes.column_bytes * gap // clock
    if moved > carried:
        yield Finding(
            "warning", f"rules, {read.name} -> {read.name}", "brings more results than the bus carries meanwhile",
            f"{sizes.banks} banks x {operand} B = {moved} B > {sizes.column_bytes} B x {gap} / nBL {clock} = {carried} B",
            f"at least {-(-moved * clock // sizes.column_bytes)} clocks apart",
        )  # fmt: skip
    for fill in device.by_role("fill"):
        step, least = max(device.gap(fill.name, fill.name), 1), fill.columns * clock
        if step < least:
            yield Finding(
                "warning", f"rules, {fill.name} -> {fill.name}", "brings more operands than the bus carries meanwhile",
                f"{fill.columns} columns x nBL {clock} = {least} clocks > {step}", f"at least {least} clocks apart",
            )  # fmt: skip
    if all(name != read.name for name, _ in device.end):
        yield Finding(
            "warning", f"end.{read.name}", "a run ends before its last results arrive", "not given", "usually nCL + nBL"
        )
    tree = path_gap(device, mac.name, read.name)
    if sizes.result_latches == 1 and device.requires("latches"):
        yield Finding(
            "note", "organization.result_latches", "with one latch no sum starts before the last is read",
            f"{mac.name} -> {read.name} {tree} clocks for every sum", "two latches hide them",
        )  # fmt: skip


def check_refresh(device: PimDevice) -> Iterator[Finding]:
    """What refresh leaves of the time, and whether it falls due as often as it must."""
    refresh = device.refresh
    if not refresh.enabled:
        yield Finding("note", "refresh", "switched off", "enabled = false", "cycles without refresh; no DRAM works so")
        return
    name = device.one("refresh").name
    took = max(device.gap(name, c.name) for c in device.by_role("activate"))
    closing = max(device.gap(device.one("precharge").name, name), 0)
    total = took + closing
    duty = total / refresh.interval
    ns = refresh.interval * 1000 / device.clock_mhz
    severe: Severity = "error" if duty >= 1 else "warning" if duty > 0.25 else "note"
    yield Finding(
        severe, "refresh.interval", f"{duty:.1%} of the time goes to refresh",
        f"(precharge {closing} + refresh {took}) / interval {refresh.interval} clocks ({ns:,.0f} ns)",
        "" if severe == "note" else f"an interval well above {total} clocks",
    )  # fmt: skip
    due = named_clocks(device, "nREFI")
    if due is not None and refresh.interval > due[1]:
        yield Finding(
            "warning", "refresh.interval", "falls due less often than the cells need",
            f"interval {refresh.interval} > nREFI {due[1]}", f"at most {due[1]} clocks",
        )  # fmt: skip
    if refresh.postpone > _OWED:
        yield Finding(
            "warning", "refresh.postpone", "more owed than JEDEC allows", f"{refresh.postpone} > {_OWED}", f"at most {_OWED}"
        )  # fmt: skip
