"""What runs the LFs of a project: for each kind of LFs a process, and a thread that keeps it busy.

What hangs in one of them, or waits for the answers of a language model, holds up no other kind.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from spear_amal.declared_lfs.rules import Rule
from spear_amal.votes.class_set import ClassNames
from spear_amal.workbench.lf_process import LFVotes, LoadedFile
from spear_amal.workbench.project import Project
from spear_amal.workbench.snapshot import DECLARED, PROMPTED, PYTHON, LFState
from spear_amal.workbench.table import OpenTable
from spear_amal.workbench.worker import LFLane, LFWorker

_ASKING_LIMIT = 24 * 3600.0  # seconds for a language model to answer about all rows


class LFWorkers:
    """The processes and threads of Python LFs, declared ones, and those that ask language models.

    Parameters
    ----------
    waiting : callable
        Given a kind, returns the names of its LFs that are to be run; called in its thread.
    run : callable
        Given a kind and a name, runs that LF, by :meth:`votes`; called in the thread of the kind.
    time_limit, rule_limit : float
        Seconds after which an LF of the user's file is stopped, and a declared rule.
    """

    def __init__(
        self,
        waiting: Callable[[str], list[str]],
        run: Callable[[str, str], None],
        time_limit: float,
        rule_limit: float,
    ) -> None:
        limits = {PYTHON: time_limit, DECLARED: rule_limit, PROMPTED: _ASKING_LIMIT}
        self._workers = {kind: LFWorker(seconds) for kind, seconds in limits.items()}
        self._lanes = {kind: LFLane(partial(waiting, kind), partial(run, kind)) for kind in limits}

    def prepare(self, kind: str) -> None:
        """Start the process of a kind in the background, before it is needed."""
        self._workers[kind].start()

    def start(self) -> None:
        """Begin to run what there is to run."""
        for lane in self._lanes.values():
            lane.start()
        self.wake(PYTHON)

    def close(self) -> None:
        """End all threads and processes; what they were doing is given up."""
        for lane in self._lanes.values():
            lane.close()
        for worker in self._workers.values():
            worker.close()

    def wake(self, *kinds: str) -> None:
        """Make the threads look for what is to be run; what runs now is finished before."""
        for kind in kinds:
            self._lanes[kind].wake()

    def hold(self, table: OpenTable, project: Project) -> None:
        """Run all LFs on this table from now on."""
        cache = project.usable_cache()
        for worker in self._workers.values():
            worker.hold(table, project.text_column, cache)
        self.wake(*self._lanes)

    def load(self, path: Path) -> LoadedFile:
        """Run the user's file; errors are those of :meth:`.LFWorker.load`."""
        file = self._workers[PYTHON].load(path)
        if any(lf.is_prompted for lf in file.lfs):
            self._workers[PROMPTED].forget_file()
        return file

    def votes(self, lf: LFState, classes: ClassNames | None, path: Path | None) -> LFVotes | None:
        """Return the votes of an LF, or why there are none.

        One that asks a language model only says what it would ask, unless it may. None for an LF of
        a file where there is no such file any longer.

        Parameters
        ----------
        lf : LFState
        classes : ClassNames or None
        path : Path or None
            The user's file.
        """
        worker = self._workers[lf.runs_among]
        if lf.rule is not None:
            return worker.run_rule(lf.rule, classes, lf.may_ask)
        return None if path is None else worker.run(path, lf.name, lf.may_ask)

    def rule_votes(self, rule: Rule, classes: ClassNames | None) -> LFVotes:
        """Return the votes of a rule that is no LF yet, or why there are none."""
        return self._workers[DECLARED].run_rule(rule, classes)

    def stop(self, lf: LFState) -> bool:
        """Stop an LF if it is running now; return whether it is."""
        return self._workers[lf.runs_among].stop(lf.name)
