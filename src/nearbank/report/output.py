"""Files a user asked for: whole or not at all, and known to be writable before the work begins."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nearbank.errors import InputError

__all__ = ["check_writable", "write_json", "write_lines"]


def check_writable(path: Path | None) -> None:
    """InputError unless ``path`` can be made: its folder is there and takes files."""
    if path is None:
        return
    if path.is_dir():
        raise InputError("cannot write the file: it is a folder", where=str(path))
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise InputError(f"cannot write the file: {error.strerror}", where=str(path)) from None


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write text through a temporary file beside ``path``, so that a reader or a Ctrl-C never meets half of it."""
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file:
            temporary = Path(file.name)
            file.writelines(lines)
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise InputError(f"cannot write the file: {error.strerror}", where=str(path)) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    """Write ``content`` with a stable order of keys and floats as they are; nothing if ``path`` is None."""
    if path is not None:
        write_lines(path, [json.dumps(content, indent=2, allow_nan=False, default=str), "\n"])
