"""The HTML report of a run: comparison, labelling functions, training, learnt weights."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.labeling import LFAnalysis, votes_test
from spear_amal.report.figures import labelling, outcome, study, training
from spear_amal.report.figures.mixers import weights_over_training
from spear_amal.report.figures.style import CaptionedFigure
from spear_amal.report.page import write_page
from spear_amal.report.run_content import Evaluation, Examples, ReportContent
from spear_amal.report.run_tables import (
    extreme_rows,
    lf_table,
    readable_accuracy,
    readable_coverage,
    votes_sentence,
)
from spear_amal.studies.weight_quality import split_weights
from spear_amal.votes.label_matrix import LabelMatrix


def write_report(
    path: str | os.PathLike[str], content: ReportContent, overwrite: bool = False
) -> None:
    """Write one self-contained HTML file: figures, styles and all.

    Parameters
    ----------
    path : path
    content : ReportContent
        Parts that it does not have are left out.
    overwrite : bool

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    MissingExtraError
        If matplotlib or Jinja2 is not installed.
    """
    write_page(path, "run.html", lambda: _context(content), overwrite)


def _context(content: ReportContent) -> dict[str, Any]:
    context: dict[str, Any] = {
        "title": content.title,
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "content": content,
        "outcome_figures": [],
        "lfs": None,
        "lf_accuracy": None,
        "learning_curves": _learning_curves(content.histories),
        "weights_over_training": list(weights_over_training(content.histories)),
    }
    if content.outcome is not None:
        context["outcome_figures"] = _outcome_figures(content.outcome, content.class_names)
    if content.votes is not None and content.votes.shape[1]:
        table = lf_table(content.votes, content.y)
        context["lfs"] = _coverage(content.votes, table)
        if content.y is not None and "verdict" in table:
            context["lf_accuracy"] = _accuracy(content.votes, content.y, table)
    if content.examples is not None:
        context["learnt_weights"] = _learnt_weights(content.examples)
        context["extreme_rows"] = extreme_rows(content.examples)
    return context


def _outcome_figures(result: Evaluation, class_names: Sequence[Any]) -> list[CaptionedFigure]:
    return [
        CaptionedFigure(
            "confusion",
            "Confusion matrix",
            f"{result.rows}: gold classes in rows, predictions in columns; share of the row.",
            outcome.confusion_map(result.confusion, class_names),
        ),
        CaptionedFigure(
            "calibration",
            "Calibration",
            f"{result.rows}: bars on the dashed line mean that a confidence of 80% is right in "
            "80% of the cases. Below: rows in each bin.",
            outcome.calibration_plot(result.confidence, result.right),
        ),
    ]


def _coverage(votes: LabelMatrix, table: pd.DataFrame) -> dict[str, Any]:
    figures = [
        CaptionedFigure(
            "coverage",
            "Coverage, overlaps, conflicts",
            "Share of rows on which a function votes, on which another one votes as well, and on "
            "which another one votes differently.",
            labelling.coverage_bars(table),
        ),
        CaptionedFigure(
            "conflicts",
            "Conflicts by pair",
            "Share of rows on which two functions vote for different classes.",
            labelling.conflict_map(LFAnalysis(votes).conflict_matrix()),
        ),
    ]
    covered = votes.covered().mean()
    return {"table": readable_coverage(table), "covered": covered, "figures": figures}


def _accuracy(votes: LabelMatrix, y: np.ndarray, table: pd.DataFrame) -> dict[str, Any]:
    forest = CaptionedFigure(
        "accuracy",
        "Accuracy against chance",
        "Accuracy where a function votes, its 95% interval, and chance.",
        labelling.accuracy_forest(table),
    )
    return {
        "sentence": votes_sentence(votes_test(votes, y)),
        "table": readable_accuracy(table),
        "figures": [forest],
    }


def _learning_curves(histories: Mapping[str, pd.DataFrame]) -> list[CaptionedFigure]:
    if not histories:
        return []
    recorded = {name for history in histories.values() for name in history}
    on_labels = next((name for name in ("loss/gold", "loss/label") if name in recorded), "")
    figures = [
        CaptionedFigure(
            "validation-score",
            "Validation score",
            "The epoch with the best score is kept. Folds: the mean of those still training.",
            training.method_curves(histories, "val_score", "validation score"),
        ),
        CaptionedFigure(
            "training-loss",
            "Training loss on labelled rows",
            "Cross-entropy of the feature model, before weights; logarithmic scale.",
            training.method_curves(histories, on_labels, "loss", log=True),
        ),
    ]
    for i, (title, history) in enumerate(histories.items(), start=1):
        if sum(str(name).startswith("loss/") for name in history) > 1:
            curves, caption = training.loss_curves(history), "Means over the rows of a loss."
            figures.append(CaptionedFigure(f"losses-{i}", f"Losses of {title}", caption, curves))
    return figures


def _learnt_weights(examples: Examples) -> list[CaptionedFigure]:
    histograms = training.weight_histograms(examples.weights)
    figures = [CaptionedFigure("weights", "Weights per loss", "Rows by weight.", histograms)]
    if examples.judged is not None and len(examples.judged):
        figures.append(
            CaptionedFigure(
                "weights-by-correctness",
                "Weights where the rules are right and wrong",
                "Unlabelled rows with votes, by whether the class that the rule model picks is the "
                "gold class. AUC: the chance that a right row weighs more than a wrong one; 0.5 "
                "means that the weights do not tell them apart. The gold of these rows was opened "
                "after training, for this picture only: nothing that trains or chooses saw it.",
                study.weights_by_correctness(*split_weights(examples.judged)),
            )
        )
    return figures
