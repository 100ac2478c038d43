"""The HTML report of a run: comparison, labelling functions, training, learnt weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pandas as pd

from spear_amal.labeling import review_lfs
from spear_amal.report.figures import study
from spear_amal.report.figures.mixers import weights_over_training
from spear_amal.report.figures.style import CaptionedFigure
from spear_amal.report.outcome_parts import estimate_parts, outcome_parts
from spear_amal.report.page import now, write_page
from spear_amal.report.review_parts import review_parts
from spear_amal.report.run_content import Examples, ReportContent
from spear_amal.report.run_tables import extreme_rows
from spear_amal.studies.weight_quality import split_weights


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
        If Jinja2, Altair, vl-convert or matplotlib is not installed.
    """
    write_page(path, "run.html", lambda: _context(content), overwrite)


def _context(content: ReportContent) -> dict[str, Any]:
    """Return the parts of the page; those that the content lacks are None."""
    names = content.class_names
    return {
        "title": content.title,
        "date": now(),
        "content": content,
        "scores": _score_dots(content.scores),
        "estimate": estimate_parts(content.estimate),
        "test": outcome_parts(content.test, names),
        "outcome": outcome_parts(content.outcome, names),
        "review": _review(content),
        "curves": _learning_curves(content.histories) if content.histories else None,
        "weights_over_training": list(weights_over_training(content.histories)),
        "weights": None if content.examples is None else _learnt_weights(content.examples),
    }


def _score_dots(scores: pd.DataFrame | None) -> dict[str, Any] | None:
    from spear_amal.report.charts import comparison

    return None if scores is None else comparison.score_dots(scores, "test score, points")


def _review(content: ReportContent) -> dict[str, Any] | None:
    if content.votes is None or not content.votes.shape[1]:
        return None
    gold = None if content.y is None else content.votes.classes.as_numbers(content.y)
    review = content.review
    if review is None:
        review = review_lfs(content.votes, gold)
    return review_parts(review, content.votes, gold)


def _learning_curves(histories: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    from spear_amal.report.charts import training

    recorded = {name for history in histories.values() for name in history}
    on_labels = next((name for name in ("loss/gold", "loss/label") if name in recorded), "")
    return {
        "scores": training.method_curves(histories, "val_score", "validation score"),
        "losses": training.method_curves(histories, on_labels, "loss", log=True),
        "by_method": {
            title: training.loss_curves(history)
            for title, history in histories.items()
            if sum(str(name).startswith("loss/") for name in history) > 1
        },
    }


def _learnt_weights(examples: Examples) -> dict[str, Any]:
    from spear_amal.report.charts import training

    judged = examples.judged is not None and len(examples.judged) > 0
    return {
        "by_loss": [
            CaptionedFigure(loss, words, chart)
            for loss, (words, chart) in training.weight_histograms(examples.weights).items()
        ],
        "by_correctness": study.weights_by_correctness(*split_weights(examples.judged))
        if judged
        else None,
        "extremes": extreme_rows(examples),
    }
