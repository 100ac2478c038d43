"""What to mend next: a review of labelling functions, in plain tables."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import NamedFunction, StoredVotesLike, TableLike, VectorLike
from spear_amal.checks import check_whole
from spear_amal.errors import InputError
from spear_amal.labeling.advice import advise
from spear_amal.labeling.analysis import VotesInParts, share, wilson_interval
from spear_amal.labeling.cell_values import as_list
from spear_amal.labeling.data_points import is_table, names_of
from spear_amal.labeling.grades import copies, lf_grades
from spear_amal.labeling.guessed_rows import GuessedRows, with_powered
from spear_amal.labeling.join_votes import check_voted_rows, votes_on_rows
from spear_amal.labeling.lf_values import lf_value_table
from spear_amal.labeling.review_rows import (
    GoldVotes,
    ReviewedRows,
    suspect_gold,
    uncovered_rows,
    uncovered_words,
    wrong_rows,
    wrong_words,
)
from spear_amal.labeling.significance import VotesTest, lf_check, votes_test
from spear_amal.votes.class_set import is_listed
from spear_amal.votes.gold import gold_codes
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles, open_votes
from spear_amal.votes.row_ids import index_ids, row_places


@dataclass(frozen=True)
class LFReview:
    """What labelling functions do, and what to mend next; made by :func:`review_lfs`.

    All tables are DataFrames of plain values: names of LFs and classes, counts, shares in [0, 1].
    Without gold, tables that rest on it are empty, and columns of ``lfs`` are 0 or NaN.

    Attributes
    ----------
    n_rows, n_covered, n_gold : int
        All rows, those with a vote, those with a label.
    class_names : tuple
        In code order.
    advice : DataFrame
        Ranked: ``rank, LF`` ("" for what concerns no LF alone), ``problem`` (a key of
        :data:`~spear_amal.labeling.advice.PROBLEMS`), ``rows`` (how many it concerns), ``reason``,
        ``do``.
    lfs : DataFrame
        One row for each LF: ``LF, votes for, grade`` (see
        :data:`~spear_amal.labeling.grades.GRADES`), ``votes, coverage, overlaps, conflicts``,
        ``alone`` (rows on which no other LF votes), ``gold votes, right, accuracy, low, high``
        (95% Wilson interval), ``chance`` (accuracy of blind votes), ``copy of`` ("" for none).
    by_class : DataFrame
        One row for each LF and class that it votes for: ``LF, class, votes, gold votes, right,
        accuracy, low, high``.
    classes : DataFrame
        One row for each class: ``class, gold rows, covered`` (gold rows with a vote), ``voted
        right`` (gold rows with a right vote), ``votes`` (of all LFs for it, on all rows), ``LFs``,
        ``share`` (of rows like these, from gold and votes) with its 95% interval ``share low, share
        high``.
    conflicts : DataFrame
        Pairs of LFs that quarrel: ``LF, other, rows, gold rows, right, other right``, the most
        rows first.
    wrong : DataFrame
        ``LF, row, id, vote, gold, matched`` (words that the LF looks for, ", " between them),
        ``text`` (an excerpt): rows with a label on which an LF is wrong, `max_rows` for each LF.
    words : DataFrame
        ``LF, word, gold votes, right``: what keywords and patterns matched on rows with a label.
    uncovered : DataFrame
        ``row, id, gold, text``: a sample of `max_rows` rows without a vote, labelled ones first.
    uncovered_words : DataFrame
        ``word, uncovered rows, covered rows, gold rows, class, class share``: words that stand
        more often in rows without votes than in others, and what labelled rows with them are.
    values : DataFrame
        What each LF is worth, and which change of it would gain most: the columns of
        :func:`~spear_amal.labeling.lf_values`, and ``accuracy`` where it votes, from gold
        and votes, with ``accuracy low, accuracy high``.
    suspect_gold : DataFrame
        ``row, id, gold, voted, odds`` (by which the votes speak for the voted class), ``LFs``,
        ``text``.
    test : VotesTest or None
        Of all votes together.
    """

    n_rows: int
    n_covered: int
    n_gold: int
    class_names: tuple[Any, ...]
    advice: pd.DataFrame
    lfs: pd.DataFrame
    by_class: pd.DataFrame
    classes: pd.DataFrame
    conflicts: pd.DataFrame
    wrong: pd.DataFrame
    words: pd.DataFrame
    uncovered: pd.DataFrame
    uncovered_words: pd.DataFrame
    values: pd.DataFrame
    suspect_gold: pd.DataFrame
    test: VotesTest | None = None

    #: Names of the tables, in the order in which they are read.
    TABLES = (
        *("advice", "lfs", "by_class", "classes", "conflicts", "wrong", "words"),
        *("values", "uncovered", "uncovered_words", "suspect_gold"),
    )

    def of(self, lf: str) -> LFReview:
        """Return the part about one LF; tables about no LF are empty.

        Raises
        ------
        InputError
            If there is no such LF.
        """
        names = self.lfs["LF"].tolist()
        if lf not in names:
            raise InputError(f"no LF {lf!r}; the LFs are {names}")
        parts = {}
        for name in self.TABLES:
            table = getattr(self, name)
            kept = np.zeros(len(table), dtype=bool)
            for column in {"LF", "other"} & set(table.columns):
                kept |= (table[column] == lf).to_numpy()
            parts[name] = table[kept].reset_index(drop=True)
        return replace(self, **parts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON: tables are lists of records, NaN is None."""
        counts = {"rows": self.n_rows, "covered": self.n_covered, "gold": self.n_gold}
        test = None if self.test is None else _plain(vars(self.test))
        if test is not None and self.test is not None:
            test |= {"informative": self.test.informative, "beats_chance": self.test.beats_chance}
        tables = {name: _records(getattr(self, name)) for name in self.TABLES}
        return {**counts, "classes_in_order": list(self.class_names), "test": test, **tables}


def review_lfs(
    L: StoredVotesLike,
    y: VectorLike | None = None,
    rows: TableLike | Sequence[str] | None = None,
    lfs: Sequence[NamedFunction] | None = None,
    text_column: str = "text",
    max_rows: int = 20,
) -> LFReview:
    """Review labelling functions: grades, what is wrong where, and what to mend next.

    Parameters
    ----------
    L : LabelMatrix, integer array of shape (n, m), VoteFiles, or path of a file or folder of votes
        Votes of a path are brought into the order of `rows`, exactly, where the file or folder
        knows its rows, as those of ``spear-amal apply`` do; other rows are refused.
    y : array (n,), optional
        Gold classes: names, codes or numbers that classes are called by; -1, None or NaN where
        unknown.
    rows : DataFrame, mapping of columns, or list of n texts, optional
        What the votes are of, for excerpts and words. A DataFrame is joined by its index, where
        that holds ids as the votes have them; it is held against the rows of votes that know
        theirs.
    lfs : sequence of LFs, optional
        Those behind the votes, for the words that they matched: LFs of builders know them.
    text_column : str, default="text"
        Column of `rows` with the text.
    max_rows : int, default=20
        Rows of a kind to list: wrong ones of an LF, uncovered ones.

    Returns
    -------
    LFReview

    Raises
    ------
    InputError
        If lengths or ids differ, or a label is no class of L.

    Examples
    --------
    >>> from spear_amal.labeling import LFApplier, keyword_lf
    >>> texts = ["free prize", "free lunch", "see you", "prize draw"] * 10
    >>> lfs = [keyword_lf("free", ["free"], "spam"), keyword_lf("prize", ["prize"], "spam")]
    >>> votes = LFApplier(lfs, classes=["ham", "spam"]).apply(texts, progress_bar=False)
    >>> review = review_lfs(votes, ["spam", "ham", "ham", "spam"] * 10, texts, lfs)
    >>> review.lfs[["LF", "grade", "accuracy"]].to_numpy().tolist()
    [['free', 'weak', 0.5], ['prize', 'good', 1.0]]
    >>> review.wrong[["id", "matched", "text"]].to_numpy().tolist()[0]
    [1, 'free', 'free lunch']
    """
    check_whole("max_rows", max_rows, 0)
    L, rows = _on_one_order(L, rows, text_column)
    counts = VotesInParts(L)
    gold = np.full(len(counts.L), -1) if y is None else gold_codes(y, counts.L, "y")
    columns = None if rows is None else _columns(rows, text_column, len(counts.L))
    reviewed = ReviewedRows.of(columns, counts, lfs)
    with warnings.catch_warnings():
        # Whatever is odd about the labels was said above; the parts read their codes anew.
        warnings.simplefilter("ignore", UserWarning)
        return _reviewed(counts, gold, reviewed, max_rows)


def _reviewed(
    counts: VotesInParts, gold: np.ndarray, reviewed: ReviewedRows, max_rows: int
) -> LFReview:
    voted = GoldVotes.of(counts, gold)
    table = _lf_table(counts, voted)
    guessed = GuessedRows.of(counts, voted, gold)
    parts = {
        "lfs": table,
        "by_class": _by_class(counts, voted),
        "classes": with_powered(_classes(counts, voted), guessed.class_shares(), "share"),
        "values": _values(guessed, voted, list(counts.L.lf_names)),
        "conflicts": _conflicts(counts, voted),
        "wrong": wrong_rows(voted, reviewed, max_rows),
        "words": wrong_words(voted, reviewed),
        "uncovered": uncovered_rows(counts, gold, reviewed, max_rows),
        "uncovered_words": uncovered_words(counts, gold, reviewed),
        "suspect_gold": suspect_gold(voted, reviewed, table),
    }
    n_covered = counts.totals.covered
    return LFReview(
        n_rows=len(counts.L),
        n_covered=n_covered,
        n_gold=len(voted.gold),
        class_names=voted.names,
        advice=advise(parts, len(counts.L), n_covered, len(voted.gold)),
        test=votes_test(counts.L, voted.everywhere) if len(voted.gold) else None,
        **parts,
    )


def _on_one_order(L: Any, rows: Any, text_column: str) -> tuple[Any, Any]:
    """Return votes and rows in one order: votes that know their rows are held against these."""
    from_path = isinstance(L, str | os.PathLike)
    votes = open_votes(L)
    if rows is None:
        return votes, None
    knows = isinstance(votes, VoteFiles) or votes.voted_rows is not None
    frame = rows
    if knows and not isinstance(rows, pd.DataFrame):
        frame = pd.DataFrame(_columns(rows, text_column))
    if from_path and knows and isinstance(votes, LabelMatrix):
        return votes_on_rows(L, frame, None, text_column), frame
    if isinstance(frame, pd.DataFrame) and votes.has_row_ids:
        places = row_places(votes.row_ids, index_ids(frame), "L", "rows")
        frame = frame if places is None else frame.iloc[places]
    if knows:
        check_voted_rows(votes, frame, text_column, "rows")
    return votes, frame


def _columns(rows: Any, text_column: str, n: int | None = None) -> dict[str, list[Any]]:
    """Return columns (n,) of texts by name; a list of texts is the column of texts."""
    if isinstance(rows, pd.DataFrame | Mapping) or is_table(rows):
        names = names_of(rows) if is_table(rows) else list(rows)
        columns = {str(name): as_list(rows[name]) for name in names}
    elif isinstance(rows, str) or not is_listed(rows):
        number = "" if n is None else f"{n} "
        raise InputError(f"rows must be a table, or a list of {number}texts, found {rows!r:.99}")
    else:
        columns = {text_column: as_list(rows)}
    if text_column not in columns:
        raise InputError(
            f"rows has no column {text_column!r} of texts; the columns are {list(columns)}: name "
            "it with text_column="
        )
    present = len(columns[text_column])
    if n is not None and present != n:
        raise InputError(f"rows has {present} rows, L has {n}")
    columns = {name: column for name, column in columns.items() if len(column) == present}
    return {text_column: columns.pop(text_column), **columns}  # the text first


def _lf_table(counts: VotesInParts, voted: GoldVotes) -> pd.DataFrame:
    L, totals = counts.L, counts.totals
    names = list(L.lf_names)
    check = lf_check(voted.votes, voted.labels)
    table = pd.DataFrame({"LF": names})
    table["votes for"] = [
        ", ".join(str(voted.names[code]) for code in np.flatnonzero(of_lf)) or "-"
        for of_lf in totals.votes
    ]
    table["grade"] = lf_grades(L, voted.everywhere)
    table["votes"] = totals.fired
    for name, values in (("coverage", totals.fired), ("overlaps", totals.overlaps)):
        table[name] = share(values, len(L))
    table["conflicts"] = share(totals.conflicts, len(L))
    table["alone"] = totals.fired - totals.overlaps
    columns = {"votes": "gold votes", "right": "right", "precision": "accuracy"}
    for name in ("votes", "right", "precision", "low", "high", "chance"):
        table[columns.get(name, name)] = check[name].to_numpy()
    of = {pair.lf: names[pair.of] for pair in copies(counts).itertuples()}
    table["copy of"] = [of.get(j, "") for j in range(len(names))]
    return table


def _by_class(counts: VotesInParts, voted: GoldVotes) -> pd.DataFrame:
    rows = []
    C = len(voted.names)
    tables = VotesInParts(voted.votes).tables(voted.gold, C)[:, 1:]  # (m, vote, gold)
    for j, name in enumerate(counts.L.lf_names):
        for k in np.flatnonzero(counts.totals.votes[j]):
            n, right = int(tables[j, k].sum()), int(tables[j, k, k])
            low, high = (float(x[0]) for x in wilson_interval(_one(right), _one(n), 0.95))
            accuracy = right / n if n else np.nan
            n_votes = int(counts.totals.votes[j, k])
            rows.append((name, voted.names[k], n_votes, n, right, accuracy, low, high))
    columns = ["LF", "class", "votes", "gold votes", "right", "accuracy", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _one(number: int) -> np.ndarray:
    return np.array([number])


def _classes(counts: VotesInParts, voted: GoldVotes) -> pd.DataFrame:
    C, gold = len(voted.names), voted.gold
    dense = voted.votes.to_dense()
    by_class = np.zeros((counts.L.shape[1], C), dtype=np.int64)
    by_class[:, : counts.totals.votes.shape[1]] = counts.totals.votes
    return pd.DataFrame(
        {
            "class": list(voted.names),
            "gold rows": np.bincount(gold, minlength=C),
            "covered": np.bincount(gold[(dense >= 0).any(axis=1)], minlength=C),
            "voted right": np.bincount(gold[(dense == gold[:, None]).any(axis=1)], minlength=C),
            "votes": by_class.sum(axis=0),
            "LFs": (by_class > 0).sum(axis=0),
        }
    )


def _values(guessed: GuessedRows, voted: GoldVotes, lf_names: list[str]) -> pd.DataFrame:
    values = lf_value_table(guessed, lf_names, voted.names)
    accuracies = guessed.lf_accuracies() if len(values) else []
    return with_powered(values, accuracies, "accuracy")


def _conflicts(counts: VotesInParts, voted: GoldVotes) -> pd.DataFrame:
    names = counts.L.lf_names
    differ = np.triu(counts.overlaps() - counts.agreements(), 1).astype(np.int64)
    dense, gold = voted.votes.to_dense(), voted.gold
    rows = []
    for i, j in np.argwhere(differ > 0).tolist():
        both = (dense[:, i] >= 0) & (dense[:, j] >= 0) & (dense[:, i] != dense[:, j])
        right = [int((dense[both, lf] == gold[both]).sum()) for lf in (i, j)]
        rows.append((names[i], names[j], int(differ[i, j]), int(both.sum()), *right))
    columns = ["LF", "other", "rows", "gold rows", "right", "other right"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("rows", ascending=False, kind="stable", ignore_index=True)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {name: table[name].tolist() for name in table.columns}
    return [
        _plain(dict(zip(columns, cells, strict=True)))
        for cells in zip(*columns.values(), strict=True)
    ]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with None for numbers that JSON does not know."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in values.items()
    }
