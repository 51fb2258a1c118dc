"""The command line: a thin shell over the Python API; a file a command."""

from __future__ import annotations

import io
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from nearbank import __version__
from nearbank.cli import devices
from nearbank.cli.calibrate import calibrate
from nearbank.cli.compare import compare
from nearbank.cli.explain import explain
from nearbank.cli.layer import layer
from nearbank.cli.reproduce import reproduce
from nearbank.cli.run import run
from nearbank.cli.sensitivity import sensitivity
from nearbank.cli.simulate import simulate
from nearbank.errors import NearbankError

__all__ = ["main"]

app = typer.Typer(
    no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Convolutional networks on a GPU whose memory can compute.\n\nExample: nearbank run efficientnet-lite0 --policy pim",
)  # fmt: skip
app.command("run")(run)
app.command("explain")(explain)
app.command("compare")(compare)
app.command("sensitivity")(sensitivity)
app.command("reproduce")(reproduce)
app.add_typer(devices.app, name="devices")
app.command("simulate")(simulate)
app.command("layer")(layer)
app.command("calibrate")(calibrate)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, so that half-written files are taken away; Python's own handling would leave them."""
    sys.exit(128 + number)


def main() -> None:
    """Run the command line: errors are one line on standard error and exit status 2; Ctrl-C is 130, a termination 143."""
    try:
        signal.signal(signal.SIGTERM, _terminate)
        if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name need not be text, nor a terminal know all letters
            sys.stdout.reconfigure(errors="backslashreplace")
        status = app(prog_name="nearbank", standalone_mode=False)
        if status == 130:  # the parser's own handling of Ctrl-C
            raise KeyboardInterrupt
        sys.exit(status if isinstance(status, int) else 0)
    except NearbankError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        print("\ninterrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        # Files that the user named say so themselves (InputError): what is left is standard output, on a full disk.
        sys.stdout = None
        print(f"error: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        # Usage errors of the command line parser, which has no other public base to catch.
        if not hasattr(error, "format_message"):
            raise
        text = error.format_message()
        print(text if text.startswith("Usage:") else f"error: {' '.join(text.split())}", file=sys.stderr)
        sys.exit(2)
