"""Labelling functions from descriptions of the classes, by a frozen encoder, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

from spear_amal._typing import ClassLike, PathLike
from spear_amal.checks import check_not_negative, check_positive, check_whole, check_within
from spear_amal.data.encoder_backends import WORDLLAMA, Encode
from spear_amal.data.encoders import TextEncoder
from spear_amal.errors import InputError
from spear_amal.labeling.user_functions import checked_name, checked_version
from spear_amal.model_lfs.network_models import encoder_content
from spear_amal.model_lfs.probability_model import ProbabilityModel
from spear_amal.model_lfs.voting import ModelLF, ModelVotes, TaskProbabilities
from spear_amal.votes.class_set import is_listed


def zero_shot_lf(
    name: str,
    classes: Mapping[ClassLike | None, str | Sequence[str]],
    encoder: PathLike | Encode | TextEncoder = WORDLLAMA,
    *,
    label: ClassLike | None = None,
    at_least: float = 0.0,
    margin: float = 0.0,
    temperature: float = 0.05,
    column: str = "text",
    batch_size: int = 64,
    device: str = "cpu",
    version: str | int | None = None,
) -> ModelLF:
    """LF that votes for the class whose description a text is most like.

    Text and descriptions become vectors of a frozen encoder, a class the mean of its descriptions.
    Cosine similarities s go through a softmax, p_c = exp(s_c / τ) / Σ exp(s_k / τ), which orders
    rows well enough but is not calibrated. Blank and missing texts have no answer.

    Parameters
    ----------
    name : str
    classes : mapping of class to str or sequence of str
        What texts of a class are like: a sentence, or better several, up to whole examples. The
        key None describes texts of no class, on which the LF abstains.
    encoder : str, path, callable or TextEncoder, default="wordllama"
        As :class:`~spear_amal.data.TextEncoder` takes it. Vectors are kept on disk.
    label : int, str or Enum member, optional
        The one class that the LF votes for. The LF is then continuous: its score is the p of that
        class. ``by_class()`` of the LF returns one such LF for each class.
    at_least : float, default=0
        The p that a vote needs.
    margin : float, default=0
        By how much the similarity to the best class must exceed that to every other.
    temperature : float, default=0.05
        τ: the smaller, the surer.
    column : str, default="text"
    batch_size, device
        Of the encoder.
    version : str or int, optional
        What the encoder is, for a cache of votes, where it is a function of yours.

    Raises
    ------
    InputError
        If a class has no description, or there are fewer than two.
    SpearAmalError
        If the encoder cannot be had.

    Examples
    --------
    >>> def letters(texts):
    ...     return [[text.count(letter) + 0.1 for letter in "aeiou"] for text in texts]
    >>> vowels = zero_shot_lf("vowels", {"a": "banana", "i": ["pizzicati", "mississippi"]}, letters)
    >>> vowels("alabama"), vowels("i insist"), vowels("")
    ('a', 'i', -1)
    """
    about = f"LF {checked_name(name, 'an LF')!r}"
    checked_version(version, about)
    check_whole(f"batch_size of {about}", batch_size, 1)
    check_within(f"at_least of {about}", at_least, 0, 1)
    check_not_negative(f"margin of {about}", margin)
    check_positive(f"temperature of {about}", temperature)
    descriptions = _descriptions(about, classes)
    if label is not None and (label not in descriptions):
        raise InputError(f"{about}: label is {label!r}, described are {list(descriptions)}")
    if not isinstance(encoder, TextEncoder):
        encoder = TextEncoder(encoder, batch_size=batch_size, device=device).fit([])
    model = ZeroShotModel(descriptions, encoder, margin, temperature, version)
    targets = {described: described for described in descriptions}
    votes = ModelVotes(TaskProbabilities(model, targets, batch_size), label, at_least)
    return ModelLF(name, column, votes, version)


class ZeroShotModel(ProbabilityModel):
    """Similarities to descriptions of classes, as probabilities.

    Parameters
    ----------
    descriptions : mapping of class to tuple of str
    encoder : TextEncoder
    margin, temperature : float
    version : str or int, optional
    """

    batches_itself = True

    def __init__(
        self,
        descriptions: Mapping[ClassLike | None, tuple[str, ...]],
        encoder: TextEncoder,
        margin: float,
        temperature: float,
        version: str | int | None,
    ) -> None:
        super().__init__(tuple(descriptions), version=version)
        self.descriptions = tuple(descriptions.values())
        self.encoder, self.margin, self.temperature = encoder, margin, temperature
        self._memo: np.ndarray | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without vectors."""
        return self.__dict__ | {"_memo": None}

    def batch_probabilities(self, batch: list[str]) -> np.ndarray:
        """Return the softmax of similarities (b, K); NaN where none exceeds the others enough."""
        similarities = self.similarities(batch)
        p = softmax(similarities / self.temperature, axis=1)
        second, best = np.partition(similarities, -2, axis=1)[:, -2:].T
        p[best - second < self.margin] = np.nan
        return np.asarray(p)

    def similarities(self, texts: Sequence[str]) -> np.ndarray:
        """Return cosine similarities (n, K) of texts to the classes."""
        if self._memo is None:
            self._memo = np.stack([_mean(self.encoder.transform(d)) for d in self.descriptions])
        vectors = self.encoder.transform(texts).astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        products = vectors @ self._memo.T / np.where(lengths > 0, lengths, 1.0)
        return np.asarray(np.round(products, 5))

    def content(self) -> Any:
        """Return the identity of the encoder."""
        return encoder_content(self.encoder)

    def hash_content(self) -> list[Any]:
        """Return what a hash of votes depends on."""
        return [*super().hash_content(), self.descriptions, self.margin, self.temperature]

    def described(self) -> str:
        """Return which encoder it is."""
        encoder = self.encoder.encoder
        return f"descriptions by {encoder if isinstance(encoder, str) else type(encoder).__name__}"


def _mean(vectors: np.ndarray) -> np.ndarray:
    """Return the unit vector of a mean of unit vectors (D,)."""
    mean = vectors.astype(np.float64).mean(axis=0)
    length = np.linalg.norm(mean)
    return np.asarray(mean / length if length else mean)


def _descriptions(about: str, classes: Any) -> dict[Any, tuple[str, ...]]:
    """Return descriptions by class, each class with one."""
    if not isinstance(classes, Mapping):
        raise InputError(
            f"{about}: classes must be a mapping of each class to its description, or several; "
            f"found {classes!r}"
        )
    described: dict[Any, tuple[str, ...]] = {}
    for target, given in classes.items():
        texts = (given,) if isinstance(given, str) else tuple(given) if is_listed(given) else ()
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            what = "texts of no class have" if target is None else f"class {target!r} has"
            raise InputError(
                f"{about}: {what} no description, found {given!r}; say in a sentence, or several, "
                "what its texts are like"
            )
        described[target] = texts
    if len(described) < 2 or all(target is None for target in described):
        raise InputError(
            f"{about}: needed descriptions of two classes or more, found {list(described)}; for "
            "one class describe the others under the key None, or use similar_lf"
        )
    return described
