"""In: a seed, or an installed package's weight file. Out: each layer's weight and bias, batch norm folded."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nearbank.errors import ModelError

__all__ = ["FoldedParams", "RandomParams", "WeightFile", "load"]

Floats = npt.NDArray[np.float32]
BIAS_STD = 0.1


class RandomParams:
    """Normal weights, scaled as by He et al. (arXiv 1502.01852, equation 10) to outputs of unit variance.

    Each output's weights sum to zero, but for depthwise layers: rectified inputs have a common mean, which would
    otherwise drown the image, layer by layer. Each layer draws from its own stream, keyed by its name, so one layer's
    shape never changes another's numbers.
    """

    def __init__(self, seed: int) -> None:
        if seed < 0:
            raise ModelError("the seed of random weights is out of range", value=seed, bound="0 or more")
        self._seed = seed

    def conv(self, name: str, shape: tuple[int, int, int, int], *, power: float) -> tuple[Floats, Floats]:
        """Weight and bias of one convolution whose inputs have the mean square ``power``."""
        return self._draw(name, shape, power)

    def linear(self, name: str, shape: tuple[int, int], *, power: float) -> tuple[Floats, Floats]:
        """Weight and bias of one fully connected layer whose inputs have the mean square ``power``."""
        return self._draw(name, shape, power)

    def _draw(self, name: str, shape: tuple[int, ...], power: float) -> tuple[Floats, Floats]:
        random = np.random.default_rng([self._seed, zlib.crc32(name.encode())])
        fan_in = int(np.prod(shape[1:]))
        weight = random.standard_normal(shape, dtype=np.float32) * np.float32((fan_in * power) ** -0.5)
        if shape[1] > 1:
            weight -= weight.mean(axis=tuple(range(1, len(shape))), keepdims=True)
        return weight, random.standard_normal(shape[0], dtype=np.float32) * np.float32(BIAS_STD)


class FoldedParams:
    """Weights of a file, each convolution's batch norm folded into it in float64 and rounded once.

    ``keys`` gives the names of a layer's convolution and batch norm in the file; ``epsilon`` is the batch norms'.
    """

    def __init__(
        self, arrays: Mapping[str, npt.NDArray[np.generic]], keys: Callable[[str], tuple[str, str]], *, epsilon: float
    ) -> None:
        self._arrays, self._keys, self._epsilon = arrays, keys, epsilon
        self._unread = {key for key in arrays if not key.endswith(".num_batches_tracked")}

    @property
    def unread(self) -> frozenset[str]:
        """The file's arrays that no layer has read: none, once the whole model is built."""
        return frozenset(self._unread)

    def conv(self, name: str, shape: tuple[int, int, int, int], *, power: float) -> tuple[Floats, Floats]:
        """Weight and bias of one convolution; ``power`` is not needed."""
        conv, norm = self._keys(name)
        weight = self._read(f"{conv}.weight", shape)
        gamma, beta, mean, variance = (
            self._read(f"{norm}.{part}", shape[:1]) for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + self._epsilon)
        folded = weight * factor[:, None, None, None]
        return folded.astype(np.float32), (beta - mean * factor).astype(np.float32)

    def linear(self, name: str, shape: tuple[int, int], *, power: float) -> tuple[Floats, Floats]:
        """Weight and bias of one fully connected layer; ``power`` is not needed."""
        key, _ = self._keys(name)
        weight, bias = self._read(f"{key}.weight", shape), self._read(f"{key}.bias", shape[:1])
        return weight.astype(np.float32), bias.astype(np.float32)

    def _read(self, key: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        array = self._arrays.get(key)
        if array is None or array.shape != shape:
            found = "no such array" if array is None else array.shape
            raise ModelError("the weight file does not fit the model", where=key, value=found, bound=f"shape {shape}")
        self._unread.discard(key)
        return array.astype(np.float64)


@dataclass(frozen=True)
class WeightFile:
    """A PyTorch state dictionary inside an installed distribution, and the digest of the one file we know."""

    distribution: str
    path: str
    sha256: str
    install: str

    def locate(self) -> Path:
        """Where the file is; the package is not imported, since it would import torch and more.

        Raises `ModelError` where the package is not installed, or where its file is absent or another.
        """
        try:
            path = Path(str(metadata.distribution(self.distribution).locate_file(self.path)))
        except metadata.PackageNotFoundError:
            what = f"the pretrained weights are not installed; install them with `{self.install}`"
            raise ModelError(what, where=self.distribution) from None
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            what = f"the weight file cannot be read ({error.strerror}); reinstall it with `{self.install}`"
            raise ModelError(what, where=str(path)) from None
        if digest != self.sha256:
            raise ModelError("the weight file has another SHA-256", where=str(path), value=digest, bound=self.sha256)
        return path


def load(file: WeightFile) -> dict[str, npt.NDArray[np.generic]]:
    """The file's arrays by name. Raises `ModelError` where the file or torch, which alone can read it, is missing."""
    path = file.locate()
    try:
        torch = import_module("torch")
    except ImportError:
        what = "reading the pretrained weights needs torch; install it with `pip install torch==2.13.0`"
        raise ModelError(what, where=file.distribution) from None
    tensors = torch.load(path, weights_only=True, map_location="cpu")
    return {name: tensor.numpy() for name, tensor in tensors.items()}
