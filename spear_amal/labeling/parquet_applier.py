"""Labelling more rows than memory holds: Parquet files in, votes in parts out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from spear_amal import __version__
from spear_amal._typing import PathLike
from spear_amal.checks import check_whole
from spear_amal.errors import FileFormatError, InputError, LabelingError, OutputExistsError
from spear_amal.labeling.appliers import BaseLFApplier
from spear_amal.labeling.blank_texts import votes_where_text
from spear_amal.labeling.builders import declared_columns
from spear_amal.labeling.cell_values import as_list, frame_of_schema
from spear_amal.labeling.data_points import RowSource, TableSource, get_column
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.hashing import Unhashable, function_hash, lf_hash
from spear_amal.labeling.lf_outputs import ApplierMetadata, LFFailure, OutputParser
from spear_amal.labeling.overlap import read_ahead, run_behind
from spear_amal.labeling.parallel import Labelled, label, merged
from spear_amal.labeling.parquet_files import source_files
from spear_amal.labeling.parquet_reader import Block, count_nan_texts, plan_blocks, read_tables
from spear_amal.labeling.worker_pool import as_n_jobs, map_in_processes
from spear_amal.progress import Progress
from spear_amal.votes.class_set import ClassSet
from spear_amal.votes.parquet import (
    MANIFEST,
    VoteFiles,
    VotePart,
    finish_votes,
    kept_part,
    write_part,
)


class ParquetLFApplier(BaseLFApplier):
    """Applies LFs to Parquet files in bounded memory, and goes on where a run was stopped.

    Row LFs get row objects, vectorised LFs a DataFrame of at most `batch_rows` rows. Other
    parameters, and errors, as in :class:`LFApplier`.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from spear_amal.labeling import keyword_lf
    >>> folder = tempfile.mkdtemp()
    >>> pd.DataFrame({"text": ["free tones", "see you"]}).to_parquet(folder + "/a.parquet")
    >>> applier = ParquetLFApplier([keyword_lf("free", ["free"], "spam")], ["ham", "spam"])
    >>> votes = applier.apply(folder, folder + "/votes")
    >>> votes.shape, votes.nnz, votes.part(0).to_dense().tolist()
    ((2, 1), 1, [[1], [-1]])
    """

    def apply(
        self,
        source: PathLike | Sequence[PathLike],
        output: PathLike,
        *,
        columns: Sequence[str] | None = None,
        row_id: str | None = None,
        order: str | None = None,
        n_jobs: int = 1,
        batch_rows: int = 65_536,
        fault_tolerant: bool = False,
        progress_bar: bool = True,
        resume: bool = True,
        overwrite: bool = False,
    ) -> VoteFiles:
        """Votes of all LFs on all rows, in a folder.

        Parameters
        ----------
        source : path, or list of paths
            Files, or folders of ``*.parquet``; files of partitions (``year=2024/..``) have those
            as columns. Rows are in the order of the list, and within a folder in that of the names.
        output : path
            Folder for the votes.
        columns : sequence of str, optional
            Columns to read. By default those that declarative LFs name, if there are no others;
            else all.
        row_id : str, optional
            Column with row ids, numbers or strings; by default rows are numbered over all files.
        order : {"name", "number"}, optional
            How the files of a folder are sorted. Needed where their names hold numbers without
            leading zeros (part.2, part.10) and there is no `row_id`.
        n_jobs : int, default=1
            Processes; -1 for all cores.
        batch_rows : int, default=65536
            Rows of a part, and rows that are in memory at a time in each process.
        fault_tolerant : bool, default=False
            Let an LF abstain where it fails, and count the failures (``about["faults"]``).
        progress_bar : bool, default=True
        resume : bool, default=True
            Keep parts that are whole and were made by the same LFs from the same file. If it
            cannot be told what an LF depends on (see :class:`VoteCache`), no part is kept.
        overwrite : bool, default=False
            Replace finished votes of other LFs or rows.

        Returns
        -------
        VoteFiles
            Its ``about`` holds ``faults``, ``tracebacks`` and ``clipped``.

        Raises
        ------
        FileFormatError
            If a file is truncated or damaged; names it. Finished parts stay.
        LabelingError
            If an LF fails; names file, LF and row.
        OutputExistsError
            If the folder holds finished votes of other LFs or rows.
        """
        processes, folder = as_n_jobs(n_jobs), Path(output).resolve()
        check_whole("batch_rows", batch_rows, 1)
        further = (row_id, self._text_column)
        read = declared_columns(self._lfs if columns is None else (), *(columns or ()), *further)
        needed = read if read is not None else [] if row_id is None else [row_id]
        blocks = plan_blocks(
            source_files(source, order, by_id=row_id is not None, output=folder), needed, batch_rows
        )
        made_by = self._made_by(read, row_id, batch_rows, self._text_column)
        run = function_hash([made_by, [block.stamp for block in blocks]]) if made_by else ""
        _make_way(folder, run, overwrite)
        work = BlockWork(
            *(self._lfs, self._classes, str(folder), read, row_id, batch_rows),
            *(fault_tolerant, made_by if resume else "", self._text_column),
        )
        records: list[PartRecord] = []
        rows = sum(block.rows for block in blocks)
        with Progress("Labelling", rows, show=progress_bar) as bar:
            with closing(self._map(work, blocks, processes)) as parts:
                for made in parts:
                    records += made
                    bar.update(sum(record.part.rows for record in made))
        return self._finish(folder, records, run)

    def _map(
        self, work: BlockWork, blocks: list[Block], n_jobs: int
    ) -> Generator[list[PartRecord]]:
        """Apply the work to all blocks, in their order; other engines differ in this alone."""
        # What shares limits (of a server) within one process is asked by one.
        if n_jobs == 1 or len(blocks) < 2 or any(lf.is_shared for lf in self._lfs):
            return work.one_by_one(blocks)
        return map_in_processes(work, blocks, n_jobs, _describe)

    def _made_by(self, *settings: Any) -> str:
        try:
            lfs = [lf_hash(lf) for lf in self._lfs]
            # With the version: another one may hand other cells to the same LF.
            return function_hash([__version__, lfs, self._classes.key, settings])
        except Unhashable:
            return ""

    def _finish(self, folder: Path, records: list[PartRecord], run: str) -> VoteFiles:
        meta = merged(record.meta for record in records)
        if meta.faults:
            warnings.warn(
                f"LFs failed and abstain on those rows: {meta.faults}; the votes' about holds "
                "the first tracebacks",
                UserWarning,
                stacklevel=3,
            )
        _warn_of_nan_texts(records)
        return finish_votes(
            folder,
            [record.part for record in records],
            lf_names=[lf.name for lf in self._lfs],
            classes=self._classes.names,
            lf_classes=[OutputParser(lf, self._classes).declared for lf in self._lfs],
            continuous=[lf.continuous for lf in self._lfs],
            about={"run": run, **meta._asdict()},
        )


def _warn_of_nan_texts(records: Iterable[PartRecord]) -> None:
    """Warn of columns in which missing texts seem to have become words, on their way to Spark."""
    total: dict[str, list[int]] = {}
    for record in records:
        for name, counts in record.nan_texts.items():
            total[name] = [a + b for a, b in zip(total.get(name, [0, 0]), counts, strict=True)]
    words = {name: count for name, (count, nulls) in total.items() if count and not nulls}
    if words:
        warnings.warn(
            f"these columns hold the word 'nan' on so many rows, and no null beside it: {words}. "
            "Spark makes it of a missing text when it takes a frame of pandas without Arrow; put "
            "None for missing texts, or set spark.sql.execution.arrow.pyspark.enabled to true, "
            "and write the files again",
            UserWarning,
            stacklevel=4,
        )


def _make_way(folder: Path, run: str, overwrite: bool) -> None:
    """Remove the manifest of an earlier run, which no longer tells the truth once this one began.

    Raises
    ------
    OutputExistsError
        If it is that of another run, and overwriting was not asked for.
    """
    path = folder / MANIFEST
    if path.exists() and not overwrite:
        try:
            same = bool(run) and VoteFiles(folder).about.get("run") == run
        except FileFormatError:
            same = True  # damaged: nothing there to lose
        if not same:
            raise OutputExistsError(
                f"{folder} holds finished votes of other LFs, rows or settings (or it cannot be "
                "told); choose another folder or ask for overwriting"
            )
    path.unlink(missing_ok=True)


def _describe(block: Block) -> str:
    return f"rows {block.first_row} to {block.first_row + block.rows - 1} ({block.file})"


class PartRecord(NamedTuple):
    """A part that is on disk, and what went wrong while it was made."""

    part: VotePart
    meta: ApplierMetadata
    nan_texts: dict[str, list[int]]


class _Piece(NamedTuple):
    """Part k of a block: what an earlier run left of it, and its rows, needed if that is None."""

    block: Block
    k: int
    kept: PartRecord | None
    table: Any


@dataclass(frozen=True)
class BlockWork:
    """Applies LFs to a block and writes its parts; can be sent to other processes.

    Attributes
    ----------
    lfs, classes
        As of the applier.
    folder : str
        Of the votes.
    columns : list of str or None
        What is read; None for all columns.
    row_id : str or None
        Column with row ids; None for the number of the row.
    batch_rows : int
        Rows of a part.
    tolerant : bool
    made_by : str
        Fingerprint of all that votes depend on beside the rows; empty if it is not known, so that
        every part is made anew.
    text_column : str or None
        Rows without a text in it get no votes.
    """

    lfs: list[LabelingFunction]
    classes: ClassSet
    folder: str
    columns: Sequence[str] | None
    row_id: str | None
    batch_rows: int
    tolerant: bool
    made_by: str
    text_column: str | None

    def __call__(self, block: Block) -> list[PartRecord]:
        """Make the parts of a block that are not there yet."""
        return [self._labelled(piece)() for piece in self._pieces([block])]

    def one_by_one(self, blocks: Iterable[Block]) -> Generator[list[PartRecord]]:
        """Make the parts of all blocks one after the other.

        While the votes of a part are found, the next rows are read and the part before is written.
        """
        with closing(read_ahead(self._pieces(blocks))) as pieces:
            with closing(run_behind(map(self._labelled, pieces))) as records:
                for record in records:
                    yield [record]

    def _pieces(self, blocks: Iterable[Block]) -> Generator[_Piece]:
        for block in blocks:
            kept = [self._kept(block, k) for k in range(-(-block.rows // self.batch_rows))]
            if all(kept):
                yield from (_Piece(block, k, record, None) for k, record in enumerate(kept))
                continue
            tables = read_tables(block, self.columns, self.batch_rows)
            yield from (_Piece(block, k, kept[k], table) for k, table in enumerate(tables))

    def _labelled(self, piece: _Piece) -> Callable[[], PartRecord]:
        """Find the votes of a part; return what writes it."""
        block, k, kept, table = piece
        if kept is not None:
            return lambda: kept
        source = PartSource(table, self._ids(block, k, table))
        try:
            votes, meta = votes_where_text(source, self.text_column, self._label)
        except LabelingError as error:
            raise LabelingError(f"{block.file}: {error}") from error.__cause__
        texts = count_nan_texts(table) if block.by_spark else {}

        def write() -> PartRecord:
            about = meta._asdict() | {"nan_texts": texts}
            note = self._note(block, k)
            part = write_part(self.folder, block.first_part + k, votes, note, about)
            return PartRecord(part, meta, texts)

        return write

    def _note(self, block: Block, k: int) -> str:
        if not self.made_by:
            return ""
        # Row ids that are numbers change when a file before this one gets longer.
        first = block.first_row if self.row_id is None else ""
        return f"{self.made_by} {block.stamp} {block.groups} {k} {first}"

    def _kept(self, block: Block, k: int) -> PartRecord | None:
        note = self._note(block, k)
        stored = kept_part(self.folder, block.first_part + k, note) if note else None
        if stored is None or (stored[1]["faults"] and not self.tolerant):
            return None
        return PartRecord(stored[0], meta_of(stored[1]), stored[1].get("nan_texts", {}))

    def _label(self, source: RowSource) -> Labelled:
        return label(self.lfs, self.classes, source, self.tolerant, _nothing, None)

    def _ids(self, block: Block, k: int, table: Any) -> pd.Index:
        start = block.first_row + k * self.batch_rows
        if self.row_id is None:
            return pd.RangeIndex(start, start + len(table))
        ids = as_list(table[self.row_id])
        if None in ids:
            row = start + ids.index(None)
            raise InputError(f"{block.file}: row {row} (counted over all files) has no row id")
        return pd.Index(ids)


class PartSource(TableSource):
    """Rows of one part: row objects from the cells of the file, batches as DataFrames."""

    def __init__(self, table: Any, ids: pd.Index) -> None:
        super().__init__(table)
        self.ids: pd.Index = ids

    @cached_property
    def _frame(self) -> pd.DataFrame:
        return frame_of_schema(self._table).set_axis(self.ids)

    def batch(self, start: int, stop: int) -> pd.DataFrame:
        """Return rows start..stop-1 as a DataFrame, with the row ids as its index."""
        whole = start == 0 and stop == self.n
        return self._frame if whole else self._frame.iloc[start:stop]

    def column(self, name: str, start: int, stop: int) -> Any:
        """Return one column of rows start..stop-1 as it was read."""
        return get_column(super().batch(start, stop), name)

    def take(self, places: np.ndarray) -> PartSource:
        """Return the rows at these places."""
        return PartSource(self._table.take(places), self.ids[places])


def meta_of(record: dict[str, Any]) -> ApplierMetadata:
    """Read what went wrong, as it was noted in a part."""
    tracebacks = {n: [LFFailure(*fault) for fault in f] for n, f in record["tracebacks"].items()}
    abstentions = record.get("abstentions", {})  # which older folders do not have
    return ApplierMetadata(record["faults"], tracebacks, record["clipped"], abstentions)


def _nothing(steps: int) -> None:
    """Ignore progress, in place of a bar."""
