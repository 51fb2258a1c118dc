"""A device file to start from: every key of a base as a comment that may be uncommented, with its unit and what it means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from nearbank.devices.functions import FUNCTIONS
from nearbank.devices.glossary import ENERGY, NUMERICS, ORGANIZATION, REFRESH, TIMING
from nearbank.devices.load import names, read_table
from nearbank.devices.model import CHECKS
from nearbank.errors import DeviceError, near_matches

__all__ = ["template"]


def template(base: str) -> str:
    """The text of a file that is ``base`` until something in it is uncommented (``#key = value``; ``# `` begins a remark).

    Raises:
        DeviceError: ``base`` is no built-in device.
    """
    if base not in names():
        raise DeviceError("unknown base", value=base, bound=near_matches(base, names()))
    table, _ = read_table(base)
    return "\n".join(_lines(base, table)) + "\n"


def _lines(base: str, table: Mapping[str, Any]) -> Iterator[str]:
    mhz, sources, decided = table["clock_mhz"], table.get("sources", {}), _decided(table)
    yield f"# A device of your own: everything that is not said here is as in {base}."
    yield "# Uncomment a line (remove the # before the key) and change its value; then"
    yield "#   nearbank devices check THIS_FILE      shows contradictions, peak rates and capacity, with the arithmetic"
    yield "#   nearbank run MODEL --device THIS_FILE"
    yield f"base = {_value(base)}"
    yield f"about = {_value(f'{base}, with changes: say which')}"
    yield ""
    yield f"# MHz. All clocks below are of this: one is {1000 / mhz:.4g} ns in {base}."
    yield f"#clock_mhz = {mhz}"
    yield ""
    yield "# Whether commands are held to open rows, filled buffers and read latches: true, false, or a list of"
    yield f"# {', '.join(CHECKS)}."
    yield f"#state_checks = {_value(table.get('state_checks', True))}"
    yield ""
    yield f"# Where the numbers are from; in {base}:"
    yield from (f"#   {room}: {source}" for room, source in sources.items())
    yield "[sources]"
    yield from (f"#{room} = {_value('say where')}" for room in sources)
    yield ""
    yield "[organization]"
    for key, value in table["organization"].items():
        yield from _setting(key, value, "", ORGANIZATION[key], decided.get(f"organization.{key}", ""))
    yield ""
    yield '# Clocks: a number, an expression over those above it ("6 * nCCDS"), or { value = .., source = ".." }.'
    yield "[timing]"
    for key, value in table["timing"].items():
        clocks = value["value"] if isinstance(value, dict) else value
        unit = f"clocks = {clocks * 1000 / mhz:.4g} ns" if isinstance(clocks, int) and key != "nQUEUE" else "clocks"
        yield from _setting(key, value, unit, TIMING.get(key, key), decided.get(f"timing.{key}", ""))
    yield ""
    yield "[refresh]"
    for key, value in table["refresh"].items():
        yield from _setting(key, value, "", REFRESH[key], decided.get(f"refresh.{key}", ""))
    yield ""
    yield "[numerics]"
    for key, value in table["numerics"].items():
        yield from _setting(key, value, "", NUMERICS[key], "")
    yield ""
    yield "# Activation functions, by the number of their row, and where that is from; at most function_rows of them:"
    yield f"# {', '.join(FUNCTIONS)}."
    yield "[functions]"
    yield from (f"#{key} = {_value(value)}" for key, value in table.get("functions", {"names": []}).items())
    yield ""
    yield "# Clocks behind these commands until their last data has moved: a run ends no earlier."
    yield "[end]"
    yield from (f"#{key} = {_value(value)}" for key, value in table["end"].items())
    yield ""
    yield "[energy]"
    for key, row in table.get("energy", {}).items():
        yield from _setting(key, row, str(row.get("unit", "")), ENERGY.get(key, key), "")
    yield ""
    yield from _options(table.get("options", {}))
    yield "# Commands: role gives operands and state; bank_groups, those that it works in; columns, what a fill brings."
    yield "[commands]"
    yield from (f"#{name} = {_value(row)}" for name, row in table["commands"].items())
    yield ""
    yield "# Rules: after issues no earlier than gap clocks behind the window-th last of before (window = 1 if not given)."
    yield "# scope: channel (if not given), bank_group (both in a common one), buffer (the same column of a buffer), latch."
    yield "# A row with the same before, after, scope and window replaces the base's; any other is added."
    for row in table["rules"]:
        yield "#[[rules]]"
        yield from (f"#{key} = {_value(value)}" for key, value in row.items())


def _decided(table: Mapping[str, Any]) -> dict[str, str]:
    """Keys that an option decides, and the option."""
    found: dict[str, str] = {}
    for name, option in table.get("options", {}).items():
        for keys in option.get("values", {}).values():
            found |= dict.fromkeys(keys, name)
    return found


def _setting(key: str, value: Any, unit: str, meaning: str, option: str) -> Iterator[str]:
    """A remark and the setting; no setting where an option decides."""
    said = meaning + (f" [{unit}]" if unit else "")
    if option:
        yield f"# {key}, {said}: decided by --option {option}=.., or in [options.{option}] below"
        return
    yield f"# {said}" if said else "#"
    yield f"#{key} = {_value(value)}"


def _options(options: Mapping[str, Any]) -> Iterator[str]:
    if options:
        yield "# Options: what --option NAME=VALUE chooses from; each value sets keys of the file."
    for name, option in options.items():
        yield f"[options.{name}]"
        yield f"# {name}: {option.get('about', '')}"
        yield f"#default = {_value(option['default'])}"
        for value, keys in option.get("values", {}).items():
            yield f"#values.{value} = {_value(keys)}"
        yield ""


def _value(value: Any) -> str:
    """As TOML has it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _key(key: str) -> str:
    return key if key.isidentifier() else _value(key)
