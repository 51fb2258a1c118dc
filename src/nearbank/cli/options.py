"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from nearbank import graph, pim, plan, zoo
from nearbank.errors import InputError, ModelError, near_matches
from nearbank.pim import cache
from nearbank.report.trace import LEVELS

__all__ = [
    "BatchOption",
    "CacheOption",
    "ChannelsOption",
    "ClockOption",
    "DeviceOption",
    "EpilogueOption",
    "GpuOption",
    "GroupsOption",
    "HtmlOption",
    "JoinOption",
    "JsonOption",
    "LaunchOption",
    "LevelOption",
    "MappingOption",
    "NoCacheOption",
    "OptionOption",
    "PolicyOption",
    "ScopeOption",
    "TraceOption",
    "check_level",
    "command_line",
    "gpu_model",
    "load_model",
    "options",
    "use_cache",
]

DeviceOption = Annotated[str, typer.Option("--device", help="A built-in device or a .toml file.")]
GpuOption = Annotated[
    str,
    typer.Option(
        "--gpu", help="A built-in GPU or a profile's .json file; :best behind it: the better of cuBLAS and cuDNN."
    ),
]
OptionOption = Annotated[
    list[str] | None, typer.Option("--option", help="A device option, name=value; may be repeated.")
]
ClockOption = Annotated[
    float | None, typer.Option("--gpu-clock-mhz", help="Clock of an analytic GPU [default: its own].")
]
ChannelsOption = Annotated[int, typer.Option("--channels", help="Memory channels that compute.")]
MappingOption = Annotated[
    str, typer.Option("--mapping", help=f"How products are laid over the memory: {', '.join(pim.MAPPINGS)}.")
]
GroupsOption = Annotated[
    str,
    typer.Option(
        "--groups",
        help="Which convolutions with groups may go to memory: gpu (none), block-diagonal (grouped ones), all (depthwise "
        "ones too), tiles (as all, several pixels at a time).",
    ),
]
PolicyOption = Annotated[str, typer.Option("--policy", help=f"Who does what: {', '.join(plan.POLICIES)}.")]
ScopeOption = Annotated[
    str, typer.Option("--scope", help=f"What counts in the totals: {', '.join(plan.SCOPES)}; the rest takes no time.")
]
BatchOption = Annotated[int, typer.Option("--batch", help="Images at a time.")]
LaunchOption = Annotated[
    float | None,
    typer.Option(
        "--launch-us", help="Microseconds to launch a task in memory [default: an empty kernel, 1.28 on h200]."
    ),
]
JoinOption = Annotated[
    float | None,
    typer.Option("--join-us", help="Microseconds until the GPU sees a task's result [default: as --launch-us]."),
]
EpilogueOption = Annotated[
    bool,
    typer.Option(
        "--charge-epilogue/--free-epilogue",
        help="Whether it takes a GPU kernel to add partial sums, and to finish (bias, activation) what memory reads next.",
    ),
]
HtmlOption = Annotated[
    Path | None, typer.Option("--html", help="Write a report with plots to this file (extra: report).")
]
TraceOption = Annotated[
    Path | None, typer.Option("--trace", help="Write a timeline for ui.perfetto.dev or chrome://tracing to this file.")
]
LevelOption = Annotated[
    str, typer.Option("--trace-level", help="Of --trace: tasks, or commands, down to each DRAM command.")
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the result to this file too.")]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", help="Folder to keep found mappings in [default: the user's cache folder].")
]
NoCacheOption = Annotated[bool, typer.Option("--no-cache", help="Search anew, and keep nothing.")]


def use_cache(folder: Path | None, no_cache: bool) -> None:
    """Keep found mappings where the options say."""
    if no_cache and folder is not None:
        raise InputError("--no-cache", value="with --cache", bound="one of the two")
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError("--cache", value=str(folder), bound="a folder, there or not")
    chosen = None if no_cache else folder or cache.default_folder()
    cache.use(None if chosen is None else cache.MappingCache(chosen))


def options(pairs: list[str] | None) -> dict[str, str]:
    """``name=value`` pairs as a mapping."""
    out = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError("--option", value=pair, bound="name=value")
        out[name] = value
    return out


def check_level(level: str) -> None:
    """InputError unless ``level`` is one of a trace's."""
    if level not in LEVELS:
        raise InputError("--trace-level", value=level, bound=near_matches(level, LEVELS))


def command_line() -> str:
    """The command as it was given, to be pasted into a shell."""
    return shlex.join(["nearbank", *sys.argv[1:]])


def load_model(model: str, batch: int, groups: str = "gpu") -> tuple[graph.Graph, zoo.ModelInfo | None]:
    """A built-in model with what is known of it, or an ONNX file; ``groups`` is one of `nearbank.graph.GROUPS`."""
    known = next((name for name in graph.GROUPS if name == groups), None)
    if known is None:
        raise InputError("--groups", value=groups, bound=near_matches(groups, graph.GROUPS))
    if batch < 1 or batch > 4096:
        raise InputError("--batch", value=batch, bound="1 to 4096")
    if model in zoo.names():
        return graph.load(zoo.build(model), batch=batch, name=model, groups=known), zoo.info(model)
    if not model.endswith(".onnx") and not Path(model).exists():
        raise ModelError(
            "unknown model", value=model, bound=f"an .onnx file or a built-in: {near_matches(model, zoo.names())}"
        )
    return graph.load(model, batch=batch, groups=known), None


def gpu_model(name: str, clock_mhz: float | None) -> plan.GpuModel:
    """A built-in GPU or a profile, at another clock if one is given."""
    model = plan.gpu(name)
    return model if clock_mhz is None else model.with_clock(clock_mhz)
