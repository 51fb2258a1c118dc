"""Files a user asked for: whole or not at all, and known to be writable before the work begins."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nearbank.errors import InputError

__all__ = ["check_apart", "check_folder", "check_writable", "command_line", "write_json", "write_lines"]


def command_line() -> str:
    """The command as it was given, to be pasted into a shell."""
    return shlex.join(["nearbank", *sys.argv[1:]])


def check_writable(path: Path | None) -> None:
    """InputError unless ``path`` can be made: its folder is there and takes files, and what is there may be written."""
    if path is None:
        return
    if path.is_dir():
        raise InputError("cannot write the file: it is a folder", where=str(path))
    if path.exists() and not os.access(path, os.W_OK):
        raise InputError("cannot write the file: Permission denied", where=str(path))
    if _is_special(path):
        return
    _check_takes_files(path.resolve().parent, path, "cannot write the file")


def check_apart(**paths: Path | None) -> None:
    """InputError if two options, by their names, would write the same file: the later one would replace the other's."""
    seen: dict[Path, str] = {}
    for name, path in paths.items():
        if path is None or _is_special(path):
            continue
        other = seen.setdefault(path.resolve(), name)
        if other != name:
            raise InputError(f"--{name}", value=str(path), bound=f"another file than that of --{other}")


def _check_takes_files(folder: Path, path: Path, what: str) -> None:
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise InputError(f"{what}: {error.strerror}", where=str(path)) from None


def check_folder(path: Path | None) -> None:
    """InputError unless ``path`` is a folder that takes files, or can be made one. Makes nothing."""
    if path is None:
        return
    there = path.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise InputError("cannot make the folder: File exists", where=str(path))
    _check_takes_files(there, path, "cannot write to the folder")


def _is_special(path: Path) -> bool:
    """A terminal, pipe or device: written to as it is, never replaced by a file."""
    return path.exists() and not path.is_file()


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write text through a temporary file beside ``path``, so that a reader or a Ctrl-C never meets half of it.

    A link stays a link: what it leads to is written. A pipe or a device is written to directly. What is no text, as some file
    names, is written as escapes.
    """
    temporary = None
    try:
        if _is_special(path):
            with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
                file.writelines(lines)
            return
        real = path.resolve()
        with tempfile.NamedTemporaryFile(
            "w", dir=real.parent, prefix=f".{real.name}.", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as new:
            temporary = Path(new.name)
            new.writelines(lines)
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(real)
        temporary = None
    except OSError as error:
        raise InputError(f"cannot write the file: {error.strerror}", where=str(path)) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """Write ``content`` with a stable order of keys and floats as they are, but for those that are none (null); nothing if ``path``
    is None."""
    if path is not None:
        write_lines(path, [json.dumps(_finite(content), indent=2, allow_nan=False, default=str), "\n"])


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN, which outputs and their errors may be: null instead."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(x) for key, x in value.items()}
    return [_finite(x) for x in value] if isinstance(value, list | tuple) else value
