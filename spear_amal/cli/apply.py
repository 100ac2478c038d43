"""The commands ``apply`` and ``analyze``: votes of labelling functions, and what they are worth."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from spear_amal.cli.console import print_result, print_status, show_table
from spear_amal.cli.options import AnalyzeOptions, ApplyOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.tables import read_frame
from spear_amal.cli.voted_rows import mark_folder, mark_rows, votes_on_rows
from spear_amal.data import read_rows, write_table
from spear_amal.data.delimited import as_no_formula
from spear_amal.data.table_kinds import is_delimited
from spear_amal.errors import InputError
from spear_amal.labeling import (
    ApplierMetadata,
    PandasLFApplier,
    ParquetLFApplier,
    load_lfs,
    votes_test,
)
from spear_amal.labeling.parquet_applier import meta_of
from spear_amal.report import lf_table, readable_accuracy, readable_coverage, votes_sentence
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import MANIFEST, VoteFiles, parts_of

VERDICTS = (
    "Verdict: good if the 95% interval of the accuracy lies above chance (that of blind votes), "
    "bad if below, unclear if chance is within, silent if no labelled row has a vote."
)


def vote(
    frame: pd.DataFrame,
    lfs: Path,
    text_column: str,
    fault_tolerant: bool = False,
    n_jobs: int = 1,
    cache: Path | None = None,
) -> LabelMatrix:
    """Apply the LFs of a file to rows; print tolerated failures and what was not cached."""
    loaded = load_lfs(lfs)
    applier = PandasLFApplier(loaded.lfs, classes=loaded.classes)
    rows = read_rows.for_lfs(frame, text_column)
    matrix, meta = applier.apply(
        rows,
        progress_bar=True,
        fault_tolerant=fault_tolerant,
        return_meta=True,
        n_jobs=n_jobs,
        cache=cache,
    )
    _print_failures(meta)
    for name, outcome in applier.cache_report.items():
        if outcome not in ("cached", "computed"):
            print_status(f"LF {name!r}: {outcome}")
    return matrix


def _print_failures(meta: ApplierMetadata) -> None:
    for name, count in meta.faults.items():
        first = meta.tracebacks[name][0]
        reason = first.traceback.strip().splitlines()[-1]
        print_status(
            f"LF {name!r} failed on {count} rows and abstains there; row {first.row_id}: {reason}"
        )
    for name, count in meta.clipped.items():
        print_status(f"LF {name!r} gave {count} scores outside [0, 1]; they were clipped")


def show_lfs(matrix: LabelMatrix | VoteFiles, gold: np.ndarray | None) -> pd.DataFrame:
    """Print the LF table, the coverage of all LFs and whether they beat chance.

    Return the table in numbers.
    """
    table = lf_table(matrix, gold)
    show_table(readable_coverage(table), "Labelling functions", table)
    covered = sum(int(part.covered().sum()) for _, part in parts_of(matrix))
    share = covered / max(len(matrix), 1)
    print_result(f"{len(matrix)} rows, at least one vote on {covered} of them ({share:.1%})")
    if gold is not None and "verdict" in table:
        show_table(readable_accuracy(table), "Accuracy on labelled rows")
        print_result(VERDICTS)
        print_result(votes_sentence(votes_test(matrix, gold)))
    return table


def apply(options: ApplyOptions) -> None:
    """Apply LFs to a table and write the label matrix, or the folder of votes that is asked for."""
    if options.votes_folder is not None:
        _apply_in_parts(options, options.votes_folder)
        return
    target = options.require("votes")
    check_outputs(options.force, target)
    if target.suffix != ".npz":
        raise InputError(f"{target}: a label matrix is written as .npz; choose such a name")
    frame = read_frame(options, options.require("data"), options.text_column, options.label_column)
    matrix = vote(
        frame,
        options.require("lfs"),
        options.text_column,
        options.fault_tolerant,
        options.jobs,
        options.cache,
    )
    gold = _gold(frame, options, matrix)
    marked = copy.copy(matrix)
    mark_rows(marked, frame[options.text_column].tolist())
    # Before the tables: a reader that closes the pipe must not cost the votes.
    marked.save(target, overwrite=options.force)
    show_lfs(matrix, gold)
    print_result(f"Label matrix written to {target}")


def _apply_in_parts(options: ApplyOptions, folder: Path) -> None:
    """Apply LFs to Parquet files of any size and write a folder of votes."""
    data = options.require("data")
    check_outputs(False, continued=folder / MANIFEST)
    others = [path for path in data if path.is_file() and path.suffix != ".parquet"]
    if others:
        raise InputError(f"--votes-folder needs Parquet files, found {others[0]}")
    loaded = load_lfs(options.require("lfs"))
    applier = ParquetLFApplier(loaded.lfs, classes=loaded.classes)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "LFs failed")  # printed below
        votes = applier.apply(
            data,
            folder,
            n_jobs=options.jobs,
            fault_tolerant=options.fault_tolerant,
            progress_bar=True,
            overwrite=options.force,
        )
    mark_folder(folder, data, options.text_column)
    _print_failures(meta_of(votes.about))
    print_result(
        f"{votes.nnz} votes on {len(votes)} rows, {len(votes.files)} parts, written to {folder}"
    )


def analyze(options: AnalyzeOptions) -> None:
    """Print the LF table of votes, in one file or in parts, with accuracies where there is gold."""
    if options.table is not None:
        check_outputs(options.force, options.table)
    source = options.require("votes")
    if options.has_flag("label_column") and not options.data:
        raise InputError("--label-column needs the table that has it: give --data as well")
    matrix = VoteFiles(source) if source.is_dir() else LabelMatrix.load(source)
    gold = None
    if options.data:
        frame = read_frame(options, options.data, label_column=options.label_column)
        column = options.text_column
        texts = frame[column].tolist() if column in frame else None
        matrix = votes_on_rows(matrix, texts, len(frame), source)
        gold = _gold(frame, options, matrix)
    table = show_lfs(matrix, gold)
    if options.table is not None:
        if is_delimited(options.table):
            table = table.assign(
                **{name: table[name].map(as_no_formula) for name in ("LF", "votes for")}
            )
        write_table(table, options.table, overwrite=options.force)
        print_result(f"Table written to {options.table}")


def _gold(
    frame: pd.DataFrame, options: ApplyOptions | AnalyzeOptions, matrix: LabelMatrix | VoteFiles
) -> np.ndarray | None:
    """Return the gold classes of the data, as numbers that the votes' classes know.

    A column that nobody named on the command line may be missing, or hold something else.
    """
    is_named, column = options.has_flag("label_column"), options.label_column
    if not is_named and column not in frame:
        return None
    where = ", ".join(str(path) for path in options.data)
    values = read_rows.label_values(frame, column, where)
    try:
        classes = read_rows.classes_of_table(matrix.classes, values)
        return classes.as_numbers(read_rows.class_codes(values, classes, where))
    except InputError as error:
        if is_named:
            raise
        print_status(f"No accuracies: {error}")
        return None
