"""Fitting on rows that stay in Parquet files."""

from __future__ import annotations

from typing import Any

from spear_amal.errors import InputError
from spear_amal.estimators.base import DTYPES, TrainedClassifier
from spear_amal.estimators.engine import fit_members, fit_streamed
from spear_amal.estimators.streamed import ParquetStream, as_vote_files, marks, read_labelled
from spear_amal.mixers.base import check_whole
from spear_amal.mixers.weight_table import MappedTable
from spear_amal.training import ParquetRows


class StreamedClassifier(TrainedClassifier):
    """Adds :meth:`fit_parquet` to classifiers that learn from votes on unlabelled rows."""

    _streams = True

    def fit_parquet(
        self,
        rows: ParquetRows,
        L: Any,
        X_val: Any = None,
        y_val: Any = None,
        L_val: Any = None,
        *,
        window: int = 4,
    ) -> Any:
        """Train on rows in Parquet files, more of them than memory holds.

        Rows with gold and validation rows are held in memory, and so are the weights unless the
        mixer keeps them on disk (``mixer_options={"table_path": folder}``).

        Parameters
        ----------
        rows : ParquetRows
            Features and gold of the training rows.
        L : VoteFiles or path
            Votes on the same rows in the same order.
        X_val, y_val, L_val : optional
            Validation rows in memory, as for :meth:`fit`.
        window : int
            Shards of rows in memory at a time. An epoch takes the shards in random order and
            shuffles the rows of each window, so that it reads every shard once.

        Returns
        -------
        self
            As after :meth:`fit`, with one weight per row of the files. With ``table_path`` the
            weights stay on disk: `weights_` is empty, and ``weight_table_[numbers]`` reads those
            of some rows.

        Raises
        ------
        FileFormatError
            If a file is truncated or no Parquet file, before training; if it is damaged within,
            when that is read. Names it.
        InputError
            If votes and rows are not the same rows, or ``final`` is not "single".
        """
        self.check_parameters()
        self._check_streaming(rows, window)
        votes = as_vote_files(L)
        known = read_labelled(rows, votes)
        pool = self._pool(known.x, known.y, known.votes, X_val, y_val, L_val, known.plan)
        recipe = self._recipe(pool)
        self.weight_table_: MappedTable | None = None
        if pool.labels is None:  # the guard left the votes out: gold rows are all there is
            members = fit_members(pool, recipe, self._about())
        else:
            stream = ParquetStream(
                rows,
                votes,
                known,
                pool.y[: pool.n_train],
                window,
                n_classes=len(pool.classes),
                dtype=DTYPES[self.dtype],
                device=recipe.device,
            )
            about = {**self._about(), "window": window, **marks(rows, votes)}
            members = [fit_streamed(pool, recipe, stream, about)]
            held = members[0].result.weights
            self.weight_table_ = held if isinstance(held, MappedTable) else None
        self._keep(pool, members, recipe)
        return self

    def _check_streaming(self, rows: Any, window: Any) -> None:
        if not self._streams:
            raise InputError(
                f"{type(self).__name__} needs its rows in memory, teachers among them; use fit"
            )
        if not isinstance(rows, ParquetRows):
            raise InputError(
                f"rows must be ParquetRows, found {type(rows).__name__}; rows in memory go to fit"
            )
        if self.ranks is not None:
            raise InputError("fit_parquet trains in one process: use ranks=None, or fit")
        if self.final != "single":
            raise InputError(
                f"fit_parquet trains one model, found final={self.final!r}; use final='single'"
            )
        check_whole("window", window, 1)
