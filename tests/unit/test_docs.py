"""The documentation has a page for every command, an entry for every public name, and shows nothing that is not there."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import typer
from tests.unit.test_public_api import ROOMS

from nearbank import cli
from nearbank.devices import names
from nearbank.devices.gpu import spec_names
from sitegen import api, commands, devices, pages, validation

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = dict(pages())
WRITTEN = {str(path.relative_to(DOCS)): path.read_text() for path in DOCS.rglob("*.md")}


def test_every_command_has_a_page_with_all_of_its_options():
    group = typer.main.get_command(cli.app)
    assert {"run", "layer", "devices", "simulate"} <= set(group.commands)
    for name, command in group.commands.items():
        below = [f"{name}-{child}" for child in getattr(command, "commands", {})] or [name]
        for page in below:
            assert f"commands/{page}.md" in PAGES
    for path, command in commands.leaves():
        text = PAGES[f"commands/{'-'.join(path)}.md"]
        assert "Example:" in command.help
        assert f"nearbank {' '.join(path)}" in text
        for parameter in command.params:
            if parameter.param_type_name == "option" and "--help" not in parameter.opts:
                assert all(f"`{word}`" in text for word in parameter.opts)


def resolved(path: str) -> object:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def described(text: str) -> list[str]:
    return re.findall(r"^::: (\S+)$", text, re.MULTILINE)


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_every_public_name_is_in_the_reference(room: str):
    module = f"nearbank.{room}".rstrip(".")
    text = PAGES[f"api/{module}.md"]
    everything = {id(resolved(path)) for page in PAGES.values() for path in described(page)}
    here = {path.rpartition(".")[2]: path for path in described(text)}
    links = dict(re.findall(r"^\| `(\w+)` \| \[`[\w.]+`\]\[([\w.]+)\]", text, re.MULTILINE))
    whole = dict(re.findall(r"^\| `(\w+)` \| \[`([\w.]+)`\]\(\2\.md\)", text, re.MULTILINE))
    for name in import_module(module).__all__:
        if name in whole:
            assert import_module(whole[name]) is getattr(import_module(module), name)
        elif not name.startswith("__"):
            found = getattr(import_module(module), name)
            if module == "nearbank" and name == "plan":
                found = found.plan_model  # the room that can be called is described as what it calls
            assert resolved(here.get(name) or links[name]) is found
            assert id(found) in everything


def test_nothing_is_described_twice():
    paths = [path for page in PAGES.values() for path in described(page)]
    assert len(paths) > 150
    assert len(set(paths)) == len(paths)
    functions = [id(found) for found in map(resolved, paths) if callable(found)]
    assert len(set(functions)) == len(functions)
    assert len({room.name for room in api.rooms()}) == len(api.rooms())


def test_every_device_and_gpu_has_a_page_with_its_numbers():
    for name in names():
        unit = import_module("nearbank.devices").device(name)
        text = PAGES[f"devices/{name}.md"]
        for parameter, clocks, source in unit.timing:
            assert f"| {parameter} | {clocks:,} | {source} |" in text
        assert all(rule.source in text for rule in unit.rules)
        assert all(source in text for *_, source in unit.energy)
    assert {f"gpus/{name}.md" for name in spec_names()} <= set(PAGES)


def test_what_is_assumed_is_what_the_files_say():
    listed = {source for _, _, source in devices.assumed()}
    found = set()
    for path in sorted((ROOT / "src" / "nearbank" / "devices").rglob("*.toml")):
        for line in path.read_text().splitlines():
            for text in re.findall(r'"([^"]*)"', line.partition(" #")[0]):
                if "assumed" in text.lower() and not line.startswith("about"):
                    found.add(text)
    assert found <= listed
    assert len(listed) >= 20


def test_every_generated_part_is_offered():
    asked = re.findall(r"^\{\{ (\w+)\.(\w+) \}\}$", "\n".join(WRITTEN.values()), re.MULTILINE)
    assert len(asked) > 20
    for module, function in asked:
        assert function in import_module(f"sitegen.{module}").__all__


def test_every_written_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text().partition("nav:")[2]
    listed = set(re.findall(r"[\w/-]+\.md", text))
    assert listed == set(WRITTEN)


def test_every_file_that_the_reading_order_names_is_there():
    text = WRITTEN["reading.md"]
    source = ROOT / "src" / "nearbank"
    for quoted in re.findall(r"`([\w/.*]+)`", text):
        if quoted.startswith(("tests/", "docs/")):
            assert list(ROOT.glob(quoted)), quoted
        elif quoted.endswith((".py", ".toml")):
            assert list(source.rglob(quoted)), quoted


def test_the_table_of_mappings_names_all():
    from nearbank.pim import MAPPINGS

    for name in MAPPINGS:
        assert f"| `{name}` |" in WRITTEN["mappings.md"]


def test_a_trace_table_has_the_golden_clocks():
    text = validation.pimflow_traces()
    assert "| mapped00.pim | on | 5,954 | 11,960 | 11,960 | 0 |" in text  # tests/golden/data/pimflow_traces/cycles.json


def test_the_citation_is_of_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "CITATION.cff").read_text()
    assert f"version: {project['version']}\n" in text
    assert project["authors"][0]["name"] in text
    assert f"license: {project['license']}\n" in text


def test_files_are_included_and_not_their_marks():
    """Anything like a mark, spaced otherwise, would be shown as it is."""
    found = [line for text in WRITTEN.values() for line in text.splitlines() if re.match(r"-+\s*8\s*<", line)]
    assert len(found) >= 5
    for line in found:
        marked = re.fullmatch(r'--8<-- "(.+)"', line)
        assert marked, line
        assert (ROOT / marked[1]).is_file()
