"""Appliers: a set of labelling functions on lists, DataFrames and mappings of columns."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from enum import Enum
from typing import Any, Literal, TypedDict, Unpack, overload

import pandas as pd

from spear_amal._typing import NamedFunction, StreamLike, SupportsArray, TableLike
from spear_amal.checks import check_whole
from spear_amal.errors import InputError
from spear_amal.labeling.blank_texts import votes_where_text
from spear_amal.labeling.builders import declared_columns
from spear_amal.labeling.data_points import (
    FrameSource,
    ListSource,
    RowSource,
    is_stream,
    source_of_columns,
)
from spear_amal.labeling.functions import LabelingFunction, as_labeling_function
from spear_amal.labeling.lf_outputs import ApplierMetadata
from spear_amal.labeling.parallel import Labelled, label, stacked
from spear_amal.labeling.streams import TableStream, as_stream, sources_of_stream
from spear_amal.labeling.vote_cache import CacheLike, VoteCache
from spear_amal.labeling.worker_pool import as_n_jobs
from spear_amal.notebook_html import html_block, html_table, more
from spear_amal.progress import Progress
from spear_amal.votes.class_set import ClassesLike, ClassSet
from spear_amal.votes.html_view import MOST_LFS
from spear_amal.votes.label_matrix import LabelMatrix

VotesAndMeta = tuple[LabelMatrix, ApplierMetadata]


class ApplyKeywords(TypedDict, total=False):
    """Arguments of ``apply`` that do not change what it returns."""

    progress_bar: bool
    fault_tolerant: bool
    n_jobs: int
    cache: CacheLike | None


class BaseLFApplier:
    """Checks a set of LFs once, and applies it to a source.

    Parameters
    ----------
    lfs : iterable of LabelingFunction
        Ours, or Snorkel's as they are. Names must differ.
    classes : int, iterable of names or Enum class, optional
        The classes in code order; needed if an LF names its class. Without it any class number
        from 0 is accepted, and an Enum that an LF declares as label is taken.
    text_column : str, optional
        Column that must hold a text: where it is missing, empty or white space, no LF sees the row
        and all of them abstain, whatever column they look at. By default LFs see all rows.

    Attributes
    ----------
    cache_report : dict of str to str
        What the last application with a cache did for each LF; see :class:`VoteCache`.

    Raises
    ------
    InputError
        If there are no LFs, two have one name, or a declared label is no class.
    """

    def __init__(
        self,
        lfs: Iterable[NamedFunction],
        classes: ClassesLike = None,
        text_column: str | None = None,
    ) -> None:
        self._lfs = [as_labeling_function(lf) for lf in _as_iterable(lfs)]
        if not self._lfs:
            raise InputError("needed at least one labelling function, found none")
        names = Counter(lf.name for lf in self._lfs)
        repeated = sorted(name for name, count in names.items() if count > 1)
        if repeated:
            raise InputError(
                f"LF names must be unique; given more than once: {repeated}; rename with name=..."
            )
        self.cache_report: dict[str, str] = {}
        self._classes = ClassSet(enum_of_labels(self._lfs) if classes is None else classes)
        self._text_column = text_column

    @property
    def lfs(self) -> tuple[LabelingFunction, ...]:
        """The labelling functions, in the order of the columns of votes."""
        return tuple(self._lfs)

    def _apply(
        self,
        source: RowSource,
        progress_bar: bool,
        fault_tolerant: bool,
        return_meta: bool,
        n_jobs: int,
        cache: CacheLike | None,
        batch_size: int | None = None,
    ) -> LabelMatrix | VotesAndMeta:
        processes = as_n_jobs(n_jobs)
        with Progress("Labelling", source.n * len(self._lfs), show=progress_bar) as bar:

            def label_rows(rows: RowSource) -> Labelled:
                def compute(lfs: list[LabelingFunction]) -> Labelled:
                    return label(
                        lfs, self._classes, rows, fault_tolerant, bar.update, batch_size, processes
                    )

                if cache is None:
                    return compute(self._lfs)
                kept = VoteCache.of(cache)
                self.cache_report = kept.report = {}
                return kept.label(self._lfs, self._classes, rows, batch_size, compute)

            labelled = votes_where_text(source, self._text_column, label_rows)
        return _handed_out(labelled, return_meta)

    def __repr__(self) -> str:
        return f"{type(self).__name__}, LFs: {[lf.name for lf in self._lfs]}"

    def _repr_html_(self) -> str:
        """Return the LFs with what each votes for and looks for, for a notebook."""
        shown = [(lf.name, type(lf).__name__, lf.facts()) for lf in self._lfs[:MOST_LFS]]
        columns = {
            "LF": [name for name, _, _ in shown],
            "kind": [kind for _, kind, _ in shown],
            "votes for": [facts.pop("votes for", "") for _, _, facts in shown],
            "what is known": [
                "; ".join(f"{name}: {words}" for name, words in facts.items())
                for _, _, facts in shown
            ],
        }
        names = self._classes.names
        facts = {} if names is None else {"classes": ", ".join(map(str, names))}
        title = f"{type(self).__name__}: {len(self._lfs)} labelling functions"
        note = more(len(self._lfs), MOST_LFS, "labelling functions")
        return html_block(title, facts, [html_table(columns, note)])


class LFApplier(BaseLFApplier):
    """Applies LFs to a list or array of data points of any type.

    Examples
    --------
    >>> from spear_amal.labeling import LFApplier, keyword_lf
    >>> applier = LFApplier([keyword_lf("free", ["free"], "spam")], classes=["ham", "spam"])
    >>> applier.apply(["free ring tones", "see you"], progress_bar=False).to_dense()
    array([[ 1],
           [-1]], dtype=int8)
    """

    @overload
    def apply(
        self,
        data_points: Iterable[Any] | SupportsArray,
        *,
        return_meta: Literal[True],
        **options: Unpack[ApplyKeywords],
    ) -> VotesAndMeta: ...
    @overload
    def apply(
        self,
        data_points: Iterable[Any] | SupportsArray,
        progress_bar: bool = True,
        fault_tolerant: bool = False,
        return_meta: Literal[False] = False,
        n_jobs: int = 1,
        cache: CacheLike | None = None,
    ) -> LabelMatrix: ...
    def apply(
        self,
        data_points: Iterable[Any] | SupportsArray,
        progress_bar: bool = True,
        fault_tolerant: bool = False,
        return_meta: bool = False,
        n_jobs: int = 1,
        cache: CacheLike | None = None,
    ) -> LabelMatrix | VotesAndMeta:
        """Return the votes of all LFs on all data points.

        Parameters
        ----------
        data_points : sequence or array
            Vectorised LFs get the sequence itself.
        progress_bar : bool, default=True
            Shown on stderr, and only if that is a terminal.
        fault_tolerant : bool, default=False
            Let an LF abstain where it fails, and count the failures.
        return_meta : bool, default=False
            Return ``(LabelMatrix, ApplierMetadata)`` instead of the matrix.
        n_jobs : int, default=1
            Processes that share the rows; -1 for all cores. Pays for slow row LFs. Each process
            has a copy of the LFs, and of what they count or remember.
        cache : path or VoteCache, optional
            Folder where votes are kept: only LFs run that were edited or not applied to these rows
            yet. ``cache_report`` then says what was done for each LF, and why.

        Returns
        -------
        LabelMatrix of shape (n, m), or a pair with ApplierMetadata

        Raises
        ------
        LabelingError
            If an LF raises, or answers something that is no class; names LF, row and answer. If a
            process of a pool dies twice over the same rows.
        """
        return self._apply(
            ListSource(data_points), progress_bar, fault_tolerant, return_meta, n_jobs, cache
        )


class PandasLFApplier(BaseLFApplier):
    """Applies LFs to a DataFrame; rows keep their order whatever the index.

    Row LFs get light row objects with fields as attributes and as items, vectorised LFs get the
    DataFrame. The row ids of the label matrix are the index.
    """

    @overload
    def apply(
        self, df: pd.DataFrame, *, return_meta: Literal[True], **options: Unpack[ApplyKeywords]
    ) -> VotesAndMeta: ...
    @overload
    def apply(
        self,
        df: pd.DataFrame,
        progress_bar: bool = True,
        fault_tolerant: bool = False,
        return_meta: Literal[False] = False,
        n_jobs: int = 1,
        cache: CacheLike | None = None,
    ) -> LabelMatrix: ...
    def apply(
        self,
        df: pd.DataFrame,
        progress_bar: bool = True,
        fault_tolerant: bool = False,
        return_meta: bool = False,
        n_jobs: int = 1,
        cache: CacheLike | None = None,
    ) -> LabelMatrix | VotesAndMeta:
        """Return the votes on all rows; arguments and errors as in :meth:`LFApplier.apply`."""
        return self._apply(
            FrameSource(df), progress_bar, fault_tolerant, return_meta, n_jobs, cache
        )


class ColumnKeywords(ApplyKeywords, total=False):
    """Those of :meth:`ColumnLFApplier.apply`."""

    batch_size: int | None


class ColumnLFApplier(BaseLFApplier):
    """Applies LFs to a table, or a mapping of columns, in batches of bounded size.

    Vectorised LFs get slices of the container that came, in its own type. Row LFs get row objects
    as with :class:`PandasLFApplier`.
    """

    @overload
    def apply(
        self,
        columns: TableLike | StreamLike,
        *,
        return_meta: Literal[True],
        **options: Unpack[ColumnKeywords],
    ) -> VotesAndMeta: ...
    @overload
    def apply(
        self,
        columns: TableLike | StreamLike,
        progress_bar: bool = True,
        fault_tolerant: bool = False,
        return_meta: Literal[False] = False,
        n_jobs: int = 1,
        cache: CacheLike | None = None,
        batch_size: int | None = 65_536,
    ) -> LabelMatrix: ...
    def apply(
        self,
        columns: TableLike | StreamLike,
        progress_bar: bool = True,
        fault_tolerant: bool = False,
        return_meta: bool = False,
        n_jobs: int = 1,
        cache: CacheLike | None = None,
        batch_size: int | None = 65_536,
    ) -> LabelMatrix | VotesAndMeta:
        """Return the votes on all rows; other arguments and errors as in :meth:`LFApplier.apply`.

        Parameters
        ----------
        columns : mapping of str to sequences of one length, or table
            A pandas or polars DataFrame, a pyarrow Table or RecordBatch. Read block by block, each
            once: the path of a Parquet file or of a folder of them, a LazyFrame of Polars, a
            RecordBatchReader or Dataset of pyarrow, a relation of DuckDB, or what else has a
            stream of Arrow's C interface; as a whole with `n_jobs`, `cache` or without
            `batch_size`.
        batch_size : int or None, default=65536
            Rows that a vectorised LF gets at a time; None for all at once.
        """
        if is_stream(columns):
            stream = as_stream(columns)
            if batch_size is not None and as_n_jobs(n_jobs) == 1 and cache is None:
                labelled = self._label_stream(stream, progress_bar, fault_tolerant, batch_size)
                return _handed_out(labelled, return_meta)
            columns = stream.whole()
        return self._apply(
            source_of_columns(columns),
            *(progress_bar, fault_tolerant, return_meta, n_jobs, cache, batch_size),
        )

    def _label_stream(
        self, stream: TableStream, progress_bar: bool, fault_tolerant: bool, batch_size: int
    ) -> Labelled:
        check_whole("batch_size", batch_size, 1)
        needed = declared_columns(self._lfs, self._text_column)
        if needed is not None and not set(needed) <= set(stream.names):
            needed = None  # so that an LF can say which columns there are
        with Progress("Labelling", show=progress_bar) as bar:

            def label_rows(rows: RowSource) -> Labelled:
                return label(self._lfs, self._classes, rows, fault_tolerant, bar.update, None)

            with closing(sources_of_stream(stream, batch_size, needed)) as sources:
                labelled = (votes_where_text(s, self._text_column, label_rows) for s in sources)
                return stacked(labelled, self._lfs, self._classes)


def _as_iterable(lfs: Any) -> Iterable[Any]:
    if callable(lfs) or isinstance(lfs, str) or not isinstance(lfs, Iterable):
        raise InputError(f"lfs must be a list of labelling functions, found {lfs!r}")
    return lfs


def enum_of_labels(lfs: Iterable[Any]) -> type[Enum] | None:
    """Return the Enum class of the labels that LFs declare, None if they are no members.

    Raises
    ------
    InputError
        If they come from several.
    """
    labels = [getattr(lf, "label", None) for lf in lfs]
    enums = {type(label) for label in labels if isinstance(label, Enum)}
    if len(enums) > 1:
        raise InputError(
            f"labels come from several Enum classes {sorted(e.__name__ for e in enums)}; "
            "say which with classes=..."
        )
    return next(iter(enums), None)


def _handed_out(labelled: Labelled, return_meta: bool) -> LabelMatrix | VotesAndMeta:
    """Return what the caller asked for; warn of faults if that is the votes alone."""
    if return_meta:
        return labelled
    _warn_of(labelled[1])
    return labelled[0]


def _warn_of(meta: ApplierMetadata) -> None:
    """Warn of what was tolerated, since the metadata that say so were not asked for."""
    for counts, what in (
        (meta.faults, "LFs failed and abstain on those rows"),
        (meta.clipped, "scores outside [0, 1] were clipped"),
    ):
        if counts:
            warnings.warn(
                f"{what}: {counts}; apply with return_meta=True for details", UserWarning, 5
            )


class PandasParallelLFApplier(PandasLFApplier):
    """Applies LFs to a DataFrame by several processes, as ``PandasLFApplier(..., n_jobs=...)``.

    Rows keep their order whatever the index: unsorted, repeated or of strings.

    Examples
    --------
    >>> from spear_amal.labeling import keyword_lf
    >>> rows = pd.DataFrame({"text": ["free tones", "see you"]}, index=["b", "a"])
    >>> applier = PandasParallelLFApplier([keyword_lf("free", ["free"], 1)])
    >>> applier.apply(rows, n_parallel=1).to_dense().tolist()
    [[1], [-1]]
    """

    @overload  # type: ignore[override]
    def apply(
        self,
        df: pd.DataFrame,
        n_parallel: int = 2,
        fault_tolerant: bool = False,
        *,
        return_meta: Literal[True],
    ) -> VotesAndMeta: ...
    @overload
    def apply(
        self,
        df: pd.DataFrame,
        n_parallel: int = 2,
        fault_tolerant: bool = False,
        return_meta: Literal[False] = False,
    ) -> LabelMatrix: ...
    def apply(
        self,
        df: pd.DataFrame,
        n_parallel: int = 2,
        fault_tolerant: bool = False,
        return_meta: bool = False,
    ) -> LabelMatrix | VotesAndMeta:
        """Return the votes of all LFs on all rows, found by `n_parallel` processes."""
        return self._apply(FrameSource(df), True, fault_tolerant, return_meta, n_parallel, None)
