"""`nearbank devices`: the memories there are, one of them whole, a file to start one's own from, and a check of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nearbank import devices
from nearbank.cli.complete import complete_base, complete_device, complete_devices_command
from nearbank.cli.options import JsonOption, OptionOption, options
from nearbank.errors import InputError
from nearbank.report import device_tables, documents, findings, output, tables

__all__ = ["app"]


class _Group(TyperGroup):
    """Its commands, or "show" where none is named: `nearbank devices`, `nearbank devices newton-gddr6`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with the command that they leave out."""
        if not args or args[0] not in (*self.commands, "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Group, rich_markup_mode=None,
    help="The built-in devices, or one of them; a file for your own, and a check of it.\n\nExample: nearbank devices newton-gddr6",
)  # fmt: skip


@app.command("show")
def show_devices(
    name: Annotated[
        str | None,
        typer.Argument(help="A built-in device or a .toml file.", autocompletion=complete_devices_command),
    ] = None,
    option: OptionOption = None,
) -> None:
    """List the built-in devices, or print one with its rule table and sources; what "devices NAME" is short for.

    Example: nearbank devices show newton-gddr6
    """
    if name is None:
        device_tables.print_devices([devices.device(n) for n in devices.names()])
    else:
        device_tables.print_device(devices.device(name, options(option)))


@app.command("new")
def new_device(
    file: Annotated[Path, typer.Argument(help="The .toml file to write.")],
    base: Annotated[
        str, typer.Option("--base", help="The built-in device to start from.", autocompletion=complete_base)
    ] = "newton-gddr6",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
) -> None:
    """Write a device file to start from: all that may be changed, as comments, with units and what it means.

    Example: nearbank devices new my.toml --base newton-gddr6
    """
    text = devices.template(base)
    if file.suffix != ".toml":
        raise InputError("a device file", where=str(file), value=file.suffix, bound="named .toml")
    if file.exists() and not force:
        raise InputError("the file is there already", where=str(file), bound="another name, or --force given")
    output.check_writable(file)
    output.write_lines(file, [text])
    tables.console().print(f"wrote {file}: {base} until something is uncommented; then: nearbank devices check {file}")


@app.command("check")
def check_device(
    name: Annotated[str, typer.Argument(help="A .toml file or a built-in device.", autocompletion=complete_device)],
    option: OptionOption = None,
    json: JsonOption = None,
) -> None:
    """Check a device against itself and against what every DRAM needs, with the arithmetic; exit status 2 if there are errors.

    Example: nearbank devices check my.toml
    """
    output.check_writable(json)
    found = devices.check_device(devices.device(name, options(option)))
    findings.print_check(found)
    output.write_json(json, documents.check_document(found))
    if not found.ok:
        raise typer.Exit(2)
