"""`--cache` and `--no-cache`: where found mappings are kept, and that nothing else changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LAYER = ("layer", "--pixels", 50, "--in-channels", 64, "--out-channels", 100, "--channels", 4)
COMMAND = [sys.executable, "-c", "from nearbank.cli import main; main()"]


def test_the_users_folder_is_the_default(nearbank, own_cache: Path) -> None:
    first = nearbank(*LAYER)
    assert len(list((own_cache / "nearbank").iterdir())) == 2
    assert nearbank(*LAYER).out == first.out


def test_a_folder_of_ones_own(nearbank, own_cache: Path, tmp_path: Path) -> None:
    # A product of its own: what the process remembers is not stored again.
    assert nearbank(*LAYER, "--pixels", 51, "--cache", tmp_path / "kept").status == 0
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert list(own_cache.iterdir()) == []


def test_no_cache(nearbank, own_cache: Path) -> None:
    assert nearbank(*LAYER, "--pixels", 52, "--no-cache").status == 0
    assert list(own_cache.iterdir()) == []


def test_wrong_options(nearbank, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--cache" in nearbank(*LAYER, "--cache", tmp_path / "file").fails()
    assert "--no-cache" in nearbank(*LAYER, "--cache", tmp_path, "--no-cache").fails()


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    command = [*COMMAND, *map(str, LAYER), "--verify", "--cache", str(tmp_path / "kept")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    third = subprocess.run([*command[:-2], "--no-cache"], capture_output=True, text=True, timeout=120)
    assert [process.returncode for process in both] == [0, 0]
    assert outputs == [third.stdout] * 2
    assert sorted(path.suffix for path in (tmp_path / "kept").iterdir()) == [".gz", ".gz"]
