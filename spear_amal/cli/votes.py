"""Votes of a project's labelling functions on a table: read from the cache, or computed."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from spear_amal.cli.asking import Consent, RowsToAsk, asking_models
from spear_amal.cli.console import add_to_json, print_status, warnings_as_notes
from spear_amal.data import read_rows
from spear_amal.data.id_column import ids_of
from spear_amal.declared_lfs import load_project_lfs
from spear_amal.errors import InputError
from spear_amal.io.atomic import write_aside
from spear_amal.labeling import (
    ApplierMetadata,
    ColumnLF,
    LoadedLFs,
    PandasLFApplier,
    VoteCache,
)
from spear_amal.labeling.parquet_files import source_files
from spear_amal.votes.label_matrix import LabelMatrix

#: Folder beside the file of LFs in which votes are kept unless another one is named.
CACHE_FOLDER = ".spear_amal_cache"
# Above that, votes that were not used for longest are removed.
CACHE_BYTES = 500_000_000
# Rows of Parquet files that a forecast is made of.
_SAMPLED = 1000


class LFOptions(Protocol):
    """What the options of a command say of LFs."""

    @property
    def lfs(self) -> Path | None:
        """Python file."""

    @property
    def rules(self) -> Path | None:
        """File of declared rules."""

    def has_flag(self, name: str) -> bool:
        """Return whether a value was given on the command line."""

    def require(self, name: str) -> Any:
        """Return the value of an option that the command cannot do without."""


class VotingOptions(Protocol):
    """What the options of a command say of applying LFs."""

    text_column: str
    label_column: str
    id_column: str | None
    lfs: Path | None
    rules: Path | None
    cache: Path | None
    fault_tolerant: bool
    no_cache: bool

    def has_flag(self, name: str) -> bool:
        """Return whether a value was given on the command line."""

    def require(self, name: str) -> Any:
        """Return the value of an option that the command cannot do without."""


@dataclass(frozen=True)
class TableVotes:
    """Votes, and what cast them.

    Attributes
    ----------
    matrix : LabelMatrix (n, m)
        Its rows go by position, as the table is read.
    loaded : LoadedLFs
    ids : ndarray (n,) or None
        Of the rows, if the table has a column of them.
    columns : tuple of str
        The columns of the table on which the votes may depend.
    """

    matrix: LabelMatrix
    loaded: LoadedLFs
    ids: np.ndarray | None
    columns: tuple[str, ...]

    @property
    def with_ids(self) -> LabelMatrix:
        """The votes with the ids of the rows, for a file or to be shown."""
        if self.ids is None:
            return self.matrix
        identified = copy.copy(self.matrix)
        identified.row_ids, identified.has_row_ids = self.ids, True
        return identified


def has_lfs(options: LFOptions) -> bool:
    """Return whether options name LFs: a Python file, or a file of rules that is there."""
    return options.lfs is not None or has_rules(options)


def has_rules(options: LFOptions) -> bool:
    """Return whether options name a file of declared rules that is there."""
    return options.rules is not None and options.rules.is_file()


def lfs_of(options: LFOptions) -> LoadedLFs:
    """Load the LFs that options name, without muted ones; print which muted names are no LFs.

    Raises
    ------
    InputError
        As :func:`~spear_amal.declared_lfs.load_project_lfs`; if none are named, or a flag names a
        file of rules that is missing. One that the settings name may be missing: it comes with the
        first rule.
    """
    rules = options.rules
    if rules is not None and options.has_flag("rules") and not rules.is_file():
        raise InputError(f"no such file of declared rules: {rules}")
    if not has_lfs(options):
        options.require("lfs")
    with warnings_as_notes():
        return load_project_lfs(options.lfs, rules)


def votes_of_table(options: VotingOptions, frame: pd.DataFrame) -> TableVotes:
    """Apply the LFs that options name to the rows of a table; see :func:`vote`."""
    loaded = lfs_of(options)
    text, label = options.text_column, options.label_column
    id_column = options.id_column
    matrix = vote(
        *(frame, loaded, text, options.fault_tolerant, getattr(options, "jobs", 1)),
        cache=votes_cache(options),
        label_column=label,
        consent=Consent.of(options),
    )
    with warnings_as_notes():
        ids = ids_of(frame, id_column)
    return TableVotes(matrix, loaded, ids, _columns_seen(loaded, frame, text, label, id_column))


def vote(
    frame: pd.DataFrame,
    loaded: LoadedLFs,
    text_column: str,
    fault_tolerant: bool = False,
    n_jobs: int = 1,
    cache: Path | None = None,
    label_column: str | None = None,
    consent: Consent | None = None,
) -> LabelMatrix:
    """Apply LFs to rows; print what was read from a cache, and tolerated failures.

    Parameters
    ----------
    frame : DataFrame of n rows
    loaded : LoadedLFs
    text_column : str
    fault_tolerant : bool
    n_jobs : int
    cache : path, optional
        Folder where votes are kept: only LFs run that were edited since, or new rows need.
    label_column : str, optional
        A column that LFs do not see: votes must not depend on gold, nor change with it.
    consent : Consent, optional
        To what language models may cost; None: it was asked for before.
    """
    applier = PandasLFApplier(loaded.lfs, loaded.classes, text_column)
    rows = read_rows.for_lfs(frame, text_column)
    if label_column in rows and label_column not in (text_column, read_rows.LF_COLUMN):
        rows = rows.drop(columns=[label_column])
    asking: AbstractContextManager[None] = nullcontext()
    if consent is not None:
        asking = asking_models(loaded.lfs, lambda: RowsToAsk(rows), consent)
    with warnings_as_notes(), asking:
        matrix, meta = applier.apply(
            rows,
            progress_bar=True,
            fault_tolerant=fault_tolerant,
            return_meta=True,
            n_jobs=n_jobs,
            cache=None if cache is None else VoteCache(cache, CACHE_BYTES),
        )
    print_failures(meta)
    if cache is not None:
        _print_report(applier.cache_report, cache)
    return matrix


def rows_to_ask(data: Sequence[Path], text_column: str) -> RowsToAsk:
    """Return the first rows of Parquet files, and how many there are: what a forecast needs."""
    import pyarrow.parquet as pq

    files = source_files(list(data), "name", by_id=True)
    n_rows = sum(pq.read_metadata(file.path).num_rows for file in files)
    with pq.ParquetFile(files[0].path) as first:
        head = next(first.iter_batches(_SAMPLED), None)
    frame = pd.DataFrame() if head is None else head.to_pandas()
    return RowsToAsk(read_rows.for_lfs(frame, text_column), n_rows)


def _columns_seen(
    loaded: LoadedLFs, frame: pd.DataFrame, text: str, label: str, id_column: str | None
) -> tuple[str, ...]:
    """Return the columns that LFs of builders name, or else all but those of labels and ids."""
    if all(isinstance(lf, ColumnLF) for lf in loaded.lfs):
        named = {lf.column for lf in loaded.lfs if isinstance(lf, ColumnLF)}
        seen = {text if name not in frame else name for name in named} | {text}
    else:
        seen = set(frame) - {label, id_column or "id"}
    return tuple(str(name) for name in frame if name in seen)


def votes_cache(options: VotingOptions) -> Path | None:
    """Return the folder of votes of a command, made if it is the default one; None without one."""
    beside = options.lfs or options.rules
    if options.no_cache or beside is None:
        return None
    if options.cache is not None:
        return options.cache
    folder = beside.parent / CACHE_FOLDER
    ignore = folder / ".gitignore"
    try:
        if not ignore.is_file():
            with write_aside(ignore, durable=False) as temporary:
                temporary.write_text("*\n", encoding="utf-8")
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        print_status(f"Votes are not kept: {folder} cannot be written ({error.strerror})")
        return None


def _print_report(report: dict[str, str], cache: Path) -> None:
    computed = [name for name, outcome in report.items() if outcome != "cached"]
    n_read = len(report) - len(computed)
    if not computed:
        print_status(f"Votes of all {n_read} LFs read from {cache}")
    else:
        names = ", ".join(computed[:5]) + (", .." if len(computed) > 5 else "")
        read = f"; those of {n_read} others read from {cache}" if n_read else f", kept in {cache}"
        n = f"{len(computed)} LF{'' if len(computed) == 1 else 's'}"
        print_status(f"Votes of {n} computed ({names}){read}")
    for name, outcome in report.items():
        if outcome not in ("cached", "computed"):
            advice = "" if "failed on" in outcome else "; give it version=.. to have them kept"
            print_status(f"LF {name!r}: {outcome}{advice}")


def print_failures(meta: ApplierMetadata) -> None:
    """Print which LFs failed on rows, whose scores were clipped, and why some abstain."""
    for name, count in meta.faults.items():
        first = meta.tracebacks[name][0]
        reason = first.traceback.strip().splitlines()[-1]
        print_status(
            f"LF {name!r} failed on {count} rows and abstains there; row {first.row_id}: {reason}"
        )
    for name, count in meta.clipped.items():
        print_status(f"LF {name!r} gave {count} scores outside [0, 1]; they were clipped")
    for name, reasons in meta.abstentions.items():
        words = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
        print_status(f"LF {name!r} abstains on {sum(reasons.values())} rows: {words}")
    if meta.abstentions:
        add_to_json(abstentions=meta.abstentions)
