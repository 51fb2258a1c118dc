"""Help and completion: every command has an example that its own parser takes, and the shell completes names."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest
import typer

from nearbank.cli import app
from nearbank.cli.complete import (
    complete_device,
    complete_devices_command,
    complete_gpu,
    complete_mapping,
    complete_model,
    complete_policy,
)
from nearbank.plan import POLICIES

ROOT = typer.main.get_command(app)


def commands() -> list[tuple[str, ...]]:
    found = [(name,) for name in ROOT.commands if name != "devices"]
    return found + [("devices", name) for name in ROOT.commands["devices"].commands]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_each_command_has_an_example_that_parses(nearbank, command):
    text = nearbank(*command, "--help").out
    (example,) = re.findall(r"^ +Example: (nearbank .+)\n\n", text, re.MULTILINE)  # a line, or pasting runs half of it
    words = shlex.split(example.rpartition(" && ")[2])[1:]
    assert words[: len(command)] == list(command)
    group = ROOT
    for name in command[:-1]:
        group = group.commands[name]
    parsed = group.commands[command[-1]].make_context(command[-1], words[len(command) :])
    assert parsed.params


def test_the_example_of_simulate_works(nearbank, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall("Example: (.+)", nearbank("simulate", "--help").out)
    for command in example.split(" && "):
        done = nearbank(*shlex.split(command)[1:])
        assert done.status == 0, done.err
    assert "program.nbk" in done.out


def test_the_help_of_all(nearbank):
    text = nearbank("--help").out
    assert "Example: nearbank run" in re.sub(r"\s+", " ", text)
    assert all(re.search(rf"^  {name} ", text, re.M) for name in ROOT.commands)
    assert "Example: nearbank devices newton-gddr6" in re.sub(r"\s+", " ", nearbank("devices", "--help").out)


def test_names_are_completed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in ("new.toml", "net.onnx", "news.json", ".net.onnx"):
        (tmp_path / file).touch()
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "a.onnx").touch()
    assert complete_model("mobilenet") == ["mobilenet-v2", "mobilenet-v3-large"]
    assert complete_model("ne") == ["nets/", "net.onnx"]
    assert complete_model("nets/") == ["nets/a.onnx"]
    assert complete_model("none/") == []
    assert complete_device("newton-gddr6-") == ["newton-gddr6-pimflow"]
    assert complete_devices_command("ne")[:2] == ["new", "newton-gddr6"]
    assert complete_devices_command("ne")[-2:] == ["nets/", "new.toml"]
    assert complete_gpu("h200") == ["h200", "h200-analytic"]
    assert complete_mapping("res") == ["resident"]
    assert complete_policy("") == list(POLICIES)


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        ("nearbank comp", ["compare"]),
        ("nearbank run mobilenet-v2 --policy pi", ["pim", "pipeline"]),
        ("nearbank devices check newton-h", ["newton-hbm2"]),
        ("nearbank run mobilenet-v2 --groups t", ["tiles"]),
        ("nearbank run mobilenet-v2 --host t", ["torch"]),
        ("nearbank run mobilenet-v2 --image co", ["coffee"]),
        ("nearbank run mobilenet-v2 --trace-level c", ["commands"]),
        ("nearbank layer --format pim", ["pimflow"]),
        ("nearbank layer --function sil", ["silu"]),
        ("nearbank sensitivity mobilenet-v2 --parameter jo", ["join"]),
        ("nearbank reproduce pimf", ["pimflow"]),
    ],
)
def test_the_shell_is_answered(tmp_path, line, answers):
    """As bash asks, by the environment that its completion function sets."""
    words = {"_NEARBANK_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    code = "from nearbank.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | words, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == answers
    assert done.stderr == ""
