"""The energy table: one of the two models, whole, with constants that make sense together."""

from __future__ import annotations

from collections.abc import Iterator

from nearbank.devices.finding import Finding, named_clocks
from nearbank.devices.model import PimDevice

__all__ = ["CURRENT_KEYS", "POWER_KEYS", "check_energy"]

CURRENT_KEYS = ("vdd", "idd0", "idd2n", "idd3n", "idd4r", "idd4w", "idd5ab", "trc", "tras", "trfc", "row_read", "row_read_columns",
                "multiply", "add", "buffer_read", "buffer_write", "buffer_reads")  # fmt: skip
"""What the model by currents reads; `vdd` chooses it."""

POWER_KEYS = (
    "active_standby",
    "precharge_standby",
    "activate",
    "read",
    "write",
    "mac",
    "access_time",
    "mac_time",
    "dq",
)
"""What the model by powers reads; `active_standby` chooses it."""

_SPARE = ("pre",)  # kept beside what IDD0 already holds; read by neither model


def check_energy(device: PimDevice) -> Iterator[Finding]:
    """Missing and unread constants; an activation that gains energy; times of another part than the rules'."""
    table = {key: (value, unit) for key, value, unit, _ in device.energy}
    if not table:
        yield Finding("note", "energy", "no constants: no energy is shown", "the table is empty or missing")
        return
    keys: tuple[str, ...]
    if "vdd" in table:
        keys = CURRENT_KEYS
    elif "active_standby" in table:
        keys = POWER_KEYS
    else:
        known = "vdd, .. (currents) or active_standby, .. (powers)"
        yield Finding("error", "energy", "no model can be told from the keys", ", ".join(table), known)
        return
    missing = [key for key in keys if key not in table]
    if missing:
        yield Finding("error", "energy", "constants are missing", ", ".join(missing), f"all of {', '.join(keys)}")
        return
    unread = [key for key in table if key not in (*keys, *_SPARE)]
    if unread:
        yield Finding("warning", "energy", "read by no energy model", ", ".join(unread), f"one of {', '.join(keys)}")
    if keys is CURRENT_KEYS and all(table[k][1] == "mA" for k in ("idd0", "idd2n", "idd3n")):
        yield from _activation({key: value for key, (value, _) in table.items()})
    yield from _times(device, table)


def _activation(value: dict[str, float]) -> Iterator[Finding]:
    gained = value["idd0"] * value["trc"]
    spent = value["idd3n"] * value["tras"] + value["idd2n"] * (value["trc"] - value["tras"])
    if gained <= spent:
        yield Finding(
            "error", "energy.idd0", "an activation would cost nothing or less",
            f"idd0 {value['idd0']:g} x trc {value['trc']:g} = {gained:.4g} <= idd3n {value['idd3n']:g} x tras {value['tras']:g} + "
            f"idd2n {value['idd2n']:g} x {value['trc'] - value['tras']:g} = {spent:.4g} mA ns",
            "idd0 above the standby currents",
        )  # fmt: skip


def _times(device: PimDevice, table: dict[str, tuple[float, str]]) -> Iterator[Finding]:
    for key, name in (("trc", "nRC"), ("tras", "nRAS"), ("trfc", "nRFC")):
        known = named_clocks(device, name)
        if known is None or table.get(key, (0, ""))[1] != "ns":
            continue
        ns, said = known[1] * 1000 / device.clock_mhz, table[key][0]
        if not 0.8 < ns / said < 1.25:
            yield Finding(
                "note", f"energy.{key}", "of another part than the rules' times",
                f"{said:g} ns; {name} {known[1]} clocks = {ns:.4g} ns", "currents hold for the times that they were measured with",
            )  # fmt: skip
