"""Seeded, stratified drawing of rows, the one place where data is split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError


def normalised(texts: Any) -> list[str]:
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
    classes, counts = np.unique(labels[rows], return_counts=True)
    if size < 0 or size > len(rows):
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
    test = draw_stratified(rows, labels, n_test, np.random.default_rng(seed), "the test part")
    is_test = np.isin(rows, test)
    texts = np.asarray(normalised(frame["text"]), dtype=object)
    leaked = is_test & np.isin(texts, texts[~is_test])
    return frame.assign(part=np.where(is_test, "test", "train"))[~leaked]
