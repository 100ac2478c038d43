"""The HTML report of a run: comparison, labelling functions, training, learnt weights."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from typing import Any

import pandas as pd

from spear_amal.labeling import LFAnalysis, votes_test
from spear_amal.report.figures import labelling, outcome, study, training
from spear_amal.report.figures.mixers import weights_over_training
from spear_amal.report.page import write_page
from spear_amal.report.run_content import Examples, ReportContent
from spear_amal.report.run_tables import (
    extreme_rows,
    lf_table,
    readable_accuracy,
    readable_coverage,
    votes_sentence,
)
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
        If matplotlib or Jinja2 is not installed.
    """
    write_page(path, "run.html", lambda: _context(content), overwrite)


def _context(content: ReportContent) -> dict[str, Any]:
    """Return the parts of the page; those that the content lacks are None."""
    context: dict[str, Any] = {
        "title": content.title,
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "content": content,
        "outcome": None,
        "lfs": None,
        "accuracy": None,
        "curves": _learning_curves(content.histories) if content.histories else None,
        "weights_over_training": list(weights_over_training(content.histories)),
        "weights": None if content.examples is None else _learnt_weights(content.examples),
    }
    if content.outcome is not None:
        context["outcome"] = {
            "confusion": outcome.confusion_map(content.outcome.confusion, content.class_names),
            "calibration": outcome.calibration_plot(
                content.outcome.confidence, content.outcome.right
            ),
        }
    if content.votes is not None and content.votes.shape[1]:
        gold = None if content.y is None else content.votes.classes.as_numbers(content.y)
        table = lf_table(content.votes, gold)
        context["lfs"] = {
            "table": readable_coverage(table),
            "covered": content.votes.covered().mean(),
            "coverage": labelling.coverage_bars(table),
            "conflicts": labelling.conflict_map(LFAnalysis(content.votes).conflict_matrix()),
        }
        if gold is not None and "verdict" in table:
            context["accuracy"] = {
                "sentence": votes_sentence(votes_test(content.votes, gold)),
                "table": readable_accuracy(table),
                "forest": labelling.accuracy_forest(table),
            }
    return context


def _learning_curves(histories: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
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
    judged = examples.judged is not None and len(examples.judged) > 0
    return {
        "by_loss": training.weight_histograms(examples.weights),
        "by_correctness": study.weights_by_correctness(*split_weights(examples.judged))
        if judged
        else None,
        "extremes": extreme_rows(examples),
    }
