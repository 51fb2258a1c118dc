"""Whatever is wrong: one line that says what, where and the bound; exit status 2; nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.models import network

LAYER = ("layer", "--pixels", 20, "--in-channels", 8, "--out-channels", 8)
OPEN = "G_ACT0 0\nG_ACT1 0\nG_ACT2 0\nG_ACT3 0\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, in which a run that fails leaves nothing."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def model_case(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.onnx"
    if kind == "truncated":
        network(path)
        path.write_bytes(path.read_bytes()[:-40])
    elif kind == "text":
        path.write_text("this is no model\n")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "opset":
        network(path, opset=12)
    elif kind == "dynamic":
        network(path, size="side")
    elif kind == "nan":
        network(path, bad=float("nan"))
    elif kind == "infinite":
        network(path, bad=float("inf"))
    elif kind == "zero":
        network(path, size=0)
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", ["missing.onnx", "No such file"]),
        ("truncated", ["truncated.onnx"]),
        ("text", ["text.onnx", "ONNX"]),
        ("empty", ["empty.onnx"]),
        ("opset", ["opset", "12", "13"]),
        ("dynamic", ["dynamic", "side"]),
        ("nan", ["w0", "not a number", "finite"]),
        ("infinite", ["w0", "inf"]),
        ("zero", ["input", "at least 1"]),
        ("folder", ["folder.onnx"]),
    ],
)
def test_models(nearbank, folder, kind: str, words: list[str]) -> None:
    path = model_case(kind, folder)
    before = sorted(folder.iterdir())
    message = nearbank("run", path, "--json", "out.json").fails()
    for word in words:
        assert word.lower() in message.lower()
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "mobilnet-v2"), ["unknown model", "mobilnet-v2", "mobilenet-v2"]),
        (("run", "mobilenet-v2", "--no-values", "--device", "newton-gdr6"), ["unknown device", "newton-gddr6"]),
        (("run", "mobilenet-v2", "--no-values", "--policy", "pin"), ["unknown policy", "'pin'", "pim"]),
        (("run", "mobilenet-v2", "--no-values", "--mapping", "residant"), ["unknown mapping", "resident"]),
        (("run", "mobilenet-v2", "--no-values", "--gpu", "h20"), ["unknown GPU", "h200"]),
        (
            ("run", "mobilenet-v2", "--no-values", "--json", "a.json", "--trace", "./a.json"),
            ["--trace", "another file", "--json"],
        ),
        (
            ("layer", "--pixels", 1, "--in-channels", 1, "--out-channels", 1, "--function", "sulu"),
            ["function", "sulu", "silu"],
        ),
        (("run", "mobilenet-v2", "--no-values", "--channels", "0"), ["channels", "got 0", "1 to 32"]),
        (("run", "mobilenet-v2", "--no-values", "--channels", "33"), ["channels", "got 33", "1 to 32"]),
        (("run", "mobilenet-v2", "--no-values", "--batch", "0"), ["--batch", "1 to 4096"]),
        (("run", "mobilenet-v2", "--no-values", "--launch-us", "nan"), ["launch", "nan"]),
        (("run", "mobilenet-v2", "--no-values", "--launch-us", "-1"), ["launch", "-1"]),
        (("run", "mobilenet-v2", "--no-values", "--option", "buffers"), ["--option", "name=value"]),
        (("run", "mobilenet-v2", "--no-values", "--option", "bufers=1"), ["unknown option", "buffers"]),
        (("run", "mobilenet-v2", "--image", "nothing.png"), ["nothing.png"]),
        ((*LAYER, "--mapping", "newton"), ["unknown mapping", "newton+"]),
        ((*LAYER, "--channels", "0"), ["channels", "got 0", "1 to 32"]),
        ((*LAYER, "--format", "pimflo", "--emit", "x"), ["--format", "pimflow"]),
        (("layer", "--pixels", 0, "--in-channels", 8, "--out-channels", 8), ["pixels", "got 0"]),
        (("layer", "--pixels", -3, "--in-channels", 8, "--out-channels", 8), ["pixels", "got -3"]),
        (("layer", "--pixels", 1 << 40, "--in-channels", 8, "--out-channels", 8), ["pixels", "2^31"]),
        (("layer", "--pixels", "many", "--in-channels", 8, "--out-channels", 8), ["--pixels", "integer"]),
        (("layer", "--pixels", 8), ["in-channels"]),
        (("devices", "newton-hbm3"), ["unknown device", "newton-hbm2"]),
        (("devices", "none.toml"), ["none.toml", "No such file"]),
        (("simulate", "none.pim"), ["none.pim", "No such file"]),
        (("simulate",), ["traces"]),
        (("walk",), ["walk"]),
        (("devices", "--colour"), ["--colour"]),
    ],
    ids=lambda x: " ".join(map(str, x))[:60] if isinstance(x, tuple) else "",
)
def test_arguments(nearbank, folder, arguments: tuple[object, ...], words: list[str]) -> None:
    message = nearbank(*arguments).fails()
    for word in words:
        assert word in message
    assert list(folder.iterdir()) == []


def test_images_that_are_none(nearbank, folder):
    (folder / "photo.png").write_text("no image")
    (folder / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    for name in ("photo.png", "cut.png"):
        message = nearbank("run", "mobilenet-v2", "--image", name, "--json", "out.json").fails()
        assert name in message
        assert "image" in message
    assert sorted(p.name for p in folder.iterdir()) == ["cut.png", "photo.png"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('base = "newton-gddr6"\nclock_mzh = 9\n', ["mine.toml", "clock_mzh", "clock_mhz"]),
        ('base = "newton-gddr6"\n[timing]\nnRC = -4\n', ["mine.toml", "timing.nRC", "got -4", "from 0"]),
        ('base = "newton-gddr6"\n[organization]\npim_channels = 64\n', ["pim_channels", "got 64", "channels = 32"]),
        ('name = "x"\n', ["mine.toml", "missing"]),
        ("base = newton\n", ["mine.toml", "TOML", "line 1"]),
    ],
)
def test_device_files(nearbank, folder, text: str, words: list[str]) -> None:
    (folder / "mine.toml").write_text(text)
    for arguments in (("devices", "mine.toml"), (*LAYER, "--device", "mine.toml", "--json", "out.json")):
        message = nearbank(*arguments).fails()
        for word in words:
            assert word in message
    assert [p.name for p in folder.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize(
    ("name", "text", "device", "words"),
    [
        ("a.pim", "0x0 COMP\n0x0 COMB\n", "newton-gddr6-pimflow", ["a.pim, line 2", "COMB", "COMP"]),
        ("a.pim", "0x0 G_ACT0\n0x0 COMP 1 2 3 4 5\n", "newton-gddr6-pimflow", ["a.pim, line 2"]),
        ("a.pim", "0x0 COMP\n", "newton-gddr6", ["a.pim", "command 1", "COMP", "closed"]),
        ("p.nbk", "program newton-gddr6\nchannels 0\nGWRITE 0 0\nCOMP 0 0 0\n", "newton-gddr6",
         ["command 2", "COMP", "closed"]),
        ("p.nbk", f"program newton-gddr6\nchannels 0\n{OPEN}COMP 0 5 0\n", "newton-gddr6",
         ["command 5", "COMP", "never filled", "got 5"]),
        ("p.nbk", "program newton-gddr6\nchannels 0\nMAC16 0\n", "newton-gddr6", ["unknown command", "MAC16"]),
        ("p.nbk", "program newton-gddr6\nchannels 0\nloop p x {\n", "newton-gddr6", ["p.nbk, line 3"]),
        ("p.nbk", "", "newton-gddr6", ["p.nbk"]),
    ],
)  # fmt: skip
def test_traces(nearbank, folder, name: str, text: str, device: str, words: list[str]) -> None:
    (folder / name).write_text(text)
    message = nearbank("simulate", name, "--device", device, "--json", "out.json").fails()
    for word in words:
        assert word in message
    assert [p.name for p in folder.iterdir()] == [name]


def test_one_bad_trace_among_good_ones_writes_nothing(nearbank, folder):
    (folder / "good.pim").write_text("0x0 COMP\nREADRES\n")
    (folder / "bad.pim").write_text("0x0 COMP\nREAD\n")
    done = nearbank("simulate", "good.pim", "bad.pim", "--device", "newton-gddr6-pimflow", "--json", "out.json")
    assert "bad.pim, line 2" in done.fails()
    assert sorted(p.name for p in folder.iterdir()) == ["bad.pim", "good.pim"]


@pytest.mark.parametrize("option", ["--json", "--emit"])
def test_outputs_that_cannot_be_written(nearbank, folder, option: str) -> None:
    (folder / "file").write_text("mine")
    for path in ("file/x", "/proc/nearbank-x"):
        message = nearbank(*LAYER, option, path).fails()
        assert path in message
        assert "cannot" in message
    assert [p.name for p in folder.iterdir()] == ["file"]
    assert (folder / "file").read_text() == "mine"


def test_json_into_a_folder_that_is_none(nearbank, folder):
    assert (
        "nowhere/out.json: cannot write the file: No such file"
        in nearbank(*LAYER, "--json", "nowhere/out.json").fails()
    )
    assert "it is a folder" in nearbank(*LAYER, "--json", folder).fails()
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_told_and_a_device_is_not_replaced(nearbank, folder):
    assert "No space left" in nearbank(*LAYER, "--json", "/dev/full").fails()
    assert not Path("/dev/full").is_file()
    assert Path("/dev/full").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(nearbank, folder):
    (folder / "sealed").mkdir(mode=0o555)
    assert "Permission denied" in nearbank(*LAYER, "--json", "sealed/out.json").fails()
    assert "Permission denied" in nearbank(*LAYER, "--emit", "sealed/out").fails()


def test_an_earlier_result_outlives_a_failure(nearbank, folder):
    (folder / "out.json").write_text("earlier")
    nearbank(*LAYER, "--channels", 99, "--json", "out.json").fails()
    assert (folder / "out.json").read_text() == "earlier"
    assert [p.name for p in folder.iterdir()] == ["out.json"]


def test_no_arguments_show_the_help(nearbank):
    done = nearbank()
    assert done.status == 2
    assert done.err.startswith("Usage: nearbank")
