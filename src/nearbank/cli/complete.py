"""What the shell completes: names of built-in devices, models, GPUs, policies and mappings, and files where files may stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from nearbank import devices, pim, zoo
from nearbank.plan import POLICIES, SCOPES, gpu_names

__all__ = [
    "complete_base",
    "complete_device",
    "complete_devices_command",
    "complete_gpu",
    "complete_image",
    "complete_mapping",
    "complete_model",
    "complete_policy",
    "complete_scope",
    "one_of",
]


def complete_model(incomplete: str) -> list[str]:
    """Built-in models, .onnx and .pt2 files."""
    return _matching(zoo.names(), incomplete) + _files(incomplete, ".onnx", ".pt2")


def complete_device(incomplete: str) -> list[str]:
    """Built-in devices and .toml files."""
    return complete_base(incomplete) + _files(incomplete, ".toml")


def complete_base(incomplete: str) -> list[str]:
    """Built-in devices."""
    return _matching(devices.names(), incomplete)


def complete_devices_command(incomplete: str) -> list[str]:
    """What may stand behind `nearbank devices`: its commands, devices and files."""
    return _matching(("check", "new", "show"), incomplete) + complete_device(incomplete)


def complete_gpu(incomplete: str) -> list[str]:
    """Built-in GPUs and profiles."""
    return _matching(gpu_names(), incomplete) + _files(incomplete, ".json")


def complete_policy(incomplete: str) -> list[str]:
    """Policies."""
    return _matching(POLICIES, incomplete)


def complete_scope(incomplete: str) -> list[str]:
    """Scopes."""
    return _matching(SCOPES, incomplete)


def complete_mapping(incomplete: str) -> list[str]:
    """Mappings."""
    return _matching(pim.MAPPINGS, incomplete)


def complete_image(incomplete: str) -> list[str]:
    """Photos that come along, and files."""
    return _matching(zoo.PHOTOS, incomplete) + _files(incomplete, ".jpg", ".jpeg", ".png")


def one_of(names: Iterable[str]) -> Callable[[str], list[str]]:
    """A completer of these names."""
    known = tuple(names)

    def complete(incomplete: str) -> list[str]:
        return _matching(known, incomplete)

    return complete


def _matching(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _files(incomplete: str, *suffixes: str) -> list[str]:
    """Files with one of these suffixes, and folders to look into, as far as ``incomplete`` leads."""
    folder, _, start = incomplete.rpartition("/")
    place = f"{folder}/" if "/" in incomplete else ""
    try:
        there = sorted(Path(place or ".").iterdir())
    except OSError:
        return []
    found = [path for path in there if path.name.startswith(start) and not path.name.startswith(".")]
    return [f"{place}{p.name}/" for p in found if p.is_dir()] + [
        f"{place}{p.name}" for p in found if p.suffix in suffixes
    ]
