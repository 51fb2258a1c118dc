"""`nearbank reproduce`: published tables, with ours beside."""

from __future__ import annotations

from typing import Annotated

import typer

from nearbank import reproduce as tables_of
from nearbank.cli.complete import one_of
from nearbank.cli.options import CacheOption, JsonOption, NoCacheOption, use_cache
from nearbank.errors import InputError
from nearbank.report import documents, output, published
from nearbank.report.progress import Progress

__all__ = ["reproduce"]


def reproduce(
    table: Annotated[
        str, typer.Argument(help=f"One of {', '.join(tables_of.TABLES)}.", autocompletion=one_of(tables_of.TABLES))
    ],
    batch: Annotated[
        list[int] | None, typer.Option(help="Images at a time; may be repeated [default: 1, 8, 32].")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option(help="A setting by its name in the table; may be repeated [default: all].")
    ] = None,
    cache: CacheOption = None,
    no_cache: NoCacheOption = False,
    json: JsonOption = None,
) -> None:
    """Print published speedups beside ours: in their setting, then step by step with all that a real system has.

    Example: nearbank reproduce pimflow --batch 1
    """
    output.check_writable(json)
    use_cache(cache, no_cache)
    for size in batch or ():
        if not 1 <= size <= 4096:
            raise InputError("--batch", value=size, bound="1 to 4096")
    tick = Progress(f"reproducing {table}")
    rows = list(tables_of.reproduce(table, batches=tuple(batch or (1, 8, 32)), only=tuple(setting or ()), tick=tick))
    tick.close()
    published.print_rows(table, rows)
    output.write_json(json, documents.rows_document(rows))
