"""How a product's work is dealt over channels. A unit is one pixel and one group of outputs; a rectangle is a range of pixels by
a range of groups. Every unit goes to one channel, and no channel has two units more than another where the deal is even."""

from __future__ import annotations

from dataclasses import dataclass

from nearbank.pim.product import ceil_div

__all__ = ["Deal", "Rectangle", "deals"]


@dataclass(frozen=True, order=True)
class Rectangle:
    """``pixels`` pixels from ``pixel`` by ``groups`` groups from ``group``."""

    pixel: int
    pixels: int
    group: int
    groups: int

    @property
    def units(self) -> int:
        """Pixels times groups."""
        return self.pixels * self.groups


@dataclass(frozen=True)
class Deal:
    """A name and, for each channel that has work, its rectangles."""

    name: str
    shares: tuple[tuple[Rectangle, ...], ...]

    @property
    def most(self) -> int:
        """Units of the fullest channel."""
        return max(sum(r.units for r in share) for share in self.shares)

    @property
    def columns(self) -> int:
        """Pixels that the channel with most of them is sent, a pixel of two rectangles twice."""
        return max(sum(r.pixels for r in share) for share in self.shares)


def _cut(total: int, parts: int) -> list[tuple[int, int]]:
    """Runs (first, length) that differ by one at most, longer ones first, empty ones left out."""
    small, larger = divmod(total, parts)
    out, at = [], 0
    for i in range(min(parts, total)):
        length = small + (1 if i < larger else 0)
        out.append((at, length))
        at += length
    return out


def _grid(pixels: int, groups: int, across: int, down: int) -> Deal:
    shares = [(Rectangle(p, n, g, m),) for g, m in _cut(groups, down) for p, n in _cut(pixels, across)]
    return Deal(f"{across} over pixels x {down} over outputs", tuple(shares))


def _even(pixels: int, groups: int, channels: int) -> Deal:
    """Units in one line, all pixels of a group before the next group; each channel takes a run: at most three rectangles."""
    shares = []
    for first, length in _cut(pixels * groups, channels):
        share, at, end = [], first, first + length
        while at < end:
            group, pixel = divmod(at, pixels)
            if pixel == 0 and end - at >= pixels:
                whole = (end - at) // pixels
                share.append(Rectangle(0, pixels, group, whole))
                at += whole * pixels
            else:
                here = min(pixels - pixel, end - at)
                share.append(Rectangle(pixel, here, group, 1))
                at += here
        shares.append(tuple(share))
    return Deal("even over pixels and outputs", tuple(shares))


def deals(pixels: int, groups: int, channels: int) -> list[Deal]:
    """Grids of every useful shape, and the even deal where no grid is even; fewest units in the fullest channel first."""
    found: dict[int, Deal] = {}
    for down in range(1, min(channels, groups) + 1):
        across = min(channels // down, pixels)
        # A finer cut of the outputs that leaves the largest block as it was helps nobody.
        if down == 1 or (across and ceil_div(groups, down) != ceil_div(groups, down - 1)):
            found[down] = _grid(pixels, groups, across, down)
    out = sorted(found.values(), key=lambda d: (d.most, d.columns))
    least = ceil_div(pixels * groups, channels)
    if out[0].most > least:
        even = _even(pixels, groups, channels)
        out = [even, *out] if even.most < out[0].most else [*out, even]
    return out
