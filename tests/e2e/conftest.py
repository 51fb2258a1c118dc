"""The command line, called in this process as a user calls it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from nearbank.cli import main
from nearbank.pim import cache


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str

    def fails(self) -> str:
        """The message of a run that failed as it should: one line, exit status 2."""
        assert self.status == 2
        lines = [line for line in self.err.splitlines() if not line.startswith(("planning ", "running ", "simulating"))]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: ")
        assert "Traceback" not in self.out + self.err
        return lines[0]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory) -> Path:
    """Every test starts with an empty cache of its own, in processes that it starts too."""
    folder = tmp_path_factory.mktemp("cache")
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(folder))
    monkeypatch.setattr(cache, "_current", None)
    return folder


@pytest.fixture
def nearbank(monkeypatch, capsys):
    """``nearbank("layer", "--pixels", 3, ...)`` runs the command and tells how it ended."""

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["nearbank", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        status = ended.value.code
        return Done(status if isinstance(status, int) else 0, out, err)

    return call
