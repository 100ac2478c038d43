"""The one file of a text classifier: estimator, features, class names, columns; no pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from spear_amal import estimators
from spear_amal._typing import PathLike
from spear_amal.data.table_features import TableFeatures
from spear_amal.errors import FileFormatError
from spear_amal.estimators import serialization
from spear_amal.io.guard import guarded_reading
from spear_amal.training_record import TrainingRecord
from spear_amal.votes.class_set import ClassNames
from spear_amal.votes.row_ids import as_row_ids

_FORMAT = 2  # of what a file holds beside the estimator; files of 1 had TF-IDF alone
_IDS, _GOLD = "row_ids", "gold_digests"


@dataclass(frozen=True)
class TextModelParts:
    """What a fitted text classifier is made of, and what its file holds.

    Attributes
    ----------
    estimator : fitted estimator
        Its classes are class names, or class codes.
    features : TableFeatures
    classes : ClassNames
        In the order of their codes.
    text_column, label_column, id_column : str or None
    lf_names : tuple of str
        The LFs it was trained with, in their order.
    method : str
    row_ids : ndarray or None
        Of the training rows, in the order of the estimator's weights.
    gold_digests : ndarray of uint64
        Digests of the texts of labelled rows; empty where texts were no features.
    estimate : dict or None
        What is to be expected on new rows, as ``train`` estimated it.
    record : TrainingRecord or None
        What it was trained on; None in files of earlier versions.
    """

    estimator: Any
    features: TableFeatures
    classes: ClassNames
    text_column: str
    label_column: str | None
    id_column: str | None
    lf_names: tuple[str, ...]
    method: str
    row_ids: np.ndarray | None = None
    gold_digests: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    estimate: dict[str, Any] | None = None
    record: TrainingRecord | None = None

    def save(self, path: PathLike, overwrite: bool = False) -> None:
        """Write everything into one file; errors as for :meth:`TextClassifier.save`."""
        content = self.features.to_arrays()
        given = self.features.features
        extra = {
            "text_format": _FORMAT,
            "classes": [one if isinstance(one, str) else int(one) for one in self.classes],
            "class_ids": self.classes.given_ids,
            "text_column": self.text_column,
            "label_column": self.label_column,
            "id_column": self.id_column,
            "lf_names": list(self.lf_names),
            "method": self.method,
            "features": given if isinstance(given, str) else None,
            "feature_settings": content["settings"],
            "estimate": self.estimate,
            "record": None if self.record is None else self.record.as_json(),
        }
        tensors = {name: torch.tensor(array) for name, array in content["arrays"].items()}
        if self.row_ids is not None:
            ids = json.dumps(self.row_ids.tolist()).encode()
            tensors[_IDS] = torch.frombuffer(bytearray(ids), dtype=torch.uint8)
        if len(self.gold_digests):
            tensors[_GOLD] = torch.from_numpy(self.gold_digests.view(np.int64).copy())
        serialization.save(self.estimator, path, overwrite, extra, tensors)

    @classmethod
    def load(cls, path: PathLike, **objects: Any) -> TextModelParts:
        """Read what :meth:`save` wrote; errors as for :meth:`TextClassifier.load`."""
        stored = serialization.read_stored(path)
        extra = stored.extra
        if not serialization.holds_texts(extra):
            images = extra.get("images")
            what = f"is a model for images ({images})" if images else "holds an estimator alone"
            raise FileFormatError(
                f"{path} {what}, without features of texts and class names: load it with "
                f"spear_amal.{stored.kind}.load; it can teach (distill --teacher)"
            )
        with guarded_reading(path, "a model with text features and class names", "train again"):
            return cls(
                estimator=stored.estimator(getattr(estimators, stored.kind), **objects),
                features=_features(stored),
                classes=ClassNames(extra["classes"], extra.get("class_ids")),
                text_column=str(extra["text_column"]),
                label_column=extra.get("label_column", "label"),
                id_column=extra.get("id_column"),
                lf_names=tuple(extra["lf_names"]),
                method=str(extra["method"]),
                row_ids=_row_ids(stored),
                gold_digests=_gold_digests(stored),
                estimate=extra.get("estimate"),
                record=_record(extra),
            )


def _features(stored: serialization.StoredModel) -> TableFeatures:
    extra = stored.extra
    arrays = {name: tensor.numpy() for name, tensor in stored.extra_tensors.items()}
    settings = extra["feature_settings"]
    if extra.get("text_format", 1) == 1:
        settings = [{"kind": "tfidf", "settings": settings}]
        arrays = {f"0.{name}": array for name, array in arrays.items()}
    content = {"settings": settings, "arrays": arrays}
    features = TableFeatures.from_arrays(content, extra["text_column"])
    features.features = extra.get("features") or features.features
    return features


def _record(extra: dict[str, Any]) -> TrainingRecord | None:
    content = extra.get("record")
    return None if content is None else TrainingRecord.from_json(content)


def _row_ids(stored: serialization.StoredModel) -> np.ndarray | None:
    if _IDS not in stored.extra_tensors:
        return None
    return as_row_ids(json.loads(stored.extra_tensors[_IDS].numpy().tobytes()))


def _gold_digests(stored: serialization.StoredModel) -> np.ndarray:
    if _GOLD not in stored.extra_tensors:  # a file of an earlier version
        return np.empty(0, dtype=np.uint64)
    return stored.extra_tensors[_GOLD].numpy().view(np.uint64)
