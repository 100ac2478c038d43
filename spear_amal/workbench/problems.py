"""What is wrong with the files of a project, in words that pages show until it is mended."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from spear_amal.errors import SpearAmalError


class Problems:
    """Problems by what they are about; any thread may note them.

    Parameters
    ----------
    changed : callable
        Called when :meth:`attempt` has noted something new.

    Examples
    --------
    >>> def fail():
    ...     raise OSError("rules.toml is locked")
    >>> problems = Problems(lambda: print("something is new"))
    >>> problems.attempt("rules", fail)
    something is new
    >>> problems.texts
    ('rules.toml is locked',)
    >>> problems.note("rules", None), problems.texts
    (True, ())
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._texts: dict[str, str] = {}
        self._lock = Lock()

    @property
    def texts(self) -> tuple[str, ...]:
        """What is wrong, each with what to do; the newest last."""
        with self._lock:
            return tuple(self._texts.values())

    def __contains__(self, about: str) -> bool:
        """Return whether something is wrong there."""
        return about in self._texts

    def note(self, about: str, problem: str | None) -> bool:
        """Write down what is wrong with something, None for nothing; return whether that is new."""
        with self._lock:
            if problem == self._texts.get(about):
                return False
            self._texts.pop(about, None)
            if problem is not None:
                self._texts[about] = problem
            return True

    def attempt(self, about: str, act: Callable[[], None]) -> None:
        """Do something with a file; what goes wrong is noted, and what was wrong before is not."""
        try:
            act()
            problem = None
        except (SpearAmalError, OSError) as error:
            problem = str(error)
        except Exception as error:  # the threads that call this have nobody to raise it to
            problem = f"Unexpected {type(error).__name__}: {error}; please report it"
        if self.note(about, problem):
            self._changed()
