"""`nearbank devices`: the memories there are, and one of them whole."""

from __future__ import annotations

from typing import Annotated

import typer

from nearbank import devices
from nearbank.cli.options import OptionOption, options
from nearbank.report import tables

__all__ = ["show_devices"]


def show_devices(
    name: Annotated[str | None, typer.Argument(help="A built-in device or a .toml file.")] = None,
    option: OptionOption = None,
) -> None:
    """List the built-in devices, or print one with its rule table and sources.

    Example: nearbank devices newton-gddr6
    """
    if name is None:
        tables.print_devices([devices.device(n) for n in devices.names()])
    else:
        tables.print_device(devices.device(name, options(option)))
