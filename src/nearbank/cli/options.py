"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nearbank import graph, pim, zoo
from nearbank.errors import InputError, ModelError, near_matches
from nearbank.pim import cache

__all__ = [
    "GROUPS",
    "CacheOption",
    "ChannelsOption",
    "DeviceOption",
    "GpuOption",
    "GroupsOption",
    "JsonOption",
    "MappingOption",
    "NoCacheOption",
    "OptionOption",
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
ChannelsOption = Annotated[int, typer.Option("--channels", help="Memory channels that compute.")]
MappingOption = Annotated[
    str, typer.Option("--mapping", help=f"How products are laid over the memory: {', '.join(pim.MAPPINGS)}.")
]
GROUPS = ("gpu", "block-diagonal")
GroupsOption = Annotated[
    str,
    typer.Option(
        "--groups",
        help="Grouped convolutions (not depthwise): gpu, or block-diagonal, as products that may go to memory.",
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


def load_model(model: str, batch: int, groups: str = "gpu") -> tuple[graph.Graph, zoo.ModelInfo | None]:
    """A built-in model with what is known of it, or an ONNX file; ``groups`` is one of `GROUPS`."""
    if groups not in GROUPS:
        raise InputError("--groups", value=groups, bound=near_matches(groups, GROUPS))
    expand = groups == "block-diagonal"
    if batch < 1 or batch > 4096:
        raise InputError("--batch", value=batch, bound="1 to 4096")
    if model in zoo.names():
        return graph.load(zoo.build(model), batch=batch, name=model, expand_groups=expand), zoo.info(model)
    if not model.endswith(".onnx") and not Path(model).exists():
        raise ModelError(
            "unknown model", value=model, bound=f"an .onnx file or a built-in: {near_matches(model, zoo.names())}"
        )
    return graph.load(model, batch=batch, expand_groups=expand), None
