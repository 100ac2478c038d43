"""One self-contained model file: text features, estimator, class names; no pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from spear_amal import estimators
from spear_amal._typing import PathLike
from spear_amal.data import TextFeatures
from spear_amal.errors import FileFormatError, InputError
from spear_amal.estimators import serialization
from spear_amal.votes.class_set import ClassNames
from spear_amal.votes.gold import read_gold
from spear_amal.votes.label_matrix import LabelMatrix

__all__ = ["ImagesModel", "TextModel", "load_model"]

IMAGES = "images"  # stands in the file of a model for images


@dataclass(frozen=True)
class TextModel:
    """A fitted estimator and what it takes to go from texts to class probabilities.

    Attributes
    ----------
    estimator : fitted estimator
        Its classes are class codes, the numbers that classes are called by, or the names (of a
        student of ``distill``).
    features : TextFeatures
    classes : ClassNames
        Class names in code order, length C.
    text_column : str
    lf_names : tuple of str
        The LFs it was trained with, in their order.
    method : str
    """

    estimator: Any
    features: TextFeatures
    classes: ClassNames
    text_column: str
    lf_names: tuple[str, ...]
    method: str

    @property
    def needs_votes(self) -> bool:
        """True if it predicts with the rules as well."""
        return bool(self.estimator.exponent_ > 0)

    def predict_proba(self, texts: Sequence[str], votes: LabelMatrix | None = None) -> np.ndarray:
        """Class probabilities (n, C); 0 for a class that training saw neither labels nor votes of.

        Raises
        ------
        InputError
            If the votes are not those of the LFs of the training.
        """
        if votes is not None and votes.lf_names != self.lf_names:
            raise InputError(
                f"the model was trained with the LFs {list(self.lf_names)}, found "
                f"{list(votes.lf_names)}; use the same LF file"
            )
        found = self.estimator.predict_proba(self.features.transform(texts), votes)
        p = np.zeros((len(found), len(self.classes)))
        p[:, [self._code(one) for one in self.estimator.classes_.tolist()]] = found
        return p

    def _code(self, label: Any) -> int:
        """Code of a class of the estimator."""
        return int(read_gold([label], self.classes, "the model").codes[0])

    def save(self, path: PathLike, overwrite: bool = False) -> None:
        """Write everything into one file.

        Raises
        ------
        OutputExistsError
            If the file exists and `overwrite` is False.
        OSError
            If it cannot be written; what stood there before is kept.
        """
        held = self.features.to_arrays()
        extra = {
            "classes": [one if isinstance(one, str) else int(one) for one in self.classes],
            "class_ids": ClassNames(self.classes).ids,
            "text_column": self.text_column,
            "lf_names": list(self.lf_names),
            "method": self.method,
            "feature_settings": held["settings"],
        }
        words = json.dumps(held["vocabulary"]).encode()
        # The header of the file is limited in size, so a long vocabulary goes with the tensors.
        tensors = {
            "vocabulary": torch.frombuffer(bytearray(words), dtype=torch.uint8),
            "idf": torch.as_tensor(np.asarray(held["idf"], dtype=np.float32)),
        }
        serialization.save(self.estimator, path, overwrite, extra, tensors)

    @classmethod
    def load(cls, path: PathLike) -> TextModel:
        """Read what :meth:`save` wrote; runs no code from the file.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        FileFormatError
            If the file is damaged, or no model that ``spear-amal train`` wrote.
        """
        kind, extra, tensors = serialization.read_extra(path)
        if IMAGES in extra:
            raise InputError(
                f"{path} is a model for images ({extra[IMAGES]}), not for texts: it can teach, or "
                f"be asked from Python with {kind}.load(path).predict(images)"
            )
        try:
            held = {
                "settings": extra["feature_settings"],
                "vocabulary": json.loads(tensors["vocabulary"].numpy().tobytes()),
                "idf": tensors["idf"].numpy(),
            }
            return cls(
                estimator=getattr(estimators, kind).load(path),
                features=TextFeatures.from_arrays(held),
                classes=ClassNames(extra["classes"], extra.get("class_ids")),
                text_column=extra["text_column"],
                lf_names=tuple(extra["lf_names"]),
                method=extra["method"],
            )
        except (KeyError, AttributeError, ValueError) as error:
            if isinstance(error, FileFormatError):
                raise
            raise FileFormatError(
                f"{path} holds an estimator, but not the text features and class names that "
                f"`spear-amal train` writes ({error!r}); train again"
            ) from error


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
        """Write everything into one file; errors as :meth:`TextModel.save`."""
        extra = {IMAGES: self.images, "classes": list(self.classes)}
        serialization.save(self.estimator, path, overwrite, extra)


def load_model(path: PathLike) -> TextModel | ImagesModel:
    """Read a model file that ``train`` or ``distill`` wrote; runs no code from the file.

    An estimator that was saved from Python is taken for one on images.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is damaged, or no model.
    """
    kind, extra, _ = serialization.read_extra(path)
    if "feature_settings" in extra:
        return TextModel.load(path)
    estimator = getattr(estimators, kind).load(path)
    classes = tuple(extra.get("classes", estimator.classes_.tolist()))
    return ImagesModel(estimator, classes, extra.get(IMAGES, "its own"))
