"""The queue of rows to label next: chosen in the background, and refilled as labels come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Condition, Thread

import numpy as np

from spear_amal.data import TextFeatures
from spear_amal.errors import InputError
from spear_amal.label_models import AccuracyModel
from spear_amal.labeling import next_rows
from spear_amal.labeling.blank_texts import has_text
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.workbench.gold_file import squeezed
from spear_amal.workbench.matches import row_text
from spear_amal.workbench.snapshot import Snapshot

#: Rows that are looked at: of more without a label a sample.
MOST_CANDIDATES = 5_000
#: Labelled rows from which the chosen ones are to differ.
MOST_LABELLED = 1_000
_FILL = 40  # rows that are chosen at a time
_FEW = 15  # unlabelled rows in the queue below which it is refilled
_BACK = 200  # rows that stay in the queue although they are labelled: one may go back to them
_UNCERTAIN = "the classifier is uncertain"
_NO_MODEL = "the votes leave it open"
_NO_CLASSES = "drawn at random: there are no two classes yet"


@dataclass(frozen=True)
class NextRows:
    """Rows in the order in which they are to be labelled.

    Attributes
    ----------
    rows : tuple of int
        Positions; those that are labelled by now are still among them.
    reasons : mapping of int to str
        Why each one was chosen.
    """

    rows: tuple[int, ...] = ()
    reasons: Mapping[int, str] = field(default_factory=dict)


class NextQueue:
    """Rows to label next among the rows of one search.

    Methods may be called from several threads. Whoever asks while rows are left is answered at
    once, from the last choice; a new one is made in the background when the votes or the model
    have changed, or few rows are left.

    Examples
    --------
    >>> import pandas as pd
    >>> texts, gold = ["free prize", "lunch today"], np.array([-1, 0])
    >>> snapshot = Snapshot(1, pd.DataFrame({"text": texts}), texts, None, ("ham", "spam"), gold)
    >>> NextQueue().get(snapshot, np.arange(2), frozenset()).rows
    (0,)
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._queue = NextRows()
        self._about: tuple[object, ...] = ()
        self._is_choosing = False
        self._error: Exception | None = None
        self._seed = 0

    def get(self, snapshot: Snapshot, among: np.ndarray, without: frozenset[int]) -> NextRows:
        """Return the queue, after waiting for the first choice.

        Parameters
        ----------
        snapshot : Snapshot
        among : ndarray of int (k,)
            Rows that may be chosen: of them those without gold are.
        without : frozenset of int
            Rows that are not to be chosen.
        """
        about = _about(snapshot)
        with self._changed:
            # What is being chosen for another table would come into the queue of this one.
            self._changed.wait_for(lambda: not self._is_choosing or self._about[0] is about[0])
            if self._about and self._about[0] is not about[0]:
                self._queue = NextRows()  # of another table
            n_left = sum(_is_left(row, snapshot, without) for row in self._queue.rows)
            is_old = not _are_identical(about, self._about)
            if (is_old or n_left < _FEW) and not self._is_choosing:
                self._about, self._is_choosing = about, True
                self._seed += 1
                arguments = (snapshot, among, without, self._seed)
                Thread(target=self._choose, args=arguments, daemon=True).start()
            if not n_left:
                self._changed.wait_for(lambda: not self._is_choosing)
                if self._error is not None:
                    raise self._error
            return self._queue

    def _choose(
        self, snapshot: Snapshot, among: np.ndarray, without: frozenset[int], seed: int
    ) -> None:
        chosen, error = NextRows(), None
        try:
            chosen = choose_rows(snapshot, among, without, seed)
        except Exception as failure:
            error = failure
        with self._changed:
            reasons = dict(chosen.reasons)
            before = [row for row in self._queue.rows if row not in reasons]
            # Labelled rows stay: one may go back to them.
            kept = [row for row in before if not _is_left(row, snapshot, without)][-_BACK:]
            reasons |= {row: self._queue.reasons.get(row, "") for row in kept}
            self._queue = NextRows((*kept, *chosen.rows), reasons)
            self._is_choosing, self._error = False, error
            self._changed.notify_all()


def _about(snapshot: Snapshot) -> tuple[object, ...]:
    return (snapshot.texts, snapshot.outputs, *(lf.votes for lf in snapshot.active))


def _are_identical(some: tuple[object, ...], others: tuple[object, ...]) -> bool:
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def _is_left(row: int, snapshot: Snapshot, without: frozenset[int]) -> bool:
    return bool(snapshot.gold[row] < 0) and row not in without


def choose_rows(
    snapshot: Snapshot, among: np.ndarray, without: frozenset[int] = frozenset(), seed: int = 0
) -> NextRows:
    """Choose rows whose labels would help most, by :func:`~spear_amal.labeling.next_rows`.

    Parameters
    ----------
    snapshot : Snapshot
    among : ndarray of int (k,)
        Rows that may be chosen; of more than :data:`MOST_CANDIDATES` a sample.
    without : frozenset of int
    seed : int
        Draws the sample, and one half of the choice.
    """
    generator = np.random.default_rng(seed)
    gold = snapshot.gold
    free = among[gold[among] < 0]
    free = free[~np.isin(free, list(without))]
    labelled = np.flatnonzero(gold >= 0)
    known = {squeezed(snapshot.texts[row]) for row in (*labelled.tolist(), *without)}
    rows = np.concatenate(
        [
            _sample(labelled, MOST_LABELLED, generator),
            _without_copies(_sample(free, MOST_CANDIDATES, generator), snapshot, known),
        ]
    )
    texts = [row_text(snapshot, row) for row in rows.tolist()]
    readable = has_text(texts)
    rows, texts = rows[readable], [text for text, ok in zip(texts, readable, strict=True) if ok]
    if not (gold[rows] < 0).any():
        return NextRows((), {})
    if len(snapshot.classes) < 2:
        drawn = generator.permutation(rows[gold[rows] < 0])[:_FILL].tolist()
        return NextRows(tuple(drawn), dict.fromkeys(drawn, _NO_CLASSES))
    votes = snapshot.matrix()[rows]
    proba = _probabilities(snapshot, rows, votes)
    chosen = next_rows(votes, gold[rows], _FILL, proba, _features(texts))
    # The first half was picked by its score, the second one drawn: both from the beginning.
    half = len(chosen) - len(chosen) // 2
    places = [p for pair in zip(range(half), range(half, 2 * half), strict=True) for p in pair]
    chosen = chosen.iloc[[place for place in places if place < len(chosen)]]
    positions = rows[chosen["row"].to_numpy()].tolist()
    no_model = snapshot.outputs is None
    reasons = [
        _NO_MODEL if no_model and reason == _UNCERTAIN else reason for reason in chosen["reason"]
    ]
    return NextRows(tuple(positions), dict(zip(positions, reasons, strict=True)))


def _without_copies(rows: np.ndarray, snapshot: Snapshot, known: set[str]) -> np.ndarray:
    """Return the first row of each text, without texts that are known: each is offered once."""
    first: dict[str, int] = {}
    for row in rows.tolist():
        first.setdefault(squeezed(snapshot.texts[row]), row)
    kept = [row for text, row in first.items() if text not in known]
    return np.array(kept, dtype=np.int64)


def _sample(rows: np.ndarray, most: int, generator: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= most else np.sort(generator.choice(rows, most, replace=False))


def _features(texts: Sequence[str]) -> object | None:
    """Return TF-IDF; None where no text has a word."""
    try:
        return TextFeatures(min_df=1).fit_transform(list(texts))
    except InputError:
        return None


def _probabilities(snapshot: Snapshot, rows: np.ndarray, votes: LabelMatrix) -> np.ndarray | None:
    """Return probabilities of the model, or by the accuracies of the LFs; None without LFs."""
    outputs = snapshot.outputs
    if outputs is not None and np.isfinite(outputs.proba[rows]).all():
        return outputs.proba[rows]
    if not votes.shape[1]:
        return None
    return np.asarray(AccuracyModel().fit(votes, snapshot.gold[rows]).predict_proba(votes))
