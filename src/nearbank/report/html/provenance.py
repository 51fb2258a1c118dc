"""What the numbers of the report rest on: files, versions, and every constant of the memory with its source."""

from __future__ import annotations

from nearbank import __version__
from nearbank.report.html.content import Content
from nearbank.report.html.markup import cell, esc, facts, table

__all__ = ["files", "sources"]


def files(content: Content) -> str:
    """The device file and its hash, the GPU's profile and its date, and what made the report."""
    device, gpu, system = content.device, content.gpu, content.plan.system
    options = ", ".join(f"{name}={value}" for name, value, _ in device.options) or "none"
    versions = f", {esc(gpu.versions)}" if gpu.versions else ""
    memory = f"<b>{esc(device.name)}</b>, hash <code>{device.hash}</code>, options: {esc(options)}. {esc(device.about)}"
    processor = (
        f"<b>{esc(gpu.name)}</b>, date: {esc(gpu.date)}{versions}, library: {esc(gpu.library)}. {esc(gpu.source)}"
    )
    costs = (
        f"{system.launch_us:g} us and {system.join_us:g} us; by default both are what an empty kernel takes on this GPU, "
        f"{gpu.launch_us:g} us"
    )
    return facts(
        [("nearbank", f"version {esc(__version__)}"), ("memory", memory), ("GPU", processor), ("launch, join", costs)]
    )


def sources(content: Content) -> str:
    """Every constant of the memory with its source, and what was not measured of the GPU; folded away."""
    device, layers = content.device, content.plan.layers
    guessed = [x for x in layers if x.gpu_note]
    out = ""
    if guessed:
        rows = (_row(x.name, f'<td class="why">{esc(x.gpu_note)}</td>') for x in guessed)
        notes = table("notes-table", "Notes on GPU times", [("layer", ""), ("note", "why")], rows)
        out += _more(f"GPU times that were not measured as they are: {len(guessed)} of {len(layers)}", notes)
    columns = [("constant", ""), ("value", "n"), ("unit", ""), ("source", "why")]
    timing = (_constant(name, str(clocks), "clocks", source) for name, clocks, source in device.timing)
    out += _more("Timing parameters of the memory", table("timing-table", "Timing parameters", columns, timing))
    if device.energy:
        energy = (_constant(name, f"{value:g}", unit, source) for name, value, unit, source in device.energy)
        out += _more("Energy constants of the memory", table("constants-table", "Energy constants", columns, energy))
    return out + _more("Sources of the device file", facts((name, esc(source)) for name, source in device.sources))


def _row(name: str, cells: str) -> str:
    return f'<tr><th scope="row">{esc(name)}</th>{cells}</tr>'


def _constant(name: str, value: str, unit: str, source: str) -> str:
    return _row(name, f'{cell(value, numeric=True)}{cell(esc(unit))}<td class="why">{esc(source)}</td>')


def _more(summary: str, content: str) -> str:
    return f"<details><summary>{esc(summary)}</summary>{content}</details>"
