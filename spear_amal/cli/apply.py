"""The command ``apply``: votes of labelling functions on a table, written to a file or a folder."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from spear_amal.cli.asking import Consent, asking_models
from spear_amal.cli.console import print_result, print_status, show_table
from spear_amal.cli.labelled_rows import read_data
from spear_amal.cli.options.project import ApplyOptions, CliConfig
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.tables import print_blank, print_numbers
from spear_amal.cli.votes import TableVotes, lfs_of, print_failures, rows_to_ask, votes_of_table
from spear_amal.data import read_rows
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.arrays import read_arrays
from spear_amal.labeling import GRADES, ParquetLFApplier, VotesTest, votes_test
from spear_amal.labeling.parquet_applier import meta_of
from spear_amal.labeling.row_digests import row_digests
from spear_amal.labeling.voted_folders import has_texts, have_column, mark_folder
from spear_amal.report import lf_table, readable_accuracy, readable_coverage, votes_sentence
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.npz import ADVICE, KIND, write_label_matrix
from spear_amal.votes.parquet import MANIFEST, VoteFiles, parts_of
from spear_amal.votes.voted_rows import VotedRows

__all__ = ["apply", "gold_of", "grades_in_words", "show_lfs"]

# In a file of votes: made by the command, which may replace it.
_MARK = "written_by_apply"


def apply(options: ApplyOptions) -> None:
    """Apply LFs to a table and write the label matrix, or the folder of votes that is asked for."""
    if options.votes_folder is not None:
        _apply_in_parts(options, options.votes_folder)
        return
    target = options.require("votes")
    replaces = _is_own_output(target)
    check_outputs(options.force or replaces, target)
    if target.suffix != ".npz":
        raise InputError(f"{target}: a label matrix is written as .npz; choose such a name")
    frame = read_data(options)
    cast = votes_of_table(options, frame)
    gold = gold_of(frame, options, cast.matrix)
    # Before the tables: a reader that closes the pipe must not cost the votes.
    _save_votes(cast, frame, target, options.force or replaces)
    show_lfs(cast.matrix, gold)
    said = ", in place of those of an earlier apply" if replaces else ""
    print_result(f"Label matrix written to {target}{said}")
    if gold is not None:
        print_result("What to mend next: spear-amal analyze")


def _save_votes(cast: TableVotes, frame: pd.DataFrame, path: Path, overwrite: bool) -> None:
    """Write votes with the ids and digests of their rows, and with the mark of the command."""
    matrix = copy.copy(cast.with_ids)
    matrix.voted_rows = VotedRows(cast.columns, row_digests(frame, cast.columns))
    write_label_matrix(matrix, path, overwrite, {_MARK: np.ones(1, dtype=np.uint8)})


def _is_own_output(path: Path) -> bool:
    """Return whether ``apply`` wrote a file; False for one that is missing, damaged or foreign."""
    if not path.is_file():
        return False
    try:
        return _MARK in read_arrays(path, KIND, ADVICE)
    except (FileFormatError, OSError):
        return False


def _apply_in_parts(options: ApplyOptions, folder: Path) -> None:
    """Apply LFs to Parquet files of any size and write a folder of votes."""
    data = options.require("data")
    check_outputs(False, continued=folder / MANIFEST)
    others = [path for path in data if path.is_file() and path.suffix != ".parquet"]
    if others:
        raise InputError(f"--votes-folder needs Parquet files, found {others[0]}")
    loaded = lfs_of(options)
    is_there = have_column(data, options.text_column, folder)
    text_column = options.text_column if is_there else None
    applier = ParquetLFApplier(loaded.lfs, loaded.classes, text_column)
    earlier = _content(folder / MANIFEST) if has_texts(folder) else None
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.filterwarnings("ignore", "LFs failed")  # printed below
        rows = partial(rows_to_ask, data, options.text_column)
        stack.enter_context(asking_models(loaded.lfs, rows, Consent.of(options)))
        votes = applier.apply(
            data,
            folder,
            n_jobs=options.jobs,
            fault_tolerant=options.fault_tolerant,
            progress_bar=True,
            overwrite=options.force or earlier is not None,
        )
    if is_there:
        print_blank(mark_folder(folder, data, options.text_column), len(votes), data)
    print_failures(meta_of(votes.about))
    replaces = earlier is not None and earlier != _content(folder / MANIFEST)
    said = ", in place of those of an earlier apply" if replaces else ""
    print_result(
        f"{votes.nnz} votes on {len(votes)} rows, {len(votes.files)} parts, written to "
        f"{folder}{said}"
    )


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def show_lfs(
    matrix: LabelMatrix | VoteFiles, gold: np.ndarray | None, test: VotesTest | None = None
) -> pd.DataFrame:
    """Print the LF table, the coverage of all LFs and whether they beat chance.

    Return the table in numbers. `test` is that of all votes, where it was made already.
    """
    table = lf_table(matrix, gold)
    show_table(readable_coverage(table), "Labelling functions", table)
    covered = sum(int(part.covered().sum()) for _, part in parts_of(matrix))
    share = covered / max(len(matrix), 1)
    print_result(f"{len(matrix)} rows, at least one vote on {covered} of them ({share:.1%})")
    if gold is not None and "accuracy" in table:
        show_table(readable_accuracy(table), "Accuracy on labelled rows")
        print_result(grades_in_words(table["grade"]))
        print_result(votes_sentence(test or votes_test(matrix, gold)))
    return table


def grades_in_words(grades: Iterable[str]) -> str:
    """Return what the grades that occur mean."""
    occurring = set(grades)
    return "; ".join(f"{name}: {text}" for name, text in GRADES.items() if name in occurring)


def gold_of(
    frame: pd.DataFrame, options: CliConfig, matrix: LabelMatrix | VoteFiles
) -> np.ndarray | None:
    """Return the gold classes of the data, as numbers that the votes' classes know.

    A column that nobody named on the command line may be missing, or hold something else.
    """
    is_named, column = options.has_flag("label_column") or bool(options.gold), options.label_column
    if not is_named and column not in frame:
        return None
    where = ", ".join(str(path) for path in options.data)
    values = read_rows.label_values(frame, column, where)
    try:
        classes = read_rows.classes_of_table(matrix.classes, values)
        votes = matrix if isinstance(matrix, LabelMatrix) else None
        codes = read_rows.class_codes(values, classes, where, votes)
    except InputError as error:
        if is_named:
            raise
        print_status(f"No accuracies: {error}")
        return None
    print_numbers(values, classes)
    return classes.as_numbers(codes)
