"""The tables of a run's report, which the command line prints as well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from spear_amal._typing import VectorLike
from spear_amal.labeling import LFAnalysis, VotesTest, lf_check, lf_grades
from spear_amal.report.formatting import METRIC_NAMES, format_interval, format_numbers
from spear_amal.votes.gold import has_label
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles
from spear_amal.warn_once import each_warning_once

if TYPE_CHECKING:
    from spear_amal.report.run_content import Examples
    from spear_amal.studies import SplitComparisonRow

EXCERPT = 180  # characters of a text that tell what it is about
SHARES = ("coverage", "overlaps", "conflicts")


def lf_table(votes: LabelMatrix | VoteFiles, y: VectorLike | None = None) -> pd.DataFrame:
    """Make the table of labelling functions, one row each.

    Parameters
    ----------
    votes : LabelMatrix (n, m), or VoteFiles
    y : array (n,), optional
        Gold classes, -1, None or NaN where unknown.

    Returns
    -------
    DataFrame
        ``LF, votes for, coverage, overlaps, conflicts`` (shares of rows) and, with gold, ``gold
        votes`` (fired rows with gold), ``accuracy`` there, the bounds ``low, high`` of its 95%
        Wilson interval, ``chance`` and ``verdict``, as :func:`spear_amal.labeling.lf_check` says,
        and ``grade``, as :func:`spear_amal.labeling.lf_grades` does.
    """
    analysis = LFAnalysis(votes)
    table = pd.DataFrame({"LF": list(votes.lf_names)})
    table["votes for"] = [
        _class_names(votes, j, numbers) for j, numbers in enumerate(analysis.lf_polarities())
    ]
    table["coverage"] = analysis.lf_coverages()
    table["overlaps"] = analysis.lf_overlaps()
    table["conflicts"] = analysis.lf_conflicts()
    if y is None or not has_label(y).any():
        return table
    with each_warning_once():  # both read the same labels
        check, grades = lf_check(votes, y), lf_grades(votes, y)
    check = check.rename(columns={"votes": "gold votes", "precision": "accuracy"})
    for name in ("gold votes", "accuracy", "low", "high", "chance", "verdict"):
        table[name] = check[name].to_numpy()
    table["grade"] = grades
    return table


def _class_names(votes: LabelMatrix | VoteFiles, j: int, numbers: list[int]) -> str:
    declared = int(votes.lf_classes[j])
    if declared >= 0:
        return str(votes.classes[declared])
    names = dict(zip(votes.classes.numbers, votes.classes, strict=True))
    return ", ".join(str(names[number]) for number in numbers) or "-"


def readable_coverage(table: pd.DataFrame) -> pd.DataFrame:
    """Return the part of :func:`lf_table` that needs no gold as strings."""
    shares = {name: format_numbers(table[name], "{:.1%}") for name in SHARES}
    return table[["LF", "votes for"]].assign(**shares)


def readable_accuracy(table: pd.DataFrame) -> pd.DataFrame:
    """Return the part of :func:`lf_table` that rests on gold as strings."""
    rows = zip(table["gold votes"], table["low"], table["high"], strict=True)
    return pd.DataFrame(
        {
            "LF": table["LF"],
            "gold votes": table["gold votes"].astype(str),
            "accuracy": format_numbers(table["accuracy"], "{:.2f}"),
            "95% interval": [format_interval(a, b, ".2f") if n else "" for n, a, b in rows],
            "chance": format_numbers(table["chance"], "{:.2f}"),
            "grade": table["grade"],
        }
    )


def votes_sentence(result: VotesTest) -> str:
    """Return in words what :func:`spear_amal.labeling.votes_test` says."""
    if not result.n_rows:
        return "No labelled row has a vote, so nothing says whether the votes are any good."
    if not result.informative:
        conclusion = (
            "The votes are not told from blind ones: look at the LFs before training with them, "
            "and compare with a classifier without rules."
        )
    elif result.beats_chance:
        conclusion = "The votes tell something."
    else:
        conclusion = "These are too few rows to judge the votes by."
    return (
        f"All votes together: on {result.n_rows} labelled rows with votes, {result.agreement:.0%} "
        f"of a row's votes are right on average, where blind votes would reach "
        f"{result.expected:.0%} (permutation test: p = {result.p_value:.2g}). {conclusion}"
    )


def comparison_table(rows: Iterable[SplitComparisonRow]) -> pd.DataFrame:
    """Make the comparison of methods as strings: what each was given and what it reached."""
    return pd.DataFrame([_compared(row) for row in rows])


def _compared(row: SplitComparisonRow) -> dict[str, str]:
    metric = METRIC_NAMES[row.metric]
    # Where the metric is the accuracy, both are one column.
    scores = {f"test {metric}": row.scores[row.metric], "test accuracy": row.scores["accuracy"]}
    return {
        "method": row.title,
        "was given": row.given,
        **{name: f"{100 * score:.1f}" for name, score in scores.items()},
        "log-loss": f"{row.scores['nll']:.3f}",
        f"validation {metric}": f"{100 * row.val_score:.1f}",
        "optimism": f"{100 * row.optimism:+.1f}",
        "seconds": f"{row.seconds:.1f}",
    }


def extreme_rows(examples: Examples, loss: str = "consensus", count: int = 10) -> pd.DataFrame:
    """Return the rows with the lowest and the highest weight of a loss.

    Ties (weights stop at their bounds) go to the earlier row.

    Returns
    -------
    DataFrame
        ``weight, row, votes, text``; empty if no row has that loss. Half from either end, each row
        once.
    """
    columns = ["weight", "row", "votes", "text"]
    votes = examples.votes
    if loss not in examples.weights or votes is None:
        return pd.DataFrame(columns=columns)
    weights = examples.weights[loss].dropna()
    low = weights.sort_values(kind="stable").index[: min(count, len(weights) // 2)]
    high = weights.drop(low).sort_values(ascending=False, kind="stable").index[: len(low)]
    rows = [
        (f"{weights[i]:.2f}", str(votes.row_ids[i]), _votes(votes, i), _excerpt(examples.texts[i]))
        for i in map(int, [*low, *high])
    ]
    return pd.DataFrame(rows, columns=columns)


def _votes(votes: LabelMatrix, i: int) -> str:
    pairs = zip(votes.lf_names, votes[i], strict=True)
    return "; ".join(f"{name}: {votes.classes[code]}" for name, code in pairs if code >= 0)


def _excerpt(value: str) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1].rstrip() + "…"
