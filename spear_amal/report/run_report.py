"""The report: sections in reading order, put into one HTML file."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import pandas as pd

import spear_amal
from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.labeling import LFAnalysis, VotesTest, votes_test
from spear_amal.report import html, weights_section
from spear_amal.report.figures import labelling, study, training
from spear_amal.report.figures import outcome as outcome_figures
from spear_amal.report.figures.style import need_matplotlib, png
from spear_amal.report.run_content import Evaluation, Examples, ReportContent
from spear_amal.report.run_tables import (
    extreme_rows,
    lf_table,
    readable,
    readable_check,
    votes_sentence,
)
from spear_amal.studies.weight_quality import split_weights

_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "torch", "matplotlib")


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
        If matplotlib is not installed.
    """
    refuse_existing(path, overwrite)
    need_matplotlib()
    text = html.page(content.title, _sections(content))
    with write_aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def is_own_report(path: str | os.PathLike[str]) -> bool:
    """Tell a report that :func:`write_report` wrote from any other file."""
    head = 2_000  # the mark stands among the first lines
    try:
        with open(Path(path), encoding="utf-8") as handle:
            return html.GENERATOR in handle.read(head)
    except (OSError, UnicodeDecodeError):
        return False


def _sections(content: ReportContent) -> Iterator[str]:
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    yield html.heading(content.title, 1)
    yield html.paragraph(now, "date")
    yield from (html.paragraph(text) for text in content.summary)
    if content.comparison is not None:
        yield from _comparison(content)
    if content.models is not None:
        yield from _models(content)
    if content.outcome is not None:
        yield from _outcome(content, content.outcome)
    if content.labels is not None and content.labels.shape[1]:
        yield from _labelling(content)
    if content.histories:
        yield from _training(content)
        yield from weights_section.section(content.histories)
    if content.examples is not None:
        yield from _weights(content.examples)
    yield html.heading("Settings and versions")
    yield html.definition_pairs({**content.settings, **versions()})


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of what the figures and numbers rest on."""
    held = {"spear_amal": spear_amal.__version__, "Python": platform.python_version()}
    return held | {name: metadata.version(name) for name in _PACKAGES}


def _comparison(content: ReportContent) -> Iterator[str]:
    yield html.heading("Comparison")
    yield html.paragraph(
        "All methods see the same rows and are scored on the same test rows, which nothing else "
        "opens. Optimism is the validation score minus the test score, in points: a method that "
        "learns from the validation rows flatters itself there. Compare like with like: one model "
        "with one model, folds with folds."
    )
    yield html.table(content.comparison)


def _models(content: ReportContent) -> Iterator[str]:
    yield html.heading("Teachers and student")
    yield html.paragraph(
        "Compression is the number of a model's parameters for each parameter of the student. A "
        "student whose weights were learnt on the validation rows flatters itself there."
    )
    yield html.table(content.models)


def _outcome(content: ReportContent, outcome: Evaluation) -> Iterator[str]:
    yield html.heading(f"Right and wrong: {outcome.model}")
    made = [
        html.figure(
            png(outcome_figures.confusion_map(outcome.confusion, content.classes)),
            "Confusion matrix",
            f"{outcome.rows}: gold classes in rows, predictions in columns; share of the row.",
        ),
        html.figure(
            png(outcome_figures.calibration_plot(outcome.confidence, outcome.right)),
            "Calibration",
            f"{outcome.rows}: bars on the dashed line mean that a confidence of 80% is right in "
            "80% of the cases. Below: rows in each bin.",
        ),
    ]
    yield html.figures(made)


def _labelling(content: ReportContent) -> Iterator[str]:
    labels = content.labels
    if labels is None:
        return
    table = lf_table(labels, content.gold)
    conflicts = LFAnalysis(labels).conflict_matrix()
    yield html.heading("Labelling functions")
    yield html.paragraph(
        f"{labels.shape[1]} labelling functions on {len(labels)} rows; at least one votes on "
        f"{labels.covered().mean():.1%} of them."
    )
    yield html.table(readable(table))
    made = [
        html.figure(
            png(labelling.coverage_bars(table)),
            "Coverage, overlaps, conflicts",
            "Share of rows on which a function votes, on which another one votes as well, and on "
            "which another one votes differently.",
        ),
        html.figure(
            png(labelling.conflict_map(conflicts)),
            "Conflicts by pair",
            "Share of rows on which two functions vote for different classes.",
        ),
    ]
    yield html.figures(made)
    if content.gold is not None and "verdict" in table:
        yield from _lf_check(table, votes_test(labels, content.gold))


def _lf_check(table: pd.DataFrame, found: VotesTest) -> Iterator[str]:
    yield html.heading("Are the labelling functions better than chance?")
    yield html.paragraph(votes_sentence(found))
    yield html.paragraph(
        "Only rows whose gold label training may see are counted here. Chance is the accuracy "
        "that a function would have if its votes were dealt out blindly. A function is good if "
        "its interval lies above chance, bad if below; silent if it votes on no such row. With "
        "many functions a few verdicts are luck."
    )
    yield html.table(readable_check(table))
    image = png(labelling.accuracy_forest(table))
    caption = "Accuracy where a function votes, its 95% interval, and chance."
    yield html.figures([html.figure(image, "Accuracy against chance", caption)])


def _training(content: ReportContent) -> Iterator[str]:
    histories = content.histories
    on_labels = next((f"loss/{n}" for n in ("gold", "label") if _recorded(histories, n)), "")
    yield html.heading("Learning curves")
    made = [
        html.figure(
            png(training.method_curves(histories, "val_score", "validation score")),
            "Validation score",
            "The epoch with the best score is kept. Folds: the mean of those still training.",
        ),
        html.figure(
            png(training.method_curves(histories, on_labels, "loss", log=True)),
            "Training loss on labelled rows",
            "Cross-entropy of the feature model, before weights; logarithmic scale.",
        ),
    ]
    for title, history in histories.items():
        if sum(str(name).startswith("loss/") for name in history) > 1:
            image = png(training.loss_curves(history))
            made.append(html.figure(image, f"Losses of {title}", "Means over the rows of a loss."))
    yield html.figures(made)


def _recorded(histories: Mapping[str, pd.DataFrame], loss: str) -> bool:
    return any(f"loss/{loss}" in history for history in histories.values())


def _weights(examples: Examples) -> Iterator[str]:
    yield html.heading(f"Learnt weights: {examples.model}")
    yield html.paragraph(
        "How much each loss counts on each row where it is defined. A weight of 0 leaves the loss "
        "out on that row, a weight of 1 counts it fully. Losses that touch the rule model only "
        "keep their start value, as validation rows judge the feature model. With several folds: "
        "the mean over the models that trained on the row. Losses of teachers: the divergence "
        "between what a teacher says of the row and what the student says."
    )
    image = png(training.weight_histograms(examples.weights))
    made = [html.figure(image, "Weights per loss", "Rows by weight.")]
    if examples.judged is not None and len(examples.judged):
        made.append(_judged(examples.judged))
    yield html.figures(made)
    rows = extreme_rows(examples)
    if len(rows):
        yield html.heading("Unlabelled rows at both ends")
        yield html.paragraph(
            "The rows with the lowest weight of the consensus loss, whose votes were trusted "
            "least, and those with the highest."
        )
        yield html.table(rows)


def _judged(frame: pd.DataFrame) -> str:
    image = png(study.weights_by_correctness(*split_weights(frame)))
    caption = (
        "Unlabelled rows with votes, by whether the class that the rule model picks is the gold "
        "class. AUC: the chance that a right row weighs more than a wrong one; 0.5 means that the "
        "weights do not tell them apart. The gold of these rows was opened after training, for "
        "this picture only: nothing that trains or chooses saw it."
    )
    return html.figure(image, "Weights where the rules are right and wrong", caption)
