"""Progress on the standard error stream, once something has taken two seconds."""

from __future__ import annotations

import sys
import time

__all__ = ["Progress"]


class Progress:
    """Call it with the name of each step. A terminal gets one line that changes; a file a line every two seconds."""

    def __init__(self, what: str) -> None:
        self.what, self.started, self.shown, self.steps, self.open = what, time.monotonic(), 0.0, 0, False

    def __call__(self, step: str = "") -> None:
        """One more step, by its name."""
        self.steps += 1
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if now - self.started < 2 or now - self.shown < (0.1 if terminal else 2):
            return
        self.shown, self.open = now, terminal
        text = f"{self.what}: step {self.steps}, {step} ({now - self.started:.0f} s)"
        print(f"\r\033[K{text}" if terminal else text, end="" if terminal else "\n", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Clear the line."""
        if self.open:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            self.open = False
