"""The API reference: a page a room of the package, from its ``__all__``. Read from the sources; nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sitegen.markdown import table

__all__ = ["Room", "index", "pages", "rooms"]

SOURCE = Path(__file__).parents[2] / "src"
_LEFT_OUT = ("nearbank.cli",)
"""The command line has pages of its own."""
_MODULES = ("nearbank.errors", "nearbank.sim.energy", "nearbank.tabular")
"""Modules that are rooms by themselves."""


@dataclass(frozen=True)
class Room:
    """A package or module: its dotted name, what its docstring says, what it offers and where each name is from."""

    name: str
    about: str
    offers: tuple[str, ...]
    homes: tuple[tuple[str, str], ...]

    def home(self, name: str) -> str:
        """The dotted name of what ``name`` is imported as here; empty if it is made here."""
        return dict(self.homes).get(name, "")


@cache
def rooms() -> tuple[Room, ...]:
    """All rooms, the package itself first."""
    packages = sorted(SOURCE.glob("nearbank/**/__init__.py"))
    files = {".".join(path.relative_to(SOURCE).parent.parts): path for path in packages}
    files |= {name: SOURCE / f"{name.replace('.', '/')}.py" for name in _MODULES}
    found = (_room(name, path) for name, path in sorted(files.items()) if name not in _LEFT_OUT)
    return tuple(room for room in found if room.offers)


def _room(name: str, path: Path) -> Room:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    offers: tuple[str, ...] = ()
    homes: list[tuple[str, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == ["__all__"]:
            offers = tuple(n for n in ast.literal_eval(node.value) if not n.startswith("__"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nearbank"):
            homes += [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Import):
            homes += [(alias.asname, alias.name) for alias in node.names if alias.asname]
    return Room(name, ast.get_docstring(tree) or "", offers, tuple(homes))


def _linked(room: Room, name: str) -> str:
    """Where another room describes ``name``, the last in a row of rooms that hand it on; empty if this one does."""
    offering = {f"{other.name}.{offered}": (other, offered) for other in rooms() for offered in other.offers}
    offering = {path: found for path, found in offering.items() if path not in {other.name for other in rooms()}}
    found = ""
    while (home := room.home(name)) in offering:
        found, (room, name) = home, offering[home]
    return found


def _described(room: Room, name: str) -> str:
    """The dotted name to describe: that of its own file where the file's name would be taken for it."""
    beside = SOURCE.joinpath(*room.name.split("."), name)
    return room.home(name) if beside.is_dir() or beside.with_suffix(".py").exists() else f"{room.name}.{name}"


def _address(room: Room) -> str:
    return f"api/{room.name}.md"


def pages() -> Iterator[tuple[str, str]]:
    """A page a room; each name is described once, and linked to from the other rooms that offer it."""
    for room in rooms():
        parts = [f"# {room.name}\n", _plain(room.about) + "\n"]
        whole = {name: home for name in room.offers if (home := room.home(name)) in {other.name for other in rooms()}}
        links = {name: f"[`{home}`]({home}.md)" for name, home in whole.items()}
        links |= {name: f"[`{found}`][{found}]" for name in room.offers if (found := _linked(room, name))}
        if links:
            rows = ((f"`{name}`", link) for name, link in sorted(links.items()))
            parts.append(table(("name", "described at"), rows, left=("name", "described at")))
        parts += [f"::: {_described(room, name)}\n" for name in room.offers if name not in links]
        yield _address(room), "\n".join(parts)


def _plain(text: str) -> str:
    """A docstring with its paragraphs of code, if any, in blocks."""
    parts = text.split("\n\n")
    return "\n\n".join(f"```python\n{part}\n```" if part.startswith("import ") else part for part in parts)


def index() -> str:
    """The rooms, a line each."""
    rows = ((f"[`{room.name}`]({room.name}.md)", room.about.partition("\n\n")[0]) for room in rooms())
    return table(("room", "what it is"), rows, left=("room", "what it is"))
