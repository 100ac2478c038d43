"""Models of sentence-transformers and transformers, objects of which were handed over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit, softmax

from spear_amal.errors import InputError
from spear_amal.labeling.hashing import Unhashable
from spear_amal.model_lfs.probability_model import ProbabilityModel
from spear_amal.model_lfs.sklearn_model import SklearnModel

if TYPE_CHECKING:
    from spear_amal.data.encoders import TextEncoder

_UNSEEN = "the weights of a network that was handed over; give version=, or name its folder"


class CrossEncoderModel(ProbabilityModel):
    """A CrossEncoder of sentence-transformers, which reads pairs of texts.

    Parameters
    ----------
    model : CrossEncoder
    pair : str, optional
        The second text of each pair; with two columns theirs are the pairs.
    version : str or int, optional
    """

    pads = True

    def __init__(self, model: Any, pair: str | None, version: str | int | None) -> None:
        super().__init__(_names_of(model.config), _is_exclusive(model.config), version)
        self.model, self.pair = model, pair

    def batch_probabilities(self, batch: Any) -> np.ndarray:
        """Return the softmax of the logits; the sigmoid where classes may go together."""
        pairs = _pairs(batch, self.pair)
        if pairs and isinstance(pairs[0], str):
            raise InputError(
                "a CrossEncoder reads pairs of texts: give pair=, or two columns by columns="
            )
        logits = self.model.predict(
            pairs, batch_size=len(pairs), activation_fn=_unchanged, show_progress_bar=False
        )
        logits = np.asarray(logits, dtype=np.float64).reshape(len(pairs), -1)
        one_of_all = self.is_exclusive and logits.shape[1] > 1
        return np.asarray(softmax(logits, axis=1) if one_of_all else expit(logits))

    def content(self) -> Any:
        """Raise Unhashable: weights are not looked at."""
        raise Unhashable(_UNSEEN)

    def hash_content(self) -> list[Any]:
        """Return what a hash of votes depends on."""
        return [*super().hash_content(), self.pair]


class PipelineModel(ProbabilityModel):
    """A pipeline "text-classification" of transformers, on texts or on pairs of texts."""

    pads = True

    def __init__(self, model: Any, pair: str | None, version: str | int | None) -> None:
        config = model.model.config
        super().__init__(_names_of(config), _is_exclusive(config), version)
        self.model, self.pair = model, pair

    def batch_probabilities(self, batch: Any) -> list[list[float]]:
        """Return the probabilities of all labels, in the order of the model's configuration."""
        pairs = _pairs(batch, self.pair)
        is_pair = bool(pairs) and not isinstance(pairs[0], str)
        rows = [{"text": a, "text_pair": b} for a, b in pairs] if is_pair else pairs
        one_of_all = self.is_exclusive and len(self.class_names) > 1
        answers = self.model(
            rows,
            top_k=None,
            batch_size=len(rows),
            truncation=True,
            function_to_apply="softmax" if one_of_all else "sigmoid",
        )
        scores = [{part["label"]: part["score"] for part in answer} for answer in answers]
        return [[of_row[name] for name in self.class_names] for of_row in scores]

    def content(self) -> Any:
        """Raise Unhashable: weights are not looked at."""
        raise Unhashable(_UNSEEN)

    def hash_content(self) -> list[Any]:
        """Return what a hash of votes depends on."""
        return [*super().hash_content(), self.pair]


class EncoderHeadModel(ProbabilityModel):
    """A classifier on the vectors of a frozen encoder.

    Parameters
    ----------
    encoder : TextEncoder
    head : object
        A fitted classifier of vectors.
    version : str or int, optional
    """

    batches_itself = True

    def __init__(self, encoder: TextEncoder, head: Any, version: str | int | None) -> None:
        self.encoder, self.head = encoder, SklearnModel(head)
        super().__init__(self.head.class_names, self.head.is_exclusive, version)

    def batch_probabilities(self, batch: Any) -> np.ndarray:
        """Return what the head says of the vectors."""
        return self.head.batch_probabilities(self.encoder.transform(batch))

    def content(self) -> Any:
        """Return the identity of the encoder, and the content of the head."""
        return [encoder_content(self.encoder), self.head.content()]


def encoder_content(encoder: TextEncoder) -> list[Any]:
    """Return what the vectors of an encoder depend on.

    Raises
    ------
    Unhashable
        If it is a function of the user without an identity.
    """
    if not callable(encoder.encoder):
        identity = encoder.to_json()["identity"]
    elif encoder.identity is None:
        raise Unhashable("the encoder is a function; give version=, or name the encoder")
    else:
        identity = encoder.identity
    return [identity, encoder.normalize]


def _unchanged(logits: Any) -> Any:
    return logits


def _names_of(config: Any) -> tuple[Any, ...]:
    names = dict(config.id2label)
    return tuple(names[number] for number in sorted(names))


def _is_exclusive(config: Any) -> bool:
    return getattr(config, "problem_type", None) != "multi_label_classification"


def _pairs(batch: Any, pair: str | None) -> list[Any]:
    """Return texts, or pairs of texts."""
    if not isinstance(batch, pd.DataFrame):
        return [(text, pair) for text in batch] if pair is not None else list(batch)
    if batch.shape[1] != 2 or pair is not None:
        raise InputError(
            "a model of pairs of texts reads two columns, or one column and pair=; found "
            f"the columns {list(batch)}" + (" and pair=" if pair is not None else "")
        )
    columns = [batch[name].tolist() for name in batch]
    if wrong := [v for column in columns for v in column if not isinstance(v, str)]:
        raise InputError(f"a model of pairs of texts reads texts, found {wrong[0]!r}")
    return list(zip(*columns, strict=True))
