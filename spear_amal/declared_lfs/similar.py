"""Labelling functions that vote where a text is like one of some example texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from spear_amal._typing import ClassLike
from spear_amal.data.encoder_backends import WORDLLAMA, Encode, find_encoder
from spear_amal.declared_lfs.rules import NGRAMS, checked_rule
from spear_amal.labeling.builders import ColumnLF, text_of
from spear_amal.votes.class_set import is_listed

if TYPE_CHECKING:
    from spear_amal.data.encoders import TextEncoder

# Unit vectors (n, D) of texts, one a row.
UnitVectors: TypeAlias = np.ndarray | sp.csr_array

_DIGITS = 4
_COLUMNS = 2**20  # hashed n-grams rarely fall together there


def similar_lf(
    name: str,
    examples: str | Iterable[str],
    label: ClassLike,
    at_least: float,
    column: str = "text",
    encoder: str = NGRAMS,
    version: str | int | None = None,
) -> ColumnLF:
    """LF that votes where a text is like one of some example texts.

    Parameters
    ----------
    name : str
    examples : str or iterable of str
    label : int, str or Enum member
    at_least : float
        Cosine similarity to the nearest example, above 0 up to 1; it is rounded to four digits
        before it is compared.
    column : str, default="text"
    encoder : str, default="ngrams"
        "ngrams" counts letter n-grams, needs no further package and learns nothing from other
        rows; else as :class:`~spear_amal.data.TextEncoder` takes it: "wordllama", a folder, ...
    version : str or int, optional
        As in :func:`~spear_amal.labeling.keyword_lf`.

    Raises
    ------
    InputError
        If there is no example, or `at_least` is no such number.
    SpearAmalError
        If the encoder cannot be had.

    Examples
    --------
    >>> song = similar_lf("song", ["best song ever"], 0, at_least=0.5)
    >>> song("the best song ever!!"), song("check my channel")
    (0, -1)
    """
    fields = {"kind": "similar", "name": name, "label": 0, "column": column, "encoder": encoder}
    is_list = is_listed(examples) and not isinstance(examples, str)
    listed = list(examples) if is_list else [examples]
    rule: Any = checked_rule({**fields, "examples": listed, "at_least": at_least})
    return SimilarLF(name, rule.examples, label, rule.at_least, column, encoder, version)


class SimilarLF(ColumnLF):
    """An LF that votes where a text is like one of its examples.

    Attributes
    ----------
    examples : tuple of str
    at_least : float
    encoder, identity : str
        Name, and what that name stood for when the LF was made.
    """

    def __init__(
        self,
        name: str,
        examples: Sequence[str],
        label: ClassLike,
        at_least: float,
        column: str,
        encoder: str,
        version: str | int | None = None,
    ) -> None:
        super().__init__(name, column, self.fires_on, label, version=version)
        self.examples, self.at_least = tuple(examples), at_least
        self.encoder, self.identity = encoder, _identity(encoder)

    def fires_on(self, values: list[Any]) -> np.ndarray:
        """Return whether the LF votes on each text (n,); blank and missing ones are like none."""
        texts = [text_of(value, self.name) or "" for value in values]
        known = np.flatnonzero([bool(text.strip()) for text in texts])
        fires = np.zeros(len(texts), dtype=bool)
        if len(known):
            vectors = vectors_of(self.encoder, [texts[row] for row in known])
            nearest = nearest_similarities(
                vectors, _examples(self.identity, self.encoder, self.examples)
            )
            fires[known] = nearest >= self.at_least
        return fires

    def facts(self) -> dict[str, str]:
        """Return what is known of the LF, in words by name."""
        shown = ", ".join(map(repr, self.examples[:3])) + (", .." if len(self.examples) > 3 else "")
        return super().facts() | {"is like": f"{shown} ({self.at_least} or more by {self.encoder})"}


def nearest_similarities(vectors: UnitVectors, examples: UnitVectors) -> np.ndarray:
    """Return of each text (n,) the cosine similarity to the example that is nearest to it.

    It depends on the vectors of that text and the examples alone, to the last bit, and is rounded
    to four digits: a text is like itself with 1.

    Parameters
    ----------
    vectors, examples : arrays or sparse arrays (n, D), (k, D)
        Of :func:`vectors_of`.
    """
    if not isinstance(vectors, np.ndarray):
        products = (vectors @ sp.csr_array(examples.T)).toarray()  # row by row, in order
    else:  # one example after the other: products of matrices round by how many rows there are
        columns = [(vectors * row).sum(axis=1, dtype=np.float64) for row in np.asarray(examples)]
        products = np.stack(columns, axis=1)
    return np.asarray(np.round(products.max(axis=1), _DIGITS))


def vectors_of(encoder: str, texts: Sequence[str]) -> UnitVectors:
    """Return unit vectors (n, D) of texts, each by itself alone: a dense or a sparse array.

    Parameters
    ----------
    encoder : str
        "ngrams", or as :class:`~spear_amal.data.TextEncoder` takes it.
    texts : sequence of str, length n

    Raises
    ------
    SpearAmalError
        If the encoder cannot be had.
    """
    return _ngrams(texts) if encoder == NGRAMS else _encoder(encoder).transform(texts)


def _ngrams(texts: Sequence[str]) -> sp.csr_array:
    """Return hashed counts of letter n-grams within words, by the logarithm."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.preprocessing import normalize

    vectorizer = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), n_features=_COLUMNS, alternate_sign=False, norm=None
    )
    whole = (text.encode("utf-8", "replace").decode() for text in texts)  # no halves of characters
    counts = sp.csr_array(vectorizer.transform(whole), dtype=np.float64)
    counts.sort_indices()
    counts.data = 1.0 + np.log(counts.data)
    return sp.csr_array(normalize(counts))


def _identity(encoder: str) -> str:
    return NGRAMS if encoder == NGRAMS else find_encoder(encoder).identity


@lru_cache(maxsize=8)
def _encoder(name: str) -> TextEncoder:
    """Return an encoder that gives every text the vector that it gets alone."""
    from spear_amal.data.encoders import TextEncoder  # imports scikit-learn

    if name == WORDLLAMA:  # averages words: others of a batch make no difference, and it is fast
        return TextEncoder(name, cache=False)
    found, loaded = find_encoder(name), list[Encode]()

    def encode(texts: list[str]) -> np.ndarray:
        if not loaded:
            loaded.append(found.load("cpu"))
        return np.asarray(loaded[0](texts))

    # Networks round by what else is in a batch, so these are not the vectors of features.
    return TextEncoder(encode, batch_size=1, identity=f"{found.identity}, texts one by one")


@lru_cache(maxsize=256)
def _examples(identity: str, encoder: str, examples: tuple[str, ...]) -> UnitVectors:
    return vectors_of(encoder, examples)
