"""What one process alone does not show: two at once, an interrupt, a reader that goes away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import nearbank as nb

COMMAND = [sys.executable, "-c", "from nearbank.cli import main; main()"]
RUN = [*COMMAND, "run", "--json", "out.json"]


def heed_interrupts() -> None:
    """A child of a background job would ignore them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    ("stage", "arguments"),
    [
        ("planning", ("resnet-50", "--gpu", "rtx2060", "--no-values", "--no-cache")),
        ("running", ("mobilenet-v2", "--policy", "pim", "--mapping", "resident", "--batch", "4")),
    ],
)
def test_interrupt_leaves_no_file(tmp_path: Path, stage: str, arguments: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [*RUN, *arguments], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    )  # fmt: skip
    # Progress is shown from two seconds on: then the work is under way.
    while not (line := process.stderr.readline()).startswith(stage) and line:
        pass
    if not line:
        process.communicate()
        pytest.skip(f"this machine needs less than two seconds for {stage}")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.rstrip().endswith("interrupted")
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_write_one_whole_file(tmp_path: Path) -> None:
    arguments = [*COMMAND, "run", "mobilenet-v2", "--no-values", "--json", "out.json"]
    both = [subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    assert json.loads((tmp_path / "out.json").read_text())["model"] == "mobilenet-v2"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_standard_output_on_a_full_disk() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "devices"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: standard output: No space left on device\n"


def test_a_reader_that_leaves_early() -> None:
    with subprocess.Popen(
        [*COMMAND, "devices", "newton-gddr6"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode != 0
    assert errors == ""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_that_is_stopped_while_it_writes_leaves_nothing(tmp_path, sent, status):
    """The writer stops in the middle of its file until the signal comes."""
    code = """
import sys, time
from nearbank.cli import main
from nearbank.report import output

def lines(path, text):
    def slowly():
        yield "half of it"
        print("writing", flush=True)
        time.sleep(60)
    whole(path, slowly())

whole, output.write_lines = output.write_lines, lines
sys.argv = ["nearbank", "layer", "--pixels", "1", "--in-channels", "1", "--out-channels", "1", "--mapping", "resident",
            "--no-cache", "--json", "out.json"]
main()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    )
    assert child.stdout is not None
    while child.stdout.readline() != "writing\n":
        assert child.poll() is None
    assert len(list(tmp_path.iterdir())) == 1
    child.send_signal(sent)
    child.communicate(timeout=60)
    assert child.returncode == status
    assert list(tmp_path.iterdir()) == []


def test_as_a_module_and_interrupted_while_it_is_imported() -> None:
    done = subprocess.run([sys.executable, "-m", "nearbank", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == nb.__version__
    code = """
import sys
from nearbank.__main__ import main

class Impatient:
    def find_spec(self, name, path, target=None):
        if name == "nearbank.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Impatient())
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")
