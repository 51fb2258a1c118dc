"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import nearbank.plan as plan
from nearbank import graph, models, pim, zoo
from nearbank.cli.complete import (
    complete_device,
    complete_gpu,
    complete_mapping,
    complete_model,
    complete_policy,
    complete_scope,
    one_of,
)
from nearbank.errors import InputError, near_matches
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
    "ModelArgument",
    "NoCacheOption",
    "OptionOption",
    "PlotOption",
    "PolicyOption",
    "ScopeOption",
    "TraceOption",
    "check_batch",
    "gpu_model",
    "grouping",
    "load_model",
    "options",
    "use_cache",
]

DeviceOption = Annotated[
    str, typer.Option("--device", help="A built-in device or a .toml file.", autocompletion=complete_device)
]
GpuOption = Annotated[
    str,
    typer.Option(
        "--gpu",
        help="A built-in GPU or a profile's .json file; :best behind it: the better of cuBLAS and cuDNN.",
        autocompletion=complete_gpu,
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
    str,
    typer.Option(
        "--mapping",
        help=f"How products are laid over the memory: {', '.join(pim.MAPPINGS)}.",
        autocompletion=complete_mapping,
    ),
]
ModelArgument = Annotated[
    str, typer.Argument(help="A built-in model, or an .onnx or .pt2 file.", autocompletion=complete_model)
]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", help="Write a plot to this .html file (needs the extra report).")
]
GroupsOption = Annotated[
    str,
    typer.Option(
        "--groups",
        help="Which convolutions with groups may go to memory: gpu (none), block-diagonal (grouped ones), all (depthwise "
        "ones too), tiles (as all, several pixels at a time).",
        autocompletion=one_of(graph.GROUPS),
    ),
]
PolicyOption = Annotated[
    str, typer.Option("--policy", help=f"Who does what: {', '.join(plan.POLICIES)}.", autocompletion=complete_policy)
]
ScopeOption = Annotated[
    str,
    typer.Option(
        "--scope",
        help=f"What counts in the totals: {', '.join(plan.SCOPES)}; the rest takes no time.",
        autocompletion=complete_scope,
    ),
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
    str,
    typer.Option(
        "--trace-level",
        help="Of --trace: tasks, or commands, down to each DRAM command.",
        autocompletion=one_of(LEVELS),
    ),
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


def grouping(groups: str) -> graph.Groups:
    """What ``--groups`` says."""
    for known in graph.GROUPS:
        if known == groups:
            return known
    raise InputError("--groups", value=groups, bound=near_matches(groups, graph.GROUPS))


def check_batch(batch: int) -> int:
    """What ``--batch`` says."""
    if not 1 <= batch <= 4096:
        raise InputError("--batch", value=batch, bound="1 to 4096")
    return batch


def load_model(model: str, batch: int, groups: str = "gpu") -> tuple[graph.Graph, zoo.ModelInfo | None]:
    """A built-in model with what is known of it, or a file; ``groups`` is one of `nearbank.graph.GROUPS`."""
    return models.open_model(model, groups=grouping(groups), batch=check_batch(batch))


def gpu_model(name: str, clock_mhz: float | None) -> plan.GpuModel:
    """A built-in GPU or a profile, at another clock if one is given."""
    model = plan.gpu(name)
    return model if clock_mhz is None else model.with_clock(clock_mhz)
