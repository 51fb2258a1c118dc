"""In: a model name. Out: its ONNX model, from published tables and packaged weights; photos and class names.

Nothing heavy is imported before it is needed: torch only to read pretrained weights, Pillow only for images.
"""

from __future__ import annotations

from nearbank.zoo.catalog import ModelInfo, ResizeRule, build, info, names
from nearbank.zoo.counts import macs
from nearbank.zoo.images import PHOTOS, labels, load_image, photo, preprocess

__all__ = [
    "PHOTOS",
    "ModelInfo",
    "ResizeRule",
    "build",
    "info",
    "labels",
    "load_image",
    "macs",
    "names",
    "photo",
    "preprocess",
]
