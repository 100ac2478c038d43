"""The state behind the pages: it reads files, changes them when asked, and tells who listens.

Pages read :attr:`Workspace.snapshot`, which never changes under their hands; all changes go
through the methods, which keep each other out and publish what changed. A file that was changed by
somebody else is read again, and wins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Condition, RLock, Timer
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.declared_lfs import (
    PromptRule,
    RulesFile,
    change_rules,
    read_rules_file,
)
from spear_amal.declared_lfs.project_lfs import rule_with_class
from spear_amal.declared_lfs.rules import Rule
from spear_amal.errors import InputError
from spear_amal.workbench.hub import Hub
from spear_amal.workbench.lf_board import LFBoard, rule_key
from spear_amal.workbench.lf_process import LFVotes
from spear_amal.workbench.lf_times import LFTimes
from spear_amal.workbench.lf_workers import LFWorkers
from spear_amal.workbench.outputs import outputs_of_rows
from spear_amal.workbench.problems import Problems
from spear_amal.workbench.project import Project
from spear_amal.workbench.project_classes import ProjectClasses
from spear_amal.workbench.project_files import ProjectFiles
from spear_amal.workbench.project_labels import ProjectLabels
from spear_amal.workbench.random_order import RandomOrder
from spear_amal.workbench.rule_table import MutingEffect, RuleTables, effect_of_muting
from spear_amal.workbench.seen import (
    SeenRule,
    check_labels,
    check_positions,
    check_questions,
    seen_rules,
)
from spear_amal.workbench.snapshot import DECLARED, PROMPTED, PYTHON, LFState, Snapshot
from spear_amal.workbench.table import OpenTable

_PAUSE = 0.25  # seconds between two snapshots while LFs run
#: Seconds that the user's file may take before pages are served without it.
FIRST_LOOK = 5.0
_TIMES = "lf_times.json"


class Workspace:
    """A project that is open in the workbench.

    Parameters
    ----------
    project : Project
    time_limit : float
        Seconds after which an LF of the user's file is stopped.
    rule_limit : float
        Seconds after which a declared rule is stopped; a new one is refused then.
    first_look : float
        Seconds to wait for the user's file before the workspace is there.

    Attributes
    ----------
    hub : Hub
    snapshot : Snapshot
        The present state; replaced as a whole.
    """

    def __init__(
        self,
        project: Project,
        time_limit: float = 120.0,
        rule_limit: float = 10.0,
        first_look: float = FIRST_LOOK,
    ) -> None:
        self.hub = Hub()
        self._lock = RLock()
        self._news = Condition(self._lock)
        self._workers = LFWorkers(self._waiting, self._run, time_limit, rule_limit)
        self._workers.prepare(PYTHON)  # while the table is read
        self._problems = Problems(self._show_problems)
        self._board = LFBoard()
        readers = {"table": self._read_table, "rules": self._read_rules, "gold": self._show_labels}
        self._files = ProjectFiles(project, self._problems, readers, self._load_again)
        self._times = LFTimes(project.state / _TIMES)
        self._tables = RuleTables(lambda: self._show("rules"))
        self._outputs_path: Path | None = None
        self._must_load, self._shown, self._is_closed = True, 0.0, False
        self._delayed: Timer | None = None  # shows votes that came soon after others
        self._table = OpenTable.read(project)
        self._labels = ProjectLabels(self._board, self._table, project)
        self.snapshot = _empty_snapshot(self._table)
        self._take_table(self._table)
        self._files.read("rules")
        self._workers.start()
        self._files.watch()
        self.wait(lambda snapshot: not snapshot.is_loading, first_look)
        self._workers.prepare(DECLARED)

    @property
    def project(self) -> Project:
        """The project as its settings are now."""
        return self._files.project

    def close(self) -> None:
        """End what runs in the background."""
        self._is_closed = True
        self._files.close()
        self._workers.close()
        self._tables.close()

    def wait(self, wanted: Callable[[Snapshot], bool], seconds: float) -> bool:
        """Wait until a snapshot is as wanted; return False if the time is over before."""
        with self._news:
            return self._news.wait_for(lambda: wanted(self.snapshot), seconds)

    # -- rules -----------------------------------------------------------------------------------

    def add_rule(
        self, rule: Rule, replaces: str | None = None, seen: SeenRule | None = None
    ) -> LFState:
        """Make a declared rule an LF, on the disk when this returns.

        Parameters
        ----------
        rule : Rule
            Of :mod:`spear_amal.declared_lfs`.
        replaces : str, optional
            Name of the declared rule that this one takes the place of; it may be the same name.
        seen : rule or mapping of its fields, optional
            The rule `replaces` as the page showed it.

        Returns
        -------
        LFState
            The new LF, with its votes.

        Raises
        ------
        InputError
            If the name is taken, the class or the column is unknown, or the rule runs too long.
        StaleError
            If the rule that it replaces was changed meanwhile, or is not there.
        """
        classes = self._checked(rule, replaces)
        n_tables = self._board.n_tables
        voted = None  # a model is asked later, once somebody has seen what it costs
        if not isinstance(rule, PromptRule):
            voted = self._workers.rule_votes(rule, classes.names)
            if voted.error is not None:
                raise InputError(f"the rule {rule.name!r} is not added: it {voted.error}")
        believed = seen_rules(replaces, seen)
        with self._lock:
            self._change_rules(lambda file: file.with_rule(rule, replaces), believed)
            now = self._labels.classes
            if voted is not None and classes.key == now.key:
                self._board.take_votes(rule.name, rule_key(rule), voted, now.shown, n_tables)
            self._show("rules")
            return self._lf(rule.name)

    def remove_rule(self, name: str, seen: SeenRule | None = None) -> None:
        """Remove a declared rule.

        Raises
        ------
        InputError
            If there is none.
        StaleError
            If it is no longer the rule that the page showed, `seen`.
        """
        with self._lock:
            self._change_rules(lambda file: file.without_rule(name), seen_rules(name, seen))
            self._show("rules")

    def mute(self, name: str, muted: bool) -> None:
        """Mute an LF, which leaves it out of votes and training, or take it in again."""
        with self._lock:
            self._lf(name)
            self._change_rules(lambda file: file.with_muted(name, muted))
            self._show("rules")

    def reject(self, signature: str, rejected: bool = True) -> None:
        """Record a suggestion as one that is not made again, or allow it."""
        with self._lock:
            self._change_rules(lambda file: file.with_rejected(signature, rejected))
            self._show("rules")

    def run_again(self, name: str) -> None:
        """Run an LF again, as after it was stopped."""
        self._rerun(name)

    def ask(self, name: str, n_open: int) -> None:
        """Run an LF that asks a language model, which it may do now: this spends money.

        Parameters
        ----------
        name : str
        n_open : int
            How many questions the page said would be sent.

        Raises
        ------
        InputError
            If there is no such LF, or it asks nobody.
        StaleError
            If more than these would be sent by now.
        """
        with self._lock:
            check_questions(self._lf(name), n_open)
            self._rerun(name, may_ask=True)

    def _rerun(self, name: str, may_ask: bool = False) -> None:
        with self._lock:
            kind = self._lf(name).runs_among
            self._board.rerun(lambda lf: lf.name == name, may_ask)
            self._show("rules")
        self._workers.wake(kind)

    def stop(self, name: str) -> None:
        """Stop an LF that runs, or waits to run; its error then says so."""
        with self._lock:
            lf = self._lf(name)
            if lf.is_running and not self._workers.stop(lf):
                self._board.fail(name, "was stopped")
                self._show("rules")

    def rule_table(self) -> pd.DataFrame:
        """Return the statistics of all LFs, computed once for the same votes and labels.

        Returns
        -------
        DataFrame
            Index: names of LFs, in file order. Columns as of
            :func:`~spear_amal.workbench.rule_table.rule_table`, further ``value, value_low,
            value_high`` with ``advice, gain, is_sure`` (NaN for LFs that do not vote),
            ``is_value_pending`` (the values are of a former state, and the hub tells of new ones)
            and ``changed``.
        """
        return self._tables.table(self.snapshot)

    def effect_of_muting(self, name: str) -> MutingEffect:
        """Return what changes if an LF is muted, or taken in again if it is muted."""
        self._lf(name)
        return effect_of_muting(self.snapshot, name)

    # -- rows ------------------------------------------------------------------------------------

    def label(
        self,
        rows: Sequence[int],
        label: str | None,
        seen: Mapping[int, str | None] | None = None,
        client: str = "",
        table: str | None = None,
        new_class: bool = False,
        chosen: Mapping[int, str] | None = None,
    ) -> tuple[int, ...]:
        """Write the label of rows, on the disk when this returns.

        Rows without an id of their own share the label with all rows of the same text.

        Parameters
        ----------
        rows : sequence of int
            Positions.
        label : str or None
            A class; None takes back a label that was given here.
        seen : dict of int to (str or None), optional
            The labels of these rows as the page showed them.
        client : str
            The tab, which may undo this.
        table : str, optional
            ``Snapshot.table`` as the page saw it.
        new_class : bool
            Whether `label` may be a class that there was not yet.
        chosen : dict of int to str, optional
            How these rows came up, see :mod:`.gold_origin`.

        Returns
        -------
        tuple of int
            All rows whose label changed.

        Raises
        ------
        StaleError
            If a row has got another label than the page showed, or the table has changed.
        InputError
            If the class is unknown, or the label to take back stands in the table itself.
        """
        with self._lock, self._labels.exclusively():
            check_positions(self.snapshot, rows, table)
            self._show_labels()  # those that somebody else gave meanwhile
            check_labels(self.snapshot, seen or {})
            changed = self._labels.label(rows, label, client, new_class, chosen)
            if changed:
                self._show_labels()
                self._files.name_in_settings("gold")
            return changed

    def copies_of(self, row: int) -> tuple[int, ...]:
        """Return the other rows with the text and the label of a row, and labels of their own.

        None where rows are known by their texts: there one label is of all copies. None either
        while the file of labels cannot be read, or if the table has no such row any longer.
        """
        with self._lock:
            return self._labels.copies_of(row)

    def undo(self, client: str) -> tuple[int, ...]:
        """Undo what a tab labelled last, as long as nobody labelled the same since.

        Returns
        -------
        tuple of int
            All rows whose label changed; empty if there is nothing to undo.

        Raises
        ------
        StaleError
            If the label was changed since; it stays, and is not tried again.
        """
        with self._lock, self._labels.exclusively():
            try:
                return self._labels.undo(client)
            finally:
                self._show_labels()

    def take_outputs(self, path: Path) -> None:
        """Show what a trained model says of the rows.

        Parameters
        ----------
        path : path
            Of what training wrote by ``--row-outputs``; see :mod:`spear_amal.row_outputs`.

        Raises
        ------
        FileFormatError
            If it is no such file, or of other classes.
        """
        with self._lock:
            self._outputs_path = path
            outputs = outputs_of_rows(path, self._table.texts, self._labels.classes.shown)
            self._show("rows", outputs=outputs)

    # -- labels and classes ----------------------------------------------------------------------

    def _read_labels(self) -> None:
        """Read labels and classes as they are now; rules that knew other classes run again."""
        before = self._labels.classes.key
        self._labels.read()
        self._problems.note("labels", self._labels.problem)
        if before != self._labels.classes.key:
            self._board.rerun(lambda lf: lf.kind == DECLARED)
            self._workers.wake(DECLARED, PROMPTED)

    def _show_labels(self) -> None:
        """Show labels as the files have them now, if that is something else."""
        with self._lock:
            before = self.snapshot
            self._read_labels()
            labels = self._labels
            is_same = labels.gold is before.gold and labels.classes.shown == before.classes
            is_same = is_same and labels.chosen == before.chosen
            if not is_same or before.problems != self._problems.texts:
                self._show("rows")

    # -- running LFs -----------------------------------------------------------------------------

    def _load_again(self) -> None:
        self._must_load = True
        self._workers.wake(PYTHON)

    def _waiting(self, kind: str) -> list[str]:
        """Return the LFs of a kind that are to be run."""
        if kind == PYTHON and self._must_load:
            self._must_load = False
            self._show("rules", is_loading=True)
            self._problems.attempt("lfs", self._load_file)
            with self._lock:
                if "lfs" in self._problems:
                    for name in self._board.waiting(PYTHON):
                        self._board.fail(name, "was not run: the file cannot be run")
                self._read_labels()
                self._show("rules", is_loading=False)
        with self._lock:
            return self._board.waiting(kind)

    def _load_file(self) -> None:
        path, file = self.project.lfs, None
        if path is not None and path.is_file():
            file = self._workers.load(path)
        with self._lock:
            self._board.take_file(file)
            self._files.watch_imported(() if file is None else file.files)
            self._problems.note("names", self._board.clash(self.project))
            self._workers.wake(DECLARED, PROMPTED)  # a rule may have had the name of an LF

    def _run(self, kind: str, name: str) -> None:
        """Run an LF, unless it has become another one that is not to be run."""
        with self._lock:
            lf, classes, path = self._board.named(name), self._labels.classes, self.project.lfs
            n_tables = self._board.n_tables
        if lf is not None and lf.is_running and lf.runs_among == kind:
            voted = self._workers.votes(lf, classes.names, path)
            if voted is not None:
                self._take_votes(lf, voted, classes, n_tables)

    def _take_votes(
        self, lf: LFState, voted: LFVotes, classes: ProjectClasses, n_tables: int
    ) -> None:
        with self._lock:
            now = self._labels.classes
            if self._is_closed or classes.key != now.key:
                return
            about = (lf.name, lf.key, voted, now.shown, n_tables, lf.may_ask)
            if not self._board.take_votes(*about):
                return
            is_last = not self._board.waiting(lf.runs_among)
            if is_last or time.monotonic() - self._shown >= _PAUSE:
                self._show_votes()
            elif self._delayed is None:  # the next LF may take long: these votes do not wait for it
                self._delayed = Timer(_PAUSE, self._show_votes)
                self._delayed.daemon = True
                self._delayed.start()

    def _show_votes(self) -> None:
        with self._lock:
            self._delayed = None
            if not self._is_closed:
                if self._labels.classes.names is None:  # votes with new numbers name new classes
                    self._read_labels()
                self._show("rules")

    # -- files -----------------------------------------------------------------------------------

    def _read_table(self) -> None:
        self._take_table(OpenTable.read(self.project))

    def _take_table(self, table: OpenTable) -> None:
        with self._lock:
            before, self._table = self._table, table
            self._labels.take_table(table, self.project)
            if before is table or not before.lf_rows.equals(table.lf_rows):
                self._workers.hold(table, self.project)
                self._board.take_table(len(table.texts))
            changes = {"frame": table.frame, "texts": table.texts, "ids": table.ids}
            if before.texts is not table.texts or not self.snapshot.order.texts:
                changes["order"] = RandomOrder(table.texts)
            self._read_labels()
            self._show("rows", table=table.digest, **changes)
            if (outputs := self._outputs_path) is not None:
                self._problems.attempt("outputs", partial(self.take_outputs, outputs))

    def _read_rules(self) -> None:
        with self._lock:  # or a change in between would be taken back
            rules = read_rules_file(self.project.rules)
            if rules != self._board.rules:
                self._take_rules(rules)
                self._show("rules")

    def _change_rules(
        self,
        change: Callable[[RulesFile], RulesFile],
        seen: Mapping[str, Rule | None] | None = None,
    ) -> None:
        """Change the file of rules, as it is now, and take what it says then."""
        self._take_rules(change_rules(self.project.rules, change, seen))
        self._files.name_in_settings("rules")

    def _take_rules(self, rules: RulesFile) -> None:
        self._board.take_rules(rules)
        self._read_labels()
        self._problems.note("names", self._board.clash(self.project))
        self._workers.wake(DECLARED, PROMPTED)

    # -- inside ----------------------------------------------------------------------------------

    def _lf(self, name: str) -> LFState:
        lf = self.snapshot.named(name)
        if lf is None:
            raise InputError(f"there is no LF {name!r}; was it renamed or removed meanwhile?")
        return lf

    def _checked(self, rule: Rule, replaces: str | None) -> ProjectClasses:
        """Return the classes once there is this rule; InputError if it fits nothing here."""
        with self._lock:
            self._board.check_name(rule, replaces, self.project)
            columns = list(self._table.lf_rows)
            if rule.column not in columns:
                raise InputError(f"there is no column {rule.column!r}; there are {columns}")
            classes = self._labels.classes_with(rule)
            rule_with_class(rule, classes.names, "not added", self.project.lfs)
            return classes

    def _show_problems(self) -> None:
        if not self._is_closed:
            self._show("problems")

    def _show(self, topic: str, **changes: Any) -> None:
        """Replace the snapshot by one of the present state, and publish that."""
        with self._lock:
            changes |= {
                "revision": self.snapshot.revision + 1,
                "classes": self._labels.classes.shown,
                "gold": self._labels.gold,
                "chosen": self._labels.chosen,
                "lfs": self._times.dated(self._board.lfs),
                "problems": self._problems.texts,
                "rejected": self._board.rules.rejected,
            }
            self.snapshot = replace(self.snapshot, **changes)
            self._shown = time.monotonic()
            self._news.notify_all()
            revision, problems = self.snapshot.revision, self.snapshot.problems
            n_running = sum(lf.is_running for lf in self.snapshot.lfs)
        self.hub.publish(topic, revision=revision, running=n_running, problems=problems)


def _empty_snapshot(table: OpenTable) -> Snapshot:
    gold = np.full(len(table.texts), -1)
    return Snapshot(0, table.frame, table.texts, table.ids, (), gold, is_loading=True)
