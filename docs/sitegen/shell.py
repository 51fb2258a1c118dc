"""Commands of the documentation, run in this process: what they print is what the page shows."""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import shlex
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from nearbank.cli import main

__all__ = ["ROOT", "run"]

ROOT = Path(__file__).parents[2]


@cache
def run(command: str) -> str:
    """Standard output, and standard error if it fails, of ``nearbank ..`` or ``python SCRIPT ..``, in the repository's root.

    Raises:
        RuntimeError: any other command, a status other than 0 or 2 (2 is a shown error), or a script that raises.
    """
    words = shlex.split(command)
    out, err = io.StringIO(), io.StringIO()
    with _at(words), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = _called(words)
    if status not in (0, 2):
        raise RuntimeError(f"{command}: status {status}\n{err.getvalue()}")
    return out.getvalue() + (err.getvalue() if status else "")


def _called(words: list[str]) -> int:
    if words[0] == "python":
        runpy.run_path(words[1], run_name="__main__")
        return 0
    if words[0] != "nearbank":
        raise RuntimeError(f"not a command of the documentation: {' '.join(words)}")
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@contextlib.contextmanager
def _at(words: list[str]) -> Iterator[None]:
    """In the root, with these arguments, and a cache that is nobody else's."""
    argv, folder, cached = sys.argv, Path.cwd(), os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = _cache_folder()
    sys.argv = words if words[0] == "nearbank" else words[1:]
    os.chdir(ROOT)
    try:
        yield
    finally:
        sys.argv = argv
        os.chdir(folder)
        os.environ.pop("XDG_CACHE_HOME")
        if cached is not None:
            os.environ["XDG_CACHE_HOME"] = cached


_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


def _cache_folder() -> str:
    """One for all commands of a build; it goes with the process."""
    if not _FOLDERS:
        _FOLDERS.append(tempfile.TemporaryDirectory(prefix="nearbank-docs-"))
    return _FOLDERS[0].name
