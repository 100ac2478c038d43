"""The command ``analyze``: what to mend next of labelling functions, and the rows behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spear_amal.cli.apply import gold_of, grades_in_words, show_lfs
from spear_amal.cli.console import add_to_json, print_result, show_table, wants_json
from spear_amal.cli.labelled_rows import read_data
from spear_amal.cli.options.project import AnalyzeOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.votes import has_lfs, votes_of_table
from spear_amal.data import write_table
from spear_amal.data.delimited import as_no_formula
from spear_amal.data.id_column import ids_of
from spear_amal.data.table_kinds import is_delimited
from spear_amal.errors import InputError
from spear_amal.labeling import LFReview, review_lfs
from spear_amal.labeling.join_votes import votes_on_rows
from spear_amal.report.dependence import LFDependence
from spear_amal.report.formatting import format_interval, format_numbers
from spear_amal.report.review_tables import (
    readable_classes,
    readable_values,
    values_sentence,
)
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles, open_votes

if TYPE_CHECKING:
    from spear_amal.report import ReportContent

_FEW, _MANY = 5, 20  # rows of a table in the overview, and of one LF
_ALL = 10_000  # rows of a kind that a script gets


def analyze(options: AnalyzeOptions) -> None:
    """Print the LF table and what to mend next; with ``--lf`` all about one LF."""
    check_outputs(options.force, options.table, report=options.html)
    if options.lf is not None and options.table is not None:
        raise InputError("--output writes the table of all LFs: leave out --lf, or --output")
    if options.has_flag("label_column") and not options.data:
        raise InputError("--label-column needs the table that has it: give --data as well")
    votes, frame, gold, lfs = _votes(options)
    texts = frame if frame is not None and options.text_column in frame else None
    if texts is not None and isinstance(votes, LabelMatrix) and votes.has_row_ids:
        texts = texts.set_axis(votes.row_ids)  # they are in the order of the votes
    most = _ALL if wants_json() else _MANY
    review = review_lfs(votes, gold, texts, lfs, options.text_column, max_rows=most)
    if options.html is not None:
        from spear_amal.report import write_report

        write_report(options.html, _page(review, votes, options), options.force)
        print_result(f"Page written to {options.html}")
    if options.lf is not None:
        _show_one(review.of(options.lf), options.lf)
        return
    table = show_lfs(votes, gold, review.test)
    dependence = LFDependence.of(votes, gold)
    add_to_json(
        review=review.to_dict(), dependence=None if dependence is None else dependence.to_dict()
    )
    if not wants_json():
        _show_review(review)
        _show_dependence(dependence)
    if options.table is not None:
        _write(table, options)


def _votes(
    options: AnalyzeOptions,
) -> tuple[LabelMatrix | VoteFiles, pd.DataFrame | None, np.ndarray | None, Sequence[Any] | None]:
    """Return votes, the table they are on, its gold, and the LFs, as far as these are known.

    Without ``--votes``, LFs and data give the votes anew, most of them from the cache, so that what
    is printed is about the LFs as they are now.
    """
    named = options.has_flag("votes") or (options.votes is not None and options.votes.is_dir())
    if has_lfs(options) and options.data and not named:
        frame = read_data(options)
        cast = votes_of_table(options, frame)
        return cast.with_ids, frame, gold_of(frame, options, cast.matrix), cast.loaded.lfs
    source = options.require("votes")
    if not options.data:
        return open_votes(source), None, None, None
    frame = read_data(options, text_column=None)
    ids = ids_of(frame, options.id_column, "the data")
    votes = votes_on_rows(source, frame, ids, options.text_column)
    return votes, frame, gold_of(frame, options, votes), None


def _page(
    review: LFReview, votes: LabelMatrix | VoteFiles, options: AnalyzeOptions
) -> ReportContent:
    from spear_amal.report import ReportContent

    data = ", ".join(path.name for path in options.data)
    return ReportContent(
        title=f"Labelling functions{' on ' if data else ''}{data}",
        summary=[],
        class_names=review.class_names,
        votes=votes,
        review=review,
        settings=options.as_text(),
    )


def _write(table: pd.DataFrame, options: AnalyzeOptions) -> None:
    if options.table is None:
        return
    if is_delimited(options.table):
        table = table.assign(
            **{name: table[name].map(as_no_formula) for name in ("LF", "votes for")}
        )
    write_table(table, options.table, overwrite=options.force)
    print_result(f"Table written to {options.table}")


# -- printing ------------------------------------------------------------------------------------


def _show_review(review: LFReview) -> None:
    """Print the ranked list, and some rows of each kind behind it."""
    if review.advice.empty:
        print_result(
            "Nothing to mend: no LF is wrong, weak, silent or a copy; all rows have votes."
        )
    else:
        _show(review.advice, "What to mend next, the worst first")
    if review.n_gold:
        several = review.by_class[review.by_class["LF"].duplicated(keep=False)]
        _show(_accuracies(several), "Accuracy by class that an LF votes for")
        _show(readable_classes(review), "Classes")
        _show(readable_values(review), "What each is worth, in points of a majority vote")
        print_result(values_sentence(review))
    wrong = review.wrong.groupby("LF", sort=False).head(2)
    title = "Some labelled rows that LFs get wrong (more: --lf NAME)"
    _show(wrong.drop(columns="row").head(_MANY), title)
    _show(
        review.suspect_gold.drop(columns="row").assign(
            odds=format_numbers(review.suspect_gold["odds"], "{:.3g} : 1")
        ),
        "Labels that look wrong: good LFs agree against them",
        _MANY,
    )
    _show(review.uncovered.drop(columns="row").head(_FEW), "Some rows without a vote")
    _show(_words(review.uncovered_words), "Words that are frequent in rows without a vote", _MANY)


def _show_dependence(dependence: LFDependence | None) -> None:
    """Print which LFs vote alike beyond what the class explains, and what to do."""
    if dependence is not None:
        _show(dependence.readable(_MANY), "LFs that err alike")
        print_result(dependence.sentences())


def _show_one(review: LFReview, lf: str) -> None:
    """Print all about one LF."""
    about = review.lfs.iloc[0]
    add_to_json(review=review.to_dict())
    if wants_json():
        return
    print_result(
        f"{lf}: {about['grade']}; it votes for {about['votes for']} on {about['votes']} of "
        f"{review.n_rows} rows ({about['coverage']:.1%}), on {about['alone']} of them alone"
    )
    print_result(grades_in_words([about["grade"]]))
    _show(review.advice, "What to mend")
    _show(_accuracies(review.by_class), "By class that it votes for")
    _show(readable_values(review), "What it is worth, in points of a majority vote")
    _show(review.words, "What it matched on labelled rows, the most often wrong first", _MANY)
    n_wrong = int(about["gold votes"] - about["right"])
    title = f"{min(_MANY, n_wrong)} of {n_wrong} labelled rows that it gets wrong (all: --json)"
    if n_wrong <= _MANY:
        title = "Labelled rows that it gets wrong"
    _show(review.wrong.drop(columns="row"), title, _MANY)
    _show(review.conflicts, "Rows on which another LF votes for another class", _MANY)


def _show(table: pd.DataFrame, title: str, most: int = 100) -> None:
    """Print the first rows of a table; nothing if it is empty."""
    if table.empty:
        return
    shown = table.head(most).astype(object)
    shown = shown.where(shown.notna(), "")
    left = len(table) - len(shown)
    show_table(shown, f"{title} ({left} more)" if left else title)


def _accuracies(table: pd.DataFrame) -> pd.DataFrame:
    ranges = zip(table["gold votes"], table["low"], table["high"], strict=True)
    return table.drop(columns=["low", "high"]).assign(
        accuracy=format_numbers(table["accuracy"], "{:.2f}"),
        **{"95% interval": [format_interval(a, b, ".2f") if n else "" for n, a, b in ranges]},
    )


def _words(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{"class share": format_numbers(table["class share"], "{:.0%}")})
