"""Texts to TF-IDF features, in a form that is saved as settings, words and one array."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils.validation import check_is_fitted

from spear_amal.errors import FileFormatError, InputError
from spear_amal.votes.class_set import is_listed


# A sparse matrix of words is no data frame: as for scikit-learn's own vectorisers,
# ``set_config(transform_output="pandas")`` leaves it as it is.
class TextFeatures(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """TF-IDF of word n-grams as a sparse float32 matrix.

    Parameters
    ----------
    max_features : int, optional
        Keep the most frequent n-grams only; default all.
    ngram_range : tuple of int
        Shortest and longest n-gram.
    min_df : int or float
        Leave out n-grams of fewer texts (int) or of a smaller share of texts (float).
    max_df : int or float
        Leave out n-grams of more texts.
    sublinear_tf : bool
        1 + log(count) instead of the count.
    lowercase : bool
    strip_accents : {"ascii", "unicode"}, optional
    stop_words : "english" or list of str, optional
    token_pattern : str
        Regular expression of a word.

    Attributes
    ----------
    vocabulary_ : list of str, length D
        N-grams in the order of the columns.
    idf_ : ndarray (D,)

    Examples
    --------
    >>> features = TextFeatures(min_df=1, ngram_range=(1, 1))
    >>> features.fit_transform(["a spy saves a city", "two in love"]).shape
    (2, 6)
    >>> TextFeatures.from_arrays(features.to_arrays()).vocabulary_
    ['city', 'in', 'love', 'saves', 'spy', 'two']
    """

    def __init__(
        self,
        max_features: int | None = None,
        ngram_range: tuple[int, int] = (1, 2),
        min_df: int | float = 2,
        max_df: int | float = 1.0,
        sublinear_tf: bool = True,
        lowercase: bool = True,
        strip_accents: str | None = None,
        stop_words: str | list[str] | None = None,
        token_pattern: str = r"(?u)\b\w\w+\b",
    ) -> None:
        self.max_features = max_features
        self.ngram_range = ngram_range
        self.min_df = min_df
        self.max_df = max_df
        self.sublinear_tf = sublinear_tf
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.stop_words = stop_words
        self.token_pattern = token_pattern

    def fit(self, texts: Iterable[str], y: object = None) -> Self:
        """Learn words and weights from texts.

        Raises
        ------
        InputError
            If a text is no string, or no n-gram is left.
        """
        self._fit(texts)
        return self

    def fit_transform(self, texts: Iterable[str], y: object = None, **_: object) -> sp.csr_array:
        """Fit, and return the features (n, D) of the same texts, counting words once."""
        return _as_csr(self._fit(texts))

    def transform(self, texts: Iterable[str]) -> sp.csr_array:
        """Return features (n, D) float32.

        Raises
        ------
        InputError
            If a text is no string.
        sklearn.exceptions.NotFittedError
            If nothing was fitted.
        """
        check_is_fitted(self, "vectorizer_", msg="fit TextFeatures on training texts first")
        texts = checked_texts(texts)
        if not texts:
            return sp.csr_array((0, len(self.vocabulary_)), dtype=np.float32)
        return _as_csr(self.vectorizer_.transform(texts))

    def _fit(self, texts: Iterable[str]) -> Any:
        texts = checked_texts(texts)
        vectorizer = TfidfVectorizer(dtype=np.float32, **self._settings())
        try:
            counted = vectorizer.fit_transform(texts)
        except (ValueError, TypeError, re.error) as error:
            raise InputError(
                f"no words are left of {len(texts)} texts with min_df={self.min_df}, "
                f"max_df={self.max_df}: {error}; give more texts or a lower min_df"
            ) from error
        self._take(vectorizer)
        return counted

    def _take(self, vectorizer: TfidfVectorizer) -> None:
        self.vectorizer_ = vectorizer
        self.vocabulary_ = vectorizer.get_feature_names_out().tolist()
        self.idf_ = vectorizer.idf_

    def _settings(self) -> dict[str, Any]:
        settings = self.get_params(deep=False)
        if not is_listed(settings["ngram_range"]):
            raise InputError(
                "ngram_range must be two whole numbers, the shortest and the longest n-gram, found "
                f"{settings['ngram_range']!r}"
            )
        return {**settings, "ngram_range": tuple(settings["ngram_range"])}

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """N-grams (D,) in the order of the columns."""
        check_is_fitted(self, "vectorizer_", msg="fit TextFeatures on training texts first")
        return np.asarray(self.vocabulary_, dtype=object)

    def to_arrays(self) -> dict[str, Any]:
        """Return what :meth:`from_arrays` needs: nothing in it needs pickle.

        Returns
        -------
        dict
            ``settings`` (dict, fit for JSON), ``vocabulary`` (list of str, length D) and ``idf``
            (ndarray (D,) float32).
        """
        check_is_fitted(self, "vectorizer_", msg="fit TextFeatures on training texts first")
        settings = {**self._settings(), "ngram_range": list(self.ngram_range)}
        return {"settings": settings, "vocabulary": list(self.vocabulary_), "idf": self.idf_}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> TextFeatures:
        """Make fitted features of what :meth:`to_arrays` returned.

        Raises
        ------
        FileFormatError
            If a part is missing or the parts do not fit each other.
        """
        try:
            settings = {
                **arrays["settings"],
                "ngram_range": tuple(arrays["settings"]["ngram_range"]),
            }
            features = cls(**settings)
            # Limits on frequency shaped the vocabulary; given one, the vectoriser wants none.
            fixed = {**settings, "max_features": None, "min_df": 1, "max_df": 1.0}
            vectorizer = TfidfVectorizer(
                dtype=np.float32, vocabulary=list(arrays["vocabulary"]), **fixed
            )
            vectorizer.idf_ = np.asarray(arrays["idf"], dtype=np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"these are not saved text features ({error!r})") from error
        features._take(vectorizer)
        return features


def checked_texts(texts: Iterable[str]) -> list[str]:
    """Return texts as a list (n,); raise InputError if one is no string.

    Raises
    ------
    InputError
        If `texts` is one string, or an entry is none; names its row.
    """
    if isinstance(texts, str):
        raise InputError("texts must be a sequence of strings, found one string; put it in a list")
    if not is_listed(texts):
        raise InputError(f"texts must be a sequence of strings, found {type(texts).__name__}")
    texts = list(texts)
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(
                f"texts must be strings, found {type(text).__name__} ({text!r}) in row {i}; "
                "fill or drop missing texts first"
            )
    return texts


def _as_csr(matrix: Any) -> sp.csr_array:
    """Return counted texts with columns in order, so that both ways to them sum alike."""
    features = sp.csr_array(matrix, dtype=np.float32)
    features.sort_indices()
    return features
