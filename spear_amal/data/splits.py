"""Seeded, stratified drawing of rows, the one place where data is split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import VectorLike
from spear_amal.checks import check_whole
from spear_amal.data.corpus import Corpus
from spear_amal.errors import InputError
from spear_amal.seeds import RandomStateLike, random_generator
from spear_amal.votes.gold import group_labels, read_gold
from spear_amal.votes.matrix_checks import as_vector, as_whole_numbers

#: Which rows are labelled in :func:`partition`.
LABELLED = ("random", "published", "wrench")


def normalise_texts(texts: Iterable[str]) -> list[str]:
    """Texts as they are compared for duplicates: stripped and casefolded."""
    return [text.strip().casefold() for text in texts]


def draw_stratified(
    rows: np.ndarray, labels: np.ndarray, size: int, generator: np.random.Generator, purpose: str
) -> np.ndarray:
    """Draw `size` of `rows` so that classes keep their shares; sorted row numbers (size,).

    Every class of `rows` gets its share rounded down, and at least one row; what is left goes to
    the classes with the largest remainders.

    Parameters
    ----------
    rows : ndarray (k,)
        Row numbers to draw from.
    labels : ndarray (n,)
        Classes of all rows.
    size : int
    generator : Generator
    purpose : str
        What the rows are for, in error messages.

    Raises
    ------
    InputError
        If there are fewer rows than `size`, or `size` is below the number of classes.
    """
    check_whole(f"the number of rows of {purpose}", size, 0)
    classes, counts = np.unique(labels[rows], return_counts=True)
    if size > len(rows):
        raise InputError(f"{purpose} needs {size} rows, but {len(rows)} are left to draw from")
    if size == 0:
        return np.empty(0, dtype=np.int64)
    if size < len(classes):
        raise InputError(
            f"{purpose} has {size} rows, fewer than the {len(classes)} classes; ask for more"
        )
    drawn = [
        generator.permutation(rows[labels[rows] == c])[:take]
        for c, take in zip(classes, _shares(counts, size), strict=True)
    ]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def _shares(counts: np.ndarray, size: int) -> np.ndarray:
    """Rows for each class: proportional, each at least 1 and at most what there is, sum `size`."""
    ideal = counts * size / counts.sum()
    shares = np.clip(np.floor(ideal).astype(int), 1, counts)
    while shares.sum() != size:
        step = 1 if shares.sum() < size else -1
        possible = shares < counts if step > 0 else shares > 1
        gap = np.where(possible, (ideal - shares) * step, -np.inf)
        shares[int(np.argmax(gap))] += step
    return shares


def hold_out_test(frame: pd.DataFrame, n_test: int, seed: int) -> pd.DataFrame:
    """Add column ``part``: `n_test` stratified rows are "test", the others "train".

    Test rows whose normalised text is also a training text are left out, so that a corpus whose
    split is defined here starts without leaks.
    """
    rows = np.arange(len(frame))
    labels = frame["label"].to_numpy()
    test = draw_stratified(rows, labels, n_test, random_generator(seed), "the test part")
    is_test = np.isin(rows, test)
    texts = np.asarray(normalise_texts(frame["text"]), dtype=object)
    leaked = is_test & np.isin(texts, texts[~is_test])
    return frame.assign(part=np.where(is_test, "test", "train"))[~leaked]


@dataclass(frozen=True)
class Partition:
    """Row positions of four disjoint parts, each sorted.

    Attributes
    ----------
    labelled, unlabelled, validation, test : ndarray of int64
        Positions in the corpus, fit for ``frame.iloc`` and array indexing.

    Raises
    ------
    InputError
        If two parts share a row.
    """

    labelled: np.ndarray
    unlabelled: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def __post_init__(self) -> None:
        check_disjoint(
            labelled=self.labelled,
            unlabelled=self.unlabelled,
            validation=self.validation,
            test=self.test,
        )

    @property
    def train(self) -> np.ndarray:
        """Labelled and unlabelled rows, sorted: what a model is fitted on."""
        return np.sort(np.concatenate([self.labelled, self.unlabelled]))

    def observed_labels(self, y: VectorLike) -> np.ndarray:
        """Return a copy of `y` (n,) without the gold of rows that training must not see.

        Gold stays on labelled and validation rows; unlabelled rows, test rows and rows of no part
        become -1, or None where gold is names.
        """
        labels, places = group_labels(y, "y")
        hidden = np.ones(len(places), dtype=bool)
        hidden[np.concatenate([self.labelled, self.validation])] = False
        named = any(isinstance(label, str) for label in labels)
        known = np.array([None, *labels[1:]] if named else labels, dtype=object if named else None)
        return np.where(hidden, known[0], known[places])


def check_disjoint(**parts: VectorLike) -> None:
    """Raise if two of the named parts (arrays of row numbers) share a row.

    Raises
    ------
    InputError
        Names the two parts and the first shared rows; also if a part holds a row twice, or
        something else than whole numbers.
    """
    seen: dict[int, str] = {}
    for name, rows in parts.items():
        for row in as_whole_numbers(as_vector(rows, name), name).tolist():
            if row in seen:
                raise InputError(
                    f"parts must be disjoint, but row {row} is in {seen[row]!r} and in {name!r}"
                )
            seen[row] = name


def partition(
    data: Corpus | VectorLike,
    seed: RandomStateLike,
    n_labelled: int | None = None,
    n_validation: int | None = None,
    *,
    test: VectorLike | None = None,
    labelled: str = "random",
    drop_duplicates: bool = False,
    texts: Sequence[str] | None = None,
    row_ids: VectorLike | None = None,
) -> Partition:
    """Draw a labelled and a validation part from the rows that are not test rows.

    Parameters
    ----------
    data : Corpus, or labels (n,)
        Names or numbers. Labels alone know no test rows: give them in `test`.
    seed : int, RandomState, Generator or None
        Same data in the same order, same number and sizes: same parts.
    n_labelled, n_validation : int, optional
        Sizes; default: those of the corpus.
    test : array of int, optional
        Test rows, where they are not the corpus' own part "test".
    labelled : {"random", "published", "wrench"}
        "published" takes the corpus' own part "labelled" whole (`n_labelled` is then not used).
        Under "wrench" gold is that of the corpus' own part "validation": `n_labelled` of its rows
        (default 0) are drawn as labelled ones, and the others are V (`n_validation` is not used).
    drop_duplicates : bool
        Leave out test rows whose text (stripped, casefolded) is also a text of the pool.
    texts : sequence of str, length n, optional
        Texts to compare, where `data` is labels alone.
    row_ids : sequence of int or str, length n, optional
        Ids to draw by, each once: the same rows in another order then get the same parts. Without
        them rows are drawn by position, and in another order they are divided otherwise.

    Returns
    -------
    Partition
        What is in no other part is unlabelled.

    Raises
    ------
    InputError
        If a size is larger than what is left, or smaller than the number of classes, or a row has
        no gold label.

    Examples
    --------
    >>> parts = partition([0, 1] * 20, seed=3, n_labelled=6, n_validation=4, test=range(10))
    >>> [len(rows) for rows in (parts.labelled, parts.unlabelled, parts.validation, parts.test)]
    [6, 20, 4, 10]
    """
    corpus = data if isinstance(data, Corpus) else None
    y = corpus.labels if corpus is not None else read_gold(data, name="labels").codes
    if (y < 0).any():
        raise InputError(
            f"labels must be gold for every row; row {int((y < 0).argmax())} has none (-1)"
        )
    n_labelled = 0 if labelled == "wrench" and n_labelled is None else n_labelled
    n_labelled = _size("n_labelled", n_labelled, corpus)
    n_validation = _size("n_validation", n_validation, corpus)
    test = _test_rows(corpus, test, len(y))
    order = _order_of(row_ids, len(y))
    pool = order[~np.isin(order, test)]
    generator = random_generator(seed)
    if labelled not in LABELLED:
        raise InputError(f"labelled must be one of {LABELLED}, found {labelled!r}")
    if labelled == "published":
        drawn = _own_rows(corpus, "labelled", labelled)
    else:
        gold = _own_rows(corpus, "validation", labelled) if labelled == "wrench" else pool
        drawn = draw_stratified(gold, y, n_labelled, generator, "the labelled part")
    rest = pool[~np.isin(pool, drawn)]
    if labelled == "wrench":
        validation = np.setdiff1d(gold, drawn)
    else:
        validation = draw_stratified(rest, y, n_validation, generator, "the validation part")
    if drop_duplicates:
        test = without_duplicates(test, pool, corpus.texts if corpus is not None else texts)
    return Partition(drawn, np.setdiff1d(rest, validation), validation, test)


def _order_of(row_ids: VectorLike | None, n: int) -> np.ndarray:
    """Return row numbers (n,) in the order of their ids."""
    if row_ids is None:
        return np.arange(n)
    ids = np.asarray(row_ids)
    if ids.shape != (n,) or len(np.unique(ids)) < n:
        raise InputError(f"row_ids must hold an id of its own for each of {n} rows")
    return np.argsort(ids)


def _size(name: str, size: int | None, corpus: Corpus | None) -> int:
    if size is not None:
        check_whole(name, size, 0)
        return int(size)
    if corpus is None:
        raise InputError(f"{name} is needed where only labels are given")
    return int(getattr(corpus, name))


def _test_rows(corpus: Corpus | None, test: Any, n: int) -> np.ndarray:
    if test is None:
        return corpus.rows("test") if corpus is not None else np.empty(0, dtype=np.int64)
    rows = np.unique(as_whole_numbers(as_vector(test, "test rows"), "test rows"))
    if len(rows) and (rows[0] < 0 or rows[-1] >= n):
        raise InputError(f"test rows must lie in 0 to {n - 1}, found {rows[0]} to {rows[-1]}")
    return rows


_HAVE = {
    "labelled": "imdb, and sms from a data directory with the published split",
    "validation": "imdb, youtube, census, mushroom and folders in WRENCH's format",
}


def _own_rows(corpus: Corpus | None, part: str, labelled: str) -> np.ndarray:
    """Return the rows of a part with which the corpus was published."""
    rows = corpus.rows(part) if corpus is not None else np.empty(0, dtype=np.int64)
    if not len(rows):
        raise InputError(
            f'labelled="{labelled}" needs a corpus with a part "{part}" ({_HAVE[part]})'
        )
    return rows


def without_duplicates(test: np.ndarray, pool: np.ndarray, texts: Any) -> np.ndarray:
    """Test rows whose text (stripped, casefolded) is no text of the pool.

    Parameters
    ----------
    test, pool : ndarray of int
        Row numbers.
    texts : sequence of str, length n
        Texts of all rows.

    Returns
    -------
    ndarray of int64
        The rows of `test` that are kept, in their order.

    Examples
    --------
    >>> without_duplicates(np.array([2, 3]), np.array([0, 1]), ["a", "b", " A ", "c"])
    array([3])
    """
    if texts is None:
        raise InputError("drop_duplicates=True needs texts to compare; pass texts=")
    texts = normalise_texts(texts)
    known = {texts[i] for i in pool}
    return np.asarray([i for i in test if texts[i] not in known], dtype=np.int64)
