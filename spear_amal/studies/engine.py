"""The engine of all studies: runs that a file lacks, in processes of one thread, stored at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import joblib

from spear_amal.errors import InputError
from spear_amal.package_build import package_build
from spear_amal.params import check_whole
from spear_amal.processes import end_with_parent
from spear_amal.seeds import LARGEST_SEED
from spear_amal.studies.results_file import RunRow, StudyFile, identity, plain_json

if TYPE_CHECKING:
    from spear_amal.estimators.together import Ending

_MESSAGE = 300  # characters of an error or a warning that a row keeps
#: Runs that are trained together at most: what a kill loses, and has to be done again.
BATCH = 64

# done, total, what was just finished
ReportProgress = Callable[[int, int, str], None]
RowSteps: TypeAlias = Generator[Any, Any, RunRow]
FunctionCall = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Prerequisite:
    """A file that runs need, and the call that makes it.

    Attributes
    ----------
    path : Path
    function, arguments
        As of :class:`StudyRun`; the result does not matter.
    label : str
        What progress calls it.
    """

    path: Path
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    label: str


@dataclass(frozen=True)
class StudyRun:
    """One run of a study: what tells it from others, and the call that does it.

    Attributes
    ----------
    row : dict
        Its title and the fields that identify it, see
        :func:`spear_amal.studies.results_file.identity`.
    function : callable
        Returns the other fields of the row: scores, "seconds" where not the whole call counts, ..,
        at once or in steps (:mod:`spear_amal.estimators.together`). A module-level function, since
        it goes to other processes.
    arguments : tuple
    label : str
        What progress calls it.
    group : str
        Runs of one group are trained together, as far as they are alike; "" stands alone.
    prerequisites : tuple of Prerequisite
        Files that are made first, once each.
    """

    row: RunRow
    function: Callable[..., RunRow | RowSteps]
    arguments: tuple[Any, ...]
    label: str
    prerequisites: tuple[Prerequisite, ...] = ()
    group: str = ""

    @cached_property
    def key(self) -> str:
        """Identity of the row as it is stored."""
        return identity(plain_json(self.row))

    def steps(self) -> RowSteps:
        """Call the function; one that gives its result at once asks for no training."""
        result = self.function(*self.arguments)
        return (yield from result) if isinstance(result, Generator) else result


def execute(
    runs: Iterable[StudyRun],
    store: StudyFile,
    *,
    jobs: int = 1,
    progress: ReportProgress | None = None,
    table: str = "rows",
    fatal: tuple[type[Exception], ...] = (),
) -> list[RunRow]:
    """Run what a file of results does not hold yet; each row is stored as soon as it is there.

    The rows of runs that are trained together are there at the same time: a study that is killed
    meanwhile repeats those, at most :data:`BATCH`.

    Parameters
    ----------
    runs : iterable of StudyRun
    store : StudyFile
    jobs : int
        Processes, of one thread each.
    progress : callable, optional
        Called as ``progress(done, total, what)`` at the start and after everything that was done.
    table : {"rows", "tuning"}
        Where the rows are stored.
    fatal : tuple of exception classes
        Errors that end the study, after the runs that are trained together; any other becomes a row
        with an "error", and is tried again by the next study of the same file.

    Returns
    -------
    list of dict
        The rows as they are stored, in the order of `runs`.
    """
    if jobs < 1:
        raise InputError(f"jobs must be at least 1, found {jobs}")
    runs = list(runs)
    finished = store.finished(table)
    missing = [run for run in runs if run.key not in finished]
    prerequisites = {file.path: file for run in missing for file in run.prerequisites}
    files = [file for path, file in prerequisites.items() if not path.exists()]
    show = progress or (lambda done, total, what: None)
    done, total = len(runs) - len(missing), len(runs) + len(files)
    show(done, total, "")
    for label in in_parallel(jobs, [(_prepare, (file,)) for file in files]):
        done += 1
        show(done, total, label)
    batches = batches_of(missing, jobs)
    perform = _perform if jobs == 1 or len(batches) == 1 else _performed
    for outcomes in in_parallel(jobs, [(perform, (batch, fatal)) for batch in batches]):
        failures = []
        for label, outcome in outcomes:
            if isinstance(outcome, Exception):
                failures.append(outcome)
                continue
            store.add(outcome, table)
            done += 1
            show(done, total, label)
        if failures:
            raise failures[0]
    stored = store.by_identity(table)
    return [stored[run.key] for run in runs]


def batches_of(runs: Sequence[StudyRun], jobs: int = 1) -> list[list[StudyRun]]:
    """Deal runs into batches that are trained together, of one group each, in order.

    None has more than :data:`BATCH` runs, or more than its share where there are several processes.
    """
    groups: dict[str | int, list[StudyRun]] = {}
    for number, run in enumerate(runs):
        groups.setdefault(run.group or number, []).append(run)
    size = max(min(BATCH, -(-len(runs) // jobs)), 1)
    return [
        group[start : start + size]
        for group in groups.values()
        for start in range(0, len(group), size)
    ]


def _prepare(file: Prerequisite) -> str:
    with one_thread():
        file.function(*file.arguments)
    return file.label


def _perform(
    runs: Sequence[StudyRun], fatal: tuple[type[Exception], ...]
) -> Iterator[tuple[str, RunRow | Exception]]:
    """Yield the label and the row of each run as it ends, or the error where that is fatal."""
    # Imported here, since it imports torch: stored rows are shown without it.
    from spear_amal.estimators.together import Stopwatch, finish_together, named_within

    watches = [Stopwatch() for _ in runs]
    steps = [
        named_within(run.label, watch.time(run.steps()))
        for watch, run in zip(watches, runs, strict=True)
    ]
    endings = finish_together(steps)
    while True:
        with warnings.catch_warnings(record=True), one_thread():
            warnings.simplefilter("always", UserWarning)
            ending = next(endings, None)
        if ending is None:
            return
        run = runs[ending.number]
        if isinstance(ending.error, fatal):
            yield run.label, ending.error
        else:
            yield run.label, _row(run, ending, watches[ending.number].seconds)


def _performed(*batch: Any) -> list[tuple[str, RunRow | Exception]]:
    """Return what :func:`_perform` yields, from another process."""
    return list(_perform(*batch))


def _row(run: StudyRun, ending: Ending[RunRow], seconds: float) -> RunRow:
    """Return what is stored of a run; one that failed has a row as well."""
    if ending.error is None:
        result = {"error": None, **(ending.value or {})}
    else:
        message = f"{type(ending.error).__name__}: {ending.error}"[:_MESSAGE]
        result = {"score": None, "val_score": None, "error": message}
    kinds = (UserWarning, RuntimeWarning)
    messages = [text[:_MESSAGE] for kind, text in ending.warnings if issubclass(kind, kinds)]
    further = {"warnings": list(dict.fromkeys(messages)), "build": package_build()}
    return run.row | {"seconds": round(seconds, 3)} | result | further


def in_parallel(jobs: int, calls: Sequence[FunctionCall]) -> Iterator[Any]:
    """Yield results of calls as they end: here one by one, or from processes of one thread."""
    if jobs == 1 or len(calls) < 2:
        for function, arguments in calls:
            yield function(*arguments)
        return
    ending = {"initializer": end_with_parent, "initargs": (os.getpid(),)}
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1, **ending):
        pool = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        yield from pool(joblib.delayed(function)(*arguments) for function, arguments in calls)


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch and the linear algebra libraries to one thread within the block.

    The matrices of a linear text model are so small that a second thread gains nothing; on a
    machine that is busy, threads that wait for each other make training much slower.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def check_seeds(seeds: int | Sequence[int]) -> list[int]:
    """Return the seeds of a study as a list; a number N stands for 0 to N-1.

    Raises
    ------
    InputError
        For fewer than two seeds, a negative one, or one that is given twice.
    """
    if isinstance(seeds, str | bytes | bool) or not isinstance(seeds, Integral | Iterable):
        raise InputError(f"seeds must be how many, or several whole numbers, found {seeds!r}")
    numbers = list(seeds) if isinstance(seeds, Iterable) else list(range(int(seeds)))
    for seed in numbers:
        check_whole("a seed", seed, 0)
    if max(numbers, default=0) > LARGEST_SEED or len(set(numbers)) < len(numbers):
        raise InputError(
            f"seeds must be different whole numbers from 0 to {LARGEST_SEED}, found {numbers}"
        )
    numbers = [int(seed) for seed in numbers]
    if len(numbers) < 2:
        raise InputError(
            f"a study needs at least two seeds, found {len(numbers)}: a gain on one partition has "
            "no interval and may be chance. Ask for more (--seeds 5, seeds=5)"
        )
    return numbers
