"""Where the command starts, also as ``python -m nearbank``: its imports take a while, and Ctrl-C may come then."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    try:
        from nearbank import cli
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
