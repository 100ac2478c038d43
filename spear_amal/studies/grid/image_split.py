"""The split of one run: rows with (noisy) labels, clean validation rows, and who may see the test.

Only :class:`ImageTestScorer` holds test rows; it also scores epochs for curves, which choose
nothing.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score

from spear_amal.data.images import ImageData, kd_synthetic, load_images
from spear_amal.errors import InputError
from spear_amal.models.feature_model import eval_mode
from spear_amal.training import Callback
from spear_amal.training.callbacks import Record
from spear_amal.training.last_layer import features_of


@dataclass(frozen=True)
class DataSpec:
    """Which rows; equal specs give equal splits.

    Attributes
    ----------
    corpus : str
        "kd-synthetic" or a name of :func:`load_images`.
    n_train, n_validation, n_test : int or None
        None takes all rows of the part.
    side : int or None
        Shrink images to this side by averaging blocks of pixels.
    noise : float
        Share of training labels made wrong, never to the true class.
    label_set : str or None
        Human labels of CIFAR-10N: "worse", "aggregate", ..
    data_dir : str or None
    """

    corpus: str
    n_train: int | None = None
    n_validation: int | None = None
    n_test: int | None = None
    side: int | None = None
    noise: float = 0.0
    label_set: str | None = None
    data_dir: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class ImageSplit:
    """What a method may see.

    Attributes
    ----------
    x, y : training rows and their labels, some of them wrong
    x_val, y_val : validation rows, clean
    noisy : ndarray (n,) bool
        Which training labels are wrong: for measuring alone, no method gets it.
    """

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    noisy: np.ndarray
    n_classes: int

    def fit_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``fit``."""
        return {"X": self.x, "y": self.y, "X_val": self.x_val, "y_val": self.y_val}


class ImageTestScorer:
    """Scores by accuracy on test rows, which it keeps to itself."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self._x, self._y = x, y

    def __len__(self) -> int:
        return len(self._y)

    def score(self, model: Any) -> float:
        """Return the accuracy of a fitted classifier."""
        return float(accuracy_score(self._y, model.predict(self._x)))

    def curve(self, every: int = 1) -> TestCurve:
        """Make a callback that scores a model while it is trained."""
        return TestCurve(self._x, self._y, every)


class TestCurve(Callback):
    """Test accuracy after every `every` epochs, for figures of learning; it chooses nothing."""

    __test__ = False  # the name is no test class

    def __init__(self, x: np.ndarray, y: np.ndarray, every: int) -> None:
        self._x, self._y, self.every = torch.as_tensor(x), y, every
        self.values: list[float] = []

    def watch(self, model: torch.nn.Module) -> None:
        """Keep the model that is trained."""
        self._model = model

    def on_epoch(self, epoch: int, record: Record) -> None:
        """Score the model as it is."""
        if (epoch + 1) % self.every:
            return
        feature: Any = self._model.feature
        first = next(feature.parameters())
        x = self._x.to(first.device)
        x = x if x.dtype == torch.uint8 else x.to(first.dtype)
        with eval_mode(feature):
            predicted = features_of(feature, x)[0].argmax(1).cpu().numpy()
        self.values.append(round(float((predicted == self._y).mean()), 5))


# Runs come ordered by seed, so a few splits a process are enough.
@functools.lru_cache(maxsize=2)
def make_image_split(spec: DataSpec, seed: int) -> tuple[ImageSplit, ImageTestScorer]:
    """Draw the rows of a seed and make labels noisy.

    The test part is the corpus' own where it has one; a seed draws training and validation rows
    and the noise.
    """
    data = _drawn(spec, seed)
    train, validation, test = (data.rows(part) for part in ("train", "validation", "test"))
    split = ImageSplit(
        x=data.x[train],
        y=data.y[train],
        x_val=data.x[validation],
        y_val=data.y[validation],
        noisy=data.noisy[train],
        n_classes=data.n_classes,
    )
    return split, ImageTestScorer(data.x[test], data.y[test])


def _drawn(spec: DataSpec, seed: int) -> ImageData:
    if spec.corpus == "kd-synthetic":
        return kd_synthetic(seed, spec.noise)
    data = _shrunk(spec.corpus, spec.label_set, spec.data_dir, spec.side)
    data = data.subset(spec.n_train, spec.n_validation, spec.n_test, seed)
    return data.with_noise(spec.noise, seed) if spec.noise else data


@functools.lru_cache(maxsize=1)
def _shrunk(
    corpus: str, label_set: str | None, data_dir: str | None, side: int | None
) -> ImageData:
    options: dict[str, Any] = {} if label_set is None else {"labels": label_set}
    data = load_images(corpus, data_dir=data_dir, **options)
    return data if side is None else replace(data, x=shrink(data.x, side))


def shrink(x: np.ndarray, side: int) -> np.ndarray:
    """Average blocks of pixels of square images (n, c, s, s) uint8 to (n, c, side, side).

    Examples
    --------
    >>> shrink(np.array([[[[0, 2], [4, 6]]]], dtype=np.uint8), 1).tolist()
    [[[[3]]]]
    """
    n, channels, height, width = x.shape
    if height % side or width % side:
        raise InputError(f"images of {height} x {width} cannot be averaged to {side} x {side}")
    k, parts = height // side, []
    for block in np.array_split(x, max(n // 4096, 1)):
        tiles = block.reshape(len(block), channels, side, k, side, width // side)
        parts.append(np.rint(tiles.mean(axis=(3, 5))).astype(np.uint8))
    return np.concatenate(parts)
