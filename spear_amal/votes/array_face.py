"""What a label matrix does as an array would: arithmetic, comparisons, sums, rows one by one.

Scripts for other tools hold their votes in an array. Whatever such a script asks for is answered
by the dense votes, made when they are asked for; the label matrix itself never changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from spear_amal.errors import InputError

# Rows that are made dense at a time where they are walked through.
ROWS = 4096


class _DenseMethod:
    """A method of the dense votes, under its own name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.__doc__ = f"``{name}`` of the dense votes, see :meth:`numpy.ndarray.{name}`."

    def __get__(self, votes: ArrayFace | None, owner: type) -> Any:
        # The votes are made dense by the call: `hasattr` must cost nothing.
        return self if votes is None else partial(_call, votes, self.name)


def _call(votes: ArrayFace, name: str, *arguments: Any, **options: Any) -> Any:
    return getattr(votes.to_dense(), name)(*arguments, **options)


class ArrayFace(np.lib.mixins.NDArrayOperatorsMixin):
    """The face of an array for a class that has ``shape`` and ``to_dense()``.

    Operators, NumPy's functions and the methods below give plain arrays; ``==`` and ``!=`` do so
    element by element. Nothing is changed in place.
    """

    ndim = 2
    shape: tuple[int, int]

    def to_dense(self) -> np.ndarray:
        """Votes as an array (n, m)."""
        raise NotImplementedError

    all = _DenseMethod()
    any = _DenseMethod()
    argmax = _DenseMethod()
    argmin = _DenseMethod()
    astype = _DenseMethod()
    clip = _DenseMethod()
    copy = _DenseMethod()
    cumsum = _DenseMethod()
    flatten = _DenseMethod()
    item = _DenseMethod()
    max = _DenseMethod()
    mean = _DenseMethod()
    min = _DenseMethod()
    nonzero = _DenseMethod()
    prod = _DenseMethod()
    ravel = _DenseMethod()
    repeat = _DenseMethod()
    reshape = _DenseMethod()
    round = _DenseMethod()
    squeeze = _DenseMethod()
    std = _DenseMethod()
    sum = _DenseMethod()
    take = _DenseMethod()
    tobytes = _DenseMethod()
    tolist = _DenseMethod()
    transpose = _DenseMethod()
    var = _DenseMethod()

    @property
    def T(self) -> np.ndarray:
        """Votes as an array (m, n)."""
        return self.to_dense().T

    @property
    def size(self) -> int:
        """Number of cells n * m, abstains included."""
        return self.shape[0] * self.shape[1]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        dense = self.to_dense()
        return dense if dtype is None else dense.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "at" or any(isinstance(out, ArrayFace) for out in options.get("out", ())):
            raise InputError(_NO_CHANGE)
        return getattr(ufunc, method)(*map(_plain, inputs), **options)

    def __eq__(self, other: object) -> Any:
        return self.to_dense() == _plain(other)

    def __ne__(self, other: object) -> Any:
        return self.to_dense() != _plain(other)

    __hash__ = None  # type: ignore[assignment]  # equality is elementwise, as for arrays

    def __contains__(self, vote: object) -> bool:
        return bool(np.any(self == vote))

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, self.shape[0], ROWS):
            yield from self[start : start + ROWS].to_dense()

    def __getitem__(self, key: Any) -> Any:
        raise NotImplementedError

    def __setitem__(self, key: Any, value: Any) -> None:
        raise InputError(_NO_CHANGE)


_NO_CHANGE = (
    "a label matrix is not changed in place; change votes = L.to_dense() and make a new one with "
    "LabelMatrix.from_dense(votes, lf_names=L.lf_names, classes=L.classes, row_ids=L.row_ids)"
)


def _plain(value: Any) -> Any:
    return value.to_dense() if isinstance(value, ArrayFace) else value
