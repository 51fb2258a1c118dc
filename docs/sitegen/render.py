"""The Markdown of a page with its generated parts filled in, and the pages that are generated whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module

from sitegen import api, commands, devices, shell
from sitegen.markdown import code

__all__ = ["pages", "render"]

_FUNCTION = re.compile(r"^\{\{ (\w+)\.(\w+) \}\}$", re.MULTILINE)
_RUN = re.compile(r"^```run\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> Iterator[tuple[str, str]]:
    """(path below docs, Markdown) of the pages that are generated whole."""
    yield from devices.pages()
    yield from commands.pages()
    yield from api.pages()


def render(text: str) -> str:
    """``text`` with its ``{{ module.function }}`` lines and its ``run`` blocks filled in.

    Raises:
        LookupError: a function that its module of this package does not offer.
        RuntimeError: a command that fails.
    """
    return _RUN.sub(lambda m: _ran(m[1]), _FUNCTION.sub(lambda m: _called(m[1], m[2]), text))


def _called(module: str, function: str) -> str:
    found = import_module(f"sitegen.{module}")
    if function not in found.__all__:
        raise LookupError(f"sitegen.{module} offers no {function}")
    made: str = getattr(found, function)()
    return made.rstrip("\n")


def _ran(block: str) -> str:
    """Each command with what it prints."""
    shown = []
    for line in filter(None, block.splitlines()):
        text = "\n".join(x.rstrip() for x in shell.run(line).splitlines())
        shown.append(f"$ {line}\n{text.strip(chr(10))}\n")
    return code("\n".join(shown), "console")
