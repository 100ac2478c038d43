"""Questions to a partly labelled table: how methods compare, what labels or rules would add."""

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
from spear_amal.report.comparison_tables import readable_crossover, readable_scores
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
from spear_amal.studies.crossval.crossover import (
    LABELS_PER_RULE,
    SIZES,
    CrossoverPlan,
    CrossoverResult,
    find_crossover,
    plan_rules,
    usual_repeats,
)
from spear_amal.studies.crossval.table import ComparedTable, TableRows, compared_table
from spear_amal.studies.crossval.verdict import SMALLEST_GAIN
from spear_amal.studies.results_file import StudyFile
from spear_amal.text_classifier import LFsLike, TablesLike, TextClassifier
from spear_amal.training import reported_metric
from spear_amal.training_rows import VotesOfRows
from spear_amal.votes.gold import read_gold
from spear_amal.votes.label_matrix import LabelMatrix

__all__ = ["Comparison", "Crossover"]

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
        with_votes = next((spec for spec in specs if spec.method.uses_votes), specs[0])
        table, ids = _read_rows(
            with_votes.text,
            self.features,
            data,
            {"y": y, "L": L, "groups": groups},
            {"lfs": lfs, "votes": votes, "test": test, "test_votes": test_votes},
            {"text": text, "label": label, "id": id},
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


@dataclass(kw_only=True, eq=False)
class Crossover:
    """Scores with rules and without against the number of labels, on one partly labelled table.

    A method with rules and its equal without are trained with few of the gold rows, then with
    more, each draw within the next larger one; the others stay as unlabelled rows. They are scored
    on gold rows of other folds, which no training saw, or on test rows. Inverse power laws are
    fitted to the scores, and to bootstrap samples of rows and draws.

    Parameters
    ----------
    method : str
        A method with rules, as :func:`spear_amal.studies.parse_method` reads it.
    sizes : int
        How many numbers of labels, each by the same factor larger than the one before.
    largest : int, optional
        Labels at most; default: all that training has while a fold is held out.
    folds, repeats : int
        Outer folds, and how often the gold rows are dealt into them, or drawn from for test rows;
        default of `repeats`: 1, on test rows 5.
    smallest_gain : float
        Gain worth having, as a share.
    labels_per_rule : float
        How many labels take as long as writing one labelling function.
    metric, features, max_epochs, random_state, jobs, output, verbose
        As for :class:`Comparison`.

    Attributes
    ----------
    table_ : DataFrame
        One row for each number of ``labels``: scores ``plain`` and ``rules``, and their ``gain``,
        each with the bounds of its 95% interval (``_low``, ``_high``), as shares.
    curves_ : DataFrame
        ``method, labels, score, low, high`` of the fitted curves; ``measured`` is False beyond the
        numbers of labels that were tried.
    crossing_, worth_ : LabelNumber
        Labels from which on rules add less than `smallest_gain`; labels with which a classifier
        without rules is as good as the rules are now. Both have ``value, low, high`` (infinity
        beyond what the labels can tell) and ``text``.
    answer_ : {"rule", "label", "stop"}
        What to do next.
    verdict_ : str
        The same in one sentence.
    notes_ : list of str
        Where plain supervision catches up, what the rules are worth, and how it was measured.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.arange(90) % 2
    >>> X = y[:, None] + np.random.default_rng(0).normal(size=(90, 3))
    >>> L = np.where(np.arange(90)[:, None] % 3 == 0, y[:, None], -1)
    >>> crossover = Crossover(method="spear", sizes=3, folds=2, max_epochs=2).fit(X, y, L)
    >>> crossover.table_["labels"].tolist()
    [10, 21, 45]
    """

    method: str = DEFAULT_METHODS[-1]
    sizes: int = SIZES
    largest: int | None = None
    folds: int = FOLDS
    repeats: int | None = None
    metric: str = "accuracy"
    features: FeaturesLike = "tfidf"
    max_epochs: int | None = None
    smallest_gain: float = SMALLEST_GAIN
    labels_per_rule: float = LABELS_PER_RULE
    random_state: RandomStateLike = 0
    jobs: int = 1
    output: PathLike | None = None
    verbose: bool = False
    result_: CrossoverResult = field(init=False, repr=False)

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
        """Train with few labels and with more, and read off what is to be done.

        Parameters
        ----------
        data, y, L, lfs, votes, text, label, id, test, test_votes, groups
            As for :meth:`Comparison.fit`.

        Raises
        ------
        InputError
            For what cannot be asked, such as too few labels, before anything is trained. An error
            of a training ends all; what was trained is kept in `output`.
        """
        rules, baseline = plan_rules(self.method)
        table, _ = _read_rows(
            rules.text,
            self.features,
            data,
            {"y": y, "L": L, "groups": groups},
            {"lfs": lfs, "votes": votes, "test": test, "test_votes": test_votes},
            {"text": text, "label": label, "id": id},
        )
        plan = CrossoverPlan(
            rules,
            baseline,
            metric=self.metric,
            sizes=self.sizes,
            largest=self.largest,
            folds=self.folds,
            repeats=usual_repeats(table) if self.repeats is None else self.repeats,
            seed=settle_seed(self.random_state) % _SEEDS,
            settings={} if self.max_epochs is None else {"max_epochs": self.max_epochs},
            smallest_gain=self.smallest_gain,
            labels_per_rule=self.labels_per_rule,
        )
        with Progress("drawing labels", unit="", show=self.verbose) as bar:
            store = StudyFile(self.output)
            self.result_ = find_crossover(table, plan, store, self.jobs, bar.follow)
        result = self.result_
        self.table_, self.curves_ = result.table, result.curves
        self.crossing_, self.worth_ = result.crossing, result.worth
        self.answer_, self.verdict_ = result.advice.answer, result.advice.text
        self.notes_ = [*result.sentences, *result.notes]
        return self

    def _repr_html_(self) -> str:
        """Return table and verdict for a notebook."""
        if not hasattr(self, "table_"):
            return f"<pre>{html.escape(repr(self))}</pre>"
        table = readable_crossover(self.table_)
        lines = (self.verdict_, *self.notes_)
        paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
        return table.to_html(index=False, border=0) + paragraphs


def _read_rows(
    method: str,
    features: FeaturesLike,
    data: Any,
    arrays: dict[str, Any],
    tables: dict[str, Any],
    columns: dict[str, Any],
) -> tuple[ComparedTable, np.ndarray]:
    """Return rows of either form as a table to compare on, and the ids of the scored rows' table.

    Raises
    ------
    InputError
        For arguments that the other form takes, which would be left unread.
    """
    y = arrays["y"]
    form, other = ("arrays", tables) if y is not None else ("a table", arrays)
    if unread := [name for name, value in other.items() if value is not None]:
        raise InputError(f"{', '.join(unread)} cannot be used with {form}; leave it out")
    if y is not None:
        return _table_of_arrays(data, y, arrays["L"], arrays["groups"])
    read = TextClassifier(method, features=features).read_data(
        data,
        lfs=tables["lfs"],
        votes=tables["votes"],
        validation=tables["test"],
        validation_votes=tables["test_votes"],
        **columns,
    )
    ids = (read.validation or read.train).frame.index.to_numpy()
    rows = replace(read, validation=None)
    return compared_table(rows, "table", features, read.validation), ids


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
    if groups is not None and np.ndim(groups) != 1:
        raise InputError(f"groups must be a list of {n} numbers or names, found {groups!r:.99}")
    lengths["groups"] = None if groups is None else len(np.asarray(groups))
    for name, length in lengths.items():
        if length not in (None, n):
            raise InputError(f"{name} has {length} rows, the features have {n}")
    numbers = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    rows = TableRows(features, gold.codes, matrix, numbers)
    return ComparedTable("arrays", rows, gold.classes, features="given"), np.arange(n)
