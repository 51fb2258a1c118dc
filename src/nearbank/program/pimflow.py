"""PIMFlow's trace format: text, one command a line, one file a channel: `0xADDR GWRITE `, `0xADDR G_ACT0`, `0xADDR COMP`,
`READRES`. GWRITE_1, _2 and _4, and the strided form with three numbers behind it, are all one command to its timing.

Addresses carry no operands there, so an imported stream has none; values are played from Programs, not from traces.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from nearbank.errors import InputError, ProgramError, near_matches
from nearbank.program.stream import OPERANDS, Stream

__all__ = ["format_trace", "is_trace", "parse_trace", "read_text"]

_LINE = re.compile(r"(?:0x[0-9A-Fa-f]+ )?([A-Z]\w*)(?: -?\d+){0,3} ?")


def read_text(path: str | Path) -> str:
    """The text of a file, plain or .gz.

    Raises:
        InputError: it is not there, not readable, truncated or not text.
    """
    try:
        data = Path(path).read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    except (EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"damaged gzip file: {error}", where=str(path)) from None
    except UnicodeDecodeError:
        raise InputError("not a text file", where=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot read the file: {error.strerror}", where=str(path)) from None
    except Exception as error:  # zlib.error is not an OSError
        raise InputError(f"cannot read the file: {error}", where=str(path)) from None


def is_trace(text: str) -> bool:
    """Whether the first command line is of this format."""
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    return first.startswith("0x") or first.split()[:1] == ["READRES"]


def parse_trace(text: str, names: Sequence[str], *, where: str) -> Stream:
    """A channel's stream; ``names`` are the commands that the device has.

    Raises:
        ProgramError: a line that is no command, or a command the device does not have; says the line.
    """
    index = {name: i for i, name in enumerate(names)}
    index.update({f"GWRITE_{n}": index["GWRITE"] for n in (1, 2, 4) if "GWRITE" in index})
    ops = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.rstrip("\r"))
        if match is None:
            raise ProgramError("cannot read the line", where=f"{where}, line {number}", value=line.strip()[:80])
        if match[1] not in index:
            raise ProgramError(
                "unknown command", where=f"{where}, line {number}", value=match[1], bound=near_matches(match[1], index)
            )
        ops.append(index[match[1]])
    return Stream(tuple(names), np.array(ops, np.int64), np.zeros((len(ops), OPERANDS), np.int64))


def format_trace(stream: Stream) -> Iterator[str]:
    """The lines of a stream. GWRITE has the blank behind it that PIMFlow's own traces have."""
    text = [_shape(name) for name in stream.names]
    for op in stream.ops.tolist():
        yield text[op]


def _shape(name: str) -> str:
    if name == "READRES":
        return "READRES\n"
    return f"0x00000000 {name} \n" if name == "GWRITE" else f"0x00000000 {name}\n"
