"""What the pages of runs and of comparisons are made of; most parts may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.labeling import LFReview
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles


@dataclass(frozen=True)
class Evaluation:
    """How a model does on rows with gold labels.

    Attributes
    ----------
    model : str
        Title of the method.
    rows : str
        Which rows, in words, e.g. "400 test rows".
    confusion : ndarray (C, C)
        Counts: gold in rows, predicted in columns.
    confidence : ndarray (n,)
        Probability of the predicted class.
    right : ndarray (n,), bool
    note : str
        What is to be said of the intervals.
    """

    model: str
    rows: str
    confusion: np.ndarray
    confidence: np.ndarray
    right: np.ndarray
    note: str = ""


@dataclass(frozen=True)
class Examples:
    """Weights of training rows, and what the rows say.

    Attributes
    ----------
    model : str
        Title of the method that learnt the weights.
    weights : DataFrame (n, K)
        One row for each training row; NaN where a row took no part.
    y : ndarray (n,)
        Gold codes that training saw, -1 where unlabelled.
    votes : LabelMatrix (n, m) or None
    texts : sequence of str, length n
    judged : DataFrame, optional
        As :func:`spear_amal.studies.weight_quality.weights_with_gold` makes it, where gold of
        unlabelled rows is at hand; for looking only.
    """

    model: str
    weights: pd.DataFrame
    y: np.ndarray
    votes: LabelMatrix | None
    texts: Sequence[str]
    judged: pd.DataFrame | None = None


@dataclass(frozen=True)
class Estimate:
    """What can be expected on new rows: scores on gold rows that the scored models never saw.

    Attributes
    ----------
    sentences : sequence of str
        The estimate in words, with what it rests on; shown first.
    scores : DataFrame, optional
        ``method, score, low, high``, in points.
    gains : DataFrame, optional
        ``method, gain, low, high``, in points, over `baseline`.
    baseline : str
        Title of the classifier without rules.
    metric : str
        Name of the score, for axes.
    """

    sentences: Sequence[str]
    scores: pd.DataFrame | None = None
    gains: pd.DataFrame | None = None
    baseline: str = "gold alone"
    metric: str = "score"


@dataclass(frozen=True)
class ComparisonContent:
    """Everything that the page of a comparison on a user's own table shows.

    Attributes
    ----------
    title : str
    verdict : str
        The one plain sentence.
    summary : sequence of str
        Paragraphs: which rows, how often, what was scored.
    table : DataFrame
        One row a method, as strings, as the terminal shows it.
    estimate : Estimate
        Scores and gains with intervals, for the figures.
    by_draw : DataFrame, optional
        ``method, draw, score`` (points): every fold or repetition, for the spread.
    by_labels : DataFrame, optional
        ``method, labels, score`` and, where known, ``low, high`` (points): how scores grow with
        the number of labels.
    outcomes : sequence of Evaluation
        One a method whose classes are worth a look, on rows that it never saw.
    class_names : sequence
        In code order.
    notes : sequence of str
        Paragraphs behind the verdict: warnings, what was left out.
    settings : dict
    """

    title: str
    verdict: str
    summary: Sequence[str]
    table: pd.DataFrame
    estimate: Estimate
    by_draw: pd.DataFrame | None = None
    by_labels: pd.DataFrame | None = None
    outcomes: Sequence[Evaluation] = ()
    class_names: Sequence[Any] = ()
    notes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportContent:
    """Everything that the report of a run shows.

    Attributes
    ----------
    title : str
    summary : sequence of str
        Paragraphs: what was run, on which data.
    class_names : sequence
        In code order.
    votes : LabelMatrix (n, m), or VoteFiles, optional
        Votes on all rows that the table of LFs is about.
    y : ndarray (n,), optional
        Gold codes that accuracies of LFs may use, -1 elsewhere.
    review : LFReview, optional
        Of the LFs on these votes, as :func:`spear_amal.labeling.review_lfs` makes it; by default
        made of votes and gold, without words of the rows.
    comparison : DataFrame, optional
        As :func:`spear_amal.report.comparison_table` makes it.
    scores : DataFrame, optional
        ``method, score`` (points), and ``low, high`` where there are intervals: the numbers behind
        the comparison, for its figure.
    members : DataFrame, optional
        Members of a pool with their weights, as strings.
    models : DataFrame, optional
        Teachers and student of a distillation, as strings.
    histories : dict of str to DataFrame
        Training history by the method's title.
    examples : Examples, optional
    outcome : Evaluation, optional
        On rows that took part in the choice of the model.
    test : Evaluation, optional
        On the user's own test rows.
    estimate : Estimate, optional
        What can be expected on new rows.
    settings : dict
        What was set, seeds among it.
    """

    title: str
    summary: Sequence[str]
    class_names: Sequence[Any]
    votes: LabelMatrix | VoteFiles | None = None
    y: np.ndarray | None = None
    review: LFReview | None = None
    comparison: pd.DataFrame | None = None
    scores: pd.DataFrame | None = None
    members: pd.DataFrame | None = None
    models: pd.DataFrame | None = None
    histories: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    examples: Examples | None = None
    outcome: Evaluation | None = None
    test: Evaluation | None = None
    estimate: Estimate | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
