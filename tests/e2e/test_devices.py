"""`nearbank devices`: listing, showing, starting a file of one's own, checking it."""

from __future__ import annotations

import json

import pytest

from nearbank.devices import device, names, template


def test_the_list_and_one_device_by_its_name(nearbank):
    listed = nearbank("devices")
    assert listed.status == 0
    assert all(name in listed.out for name in names())
    plain, spelled = nearbank("devices", "newton-gddr6"), nearbank("devices", "show", "newton-gddr6")
    assert plain.out == spelled.out
    assert plain.out.startswith(f"newton-gddr6 ({device('newton-gddr6').hash})")


def test_options_before_and_behind_the_name(nearbank):
    one = nearbank("devices", "newton-gddr6", "--option", "buffers=1")
    assert "global buffers 1" in one.out
    assert nearbank("devices", "--option", "buffers=1", "newton-gddr6").out == one.out


def test_no_device_is_called_like_a_command():
    assert not {"new", "check", "show"} & set(names())


def test_a_new_file(nearbank, tmp_path):
    path = tmp_path / "my.toml"
    done = nearbank("devices", "new", path, "--base", "aim-gddr6")
    assert done.status == 0
    assert path.read_text() == template("aim-gddr6")
    assert nearbank("devices", "check", path).status == 0
    assert nearbank("devices", path).out.startswith("my (")


def test_a_file_that_is_there_stays(nearbank, tmp_path):
    path = tmp_path / "my.toml"
    path.write_text("mine")
    assert (
        "the file is there already; must be another name, or --force given" in nearbank("devices", "new", path).fails()
    )
    assert path.read_text() == "mine"
    assert nearbank("devices", "new", path, "--force").status == 0
    assert path.read_text() == template("newton-gddr6")
    assert [p.name for p in tmp_path.iterdir()] == ["my.toml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("new", "my.toml", "--base", "newton-gdr6"),
            "unknown base; got 'newton-gdr6'; did you mean newton-gddr6",
        ),
        (("new", "my.json"), "my.json: a device file; got '.json'; must be named .toml"),
        (("new", "no/my.toml"), "no/my.toml: cannot write the file: No such file"),
        (("check", "none.toml"), "none.toml: cannot read the device file: No such file"),
        (("check", "newton-gddr7"), "unknown device; got 'newton-gddr7'"),
        (("newton-gddr7",), "unknown device; got 'newton-gddr7'"),
    ],
)
def test_bad_input(nearbank, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert words in nearbank("devices", *arguments).fails()
    assert list(tmp_path.iterdir()) == []


def test_a_check_with_errors_ends_with_status_2(nearbank, tmp_path):
    path = tmp_path / "my.toml"
    path.write_text('base = "newton-gddr6"\n[timing]\nnRC = 20\n')
    done = nearbank("devices", "check", path, "--json", tmp_path / "c.json")
    assert done.status == 2
    assert done.err == ""
    lines = done.out.splitlines()
    assert lines[0].startswith("my (")
    assert lines[0].endswith("875 MHz: 2 errors, 2 warnings, 10 notes")
    assert lines[2:5] == [
        "error: timing.nRC: shorter than opening and closing a row", "  nRC 20 < nRAS 25 + nRP 11 = 36", "  at least 36 clocks",
    ]  # fmt: skip
    document = json.loads((tmp_path / "c.json").read_text())
    assert document["ok"] is False
    assert document["findings"][0] == {
        "severity": "error", "where": "timing.nRC", "what": "shorter than opening and closing a row",
        "numbers": "nRC 20 < nRAS 25 + nRP 11 = 36", "bound": "at least 36 clocks",
    }  # fmt: skip


@pytest.mark.parametrize("name", names())
def test_a_check_of_what_ships(nearbank, name):
    done = nearbank("devices", "check", name)
    assert done.status == 0
    assert done.out.splitlines()[0].startswith(f"{name} (")
    assert ": 0 errors, " in done.out.splitlines()[0]
