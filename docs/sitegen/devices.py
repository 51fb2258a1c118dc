"""Pages of the memories and the GPUs, from their own files: every number with its source."""

from __future__ import annotations

from collections.abc import Iterator

from nearbank import devices
from nearbank.devices import PimDevice
from nearbank.devices.gpu import AnalyticSpec, load_profile, load_spec, profile_names, spec_names
from sitegen.markdown import code, figure, table

__all__ = ["assumed", "assumptions", "measured_gpus", "models", "overview", "pages"]


def pages() -> Iterator[tuple[str, str]]:
    """A page a memory, and one for each GPU that is a model."""
    for name in devices.names():
        yield f"devices/{name}.md", _device(devices.device(name))
    for name in spec_names():
        yield f"gpus/{name}.md", _spec(load_spec(name))


def overview() -> str:
    """The built-in memories."""
    found = [devices.device(name) for name in devices.names()]
    rows = (
        (f"[`{d.name}`]({d.name}.md)", f"{d.organization.pim_channels} of {d.organization.channels}", d.organization.banks,
         figure(d.clock_mhz), d.numerics.operand, d.about)
        for d in found
    )  # fmt: skip
    columns = ("device", "channels that compute", "banks a channel", "MHz", "operands", "about")
    return table(columns, rows, left=("device", "operands", "about"))


def measured_gpus() -> str:
    """The packaged measured profiles: what was measured, when and with what."""
    rows = []
    for name in profile_names():
        found = load_profile(name)
        counts = (len(found.grid), len(found.convs), len(found.linears), len(found.ops))
        rows.append((f"`{name}`", found.gpu, found.date or "not given", found.versions or "not given", *counts))
    columns = ("profile", "GPU", "date", "versions", "products", "convolutions", "dense layers", "operators")
    return table(columns, rows, left=columns[:4])


def models() -> str:
    """The analytic GPUs."""
    rows = ((f"[`{spec.name}`]({spec.name}.md)", spec.gpu, spec.about) for spec in map(load_spec, spec_names()))
    return table(("model", "GPU", "about"), rows, left=("model", "GPU", "about"))


def _device(unit: PimDevice) -> str:
    sizes = ((name.replace("_", " "), value) for name, value in unit.organization.__dict__.items())
    refresh = unit.refresh
    parts = [
        f"# {unit.name}\n\n{unit.about}.\n",
        f"Clock {figure(unit.clock_mhz)} MHz. Hash of everything that decides cycles or values: `{unit.hash}`.\n",
        "## Organization\n", table(("size", "value"), sizes, left=("size",)),
        "## Arithmetic\n", f"Operands {unit.numerics.operand}: {unit.numerics.source}.\n",
        "## Options\n", table(("option", "default", "choices"), ((f"`{n}`", v, ", ".join(c)) for n, v, c in unit.options),
                              left=("option", "default", "choices")),
        "## Commands\n", table(("command", "role", "bank groups"), ((f"`{c.name}`", c.role, " ".join(map(str, c.bank_groups)))
                               for c in unit.commands), left=("command", "role", "bank groups")),
        "## Timing\n", "In clocks.\n", table(("parameter", "clocks", "source"), unit.timing, left=("parameter", "source")),
        "## Rules\n", "`after` issues no earlier than `gap` behind `before`. See [how a device is written](../extend/device.md).\n",
        _rules(unit),
        "## Refresh\n",
        f"{'On' if refresh.enabled else 'Off'}: one falls due every {refresh.interval:,} clocks; served {refresh.where} "
        f"{', '.join(f'`{name}`' for name in refresh.commands)}; at most {refresh.postpone} owed.\n",
        "## State\n", f"Checked: {', '.join(unit.state_checks) or 'nothing'}.\n",
        "## Energy\n", table(("constant", "value", "unit", "source"), ((f"`{n}`", figure(v), u, s) for n, v, u, s in unit.energy),
                             left=("constant", "unit", "source")),
        "## Sources\n", table(("what", "source"), unit.sources, left=("what", "source")),
    ]  # fmt: skip
    return "\n".join(parts)


def _rules(unit: PimDevice) -> str:
    rows = (
        (_names(r.before, unit), _names(r.after, unit), f"`{r.expression}`", r.gap, r.scope, r.window, r.source)
        for r in unit.rules
    )
    columns = ("before", "after", "gap", "clocks", "scope", "window", "source")
    return table(columns, rows, left=("before", "after", "gap", "scope", "source"))


def _names(names: tuple[str, ...], unit: PimDevice) -> str:
    return "any" if len(names) == len(unit.commands) else " ".join(f"`{name}`" for name in names)


def _spec(spec: AnalyticSpec) -> str:
    rows = ((f"`{name}`", _value(getattr(spec, name)), source) for name, source in spec.sources.items())
    return "\n".join((
        f"# {spec.name}\n\n{spec.about}\n", f"Card: {spec.gpu}.\n",
        table(("number", "value", "source"), rows, left=("number", "source")),
        "How the times follow from these numbers: `nearbank.plan.gpu.analytic`.\n",
        code(f"nearbank run mobilenet-v2 --no-values --gpu {spec.name}", "console"),
    ))  # fmt: skip


def _value(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else figure(float(str(value)))


def assumed() -> list[tuple[str, str, str]]:
    """(file, what, source) of everything in the device and GPU files whose source says that it is assumed."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in devices.names():
        for what, source in _sources(devices.device(name)):
            found.setdefault((what, source), []).append(name)
    for name in spec_names():
        for what, source in load_spec(name).sources.items():
            found.setdefault((what, source), []).append(name)
    return [(", ".join(files), what, source) for (what, source), files in found.items() if "assumed" in source.lower()]


def assumptions() -> str:
    """`assumed` as a table."""
    return table(
        ("file", "what", "source, as the file has it"), assumed(), left=("file", "what", "source, as the file has it")
    )


def _sources(unit: PimDevice) -> Iterator[tuple[str, str]]:
    """What each source of a device file is of."""
    yield from ((f"sources: {what}", source) for what, source in unit.sources)
    yield from ((f"timing {name} = {clocks}", source) for name, clocks, source in unit.timing)
    for rule in unit.rules:
        yield f"rule {_names(rule.before, unit)} to {_names(rule.after, unit)}: {rule.expression}", rule.source
    yield "arithmetic", unit.numerics.source
    yield from ((f"energy {name} = {figure(value)} {unit_}", source) for name, value, unit_, source in unit.energy)
