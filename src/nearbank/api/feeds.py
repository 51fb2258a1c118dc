"""Inputs for a network when the user gives none: a photo for an image, seeded random numbers or zeros for the rest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nearbank import zoo
from nearbank.graph import Graph

__all__ = ["make_feeds"]


def make_feeds(network: Graph, info: zoo.ModelInfo | None, image: str | Path) -> dict[str, NDArray[Any]]:
    """A tensor for every input of ``network``; the photo, repeated over the batch, where a square image of float32 is read.

    Raises:
        InputError: the photo cannot be read.
    """
    feeds: dict[str, NDArray[Any]] = {}
    for spec in network.inputs:
        if len(spec.shape) == 4 and spec.shape[1] == 3 and spec.dtype == "float32" and spec.shape[2] == spec.shape[3]:
            pixels = zoo.photo(str(image)) if image in ("chelsea", "coffee") else zoo.load_image(image)
            rule = info or replace(zoo.info("mobilenet-v2"), image_size=spec.shape[2])
            feeds[spec.name] = np.repeat(zoo.preprocess(pixels, rule), spec.shape[0], axis=0)
        elif np.issubdtype(np.dtype(spec.dtype), np.floating):
            feeds[spec.name] = np.random.default_rng(0).standard_normal(spec.shape).astype(spec.dtype)
        else:
            feeds[spec.name] = np.zeros(spec.shape, spec.dtype)
    return feeds
