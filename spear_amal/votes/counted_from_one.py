"""Gold that seems to count classes from 1, while codes count from 0: a warning, or an error."""

from __future__ import annotations

import warnings

import numpy as np

from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import LabelMatrix

# Labelled rows with votes from which a habit shows.
_ENOUGH = 20
# Standard errors by which the votes must agree better with gold less 1.
_SURE = 3.0


def warn_of_counting_from_one(gold: np.ndarray, votes: LabelMatrix, name: str) -> None:
    """Warn where the votes agree much better with gold less 1 than with gold, in every class.

    Parameters
    ----------
    gold : ndarray of int (n,)
        As codes, -1 where a row has none.
    votes : LabelMatrix (n, m)
    name : str
        What the message calls gold.
    """
    if message := _told_by_votes(gold, votes, name):
        warnings.warn(message, UserWarning, stacklevel=5)


def refuse_counting_from_one(gold: np.ndarray, votes: LabelMatrix, name: str) -> None:
    """Raise InputError where gold surely counts from 1: by the votes, or by the numbers alone.

    Parameters
    ----------
    gold : ndarray of int (n,)
        Numbers that were read as codes, -1 where a row has none.
    votes : LabelMatrix (n, m)
    name : str
        What the message calls gold.
    """
    known, voted = gold[gold >= 0], votes.codes.data.astype(int) - 1
    if len(known) and len(voted) and known.min() == 1 and voted.min() == 0:
        if known.max() == voted.max() + 1:
            raise InputError(
                f"{name} holds the numbers 1 to {known.max()}, while the votes are for 0 to "
                f"{voted.max()}: labels seem to count from 1. {_remedy(votes, name)}"
            )
    if message := _told_by_votes(gold, votes, name):
        raise InputError(message)


def _remedy(votes: LabelMatrix, name: str) -> str:
    numbers = list(range(1, votes.n_classes + 1))
    return (
        f"If they do, give the votes classes that are called so, such as classes={numbers}, or an "
        f"Enum or mapping with these numbers (CLASSES of an LF file); or write {name} less 1"
    )


def _told_by_votes(gold: np.ndarray, votes: LabelMatrix, name: str) -> str:
    """Return what to say where the votes agree much better with gold less 1; else nothing."""
    rows = np.flatnonzero((gold >= 1) & votes.covered())
    classes = np.unique(gold[rows])
    if len(rows) < _ENOUGH or len(classes) < 2:
        return ""
    cast = votes.codes[rows].tocoo()
    voted, labels = cast.data.astype(int) - 1, gold[rows][cast.row]
    n_votes = np.bincount(cast.row)
    as_codes = np.bincount(cast.row, voted == labels) / n_votes
    from_one = np.bincount(cast.row, voted == labels - 1) / n_votes
    gain = from_one - as_codes
    if gain.mean() <= _SURE * gain.std() / np.sqrt(len(gain)):
        return ""
    if any(gain[gold[rows] == one].mean() <= 0 for one in classes):
        return ""
    return (
        f"{name} is read as codes that count from 0, and {as_codes.mean():.0%} of the votes agree "
        f"with it; as numbers that count from 1, {from_one.mean():.0%} would. "
        f"{_remedy(votes, name)}"
    )
