"""A page a command, from the command line's own help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from nearbank.cli import app
from sitegen.markdown import code, table

__all__ = ["index", "leaves", "pages"]


def leaves() -> Iterator[tuple[tuple[str, ...], Any]]:
    """(name as typed, command) of all commands, those of groups included."""
    yield from _below((), typer.main.get_command(app))


def _below(path: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    children: dict[str, Any] = getattr(command, "commands", {})
    # A group that does something by itself is a command too.
    if path and (not children or getattr(command, "invoke_without_command", False)):
        yield path, command
    for name, child in children.items():
        yield from _below((*path, name), child)


def pages() -> Iterator[tuple[str, str]]:
    """A page for each of `leaves`."""
    for path, command in leaves():
        yield _address(path), _page(path, command)


def index() -> str:
    """What there is, a line each."""
    rows = ((f"[`nearbank {' '.join(p)}`]({'-'.join(p)}.md)", _said(c)[0]) for p, c in leaves())
    return table(("command", "what it does"), rows, left=("command", "what it does"))


def _address(path: tuple[str, ...]) -> str:
    return f"commands/{'-'.join(path)}.md"


def _said(command: Any) -> tuple[str, str]:
    """The first sentence of a command's help, and its example."""
    about, _, example = (command.help or "").replace("\b\n", "").partition("Example:")
    return " ".join(about.split()), " ".join(example.split())


def _page(path: tuple[str, ...], command: Any) -> str:
    about, example = _said(command)
    name = " ".join(path)
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and "--help" not in p.opts]
    usage = " ".join(["nearbank", name, *(_argument(a) for a in arguments), *(["[OPTIONS]"] if options else [])])
    parts = [f"# {name}\n\n{about}\n", code(usage)]
    if example:
        parts += ["For example:\n", code(example, "console")]
    if arguments:
        named = (("`" + _argument(a) + "`", a.help or "") for a in arguments)
        parts += ["## Arguments\n", table(("argument", "what it is"), named, left=("argument", "what it is"))]
    if options:
        rows = ((_spelled(o), _default(o), o.help or "") for o in options)
        left = ("option", "default", "what it does")
        parts += ["## Options\n", table(left, rows, left=left)]
    return "\n".join(parts)


def _argument(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 or argument.multiple else "")
    return name if argument.required else f"[{name}]"


def _spelled(option: Any) -> str:
    words = [f"`{word}`" for word in (*option.opts, *option.secondary_opts)]
    return ", ".join(words) + ("" if option.is_flag else f" `{option.name.upper()}`")


def _default(option: Any) -> str:
    if option.required:
        return "required"
    default = option.default() if callable(option.default) else option.default
    if default is None or default == () or default == []:
        return ""
    if option.is_flag:
        return "on" if default else "off"
    return f"`{default}`"
