"""Sending work to other processes: functions with all that they reach, and what came of it.

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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import CodeType
from typing import Any, ClassVar, NamedTuple

import cloudpickle

from spear_amal.errors import InputError, SpearAmalError
from spear_amal.io.atomic import write_aside
from spear_amal.labeling.installed import is_installed


class RemoteTraceback(Exception):
    """The traceback of an error in another process, as text: the cause of the one raised here."""


class Outcome(NamedTuple):
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


def pack(work: Callable[[Any], Any], path: str | os.PathLike[str]) -> None:
    """Write work to a file that :func:`run_packed` reads in other processes."""
    with write_aside(path) as temporary, open(temporary, "wb") as file:
        dump(work, file)


def run_packed(path: str, task: Any) -> Outcome:
    """Do one task by the work that :func:`pack` wrote; errors come back as part of the outcome."""
    try:
        return Outcome(_unpacked(path, Path(path).stat().st_mtime_ns)(task))
    except Exception as error:
        return Outcome(None, _portable(error), traceback.format_exc())


@functools.lru_cache(maxsize=1)
def _unpacked(path: str, written: int) -> Callable[[Any], Any]:
    # Written by this program a moment ago, for its own processes.
    return pickle.loads(Path(path).read_bytes())  # noqa: S301


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
