"""Device files: TOML to PimDevice, strictly checked, with `base` to start from another one and options applied."""

from __future__ import annotations

import fnmatch
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING
from importlib import resources
from pathlib import Path
from typing import Any

from nearbank.devices.expr import evaluate
from nearbank.devices.functions import FUNCTIONS
from nearbank.devices.model import CHECKS, ROLES, Command, Numerics, Organization, PimDevice, Refresh, Rule
from nearbank.errors import DeviceError, near_matches

__all__ = ["device", "names", "read_table"]

_KEYS = {
    "": {"base", "name", "about", "sources", "organization", "clock_mhz", "timing", "commands", "rules", "refresh", "end",
         "state_checks", "numerics", "energy", "options", "functions"},
    "organization": set(Organization.__dataclass_fields__),
    "refresh": {"interval", "where", "commands", "postpone", "enabled"},
    "numerics": {"operand", "source"},
    "functions": {"names", "source"},
    "command": {"role", "bank_groups", "columns"},
    "rule": {"before", "after", "gap", "scope", "window", "source"},
    "option": {"default", "values", "about"},
}  # fmt: skip
_SCOPES = ("channel", "bank_group", "buffer", "latch")
Table = dict[str, Any]


def names() -> tuple[str, ...]:
    """The built-in devices."""
    files = resources.files("nearbank.devices").joinpath("data").iterdir()
    return tuple(sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml")))


def device(source: str | Path, options: Mapping[str, str] | None = None) -> PimDevice:
    """A built-in device by name, or a user's TOML file by path, with ``options`` (name -> value) applied.

    Raises:
        DeviceError: unknown name, key, option or parameter; a value out of range; a missing one. Says where and the bound.
    """
    table, where = read_table(str(source))
    chosen = dict(options or {})
    table = _apply_options(table, chosen, where)
    return _build(table, chosen, where)


class _Clocks(dict[str, int]):
    """Timing parameters that remember which of them an expression has read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> int:
        self.read.add(name)
        return super().__getitem__(name)


def read_table(source: str) -> tuple[Table, str]:
    """A device file's content over that of its base, and what to call it in messages; options not applied."""
    if source in names():
        text = resources.files("nearbank.devices").joinpath("data", f"{source}.toml").read_text(encoding="utf-8")
    elif source.endswith(".toml") or "/" in source:
        try:
            text = Path(source).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text file"
            raise DeviceError(f"cannot read the device file: {reason}", where=source) from None
    else:
        raise DeviceError(
            "unknown device", value=source, bound=f"a .toml file or a built-in: {near_matches(source, names())}"
        )
    try:
        table: Table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeviceError(f"not TOML: {error}", where=source) from None
    _check_keys(table, "", source)
    base = table.pop("base", None)
    if base is not None:
        if not isinstance(base, str) or base not in names():
            raise DeviceError("unknown base", where=source, value=base, bound=near_matches(str(base), names()))
        parent, _ = read_table(base)
        _check_decided(parent, table, source)
        table = _merge(parent, {"name": Path(source).stem, **table})
    return table, source


def _check_decided(parent: Table, child: Table, where: str) -> None:
    """DeviceError for a key of the child that an option of its base decides: the option's default would undo it."""
    for name, option in parent.get("options", {}).items():
        for path in {path for keys in option.get("values", {}).values() for path in keys}:
            room, _, leaf = path.rpartition(".")
            there = child.get(room, {}) if room else child
            if isinstance(there, dict) and leaf in there and name not in child.get("options", {}):
                raise DeviceError(
                    f"{path} is decided by the base's option {name}", where=where, value=there[leaf],
                    bound=f"chosen by --option {name}=.., or a value of [options.{name}] in this file, as its default",
                )  # fmt: skip


def _merge(parent: Table, child: Table) -> Table:
    """Child over parent, table by table; a rule replaces the parent's with the same pair, scope and window."""
    merged = dict(parent)
    for key, value in child.items():
        if key == "rules":
            if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
                raise DeviceError("must be a list of tables", where="rules")
            replaced = {_rule_key(row) for row in value}
            merged[key] = [row for row in parent.get(key, []) if _rule_key(row) not in replaced] + value
        elif isinstance(value, dict) and isinstance(parent.get(key), dict):
            merged[key] = _merge(parent[key], value)
        else:
            merged[key] = value
    return merged


def _rule_key(row: Table) -> tuple[str, ...]:
    return tuple(str(row.get(k, d)) for k, d in (("before", ""), ("after", ""), ("scope", "channel"), ("window", 1)))


def _check_keys(table: Any, kind: str, where: str) -> None:
    if not isinstance(table, dict):
        raise DeviceError(f"{kind or 'file'} must be a table", where=where, value=table)
    for key in table:
        if key not in _KEYS[kind]:
            raise DeviceError(
                f"unknown key in {kind}" if kind else "unknown key",
                where=where,
                value=key,
                bound=near_matches(key, _KEYS[kind]),
            )


def _apply_options(table: Table, chosen: dict[str, str], where: str) -> Table:
    """Each option value overrides single keys, named "timing.nGWH", "refresh.enabled", "organization.global_buffers"."""
    options: Table = table.get("options", {})
    for key in chosen:
        if key not in options:
            raise DeviceError(
                "unknown option",
                where=where,
                value=key,
                bound=near_matches(key, options) if options else "absent: it has none",
            )
    for key, option in options.items():
        _check_keys(option, "option", f"{where}, option {key}")
        value = chosen.setdefault(key, str(option.get("default")))
        values = option.get("values", {})
        if value not in values:
            raise DeviceError(f"option {key}", where=where, value=value, bound=near_matches(value, values))
        for path, new in values[value].items():
            room, _, leaf = path.rpartition(".")
            target = {**table.get(room, {}), leaf: new} if room else new
            table = {**table, (room or leaf): target}
    return table


def _number(value: Any, where: str, key: str, *, least: int = 0) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 10**9:
        raise DeviceError(key, where=where, value=value, bound=f"a whole number of clocks from {least} to 10^9")
    return value


def _timing(table: Table, where: str) -> tuple[tuple[tuple[str, int, str], ...], _Clocks]:
    entries = _get(table, "timing", where, dict)
    default = str(table.get("sources", {}).get("timing", ""))
    out: list[tuple[str, int, str]] = []
    known = _Clocks()
    for key, raw in entries.items():
        value, source = (raw.get("value"), str(raw.get("source", default))) if isinstance(raw, dict) else (raw, default)
        if isinstance(value, str):
            value = evaluate(value, known, where=f"{where}, timing.{key}")
        clocks = _number(value, where, f"timing.{key}")
        known[key] = clocks
        out.append((key, clocks, source))
    return tuple(out), known


def _get(table: Table, key: str, where: str, *kinds: type) -> Any:
    if key not in table:
        raise DeviceError(f"missing key {key!r}", where=where)
    if not isinstance(table[key], kinds):
        raise DeviceError(key, where=where, value=table[key], bound=" or ".join(f"a {kind.__name__}" for kind in kinds))
    return table[key]


def _commands(table: Table, organization: Organization, where: str) -> tuple[Command, ...]:
    out = []
    for name, row in _get(table, "commands", where, dict).items():
        here = f"{where}, command {name}"
        _check_keys(row, "command", here)
        if row.get("role") not in ROLES:
            raise DeviceError(
                "role", where=here, value=row.get("role"), bound=near_matches(str(row.get("role")), ROLES)
            )
        groups = tuple(row.get("bank_groups", range(organization.bank_groups)))
        if any(not isinstance(g, int) or not 0 <= g < organization.bank_groups for g in groups):
            raise DeviceError(
                "bank_groups", where=here, value=list(groups), bound=f"0 to {organization.bank_groups - 1}"
            )
        columns = _number(row.get("columns", 1), here, "columns", least=1)
        if columns > organization.buffer_columns:
            raise DeviceError(
                "columns", where=here, value=columns, bound=f"at most buffer_columns = {organization.buffer_columns}"
            )
        out.append(Command(name, row["role"], groups, columns))
    missing = [r for r in ("activate", "precharge", "fill", "mac", "read", "refresh") if all(c.role != r for c in out)]
    if missing:
        raise DeviceError(f"no command of role {missing[0]!r}", where=where)
    return tuple(out)


def _rules(table: Table, commands: tuple[Command, ...], clocks: dict[str, int], where: str) -> tuple[Rule, ...]:
    known = [c.name for c in commands]

    def match(patterns: Any, here: str) -> tuple[str, ...]:
        found: list[str] = []
        for pattern in [patterns] if isinstance(patterns, str) else patterns or [""]:
            hits = fnmatch.filter(known, str(pattern))
            if not hits:
                raise DeviceError(
                    "no such command", where=here, value=str(pattern), bound=near_matches(str(pattern), known)
                )
            found += [h for h in hits if h not in found]
        return tuple(found)

    out = []
    for index, row in enumerate(_get(table, "rules", where, list)):
        here = f"{where}, rule {index + 1}"
        _check_keys(row, "rule", here)
        gap = _number(evaluate(_get(row, "gap", here, int, str), clocks, where=here), here, "gap")
        scope = row.get("scope", "channel")
        if scope not in _SCOPES:
            raise DeviceError("scope", where=here, value=scope, bound=near_matches(str(scope), _SCOPES))
        window = _number(row.get("window", 1), here, "window", least=1)
        rule = Rule(
            match(row.get("before"), here),
            match(row.get("after"), here),
            str(row["gap"]),
            gap,
            scope,
            window,
            str(row.get("source", "")),
        )
        _check_scope(rule, {c.name: c.role for c in commands}, here)
        out.append(rule)
    return tuple(out)


def _check_scope(rule: Rule, roles: dict[str, str], where: str) -> None:
    """Operand scopes only make sense between commands that have the operand."""
    roles_of = {roles[name] for name in rule.before} | {roles[name] for name in rule.after}
    if rule.scope == "buffer" and (
        {roles[n] for n in rule.before} != {"fill"} or {roles[n] for n in rule.after} != {"mac"}
    ):
        raise DeviceError("scope 'buffer' relates a fill to a mac", where=where, value=f"{rule.before} -> {rule.after}")
    if rule.scope == "latch" and not roles_of <= {"mac", "read", "preset", "function", "read_function"}:
        raise DeviceError(
            "scope 'latch' relates commands that use a latch", where=where, value=f"{rule.before} -> {rule.after}"
        )
    if rule.scope in ("buffer", "latch") and rule.window != 1:
        raise DeviceError("window", where=where, value=rule.window, bound=f"1 in scope {rule.scope!r}")


def _state_checks(value: Any, where: str) -> tuple[str, ...]:
    """``true`` for all, ``false`` for none, or a list of their names."""
    if isinstance(value, bool):
        return CHECKS if value else ()
    for name in value if isinstance(value, list) else [value]:
        if name not in CHECKS:
            raise DeviceError("state_checks", where=where, value=name, bound=near_matches(str(name), CHECKS))
    return tuple(name for name in CHECKS if name in value)


def _where_from(table: Table) -> tuple[tuple[str, str], ...]:
    """The sources of whole tables, that of the activation functions among them."""
    sources = {name: str(source) for name, source in table.get("sources", {}).items()}
    if "source" in table.get("functions", {}):
        sources["functions"] = str(table["functions"]["source"])
    return tuple(sources.items())


def _functions(table: Table, organization: Organization, where: str) -> tuple[str, ...]:
    """The activation functions, in the order of their rows."""
    section = table.get("functions", {})
    _check_keys(section, "functions", where)
    found = section.get("names", [])
    if not isinstance(found, list) or len(found) > organization.function_rows:
        bound = f"a list of at most organization.function_rows = {organization.function_rows} names"
        raise DeviceError("functions.names", where=where, value=found, bound=bound)
    for name in found:
        if name not in FUNCTIONS:
            raise DeviceError("activation function", where=where, value=name, bound=near_matches(str(name), FUNCTIONS))
    return tuple(found)


def _build(table: Table, chosen: dict[str, str], where: str) -> PimDevice:
    sizes = _get(table, "organization", where, dict)
    _check_keys(sizes, "organization", where)
    lacking = [k for k, f in Organization.__dataclass_fields__.items() if k not in sizes and f.default is MISSING]
    if lacking:
        raise DeviceError(f"missing organization.{lacking[0]}", where=where)
    organization = Organization(**sizes)
    timing, clocks = _timing(table, where)
    commands = _commands(table, organization, where)
    by_name = {c.name: c for c in commands}
    mhz = table.get("clock_mhz")
    if not isinstance(mhz, int | float) or isinstance(mhz, bool) or not 0 < mhz < 1e5:
        raise DeviceError("clock_mhz", where=where, value=mhz, bound="a number above 0 and below 100000")
    ref = _get(table, "refresh", where, dict)
    _check_keys(ref, "refresh", where)
    if ref.get("where") not in ("after", "before"):
        raise DeviceError("refresh.where", where=where, value=ref.get("where"), bound="'after' or 'before'")
    interval = evaluate(_get(ref, "interval", where, int, str), clocks, where=f"{where}, refresh.interval")
    points = tuple(ref.get("commands", ()))
    end = _get(table, "end", where, dict)
    for name in (*points, *end):
        if name not in by_name:
            raise DeviceError(
                "no such command", where=f"{where}, refresh or end", value=name, bound=near_matches(name, by_name)
            )
    numerics = _get(table, "numerics", where, dict)
    _check_keys(numerics, "numerics", where)
    if numerics.get("operand") not in ("fp16", "bf16"):
        raise DeviceError("numerics.operand", where=where, value=numerics.get("operand"), bound="'fp16' or 'bf16'")
    energy = []
    for key, row in table.get("energy", {}).items():
        if not isinstance(row, dict) or not isinstance(row.get("value"), int | float) or row["value"] < 0:
            raise DeviceError(f"energy.{key}", where=where, value=row, bound="{ value = number >= 0, unit, source }")
        energy.append((key, float(row["value"]), str(row.get("unit", "")), str(row.get("source", ""))))
    options: Table = table.get("options", {})
    rules = _rules(table, commands, clocks, where)
    end_clocks = tuple((k, evaluate(v, clocks, where=f"{where}, end.{k}")) for k, v in end.items())
    return PimDevice(
        name=str(table.get("name", where)), about=str(table.get("about", "")), organization=organization, clock_mhz=float(mhz),
        timing=timing, commands=commands, rules=rules,
        refresh=Refresh(_number(interval, where, "refresh.interval", least=1), ref["where"], points,
                        _number(ref.get("postpone", 1), where, "refresh.postpone", least=1), bool(ref.get("enabled", True))),
        end=end_clocks,
        state_checks=_state_checks(table.get("state_checks", True), where),
        numerics=Numerics(numerics["operand"], str(numerics.get("source", ""))),
        energy=tuple(energy), sources=_where_from(table),
        options=tuple((k, chosen[k], tuple(o.get("values", {}))) for k, o in options.items()),
        functions=_functions(table, organization, where), _timing=clocks, _read=frozenset(clocks.read),
    )  # fmt: skip
