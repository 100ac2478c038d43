"""A pool of processes that gives results in order, and survives the death of a worker once.

Sending work to other processes: functions with all that they reach, and what came of it.

A function of a script, a notebook or a file of LFs cannot be imported by another process. It
travels by value, with the globals that it names; what is installed travels by name.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
import traceback
from collections import ChainMap
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import CodeType
from typing import Any, ClassVar, NamedTuple

import cloudpickle

from spear_amal._typing import PathLike
from spear_amal.errors import InputError, LabelingError, SpearAmalError
from spear_amal.io.atomic import write_aside
from spear_amal.io.leftovers import scratch_folder
from spear_amal.labeling.installed import is_installed
from spear_amal.labeling.registrations import Registrations
from spear_amal.processes import end_with_parent

# Processes share the cores: a library that starts a thread a core in each would slow all down.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def as_n_jobs(n_jobs: Any) -> int:
    """Check a number of processes; -1 stands for all cores.

    Raises
    ------
    InputError
        If it is no whole number from 1, nor -1.
    """
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or (n_jobs < 1 and n_jobs != -1):
        raise InputError(f"n_jobs must be a number of processes or -1 for all cores: {n_jobs!r}")
    if n_jobs != -1:
        return n_jobs
    import joblib  # 0.1 s, which one process needs not wait for

    return joblib.cpu_count()


def map_in_processes(
    work: Callable[[Any], Any],
    tasks: Sequence[Any],
    n_jobs: int,
    describe: Callable[[Any], str],
) -> Generator[Any]:
    """Results of ``work(task)``, in the order of the tasks, computed by `n_jobs` processes.

    The work travels once to each process, the tasks one by one. Processes are started afresh, not
    forked: threads of this one (torch, Arrow) can do no harm. If a process dies, the tasks that
    ran at that moment are done again, each alone in a process.

    Parameters
    ----------
    work : callable
        Of a task; may be a closure.
    tasks : sequence
        Small: numbers and names.
    n_jobs : int
    describe : callable
        Names a task in an error: "rows 0 to 1023".

    Raises
    ------
    LabelingError
        If a process dies again over one task.
    """
    with scratch_folder() as folder:
        pack(work, folder / "work")
        yield from _Tasks(str(folder), tasks, n_jobs, describe).results()


class _Tasks:
    def __init__(
        self, folder: str, tasks: Sequence[Any], n_jobs: int, describe: Callable[[Any], str]
    ) -> None:
        self._folder, self._tasks, self._n_jobs, self._describe = folder, tasks, n_jobs, describe
        self._done: dict[int, TaskOutcome] = {}
        self._next = 0
        self._deaths_without_task = 0

    def results(self) -> Iterator[Any]:
        while self._next < len(self._tasks):
            futures: dict[int, Any] = {}
            try:
                with _processes(min(self._n_jobs, len(self._tasks) - self._next)) as pool:
                    for i in range(self._next, len(self._tasks)):
                        if i not in self._done:
                            futures[i] = pool.submit(_run, self._folder, i, self._tasks[i])
                    for i in range(self._next, len(self._tasks)):
                        outcome = self._done.pop(i) if i in self._done else futures[i].result()
                        self._next = i + 1
                        yield outcome.value()
            except BrokenProcessPool as death:
                self._keep_what_ended(futures)
                self._redo_what_ran(death)

    def _keep_what_ended(self, futures: dict[int, Any]) -> None:
        for i, future in futures.items():
            if i >= self._next and future.done() and not future.exception():
                self._done[i] = future.result()

    def _redo_what_ran(self, death: BrokenProcessPool) -> None:
        """Repeat the tasks that ran when a process died: one of them may have killed it."""
        running = [int(path.name.partition("-")[2]) for path in Path(self._folder).glob("runs-*")]
        suspects = sorted(i for i in running if i >= self._next and i not in self._done)
        if not suspects:
            self._deaths_without_task += 1
            if self._deaths_without_task > 1:
                raise LabelingError(f"worker processes die as soon as they start: {death}")
        for i in suspects:
            try:
                with _processes(1) as pool:
                    self._done[i] = pool.submit(_run, self._folder, i, self._tasks[i]).result()
            except BrokenProcessPool as again:
                raise LabelingError(
                    f"a worker process died twice over {self._describe(self._tasks[i])} "
                    f"({again}); apply the LFs to those rows alone with n_jobs=1 to see which one "
                    "ends the process or needs too much memory"
                ) from again


def _run(folder: str, i: int, task: Any) -> TaskOutcome:
    mark = Path(folder) / f"runs-{i}"
    mark.touch()
    outcome = run_packed(str(Path(folder) / "work"), task)
    mark.unlink()
    return outcome


@contextmanager
def _processes(n: int) -> Iterator[Any]:
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    threads = {name: os.environ.get(name, "1") for name in _THREADS}
    pool = ProcessPoolExecutor(
        max_workers=n, env=threads, initializer=end_with_parent, initargs=(os.getpid(),)
    )
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=True, kill_workers=True)
        raise
    pool.shutdown(wait=True)


class RemoteTraceback(Exception):
    """The traceback of an error in another process, as text: the cause of the one raised here."""


class TaskOutcome(NamedTuple):
    """What came of a task in another process: a result, or an error with its traceback."""

    result: Any
    error: Exception | None = None
    traceback: str = ""

    def value(self) -> Any:
        """Return the result; raise the error, with its traceback as the cause."""
        if self.error is not None:
            raise self.error from RemoteTraceback(f"in another process:\n{self.traceback}")
        return self.result


def _reduce_code(code: CodeType) -> tuple[Any, ...]:
    make, arguments = _REDUCERS[CodeType](code)
    return _code_of_file, (code.co_filename, make, arguments)


def _code_of_file(file: str, make: Callable[..., CodeType], arguments: Any) -> CodeType:
    return make(*arguments).replace(co_filename=file)


_REDUCERS = cloudpickle.Pickler.dispatch_table


class _Pickler(cloudpickle.Pickler):
    """Keeps the file name of functions, so that tracebacks show the same lines everywhere."""

    dispatch_table: ClassVar[Any] = ChainMap({CodeType: _reduce_code}, _REDUCERS)


def dump(value: Any, file: Any) -> None:
    """Write a value to an open file, for :func:`pickle.load` in another process.

    Raises
    ------
    InputError
        If it reaches something that cannot leave this process: an open file, a lock.
    """
    try:
        with _users_modules_by_value():
            _Pickler(file).dump(value)
    except OSError:
        raise
    except Exception as error:
        raise InputError(
            f"rows or labelling functions cannot be sent to other processes ({error}); they reach "
            "something that lives in this process only, such as an open file or a connection: "
            "make it inside the function, or apply with n_jobs=1"
        ) from error


def pack(work: Callable[[Any], Any], path: PathLike) -> None:
    """Write work to a file that :func:`run_packed` reads in other processes."""
    with write_aside(path, durable=False) as temporary, open(temporary, "wb") as file:
        dump((Registrations.of_this_process(), work), file)


def run_packed(path: str, task: Any) -> TaskOutcome:
    """Run one task by the work that :func:`pack` wrote; errors come back as part of the outcome."""
    try:
        return TaskOutcome(_unpacked(path, Path(path).stat().st_mtime_ns)(task))
    except Exception as error:
        return TaskOutcome(None, _portable(error), traceback.format_exc())


@functools.lru_cache(maxsize=1)
def _unpacked(path: str, written: int) -> Callable[[Any], Any]:
    # Written by this program a moment ago, for its own processes.
    registrations, work = pickle.loads(Path(path).read_bytes())  # noqa: S301
    registrations.restore()
    return work


def _portable(error: Exception) -> Exception:
    """Return the error without its cause, or a plain one if it cannot travel."""
    try:
        if isinstance(error, SpearAmalError | OSError):
            return pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:
        # The text below says all that can be said.
        pass
    return SpearAmalError(f"{type(error).__name__}: {error}")


@contextmanager
def _users_modules_by_value() -> Iterator[None]:
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            named = vars(module).get("__name__") if hasattr(module, "__dict__") else None
            if named == name != "__main__" and not is_installed(module):
                if name not in cloudpickle.list_registry_pickle_by_value():
                    cloudpickle.register_pickle_by_value(module)
                    stack.callback(cloudpickle.unregister_pickle_by_value, module)
        yield
