"""Timing parameters against each other and against what DRAM parts have; the rules that every DRAM needs, by role of command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nearbank.devices.finding import Finding, Severity, listed, named_clocks, path_gap
from nearbank.devices.model import PimDevice

__all__ = ["check_needed", "check_timing"]

# (parameter, parameters whose sum it must reach, severity, why). JEDEC's definitions (GDDR6: JESD250; HBM2: JESD235), where
# the sum is one; a spacing within a group is no shorter than between groups.
_ORDER: tuple[tuple[str, tuple[str, ...], Severity, str], ...] = (
    ("nCCDS", ("nBL",), "error", "column commands outrun the data bus"),
    ("nCCDL", ("nCCDS",), "error", "shorter within a bank group than between groups"),
    ("nRRDL", ("nRRDS",), "error", "shorter within a bank group than between groups"),
    ("nWTRL", ("nWTRS",), "error", "shorter within a bank group than between groups"),
    ("nFAW", ("nRRD",), "error", "four activates take less than two"),
    ("nFAW", ("nRRDS",), "error", "four activates take less than two"),
    ("nRC", ("nRAS",), "error", "a row cycle ends before its row may close"),
    ("nRFC", ("nRC",), "error", "a refresh, which opens and closes a row, is shorter than a row cycle"),
    ("nRAS", ("nRCDR", "nRTP"), "warning", "a row that is read stays open longer than nRAS, which then never binds"),
    ("nRAS", ("nRCDRD", "nRTP"), "warning", "a row that is read stays open longer than nRAS, which then never binds"),
)

# Nanoseconds between which parts on the market lie, wide (DDR4, GDDR6, HBM2 data sheets; the margins: assumed).
_USUAL = {
    "nRCD": (8, 30), "nRCDR": (8, 30), "nRCDRD": (8, 30), "nRP": (8, 30), "nRAS": (18, 60), "nRC": (28, 90), "nRFC": (50, 900),
    "nREFI": (900, 8000), "nRTP": (1, 20), "nFAW": (5, 60),
}  # fmt: skip


def check_timing(device: PimDevice) -> Iterator[Finding]:
    """Contradictions between parameters, and values that look like another unit."""
    clocks = {name: value for name, value, _ in device.timing}
    yield from _row_cycle(device, clocks)
    for name, parts, severity, why in _ORDER:
        if name not in clocks or any(part not in clocks for part in parts):
            continue
        least = sum(clocks[part] for part in parts)
        if clocks[name] < least:
            total = f" = {least}" if len(parts) > 1 else ""
            said = " + ".join(f"{part} {clocks[part]}" for part in parts)
            yield Finding(
                severity, f"timing.{name}", why, f"{name} {clocks[name]} < {said}{total}", f"at least {least} clocks"
            )
    for spacing in ("nRRD", "nRRDS"):
        if "nFAW" in clocks and spacing in clocks and clocks[spacing] <= clocks["nFAW"] < 4 * clocks[spacing]:
            yield Finding(
                "note", "timing.nFAW", "does not bind on activates of one bank",
                f"nFAW {clocks['nFAW']} < 4 x {spacing} {clocks[spacing]} = {4 * clocks[spacing]}",
                "commands that open several banks count as so many activates",
            )  # fmt: skip
    for name, (low, high) in _USUAL.items():
        ns = clocks[name] * 1000 / device.clock_mhz if name in clocks else low
        if not low <= ns <= high:
            yield Finding(
                "warning", f"timing.{name}", "unlike any DRAM part: in nanoseconds instead of clocks, or of another clock?",
                f"{clocks[name]} clocks x {1000 / device.clock_mhz:.4g} ns = {ns:.4g} ns", f"{low} to {high} ns",
            )  # fmt: skip


def _row_cycle(device: PimDevice, clocks: dict[str, int]) -> Iterator[Finding]:
    """tRC is tRAS + tRP. Each is rounded up to clocks alone, so the sum may be one clock too long; no more."""
    if not {"nRC", "nRAS", "nRP"} <= set(clocks):
        return
    least = clocks["nRAS"] + clocks["nRP"]
    if clocks["nRC"] >= least:
        return
    within = clocks["nRC"] == least - 1
    yield Finding(
        "warning" if within else "error", "timing.nRC", "shorter than opening and closing a row",
        f"nRC {clocks['nRC']} < nRAS {clocks['nRAS']} + nRP {clocks['nRP']} = {least}",
        f"at least {least} clocks" + ("; one clock less is what rounding up to whole clocks does" if within else ""),
    )  # fmt: skip


@dataclass(frozen=True)
class _Need:
    """A spacing that DRAM requires from one role to another: the parameter that is it (the first that the device has), and why.

    ``row``: without it the contents of a row are lost; otherwise data meet on the bus or a sum is read before it is there.
    """

    before: str
    after: str
    parameters: tuple[str, ...]
    why: str
    row: bool = True


_NEEDS = (
    _Need("activate", "mac", ("nRCDRDMAC", "nRCDR", "nRCDRD", "nRCD"), "the row is not open yet (tRCD)"),
    _Need("activate", "function", ("nRCDRDAF", "nRCDR", "nRCDRD", "nRCD"), "the row is not open yet (tRCD)"),
    _Need("activate", "precharge", ("nRAS",), "the cells are not restored yet (tRAS)"),
    _Need("mac", "precharge", ("nRTP",), "the column is still being read (tRTP)"),
    _Need("function", "precharge", ("nRTP",), "the column is still being read (tRTP)"),
    _Need("precharge", "activate", ("nRP",), "the bit lines are not precharged yet (tRP)"),
    _Need("precharge", "refresh", ("nRP",), "the bit lines are not precharged yet (tRP)"),
    _Need("refresh", "activate", ("nRFC",), "the refresh is not over (tRFC)"),
    _Need("refresh", "refresh", ("nRFC",), "the refresh is not over (tRFC)"),
    _Need("mac", "mac", ("nCCDS",), "the bank delivers no column so soon (tCCD)"),
    _Need("fill", "mac", (), "the operand has not crossed the bus", row=False),
    _Need("mac", "read", (), "the adder tree has not summed yet", row=False),
    _Need("fill", "read", (), "the bus has not turned from write to read (tWTR)", row=False),
    _Need("read", "fill", (), "the bus has not turned from read to write", row=False),
)


def check_needed(device: PimDevice) -> Iterator[Finding]:
    """Spacings that DRAM requires and that no rule of the device asks for, or that one asks less of than its own parameter.

    A device whose rows are not checked plays what another simulator plays, shortcuts included: there they are warnings.
    """
    for need in _NEEDS:
        known = named_clocks(device, *need.parameters)
        least = max(known[1] if known else 2, 2)
        short: dict[tuple[int, tuple[str, ...]], list[str]] = {}
        for before in device.by_role(need.before):
            gaps = {after.name: path_gap(device, before.name, after.name) for after in device.by_role(need.after)}
            for gap in sorted(set(gaps.values())):
                if gap < least:
                    short.setdefault((gap, tuple(n for n, g in gaps.items() if g == gap)), []).append(before.name)
        for (gap, afters), befores in short.items():
            severe: Severity = "error" if need.row and device.requires("rows") else "warning"
            yield Finding(
                severe, f"rules, {listed(befores)} -> {listed(afters)}",
                f"{'no rule' if gap <= 1 else 'too short'}: {need.why}",
                f"{gap} {'clock' if gap == 1 else 'clocks'}" + (f" < {known[0]} {known[1]}" if known else ""),
                f"at least {least} clocks",
            )  # fmt: skip
    yield from _activates(device)
    yield from _columns(device)


def _activates(device: PimDevice) -> Iterator[Finding]:
    """Commands that open several banks draw the current of so many activates: four of them in tFAW."""
    four, opening = named_clocks(device, "nFAW"), device.by_role("activate")
    banks = max(len(c.bank_groups) for c in opening) * device.organization.banks_per_group
    if banks <= 1:
        return
    if four is None:
        yield Finding(
            "note", f"commands.{opening[0].name}", "opens several banks at once, and no nFAW says what the supply can do",
            f"{banks} banks in one command", "a supply that opens them all at once is taken to be there",
        )  # fmt: skip
        return
    least = -(-banks * four[1] // 4)
    pairs = [(a.name, b.name) for a in opening for b in opening if not set(a.bank_groups) & set(b.bank_groups)]
    free = [f"{a} -> {b}" for a, b in pairs if device.gap(a, b) < least]
    if free:
        yield Finding(
            "warning", f"rules, {listed(free, 3)}",
            f"nothing holds the current of {len(free)} of {len(pairs)} pairs of activates down",
            f"{banks} banks a command: {banks} / 4 x nFAW {four[1]} = {least} clocks", f"at least {least} clocks",
        )  # fmt: skip


def _columns(device: PimDevice) -> Iterator[Finding]:
    """Commands that read a column in all bank groups follow each other in the same group."""
    inner, mac = named_clocks(device, "nCCDL"), device.one("mac")
    gap = device.gap(mac.name, mac.name)
    if inner is not None and 1 < gap < inner[1]:
        yield Finding(
            "warning", f"rules, {mac.name} -> {mac.name}", "reads the same bank group again sooner than a plain read may (tCCD_L)",
            f"{gap} clocks < nCCDL {inner[1]}", f"{inner[1]} clocks if a multiplication takes its column as a plain read does",
        )  # fmt: skip
