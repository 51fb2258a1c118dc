"""Found mappings, kept on disk: a network that was planned once is planned again without a search.

A file holds one answer, compressed JSON behind its digest. Its name is a digest over everything that the answer depends on: the
question, and the sources of the packages that answer it, so that an edited mapping or engine never meets an old answer. Files
are written whole under another name and then renamed, so any number of processes may share a folder, and it may be deleted at
any moment. What cannot be read is as if it were not there; what cannot be written is left out. Nothing is unpickled or run.

The folder is kept below `CACHE_BYTES`: beyond, the oldest files go.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import json
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from nearbank.errors import NearbankError

T = TypeVar("T")

__all__ = ["CACHE_BYTES", "MappingCache", "current", "default_folder", "kept", "use"]

CACHE_BYTES = 64 << 20
"""Size that the folder is kept below; an answer takes a few KB. Half of it is freed at a time."""

_SUFFIX, _PARTIAL = ".json.gz", ".partial"
_PACKAGES = ("devices", "program", "sim", "pim")
_ABANDONED = 3600.0
"""Seconds after which a partial file is one that a killed process left."""


class MappingCache:
    """Answers in ``folder``, which need not exist."""

    def __init__(self, folder: Path, limit: int = CACHE_BYTES) -> None:
        self.folder, self.limit = folder, limit

    def load(self, *question: object) -> Any:
        """The answer that was stored for ``question``; None if there is none that can be read."""
        try:
            digest, _, text = gzip.decompress(self._path(question).read_bytes()).partition(b"\n")
            if digest != _digest(text).encode():
                return None
            return json.loads(text)
        except (OSError, EOFError, zlib.error, ValueError):
            return None

    def store(self, answer: Any, *question: object) -> None:
        """Keep ``answer`` (of lists, dictionaries, texts and numbers) for ``question`` (of the same, or dataclasses of them)."""
        text = json.dumps(answer, separators=(",", ":")).encode()
        partial = None
        try:
            path = self._path(question)
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(suffix=_PARTIAL, dir=self.folder)
            with open(handle, "wb") as file:
                file.write(gzip.compress(_digest(text).encode() + b"\n" + text, 6, mtime=0))
            os.replace(partial, path)
            partial = None
            self._shrink()
        except OSError:
            pass
        finally:
            if partial is not None:
                with contextlib.suppress(OSError):
                    os.unlink(partial)

    def _path(self, question: tuple[object, ...]) -> Path:
        text = json.dumps([_sources(), question], default=_plain, sort_keys=True)
        return self.folder / (_digest(text.encode())[:32] + _SUFFIX)

    def _shrink(self) -> None:
        """Delete the oldest files if all together are too large, and what killed processes left."""
        files, now = [], time.time()
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith((_SUFFIX, _PARTIAL)):
                    with contextlib.suppress(OSError):
                        about = entry.stat()
                        files.append((about.st_mtime, entry.path, about.st_size))
        total = sum(size for _, _, size in files)
        least = self.limit // 2 if total > self.limit else total
        for written, path, size in sorted(files):
            abandoned = path.endswith(_PARTIAL) and written < now - _ABANDONED
            if abandoned or (total > least and path.endswith(_SUFFIX)):
                with contextlib.suppress(OSError):
                    os.unlink(path)
                total -= size


_current: MappingCache | None = None


def use(cache: MappingCache | None) -> None:
    """Let this process keep its mappings in ``cache``; None, as at the start, for nowhere."""
    global _current
    _current = cache


def current() -> MappingCache | None:
    """The cache that this process keeps its mappings in."""
    return _current


def kept(
    kind: str,
    question: tuple[object, ...],
    find: Callable[[], T],
    store: Callable[[T], Any],
    restore: Callable[[Any], T],
) -> T:
    """The answer to ``question``: from the current cache, else found and kept there."""
    if _current is None:
        return find()
    stored = _current.load(kind, *question)
    if stored is not None:
        try:
            return restore(stored)
        except (KeyError, TypeError, ValueError, NearbankError):  # not what was stored under that name
            pass
    answer = find()
    _current.store(store(answer), kind, *question)
    return answer


def default_folder() -> Path | None:
    """Where the system keeps caches of this user; None if it does not say."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    standard = {"win32": home / "AppData" / "Local", "darwin": home / "Library" / "Caches"}
    named = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    base = Path(named) if os.path.isabs(named) else standard.get(sys.platform, home / ".cache")
    return base / "nearbank"


@lru_cache(maxsize=1)
def _sources() -> str:
    """A digest over the sources that answers depend on.

    Raises:
        OSError: they are not there to be read (in an archive, say); then nothing may be kept.
    """
    root = Path(__file__).parents[1]
    total = hashlib.sha256()
    for package in _PACKAGES:
        paths = sorted((root / package).rglob("*.py"))
        if not paths:
            raise FileNotFoundError(root / package)
        for path in paths:
            total.update(f"{path.relative_to(root).as_posix()}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _plain(value: object) -> object:
    """A dataclass as its name and fields; anything else is no part of a question."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}]
    raise TypeError(f"a question of the cache can not hold {type(value).__name__}")
