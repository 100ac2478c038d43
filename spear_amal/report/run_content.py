"""What the report of a run is made of; every part but title, summary and classes may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.votes.label_matrix import LabelMatrix


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
    """

    model: str
    rows: str
    confusion: np.ndarray
    confidence: np.ndarray
    right: np.ndarray


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
class ReportContent:
    """Everything that the report of a run shows.

    Attributes
    ----------
    title : str
    summary : sequence of str
        Paragraphs: what was run, on which data.
    class_names : sequence
        In code order.
    votes : LabelMatrix (n, m), optional
        Votes on all rows that the table of LFs is about.
    y : ndarray (n,), optional
        Gold codes that accuracies of LFs may use, -1 elsewhere.
    comparison : DataFrame, optional
        As :func:`spear_amal.report.comparison_table` makes it.
    models : DataFrame, optional
        Teachers and student of a distillation, as strings.
    histories : dict of str to DataFrame
        Training history by the method's title.
    examples : Examples, optional
    outcome : Evaluation, optional
    settings : dict
        What was set, seeds among it.
    """

    title: str
    summary: Sequence[str]
    class_names: Sequence[Any]
    votes: LabelMatrix | None = None
    y: np.ndarray | None = None
    comparison: pd.DataFrame | None = None
    models: pd.DataFrame | None = None
    histories: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    examples: Examples | None = None
    outcome: Evaluation | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
