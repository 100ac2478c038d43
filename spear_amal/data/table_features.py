"""Features of the rows of a table: of its texts, of other columns, or of both side by side."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from spear_amal.data.column_features import ColumnFeatures
from spear_amal.data.encoders import TextEncoder, named_features
from spear_amal.data.features import TextFeatures
from spear_amal.data.read_table import require_columns
from spear_amal.data.token_features import TokenFeatures
from spear_amal.errors import FileFormatError, InputError

FORMS = '"tfidf", "encoder:NAME", "columns:a,b", or several joined by "+", as "tfidf+columns:a,b"'
Part = TextFeatures | TextEncoder | ColumnFeatures | TokenFeatures
FeaturesLike = str | Part | Iterable[str | Part]
_COLUMNS = "columns:"
_JOINED = re.compile(rf"\+(?=tfidf(?:\+|$)|encoder:|{_COLUMNS})")


class TableFeatures(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Features of the rows of a DataFrame, from one source or several side by side.

    Parameters
    ----------
    features : str, object, or several of them
        "tfidf", "encoder:NAME" (as in :class:`TextEncoder`), "columns:a,b" (as in
        :class:`ColumnFeatures`), or several joined, as "tfidf+columns:a,b"; objects of
        :class:`TextFeatures` and the classes just named do as well.
    text_column : str
        Column of the texts.
    progress : bool
        Show a bar while an encoder is at work.

    Attributes
    ----------
    parts_ : list
        The fitted sources, in their order.

    Examples
    --------
    >>> frame = pd.DataFrame({"text": ["a spy", "a spy", "two"], "price": [1, 2, 3]})
    >>> features = TableFeatures("tfidf+columns:price").fit(frame)
    >>> features.get_feature_names_out().tolist()
    ['spy', 'price']
    >>> features.transform(frame).shape
    (3, 2)
    """

    def __init__(
        self, features: FeaturesLike = "tfidf", text_column: str = "text", progress: bool = False
    ) -> None:
        self.features = features
        self.text_column = text_column
        self.progress = progress

    def fit(self, frame: pd.DataFrame, y: object = None) -> Self:
        """Learn words, and what columns hold; errors as for :meth:`fit_transform`."""
        self.fit_transform(frame)
        return self

    def fit_transform(self, frame: pd.DataFrame, y: object = None, **_: object) -> Any:
        """Fit, and return the features of the same rows, counting words once.

        Raises
        ------
        InputError
            If the sources cannot be read, or a column is not there or no feature.
        """
        parts = parse_features(self.features, self.progress)
        blocks = []
        for part in parts:
            if isinstance(part, ColumnFeatures):
                self._check_columns(part, frame)
            blocks.append(part.fit_transform(self._input_of(part, frame)))
        self.parts_ = parts
        return self._side_by_side(blocks)

    def transform(self, frame: pd.DataFrame) -> Any:
        """Return features (n, D) float32; dense where an encoder is among them and no words are."""
        check_is_fitted(self, "parts_", msg="fit TableFeatures on training rows first")
        return self._side_by_side(
            [part.transform(self._input_of(part, frame)) for part in self.parts_]
        )

    def _side_by_side(self, blocks: list[Any]) -> Any:
        if len(blocks) == 1:
            return blocks[0]
        if any(isinstance(part, TextFeatures) for part in self.parts_) or all(
            sp.issparse(block) for block in blocks
        ):
            return sp.csr_array(sp.hstack([sp.csr_array(block) for block in blocks]))
        # Beside the dense vectors of an encoder, columns are few.
        dense = [block.toarray() if sp.issparse(block) else block for block in blocks]
        return np.concatenate(dense, axis=1)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return names (D,): words, columns and categories.

        Raises
        ------
        InputError
            If they have no names.
        """
        check_is_fitted(self, "parts_", msg="fit TableFeatures on training rows first")
        if not self.has_names:
            raise InputError("features of an encoder have no names")
        return np.concatenate([part.get_feature_names_out() for part in self.parts_])

    @property
    def has_names(self) -> bool:
        """Return whether features have names: those of an encoder have none."""
        unnamed = TextEncoder | TokenFeatures
        return not any(isinstance(part, unnamed) for part in parse_features(self.features))

    @property
    def uses_text(self) -> bool:
        """Return whether a source needs the column of texts."""
        return uses_text(self.features)

    @property
    def columns(self) -> list[str]:
        """Return the names of the other columns that are needed."""
        parts = parse_features(self.features)
        return [name for part in parts if isinstance(part, ColumnFeatures) for name in part.columns]

    def to_arrays(self) -> dict[str, Any]:
        """Return what :meth:`from_arrays` needs: nothing in it needs pickle.

        Returns
        -------
        dict
            ``settings`` (list, fit for JSON, one entry a source) and ``arrays`` (dict of ndarray).

        Raises
        ------
        InputError
            If a source is a function of the user's own, which no file can hold.
        """
        check_is_fitted(self, "parts_", msg="fit TableFeatures on training rows first")
        settings: list[dict[str, Any]] = []
        arrays: dict[str, np.ndarray] = {}
        for place, part in enumerate(self.parts_):
            if isinstance(part, TextFeatures):
                content = part.to_arrays()
                # Vocabularies are long, and the header of a file is limited in size.
                words = json.dumps(content["vocabulary"]).encode()
                arrays[f"{place}.vocabulary"] = np.frombuffer(words, dtype=np.uint8)
                arrays[f"{place}.idf"] = np.asarray(content["idf"], dtype=np.float32)
                settings.append({"kind": "tfidf", "settings": content["settings"]})
            elif isinstance(part, ColumnFeatures):
                settings.append({"kind": "columns", **part.to_json()})
            elif isinstance(part, TokenFeatures):
                content = part.to_arrays()
                arrays[f"{place}.tokenizer"] = content["tokenizer"]
                settings.append({"kind": "tokens", "settings": content["settings"]})
            else:
                settings.append({"kind": "encoder", **part.to_json()})
        return {"settings": settings, "arrays": arrays}

    @classmethod
    def from_arrays(cls, content: Mapping[str, Any], text_column: str = "text") -> TableFeatures:
        """Make fitted features of what :meth:`to_arrays` returned.

        Raises
        ------
        FileFormatError
            If a part is missing or the parts do not fit each other.
        """
        try:
            parts = [
                _restored(place, dict(entry), content["arrays"])
                for place, entry in enumerate(content["settings"])
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"these are no saved features ({error!r})") from error
        return cls.of_fitted(parts, text_column)

    @classmethod
    def of_fitted(cls, parts: Iterable[Part], text_column: str = "text") -> TableFeatures:
        """Make fitted features of sources that are fitted already."""
        made = cls(tuple(parts), text_column)
        made.parts_ = list(parse_features(made.features, fresh=False))
        return made

    def _input_of(self, part: Part, frame: pd.DataFrame) -> Any:
        if isinstance(part, ColumnFeatures):
            return frame
        require_columns(frame, [self.text_column])
        return frame[self.text_column].tolist()

    def _check_columns(self, part: ColumnFeatures, frame: pd.DataFrame) -> None:
        if self.text_column in part.columns and self.text_column in frame:
            raise InputError(
                f'the column {self.text_column!r} holds the texts: "tfidf" makes features of it, '
                "columns: is for others"
            )


def uses_text(features: FeaturesLike) -> bool:
    """Return whether features need texts.

    Examples
    --------
    >>> uses_text("tfidf"), uses_text("columns:price")
    (True, False)
    """
    return any(not isinstance(part, ColumnFeatures) for part in parse_features(features))


def parse_features(
    features: FeaturesLike, progress: bool = False, fresh: bool = True
) -> list[Part]:
    """Return the sources of features that a text, an object or several of them name.

    Parameters
    ----------
    features
        As for :class:`TableFeatures`.
    progress : bool
        Of an encoder that is named.
    fresh : bool
        Make unfitted copies of objects.

    Raises
    ------
    InputError
        If a form is unknown (the allowed forms are named), nothing is named, or one twice.
    """
    named = [features] if isinstance(features, str | Part) else features
    if not isinstance(named, Iterable):
        raise InputError(f"features must be {FORMS}, found {features!r}")
    parts: list[Part] = []
    for entry in named:
        if isinstance(entry, str):
            parts += [_named(text.strip(), progress) for text in _JOINED.split(entry)]
        elif isinstance(entry, Part):
            parts.append(clone(entry) if fresh else entry)
        else:
            raise InputError(f"features must be {FORMS}, found {entry!r}")
    if not parts:
        raise InputError(f"features must be {FORMS}, found none")
    _check_once(parts)
    return parts


def _named(text: str, progress: bool) -> Part:
    if text.startswith(_COLUMNS):
        [names] = csv.reader([text.removeprefix(_COLUMNS)], skipinitialspace=True) or [[]]
        names = [name.strip() for name in names]
        if not all(names) or not names:
            raise InputError(f"columns: needs names of columns, as in columns:a,b, found {text!r}")
        return ColumnFeatures(names)
    try:
        return named_features(text, progress=progress)
    except InputError as error:
        raise InputError(f"{error}; or 'columns:a,b', and several may be joined by '+'") from error


def _check_once(parts: list[Part]) -> None:
    """Raise for parts that do not go together.

    The weights of the same words or columns would be shared for no reason.
    """
    if sum(isinstance(part, TextFeatures) for part in parts) > 1 and all(
        part.get_params() == parts[0].get_params() for part in parts
    ):
        raise InputError("features name tfidf twice")
    if len(parts) > 1 and any(isinstance(part, TokenFeatures) for part in parts):
        raise InputError("token numbers are no features beside others: an encoder reads them alone")
    names = [name for part in parts if isinstance(part, ColumnFeatures) for name in part.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"features name the column {twice[0]!r} twice")


def _restored(place: int, entry: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Part:
    kind = entry.pop("kind")
    if kind == "tfidf":
        words = json.loads(arrays[f"{place}.vocabulary"].tobytes())
        idf = arrays[f"{place}.idf"]
        return TextFeatures.from_arrays(
            {"settings": entry["settings"], "vocabulary": words, "idf": idf}
        )
    if kind == "tokens":
        tokenizer = arrays[f"{place}.tokenizer"]
        return TokenFeatures.from_arrays({"settings": entry["settings"], "tokenizer": tokenizer})
    if kind == "columns":
        return ColumnFeatures.from_json(entry)
    if kind == "encoder":
        return TextEncoder.from_json(entry)
    raise FileFormatError(f"these are no saved features (of the kind {kind!r})")
