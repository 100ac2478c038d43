"""Labelling Parquet files by Dask or Spark: workers write the votes, records come back."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from spear_amal._typing import NamedFunction
from spear_amal.errors import MissingExtraError
from spear_amal.labeling.parquet_applier import BlockWork, ParquetLFApplier, PartRecord
from spear_amal.labeling.parquet_reader import Block
from spear_amal.labeling.worker_pool import pack, run_packed
from spear_amal.votes.class_set import ClassesLike


class DaskApplier(ParquetLFApplier):
    """Applies LFs to Parquet files by the workers of a Dask cluster.

    Workers read the files and write the parts, so both lie where all machines see them; the LFs
    travel in a file beside the parts. Only numbers of rows, votes and failures come back. Dask does
    the tasks of a lost worker again; a part is written whole or not at all. Arguments of
    :meth:`apply` as in :class:`ParquetLFApplier`.

    Parameters
    ----------
    lfs, classes
        As in :class:`LFApplier`.
    client : distributed.Client, optional
        By default ``apply`` starts a cluster on this machine, with `n_jobs` processes, and ends it.

    Raises
    ------
    MissingExtraError
        From ``apply``, if Dask is not installed.
    """

    def __init__(
        self, lfs: Iterable[NamedFunction], classes: ClassesLike = None, client: Any = None
    ) -> None:
        super().__init__(lfs, classes)
        self.client = client

    def _map(self, work: BlockWork, blocks: list[Block], n_jobs: int) -> Iterator[list[PartRecord]]:
        with ExitStack() as stack:
            client = self.client or stack.enter_context(_local_dask(n_jobs))
            do = stack.enter_context(_sent(work))
            for future in client.map(do, blocks, pure=False):
                yield future.result().value()


class SparkApplier(ParquetLFApplier):
    """Applies LFs to Parquet files by Spark; all else as in :class:`DaskApplier`.

    Parameters
    ----------
    lfs, classes
        As in :class:`LFApplier`.
    spark : pyspark.sql.SparkSession, optional
        By default ``apply`` starts Spark on this machine, with `n_jobs` threads, and ends it.

    Raises
    ------
    MissingExtraError
        From ``apply``, if Spark is not installed.
    """

    def __init__(
        self, lfs: Iterable[NamedFunction], classes: ClassesLike = None, spark: Any = None
    ) -> None:
        super().__init__(lfs, classes)
        self.spark = spark

    def _map(self, work: BlockWork, blocks: list[Block], n_jobs: int) -> Iterator[list[PartRecord]]:
        if not blocks:
            return
        with ExitStack() as stack:
            spark = self.spark or stack.enter_context(_local_spark(n_jobs))
            do = stack.enter_context(_sent(work))
            tasks = spark.sparkContext.parallelize(blocks, len(blocks))
            for outcome in tasks.map(do).collect():
                yield outcome.value()


@contextmanager
def _sent(work: BlockWork) -> Iterator[Any]:
    """Write the work into a file that all workers see; yield the function that does a task."""
    Path(work.folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".work-", dir=work.folder) as folder:
        path = Path(folder) / "work"
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
