"""From an exception to one clear message on stderr and an exit code."""

from __future__ import annotations

import errno
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from spear_amal.errors import DataUnavailableError, InputError, MissingExtraError, SpearAmalError
from spear_amal.printable import printable
from spear_amal.processes import Terminated, termination_as_interrupt

UNEXPECTED = 1
BAD_INPUT = 2
UNAVAILABLE = 3
_OF_SIGNAL = 128  # as shells have it: a code that is more than this by the number of a signal
INTERRUPTED = 130  # 128 + SIGINT

# A path that the user named cannot be what it should be.
_BAD_PATHS = (
    *(FileNotFoundError, FileExistsError, PermissionError),
    *(IsADirectoryError, NotADirectoryError),
)
_BAD_PATH_ERRNOS = (errno.ENAMETOOLONG, errno.ELOOP)
_BAD_INPUTS = (InputError, MissingExtraError)


def exit_code(error: BaseException) -> int:
    """Return the exit code of an error.

    Examples
    --------
    >>> exit_code(InputError("x")), exit_code(DataUnavailableError("x")), exit_code(KeyError())
    (2, 3, 1)
    """
    if isinstance(error, Terminated):
        return _OF_SIGNAL + error.number
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, DataUnavailableError) or _is_of_language_models(error):
        return UNAVAILABLE
    if isinstance(error, _BAD_INPUTS) or _is_bad_path(error):
        return BAD_INPUT
    return UNEXPECTED


def _is_of_language_models(error: BaseException) -> bool:
    """Return whether a server cannot be had, or what may be spent on it is."""
    if not isinstance(error, SpearAmalError):
        return False
    from spear_amal.llm import BudgetError, ChatServerError

    return isinstance(error, BudgetError | ChatServerError)


def _is_bad_path(error: BaseException) -> bool:
    return isinstance(error, _BAD_PATHS) or getattr(error, "errno", None) in _BAD_PATH_ERRNOS


def message(error: BaseException) -> str:
    """Return in words for people what went wrong."""
    if isinstance(error, KeyboardInterrupt):
        by = f" by {error}" if isinstance(error, Terminated) else ""
        return f"interrupted{by}; no output is left half written"
    if isinstance(error, SpearAmalError):
        return str(error)
    if isinstance(error, OSError):
        return _of_system(error)
    return (
        f"unexpected {type(error).__name__}: {error}\n"
        "This is a fault of spear-amal or of what it uses; run `spear-amal --debug ...` for the "
        "traceback and report it."
    )


def _of_system(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename is not None else ""
    kept = "" if _is_bad_path(error) else "; an output that stood there before is kept"
    return f"{where}{error.strerror or error}{kept}"


class ErrorHandlingGroup(TyperGroup):
    """Runs a command; an error ends with its message and code, with ``--debug`` its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that `ctx` names."""
        try:
            with termination_as_interrupt():
                return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            # Usage errors and exits carry their own code and are shown by typer.
            if isinstance(error, typer.Abort | BrokenPipeError) or hasattr(error, "exit_code"):
                raise
            if ctx.params.get("debug"):
                traceback.print_exception(error)
            sys.stderr.write(f"Error: {printable(message(error))}\n")
            raise typer.Exit(exit_code(error)) from error
