"""Methods compared on one partly labelled table: scores that can be trusted, and a verdict."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from spear_amal._typing import MatrixLike, PathLike, VectorLike, VotesLike
from spear_amal.data.table_features import FeaturesLike
from spear_amal.errors import InputError
from spear_amal.progress import Progress
from spear_amal.report.comparison_tables import readable_scores
from spear_amal.seeds import RandomStateLike, settle_seed
from spear_amal.studies.crossval.compare import (
    DEFAULT_METHODS,
    FOLDS,
    REPEATS,
    ComparisonPlan,
    ComparisonResult,
    compare_methods,
    plan_methods,
)
from spear_amal.studies.crossval.table import ComparedTable, TableRows, compared_table
from spear_amal.studies.crossval.verdict import SMALLEST_GAIN
from spear_amal.studies.results_file import StudyFile
from spear_amal.text_classifier import LFsLike, TablesLike, TextClassifier
from spear_amal.training import reported_metric
from spear_amal.training_rows import VotesOfRows
from spear_amal.votes.gold import read_gold
from spear_amal.votes.label_matrix import LabelMatrix

__all__ = ["Comparison"]

_SEEDS = 2**31  # the first seed is below it, so that repeats have room to count up


@dataclass(kw_only=True, eq=False)
class Comparison:
    """Methods compared on one partly labelled table by repeated outer cross-validation.

    Every gold row is predicted only by models that never saw it: while a fold is held out, its
    rows and all rows of the same texts are away from gold, pool, features, votes, weights and the
    choice of epochs. Each fold costs a training of every method.

    Parameters
    ----------
    methods : sequence of str
        As :func:`spear_amal.studies.parse_method` reads them. The first with rules, majority vote
        aside, is the one that the verdict is about.
    baseline : str, optional
        Gains are taken over it; default: the classifier on the same gold rows in the same folds,
        without rules. It is added where it is not among the methods.
    folds, repeats : int
        Outer folds, and how often the gold rows are dealt into them.
    metric : {"accuracy", "f1", "macro-f1", "auto"}
    features : as for :class:`spear_amal.TextClassifier`
        Fitted anew in each fold.
    max_epochs : int, optional
        Number of epochs at most; default: that of the methods.
    smallest_gain : float
        Gain worth having, as a share: rules whose gain surely lies below it add nothing.
    random_state : int, RandomState, Generator or None
        Deals the rows into folds and starts the trainings.
    jobs : int
        Processes, of one thread each.
    output : path, optional
        JSON file that keeps every run: a comparison that was stopped goes on from it.
    verbose : bool
        Show a bar with the time left.

    Attributes
    ----------
    table_ : DataFrame
        One row for each method: ``score`` with its 95% interval ``low, high``, ``gain`` over the
        baseline with its paired interval ``gain_low, gain_high``, ``seconds`` of one training.
        Scores and gains are shares.
    per_class_ : DataFrame
        ``precision``, ``recall`` and ``f1`` of every class and method.
    scores_ : DataFrame
        What was predicted: ``method, repeat, fold, row`` (its id), ``gold, predicted, confidence``.
    verdict_ : str or None
        What the rules add, in one sentence; None where no method with rules was compared with its
        equal without.
    notes_ : list of str
        What was held out from what, and what could not be done as asked.

    Examples
    --------
    >>> import pandas as pd
    >>> from spear_amal.labeling import keyword_lf
    >>> frame = pd.DataFrame({"text": ["win a prize", "see you", "win now", "see me"] * 9})
    >>> frame["text"] += [f" number{row}" for row in range(36)]
    >>> frame["label"] = ["spam", "ham", None, None] * 9
    >>> lfs = [keyword_lf("win", ["win"], "spam"), keyword_lf("see", ["see"], "ham")]
    >>> comparison = Comparison(methods=["spear"], folds=3, repeats=1, max_epochs=3)
    >>> comparison.fit(frame, lfs=lfs).table_["method"].tolist()
    ['only-lv', 'spear']
    """

    methods: Sequence[str] = DEFAULT_METHODS
    baseline: str | None = None
    folds: int = FOLDS
    repeats: int = REPEATS
    metric: str = "accuracy"
    features: FeaturesLike = "tfidf"
    max_epochs: int | None = None
    smallest_gain: float = SMALLEST_GAIN
    random_state: RandomStateLike = 0
    jobs: int = 1
    output: PathLike | None = None
    verbose: bool = False
    result_: ComparisonResult = field(init=False, repr=False)

    def fit(
        self,
        data: TablesLike | MatrixLike,
        y: VectorLike | None = None,
        L: VotesLike | None = None,
        *,
        lfs: LFsLike | None = None,
        votes: VotesOfRows | None = None,
        text: str = "text",
        label: str = "label",
        id: str | None = None,
        test: TablesLike | None = None,
        test_votes: VotesOfRows | None = None,
        groups: VectorLike | None = None,
    ) -> Self:
        """Train and score all methods.

        Parameters
        ----------
        data : DataFrame, path of a table, or array (n, D) of features
            A table holds texts and labels; an array goes with `y` and `L`.
        y : array (n,), optional
            Labels beside an array; -1 or None for rows without one.
        L : LabelMatrix or array (n, m), optional
            Votes beside an array.
        lfs, votes, text, label, id
            As for :meth:`spear_amal.TextClassifier.fit`.
        test : DataFrame or path, optional
            Rows with labels to score on, in place of folds.
        test_votes : LabelMatrix or path, optional
            Goes with `votes` and `test`.
        groups : array (n,), optional
            Beside an array: rows with one number are held out together.

        Raises
        ------
        InputError
            For what cannot be compared, before anything is trained. An error of a training ends
            the comparison; what was trained is kept in `output`.
        """
        specs, baseline = plan_methods(self.methods, self.baseline)
        _check_form(
            y, {"lfs": lfs, "votes": votes, "test": test, "test_votes": test_votes}, L, groups
        )
        if y is not None:
            table, ids = _table_of_arrays(data, y, L, groups)
        else:
            with_votes = next((spec for spec in specs if spec.method.uses_votes), specs[0])
            read = TextClassifier(with_votes.text, features=self.features).read_data(
                data,
                lfs=lfs,
                votes=votes,
                text=text,
                label=label,
                id=id,
                validation=test,
                validation_votes=test_votes,
            )
            ids = (read.validation or read.train).frame.index.to_numpy()
            table = compared_table(
                replace(read, validation=None), "table", self.features, read.validation
            )
        plan = ComparisonPlan(
            specs,
            baseline,
            metric=self.metric,
            folds=self.folds,
            repeats=self.repeats,
            seed=settle_seed(self.random_state) % _SEEDS,
            settings={} if self.max_epochs is None else {"max_epochs": self.max_epochs},
            smallest_gain=self.smallest_gain,
        )
        with Progress("comparing", unit="", show=self.verbose) as bar:
            store = StudyFile(self.output)
            self.result_ = compare_methods(table, plan, store, self.jobs, bar.follow)
        outcome = self.result_.outcome
        self.table_, self.per_class_ = outcome.table, outcome.per_class
        self.verdict_ = None if outcome.verdict is None else outcome.verdict.text
        self.notes_ = self.result_.notes
        self.scores_ = self.result_.predictions.frame(table.classes, ids)
        return self

    def _repr_html_(self) -> str:
        """Return table and verdict for a notebook."""
        if not hasattr(self, "table_"):
            return f"<pre>{html.escape(repr(self))}</pre>"
        table = readable_scores(self.table_, reported_metric(self.metric))
        lines = [line for line in (self.verdict_, *self.notes_) if line]
        paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
        return table.to_html(index=False, border=0) + paragraphs


def _check_form(y: Any, of_tables: dict[str, Any], votes: Any, groups: Any) -> None:
    """Raise InputError for arguments that the other form takes, which would be left unread."""
    of_arrays = {"L": votes, "groups": groups}
    form, other = ("arrays", of_tables) if y is not None else ("a table", of_arrays)
    unread = [name for name, value in other.items() if value is not None]
    if unread:
        raise InputError(f"{', '.join(unread)} cannot be used with {form}; leave it out")


def _table_of_arrays(
    x: Any, y: VectorLike, votes: VotesLike | None, groups: VectorLike | None
) -> tuple[ComparedTable, np.ndarray]:
    """Return arrays as a table to compare on, and numbers as the ids of its rows."""
    features = x.tocsr() if hasattr(x, "tocsr") else np.asarray(x)
    n = features.shape[0]
    matrix = votes if isinstance(votes, LabelMatrix) else None
    if votes is not None and matrix is None:
        matrix = LabelMatrix.from_dense(np.asarray(votes))
    gold = read_gold(y, matrix)
    lengths = {"y": len(gold.codes), "L": None if matrix is None else len(matrix)}
    lengths["groups"] = None if groups is None else len(np.asarray(groups))
    for name, length in lengths.items():
        if length not in (None, n):
            raise InputError(f"{name} has {length} rows, the features have {n}")
    numbers = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    rows = TableRows(features, gold.codes, matrix, numbers)
    return ComparedTable("arrays", rows, gold.classes, features="given"), np.arange(n)
