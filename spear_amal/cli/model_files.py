"""Model files of the commands: for texts, or for images and rows of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spear_amal import estimators
from spear_amal._typing import PathLike
from spear_amal.estimators import serialization
from spear_amal.io.guard import guarded_reading
from spear_amal.text_classifier import TextClassifier

IMAGES = "images"  # stands in the file of a model for images


@dataclass(frozen=True)
class ImagesModel:
    """A fitted estimator on images, or on rows of numbers, as they come from a named set.

    Attributes
    ----------
    estimator : fitted estimator; its classes are class codes
    classes : tuple
        Class names in code order.
    images : str
        Name of the images it was trained on.
    """

    estimator: Any
    classes: tuple[Any, ...]
    images: str

    def save(self, path: PathLike, overwrite: bool = False) -> None:
        """Write everything into one file; errors as :meth:`TextClassifier.save`."""
        extra = {IMAGES: self.images, "classes": list(self.classes)}
        serialization.save(self.estimator, path, overwrite, extra)


def load_model(path: PathLike) -> TextClassifier | ImagesModel:
    """Read a model file that ``train`` or ``distill`` wrote; runs no code from the file.

    An estimator that was saved from Python is taken for one on images.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is damaged, or no model.
    """
    stored = serialization.read_stored(path)
    if serialization.holds_texts(stored.extra):
        return TextClassifier.load(path)
    with guarded_reading(path, *serialization.GUARD):
        estimator = stored.estimator(getattr(estimators, stored.kind))
        classes = tuple(stored.extra.get("classes", estimator.classes_.tolist()))
        return ImagesModel(estimator, classes, stored.extra.get(IMAGES, "its own"))
