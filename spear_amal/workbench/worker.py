"""Running LFs in processes of their own, one by one: what hangs is killed, what crashes is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.declared_lfs.rules import Rule
from spear_amal.errors import InputError, SpearAmalError
from spear_amal.votes.class_set import ClassNames
from spear_amal.workbench.killable import (
    KillableWorker,
    SupersededError,
    TimeLimitError,
    WorkerDiedError,
)
from spear_amal.workbench.lf_process import LFVotes, LoadedFile
from spear_amal.workbench.snapshot import LFError
from spear_amal.workbench.table import OpenTable

_TRANSFER = 600.0  # seconds for a table to reach the process


class LFWorker:
    """A process that holds the table and runs LFs on it, one at a time.

    Parameters
    ----------
    seconds : float
        Time limit of one LF, and of loading the user's file.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._process = KillableWorker("spear_amal.workbench.lf_process:run_lfs")
        self._lock = Lock()
        self._table: tuple[pd.DataFrame, str, Path | None] | None = None
        self._knows_table = self._knows_file = False
        self._running: str | None = None
        self._to_stop: str | None = None
        self._is_closed = False

    def start(self) -> None:
        """Start the process, in the background."""
        Thread(target=self._process.start, daemon=True).start()

    def close(self) -> None:
        """End the process; what it was doing is given up."""
        self._is_closed = True
        self._process.close()

    def hold(self, table: OpenTable, text_column: str, cache: Path | None) -> None:
        """Run LFs on this table from now on."""
        with self._lock:
            self._table, self._knows_table = (table.lf_rows, text_column, cache), False

    def load(self, path: Path) -> LoadedFile:
        """Run the user's file.

        Raises
        ------
        InputError
            If it cannot be run; if it takes too long, or ends the process.
        """
        with self._lock:
            try:
                return self._load(path)
            except TimeLimitError as error:
                raise InputError(
                    f"{path}: took longer than {self.seconds:g} s and was stopped; what it does "
                    "when it is run must be quicker"
                ) from error
            except WorkerDiedError as error:
                raise InputError(f"{path}: ended the process that ran it") from error

    def forget_file(self) -> None:
        """Have the user's file run anew before its next LF: it has changed."""
        with self._lock:
            self._knows_file = False

    def run(self, path: Path, name: str, may_ask: bool = False) -> LFVotes:
        """Return the votes of an LF of the user's file, which was loaded before.

        One that asks a language model sends nothing unless it may.
        """
        return self._votes(name, ("run", name, may_ask), path)

    def run_rule(self, rule: Rule, classes: ClassNames | None, may_ask: bool = False) -> LFVotes:
        """Return the votes of a declared rule."""
        return self._votes(rule.name, ("run_rule", rule, classes, may_ask), None)

    def stop(self, name: str) -> bool:
        """Stop an LF if it is running now; return whether it is."""
        is_running = self._running == name
        if is_running:
            self._to_stop = name
        return is_running

    def _votes(self, name: str, request: tuple[Any, ...], path: Path | None) -> LFVotes:
        with self._lock:
            self._running, self._to_stop = name, None
            try:
                return self._asked(request, path)
            except TimeLimitError:
                message = f"took longer than {self.seconds:g} s and was stopped"
            except SupersededError:
                message = "was stopped"
            except WorkerDiedError:
                message = "ended the process that ran it"
            except SpearAmalError as error:
                message = str(error)
            except Exception as error:  # of the process; the thread of all LFs goes on
                message = f"failed, unexpectedly: {type(error).__name__}: {error}"
            finally:
                self._running = None
            rows = () if self._table is None else self._table[0]
            return LFVotes(np.full(len(rows), -1, dtype=np.int16), -1, LFError(message))

    def _asked(self, request: tuple[Any, ...], path: Path | None) -> LFVotes:
        """Return the votes from a process that knows what it needs to know."""
        for _ in range(2):
            if not self._knows_table:
                self._answer(("hold", *(self._table or ())), _TRANSFER)
                self._knows_table = True
            if path is not None and not self._knows_file:
                self._load(path)
            answer: LFVotes | str = self._answer(request, self.seconds)
            if not isinstance(answer, str):
                return answer
            self._forget()  # the process is another one: the system ended the former
        raise InputError("is no longer in the file")

    def _load(self, path: Path) -> LoadedFile:
        self._knows_file = False
        loaded: LoadedFile = self._answer(("load", path), self.seconds)
        self._knows_file = True
        return loaded

    def _answer(self, request: tuple[Any, ...], seconds: float) -> Any:
        try:
            (answer,) = self._process.answers(*request, seconds=seconds, wanted=self._is_wanted)
        except (TimeLimitError, SupersededError, WorkerDiedError):
            self._forget()
            raise
        return answer

    def _forget(self) -> None:
        self._knows_table = self._knows_file = False

    def _is_wanted(self) -> bool:
        return not self._is_closed and (self._to_stop is None or self._to_stop != self._running)


class LFLane(Thread):
    """A thread that runs LFs one after the other, and looks anew when it is woken.

    Parameters
    ----------
    refresh : callable
        Returns what is to be run, as it is then.
    run : callable
        Runs one of them.
    """

    def __init__(self, refresh: Callable[[], Iterable[str]], run: Callable[[str], None]) -> None:
        super().__init__(daemon=True)
        self._refresh, self._run_one = refresh, run
        self._woken, self._is_closed = Event(), False

    def wake(self) -> None:
        """Make the thread look for what is to be run; what runs now is finished before."""
        self._woken.set()

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True
        self._woken.set()

    def run(self) -> None:
        """Run what there is, until closed."""
        while True:
            self._woken.wait()
            self._woken.clear()
            if self._is_closed:
                return
            for name in self._refresh():
                if self._woken.is_set():
                    break
                self._run_one(name)
