"""The tables of a report, which the command line prints as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spear_amal.labeling import LFAnalysis, VotesTest, lf_check
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles

if TYPE_CHECKING:
    from spear_amal.report.run_content import Examples
    from spear_amal.studies import ComparisonRow

EXCERPT = 180  # characters of a text that tell what it is about
SHARES = ("coverage", "overlaps", "conflicts")


def lf_table(labels: LabelMatrix | VoteFiles, gold: np.ndarray | None = None) -> pd.DataFrame:
    """Make the table of labelling functions, one row each.

    Parameters
    ----------
    labels : LabelMatrix (n, m), or VoteFiles
    gold : ndarray (n,), optional
        Gold codes, -1 where unknown.

    Returns
    -------
    DataFrame
        ``LF, votes for, coverage, overlaps, conflicts`` (shares of rows) and, with gold, ``gold
        votes`` (fired rows with gold), ``accuracy`` there, the bounds ``low, high`` of its 95%
        Wilson interval, ``chance`` and ``verdict``, as :func:`spear_amal.labeling.lf_check` says.
    """
    analysis = LFAnalysis(labels)
    table = pd.DataFrame({"LF": list(labels.lf_names)})
    table["votes for"] = [
        _class_names(labels, j, voted) for j, voted in enumerate(analysis.lf_polarities())
    ]
    table["coverage"] = analysis.lf_coverages()
    table["overlaps"] = analysis.lf_overlaps()
    table["conflicts"] = analysis.lf_conflicts()
    if gold is None or not (np.asarray(gold) >= 0).any():
        return table
    found = lf_check(labels, gold).rename(columns={"votes": "gold votes", "precision": "accuracy"})
    for name in ("gold votes", "accuracy", "low", "high", "chance", "verdict"):
        table[name] = found[name].to_numpy()
    return table


def _class_names(labels: LabelMatrix | VoteFiles, j: int, voted: list[int]) -> str:
    declared = int(labels.lf_classes[j])
    if declared >= 0:
        return str(labels.classes[declared])
    return ", ".join(str(labels.classes[k]) for k in voted) or "-"


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Turn the part of :func:`lf_table` that needs no gold into strings for people."""
    shown = table[["LF", "votes for"]].copy()
    for name in SHARES:
        shown[name] = [f"{value:.1%}" for value in table[name]]
    return shown


def readable_check(table: pd.DataFrame) -> pd.DataFrame:
    """Turn the part of :func:`lf_table` that rests on gold into strings for people."""
    bounds = zip(table["gold votes"], table["low"], table["high"], strict=True)
    return pd.DataFrame(
        {
            "LF": table["LF"],
            "gold votes": table["gold votes"].astype(str),
            "accuracy": [_hundredths(value) for value in table["accuracy"]],
            "95% interval": [f"{low:.2f} to {high:.2f}" if n else "" for n, low, high in bounds],
            "chance": [_hundredths(value) for value in table["chance"]],
            "verdict": table["verdict"],
        }
    )


def _hundredths(value: float) -> str:
    return "n/a" if np.isnan(value) else f"{value:.2f}"


def votes_sentence(found: VotesTest) -> str:
    """Say in words what :func:`spear_amal.labeling.votes_test` found."""
    if not found.n_rows:
        return "No labelled row has a vote, so nothing says whether the votes are any good."
    return (
        f"All votes together: on {found.n_rows} labelled rows with votes, {found.agreement:.0%} of "
        f"a row's votes are right on average, where blind votes would reach {found.expected:.0%} "
        f"(permutation test: p = {found.p_value:.2g}). {_conclusion(found)}"
    )


def _conclusion(found: VotesTest) -> str:
    if not found.informative:
        return (
            "The votes are not told from blind ones: look at the LFs before training with them, "
            "and compare with a classifier without rules."
        )
    if not found.beats_chance:
        return "These are too few rows to judge the votes by."
    return "The votes tell something."


def are_numbers(cells: Sequence[str]) -> bool:
    """Tell a column of 12, +0.3, 41.2% and the like; an empty cell or n/a is no objection.

    Examples
    --------
    >>> are_numbers(["+0.3", "41.2%", "n/a", ""]), are_numbers(["100 gold"]), are_numbers([])
    (True, False, False)
    """
    return bool(cells) and all(cell in ("", "n/a") or _is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    return cell.lstrip("+-").rstrip("%").replace(".", "", 1).isdecimal()


def comparison_table(rows: Iterable[ComparisonRow]) -> pd.DataFrame:
    """Make the comparison of methods as strings: what each was given and what it reached."""
    names = {"accuracy": "accuracy", "f1": "F1", "macro-f1": "macro F1"}
    return pd.DataFrame(
        [
            {
                "method": row.title,
                "was given": row.given,
                f"test {names[row.metric]}": f"{100 * row.scores[row.metric]:.1f}",
                **_further(row),
                "log-loss": f"{row.scores['nll']:.3f}",
                f"validation {names[row.metric]}": f"{100 * row.val_score:.1f}",
                "optimism": f"{100 * row.optimism:+.1f}",
                "seconds": f"{row.seconds:.1f}",
            }
            for row in rows
        ]
    )


def _further(row: ComparisonRow) -> dict[str, str]:
    if row.metric == "accuracy":
        return {}
    return {"test accuracy": f"{100 * row.scores['accuracy']:.1f}"}


def extreme_rows(examples: Examples, loss: str = "consensus", count: int = 10) -> pd.DataFrame:
    """Pick the rows with the lowest and the highest weight of a loss.

    Ties (weights stop at their bounds) go to the earlier row.

    Returns
    -------
    DataFrame
        ``weight, row, votes, text``; empty if no row has that loss. Half from either end, each row
        once.
    """
    columns = ["weight", "row", "votes", "text"]
    if loss not in examples.weights or examples.votes is None:
        return pd.DataFrame(columns=columns)
    held = examples.weights[loss].dropna()
    low = held.sort_values(kind="stable").index[: min(count, len(held) // 2)]
    top = held.drop(low).sort_values(ascending=False, kind="stable").index[: len(low)]
    picked = [_example(examples, examples.votes, int(i), float(held[i])) for i in [*low, *top]]
    return pd.DataFrame(picked, columns=columns)


def _example(examples: Examples, votes: LabelMatrix, i: int, weight: float) -> tuple[Any, ...]:
    names = [
        f"{votes.lf_names[j]}: {votes.classes[vote]}"
        for j, vote in enumerate(votes[i])
        if vote >= 0
    ]
    text = " ".join(str(examples.texts[i]).split())
    short = text if len(text) <= EXCERPT else text[: EXCERPT - 1].rstrip() + "…"
    return f"{weight:.2f}", str(votes.row_ids[i]), "; ".join(names), short
