"""Labelling Parquet files by Dask or Spark: workers write the votes, records come back."""

from __future__ import annotations

import functools
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from spear_amal._typing import NamedFunction
from spear_amal.errors import InputError, MissingExtraError
from spear_amal.io.leftovers import scratch_folder
from spear_amal.labeling.parquet_applier import BlockWork, ParquetLFApplier, PartRecord
from spear_amal.labeling.parquet_reader import Block
from spear_amal.labeling.worker_pool import TaskOutcome, pack, run_packed
from spear_amal.votes.class_set import ClassesLike


class DaskApplier(ParquetLFApplier):
    """Applies LFs to Parquet files by the workers of a Dask cluster.

    Workers read the files and write the parts, so both lie where all machines see them; the LFs
    travel in a file beside the parts. Only numbers of rows, votes and failures come back. Dask does
    the tasks of a lost worker again; a part is written whole or not at all. Arguments of
    :meth:`apply` as in :class:`ParquetLFApplier`.

    Parameters
    ----------
    lfs, classes, text_column
        As in :class:`LFApplier`.
    client : distributed.Client, optional
        By default ``apply`` starts a cluster on this machine, with `n_jobs` processes, and ends it.

    Raises
    ------
    MissingExtraError
        From ``apply``, if Dask is not installed.
    """

    def __init__(
        self,
        lfs: Iterable[NamedFunction],
        classes: ClassesLike = None,
        client: Any = None,
        text_column: str | None = None,
    ) -> None:
        super().__init__(lfs, classes, text_column)
        self.client = client

    def _map(
        self, work: BlockWork, blocks: list[Block], n_jobs: int
    ) -> Generator[list[PartRecord]]:
        with ExitStack() as stack:
            client = self.client or stack.enter_context(_local_dask(n_jobs))
            _check_session("client", client, "map", "a distributed.Client")
            do = stack.enter_context(_sent(work))
            for future in client.map(do, blocks, pure=False):
                yield future.result().value()


class SparkApplier(ParquetLFApplier):
    """Applies LFs to Parquet files by Spark; all else as in :class:`DaskApplier`.

    Parameters
    ----------
    lfs, classes, text_column
        As in :class:`LFApplier`.
    spark : pyspark.sql.SparkSession, optional
        Of this process or of Spark Connect (``SparkSession.builder.remote(...)``). By default
        ``apply`` starts Spark on this machine, with `n_jobs` threads, and ends it.

    Raises
    ------
    MissingExtraError
        From ``apply``, if Spark is not installed.
    """

    def __init__(
        self,
        lfs: Iterable[NamedFunction],
        classes: ClassesLike = None,
        spark: Any = None,
        text_column: str | None = None,
    ) -> None:
        super().__init__(lfs, classes, text_column)
        self.spark = spark

    def _map(
        self, work: BlockWork, blocks: list[Block], n_jobs: int
    ) -> Generator[list[PartRecord]]:
        if not blocks:
            return
        with ExitStack() as stack:
            spark = self.spark or stack.enter_context(_local_spark(n_jobs))
            _check_session("spark", spark, "createDataFrame", "a SparkSession")
            do = functools.partial(_do_tasks, stack.enter_context(_sent(work)), blocks)
            # DataFrames alone: a session of Spark Connect has no context of Spark for RDDs.
            tasks = spark.range(0, len(blocks), 1, len(blocks))
            # Spark warns of pandas wherever Arrow is used; here is none.
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
            rows = tasks.mapInArrow(do, "id long, outcome binary").collect()
        for row in sorted(rows, key=lambda row: row["id"]):
            # Made by this program a moment ago, in its own workers.
            yield pickle.loads(row["outcome"]).value()  # noqa: S301


def _check_session(name: str, session: Any, method: str, needed: str) -> None:
    if not hasattr(session, method):
        raise InputError(f"{name} must be {needed}, found {type(session).__name__}")


def _do_tasks(
    do: Callable[[Block], TaskOutcome], blocks: list[Block], batches: Iterator[Any]
) -> Iterator[Any]:
    """Do the tasks with the numbers of each batch of Arrow."""
    import pyarrow as pa

    for batch in batches:
        ids = batch.column(0)
        outcomes = [pickle.dumps(do(blocks[task])) for task in ids.to_pylist()]
        names = ["id", "outcome"]
        yield pa.RecordBatch.from_arrays([ids, pa.array(outcomes, pa.binary())], names)


@contextmanager
def _sent(work: BlockWork) -> Iterator[Any]:
    """Write the work into a file that all workers see; yield the function that does a task."""
    parent = Path(work.folder)
    parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(parent) as folder:
        path = folder / "work"
        pack(work, path)
        yield functools.partial(run_packed, str(path))


@contextmanager
def _local_dask(n_jobs: int) -> Iterator[Any]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MissingExtraError("distributed", "dask", "DaskApplier") from error
    # A name of this machine alone: no port is opened to others, and no page is served.
    with LocalCluster(
        n_workers=n_jobs, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        with Client(cluster) as client:
            yield client


@contextmanager
def _local_spark(n_jobs: int) -> Iterator[Any]:
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise MissingExtraError("pyspark", "spark", "SparkApplier") from error
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master(f"local[{n_jobs}]").appName("spear_amal")
    for name, value in settings.items():
        builder = builder.config(name, value)
    # Spark takes its workers' Python from the environment, when it starts.
    chosen = os.environ.get("PYSPARK_PYTHON")
    os.environ["PYSPARK_PYTHON"] = chosen or sys.executable
    try:
        spark = builder.getOrCreate()
    finally:
        if chosen is None:
            del os.environ["PYSPARK_PYTHON"]
    try:
        yield spark
    finally:
        spark.stop()
