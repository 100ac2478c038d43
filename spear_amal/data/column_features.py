"""Columns of a table as features: numbers standardised, categories one-hot; saved as plain JSON."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from pandas.api import types
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from spear_amal.data.read_table import require_columns
from spear_amal.errors import FileFormatError, InputError
from spear_amal.votes.class_set import is_listed

# From here on values that hardly repeat are taken for ids or texts, not for categories.
_MANY = 50
NUMBER, CATEGORY = "number", "category"


class ColumnFeatures(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Features of columns of a table, with the statistics of the rows of `fit`.

    A column of numbers (or of truth values) is standardised to mean 0 and deviation 1. A missing
    number gets the mean, and where numbers were missing in `fit`, a second feature that is 1 for
    missing ones. A column of texts is a column of categories: one feature each, all 0 where the
    category is missing or was not seen in `fit`.

    Parameters
    ----------
    columns : sequence of str
        Names of columns.

    Attributes
    ----------
    kinds_ : dict of str to str
        "number" or "category", by column.
    categories_ : dict of str to list of str
        Of the columns of categories, sorted.
    means_, scales_ : ndarray
        Of the columns of numbers, in their order.
    missing_ : ndarray of bool
        Which columns of numbers had missing ones.

    Examples
    --------
    >>> frame = pd.DataFrame({"price": [1.0, 3.0, None], "shop": ["a", "b", "a"]})
    >>> features = ColumnFeatures(["price", "shop"]).fit(frame)
    >>> features.get_feature_names_out().tolist()
    ['price', 'price=missing', 'shop=a', 'shop=b']
    >>> features.transform(frame).toarray().tolist()[2]
    [0.0, 1.0, 1.0, 0.0]
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns

    def fit(self, frame: pd.DataFrame, y: object = None) -> Self:
        """Learn what columns hold.

        Raises
        ------
        InputError
            If a column is missing, empty, of a kind that is no feature (dates, lists), mixes
            numbers and texts, or holds texts that hardly repeat.
        """
        columns = _checked_names(self.columns)
        require_columns(frame, columns)
        self.kinds_ = {name: _kind(frame[name], name) for name in columns}
        self.categories_ = {name: _categories(frame[name], name) for name in self._of(CATEGORY)}
        values = self._values(frame)
        scaler = StandardScaler()
        with np.errstate(over="ignore", invalid="ignore"):
            if values.shape[1]:
                scaler.fit(values)
        means = getattr(scaler, "mean_", np.empty(0))
        scales = getattr(scaler, "scale_", np.empty(0))
        too_large = ~np.isfinite(means) | ~np.isfinite(getattr(scaler, "var_", np.empty(0)))
        if too_large.any():
            name = self._of(NUMBER)[int(too_large.argmax())]
            raise InputError(f"the numbers in the column {name!r} are too large; divide them")
        self._take(means, scales, np.isnan(values).any(0))
        return self

    def transform(self, frame: pd.DataFrame) -> sp.csr_array:
        """Return features (n, D) float32.

        Raises
        ------
        InputError
            If a column is missing, or a column of numbers holds something else; names the row.
        sklearn.exceptions.NotFittedError
            If nothing was fitted.
        """
        check_is_fitted(self, "kinds_", msg="fit ColumnFeatures on training rows first")
        require_columns(frame, list(self.kinds_))
        parts = [self._scaled(self._values(frame))]
        names = self._of(CATEGORY)
        if names:
            cells = np.empty((len(frame), len(names)), dtype=object)
            for place, name in enumerate(names):
                cells[:, place] = _texts(frame[name])
            parts.append(self._encoder.transform(cells) if len(frame) else self._no_rows())
        blocks = [sp.csr_array(part) for part in parts]
        return sp.csr_array(sp.hstack(blocks), dtype=np.float32)

    def cells(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the columns as arrays (n,): float64, NaN where missing; or texts, "" there."""
        check_is_fitted(self, "kinds_", msg="fit ColumnFeatures on training rows first")
        require_columns(frame, list(self.kinds_))
        return {
            name: _numbers(frame[name], name)
            if kind == NUMBER
            else np.array(_texts(frame[name]), dtype=object)
            for name, kind in self.kinds_.items()
        }

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return names (D,): that of a column, of a column and a category, or of missing ones."""
        check_is_fitted(self, "kinds_", msg="fit ColumnFeatures on training rows first")
        columns = self._of(NUMBER)
        flags = [f"{columns[place]}=missing" for place in np.flatnonzero(self.missing_)]
        one_hot = [f"{name}={one}" for name, all_of in self.categories_.items() for one in all_of]
        return np.asarray([*columns, *flags, *one_hot], dtype=object)

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` needs, fit for JSON; numbers come back exactly."""
        check_is_fitted(self, "kinds_", msg="fit ColumnFeatures on training rows first")
        return {
            "kinds": dict(self.kinds_),
            "categories": dict(self.categories_),
            "means": self.means_.tolist(),
            "scales": self.scales_.tolist(),
            "missing": self.missing_.tolist(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ColumnFeatures:
        """Make fitted features of what :meth:`to_json` returned.

        Raises
        ------
        FileFormatError
            If a part is missing or the parts do not fit each other.
        """
        try:
            kinds = dict(content["kinds"])
            features = cls(_checked_names(list(kinds)))
            if not set(kinds.values()) <= {NUMBER, CATEGORY}:
                raise ValueError(f"kinds of columns {kinds}")
            features.kinds_ = kinds
            features.categories_ = {
                name: [str(one) for one in content["categories"][name]]
                for name in features._of(CATEGORY)
            }
            features._take(content["means"], content["scales"], content["missing"])
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"these are no saved features of columns ({error!r})") from error
        return features

    def _take(self, means: Any, scales: Any, missing: Any) -> None:
        self.means_ = np.asarray(means, dtype=np.float64)
        self.scales_ = np.asarray(scales, dtype=np.float64)
        self.missing_ = np.asarray(missing, dtype=bool)
        n = len(self._of(NUMBER))
        sizes = {self.means_.shape, self.scales_.shape, self.missing_.shape}
        if sizes != {(n,)} or not np.isfinite(self.means_).all() or not (self.scales_ > 0).all():
            raise ValueError(f"statistics of {sorted(sizes)} for {n} columns of numbers")
        if n:
            self._scaler = StandardScaler()
            self._scaler.mean_, self._scaler.scale_ = self.means_, self.scales_
            self._scaler.n_features_in_ = n
        lists = list(self.categories_.values())
        if lists:
            self._encoder = OneHotEncoder(
                categories=[np.asarray(names, dtype=object) for names in lists],
                handle_unknown="ignore",
                dtype=np.float32,
            )
            self._encoder.fit(np.array([[names[0] for names in lists]], dtype=object))

    def _of(self, kind: str) -> list[str]:
        return [name for name, found in self.kinds_.items() if found == kind]

    def _values(self, frame: pd.DataFrame) -> np.ndarray:
        """Numbers (n, k) float64 of the columns of numbers, NaN where missing."""
        columns = [_numbers(frame[name], name) for name in self._of(NUMBER)]
        return np.stack(columns, axis=1) if columns else np.empty((len(frame), 0))

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        """Standardised numbers, then for columns that may miss them which ones do."""
        if not len(values) or not values.shape[1]:
            return np.zeros((len(values), values.shape[1] + int(self.missing_.sum())))
        with np.errstate(over="ignore"):
            scaled = self._scaler.transform(values).astype(np.float32)
        missing = np.isnan(values)
        scaled[missing] = 0
        wrong = ~np.isfinite(scaled)
        if wrong.any():
            row, place = np.argwhere(wrong)[0]
            raise InputError(
                f"row {row} (counted from 0) holds {values[row, place]:g} in the column "
                f"{self._of(NUMBER)[place]!r}, which is too large beside the numbers of training"
            )
        return np.concatenate([scaled, missing[:, self.missing_]], axis=1)

    def _no_rows(self) -> sp.csr_array:
        return sp.csr_array((0, sum(map(len, self.categories_.values()))))


def _checked_names(columns: Any) -> list[str]:
    named = [columns] if isinstance(columns, str) else columns
    names = list(named) if is_listed(named) else []
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"columns must be names of columns, at least one, found {columns!r}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"the column {twice!r} is named twice among {names}")
    return names


def _kind(column: pd.Series, name: str) -> str:
    """Return whether a column holds numbers or categories."""
    if isinstance(column, pd.DataFrame):
        raise InputError(f"the table has several columns {name!r}; rename them")
    present = column.dropna()
    if not len(present):
        raise InputError(f"the column {name!r} has no value in the training rows; leave it out")
    if isinstance(column.dtype, pd.CategoricalDtype):
        return CATEGORY
    if types.is_bool_dtype(column.dtype):
        return NUMBER
    if types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype):
        return NUMBER
    cells = present.tolist()
    texts = [cell for cell in cells if isinstance(cell, str)]
    numbers_of = [cell for cell in cells if _is_number(cell)]
    if len(texts) + len(numbers_of) < len(cells):
        other = next(cell for cell in cells if not (isinstance(cell, str) or _is_number(cell)))
        raise InputError(
            f"the column {name!r} holds {type(other).__name__}, which is no feature: turn it into "
            "numbers (as a date into days) or categories first"
        )
    if texts and numbers_of:
        raise InputError(
            f"the column {name!r} mixes texts ({texts[0]!r}) and numbers ({numbers_of[0]!r}); make "
            "it texts throughout, or numbers with missing ones"
        )
    return CATEGORY if texts else NUMBER


def _is_number(cell: Any) -> bool:
    if isinstance(cell, numbers.Real | np.bool_):
        return True
    return type(cell).__name__ == "Decimal"


def _numbers(column: pd.Series, name: str) -> np.ndarray:
    """Return a column as float64 (n,), NaN where missing; raise for texts and infinite numbers."""
    try:
        values = pd.to_numeric(column.replace("", None) if column.dtype == object else column)
        found = values.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError, OverflowError):
        found = np.array([_as_float(cell) for cell in column.tolist()], dtype=np.float64)
        wrong = np.isnan(found) & column.notna().to_numpy()
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"row {row} (counted from 0) holds {column.iloc[row]!r} in the column {name!r}, "
                "which held numbers in training; an empty cell is a missing number"
            ) from None
    if np.isinf(found).any():
        row = int(np.isinf(found).argmax())
        raise InputError(f"row {row} (counted from 0) holds an infinite number in {name!r}")
    return found


def _as_float(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return np.nan


def _texts(column: pd.Series) -> list[str]:
    """Return categories (n,) as texts; what is missing is a category that nobody has."""
    return [_category(cell) for cell in column.tolist()]


_NO_CATEGORY = ""


def _category(cell: Any) -> str:
    if isinstance(cell, str):
        return cell.strip()
    if pd.isna(cell):
        return _NO_CATEGORY
    # A file in which all categories look like numbers is read as numbers.
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell)) if whole else str(cell)


def _categories(column: pd.Series, name: str) -> list[str]:
    cells = [cell for cell in _texts(column) if cell != _NO_CATEGORY]
    categories = sorted(set(cells))
    if not categories:
        raise InputError(f"the column {name!r} has no value in the training rows; leave it out")
    if len(categories) > _MANY:
        n_numbers = sum(not np.isnan(_as_float(category)) for category in categories)
        if 2 * n_numbers > len(categories):
            other = next((one for one in categories if np.isnan(_as_float(one))), None)
            found = f"such as {other!r} beside numbers" if other else "which are numbers"
            raise InputError(
                f"the column {name!r} holds texts, {found}; leave cells without a number empty, "
                "or convert the column to numbers"
            )
        if 2 * len(categories) > len(cells):
            raise InputError(
                f"the column {name!r} holds {len(categories)} different texts on {len(cells)} "
                "rows; are they ids or sentences? Categories are texts that repeat"
            )
    return categories
