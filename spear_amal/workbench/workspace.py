"""The state behind the pages: it reads files, changes them when asked, and tells who listens.

Pages read :attr:`Workspace.snapshot`, which never changes under their hands; all changes go
through the methods, which keep each other out and publish what changed. A file that was changed by
somebody else is read again, and wins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Condition, RLock, Timer
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from spear_amal.declared_lfs import (
    PromptRule,
    RulesFile,
    add_to_settings,
    change_rules,
    read_rules_file,
)
from spear_amal.declared_lfs.project_lfs import rule_with_class
from spear_amal.declared_lfs.rules import Rule, checked_rule
from spear_amal.errors import InputError, SpearAmalError, StaleError
from spear_amal.workbench.coded_labels import CodedLabels
from spear_amal.workbench.file_watch import FileWatch
from spear_amal.workbench.gold_file import GoldFile, squeezed
from spear_amal.workbench.hub import Hub
from spear_amal.workbench.labelling import Labelling
from spear_amal.workbench.lf_board import LFBoard, rule_key
from spear_amal.workbench.lf_process import LFVotes
from spear_amal.workbench.lf_times import LFTimes
from spear_amal.workbench.outputs import outputs_of_rows
from spear_amal.workbench.project import GOLD, RULES, Project
from spear_amal.workbench.project_classes import NO_CLASSES, ProjectClasses
from spear_amal.workbench.random_order import RandomOrder
from spear_amal.workbench.rule_table import MutingEffect, RuleTables, effect_of_muting
from spear_amal.workbench.snapshot import DECLARED, PROMPTED, PYTHON, LFState, Snapshot
from spear_amal.workbench.table import OpenTable
from spear_amal.workbench.worker import LFLane, LFWorker

#: What a page believes a declared rule to be: the rule itself, or its fields.
SeenRule: TypeAlias = "Rule | Mapping[str, Any]"

_PAUSE = 0.25  # seconds between two snapshots while LFs run
#: Seconds that the user's file may take before pages are served without it.
FIRST_LOOK = 5.0
_ASKING_LIMIT = 24 * 3600.0  # seconds for a language model to answer about all rows
_TIMES = "lf_times.json"
_NAMED = {"gold": GOLD, "rules": RULES}  # what the settings call the files


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
    project : Project
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
        self.project, self.hub = project, Hub()
        self._rule_limit = rule_limit
        self._lock = RLock()
        self._news = Condition(self._lock)
        self._workers = {
            PYTHON: LFWorker(time_limit),
            DECLARED: LFWorker(rule_limit),
            PROMPTED: LFWorker(_ASKING_LIMIT),
        }
        self._may_ask: set[str] = set()  # LFs that somebody said may ask, once
        self._workers[PYTHON].start()  # while the table is read
        self._problems: dict[str, str] = {}
        self._board, self._classes, self._labelling = LFBoard(), NO_CLASSES, Labelling()
        self._chosen: Mapping[int, str] = {}
        self._watch = FileWatch(
            {
                "settings": lambda: [self.project.settings_file],
                "table": lambda: [*self.project.data, *self.project.gold_files],
                "lfs": self._python_files,
                "rules": lambda: [self.project.rules],
                "gold": lambda: [self.project.gold],
            },
            self._changed_on_disk,
        )
        self._times = LFTimes(project.state / _TIMES)
        self._tables = RuleTables(lambda: self._show("rules"))
        self._outputs_path: Path | None = None
        self._must_load, self._shown, self._is_closed = True, 0.0, False
        self._delayed: Timer | None = None  # shows votes that came soon after others
        self._lanes = {
            PYTHON: LFLane(self._waiting_python, self._run_python),
            DECLARED: LFLane(lambda: self._board.waiting(DECLARED), self._run_rule),
            PROMPTED: LFLane(lambda: self._board.waiting(PROMPTED), self._run_prompted),
        }
        self._table = OpenTable.read(project)
        self._gold = GoldFile(project.gold, self._table.known_rows(project))
        self.snapshot = _empty_snapshot(self._table)
        self._take_table(self._table)
        self._reread("rules", self._read_rules)
        for thread in (*self._lanes.values(), self._watch):
            thread.start()
        self._lanes[PYTHON].wake()
        self.wait(lambda snapshot: not snapshot.is_loading, first_look)
        self._workers[DECLARED].start()

    def close(self) -> None:
        """End what runs in the background."""
        self._is_closed = True
        self._watch.close()
        for lane in self._lanes.values():
            lane.close()
        for worker in self._workers.values():
            worker.close()
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
        voted = None  # a model is asked later, once somebody has seen what it costs
        if not isinstance(rule, PromptRule):
            voted = self._workers[DECLARED].run_rule(rule, classes.names, self._rule_limit)
            if voted.error is not None:
                raise InputError(f"the rule {rule.name!r} is not added: it {voted.error}")
        believed: dict[str, Rule | None] = {}
        if replaces is not None and seen is not None:
            believed[replaces] = _as_rule(seen, replaces)
        with self._lock:
            self._change_rules(lambda file: file.with_rule(rule, replaces), believed)
            if voted is not None and classes.key == self._classes.key:
                self._board.take_votes(rule.name, rule_key(rule), voted, self._classes.shown)
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
            believed = {} if seen is None else {name: _as_rule(seen, name)}
            self._change_rules(lambda file: file.without_rule(name), believed)
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
            asking = self._lf(name).asking
            if asking is None:
                raise InputError(f"the LF {name!r} asks no language model")
            if asking.n_open > n_open:
                raise StaleError(
                    f"{name} would send {asking.n_open:,} questions by now, the page said "
                    f"{n_open:,}; look at it anew"
                )
            self._may_ask.add(name)
            self._rerun(name)

    def _rerun(self, name: str) -> None:
        with self._lock:
            lane = self._lf(name).runs_among
            self._board.rerun(lambda lf: lf.name == name)
            self._show("rules")
        self._lanes[lane].wake()

    def stop(self, name: str) -> None:
        """Stop an LF that runs, or waits to run; its error then says so."""
        with self._lock:
            lf = self._lf(name)
            if lf.is_running and not self._workers[lf.runs_among].stop(name):
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
        with self._lock, self._gold.exclusively():
            if table is not None and table != self.snapshot.table:
                raise StaleError("the table has changed on the disk; look at the row anew")
            if wrong := [row for row in rows if not 0 <= row < len(self.snapshot.texts)]:
                raise InputError(f"there is no row {wrong[0]}")
            self._show_labels()  # those that somebody else gave meanwhile
            for row, label_seen in (seen or {}).items():
                if self.snapshot.label_of(row) != label_seen:
                    raise StaleError(
                        f"row {row} is labelled {self.snapshot.label_of(row)!r} by now, the page "
                        f"showed {label_seen!r}; look at it anew"
                    )
            spelled = None if label is None else self._spelled(label, new_class)
            changed = self._labelling.label(self._gold, rows, spelled, client, chosen)
            if changed:
                self._show_labels()
                self._name_in_settings("gold")
            return changed

    def copies_of(self, row: int) -> tuple[int, ...]:
        """Return the other rows with the text and the label of a row, and labels of their own.

        None where rows are known by their texts: there one label is of all copies. None either
        while the file of labels cannot be read, or if the table has no such row any longer.
        """
        with self._lock:
            try:
                by_id = self._gold.read().by_id
            except (SpearAmalError, OSError):  # the page of a row is shown all the same
                return ()
            if not by_id or row >= len(self.snapshot.texts):
                return ()
            alike = self._gold.rows.places(by_id=False)[squeezed(self.snapshot.texts[row])]
            gold = self.snapshot.gold
            return tuple(other for other in alike if other != row and gold[other] == gold[row])

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
        with self._lock, self._gold.exclusively():
            try:
                return self._labelling.undo(self._gold, client)
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
            outputs = outputs_of_rows(path, self._table.texts, self._classes.shown)
            self._show("rows", outputs=outputs)

    # -- labels and classes ----------------------------------------------------------------------

    def _spelled(self, label: str, new_class: bool) -> str:
        """Return a class as the table spells labels; InputError if it is none, and must be one."""
        known = self._table.label_values
        if label in self._classes.shown or not new_class or not label.strip():
            return self._classes.spelled(label, known)
        if not self._classes.is_open:
            raise InputError(
                f"there is no class {label!r}; add it to CLASSES in {self.project.lfs}, which says "
                f"that there are {list(self._classes.shown)}"
            )
        label = label.strip()
        labels = [*known, *self._gold.read().by_row.values(), label]
        self._classes_of(labels).codes(labels, f"with the new class {label!r}, the labels")
        return label

    def _classes_of(self, labels: Sequence[str], *rules: Rule) -> ProjectClasses:
        """Return the classes, with these labels and further rules."""
        board = self._board
        n_voted = board.n_voted if self._classes.names is None else 0
        labels = list(dict.fromkeys(labels))
        return ProjectClasses.of(board.file, (*board.rules.rules, *rules), labels, n_voted)

    def _code_labels(self) -> np.ndarray:
        """Return gold (n,) by the classes as they are now, which are kept."""
        coded = CodedLabels.read(self._table, self._gold, self._classes_of)
        self._problems.pop("labels", None)
        if coded.problem:
            self._problems["labels"] = coded.problem
        before, self._classes = self._classes, coded.classes
        self._chosen = coded.chosen
        if before.key != coded.classes.key:
            self._board.rerun(lambda lf: lf.kind == DECLARED)
            self._lanes[DECLARED].wake()
            self._lanes[PROMPTED].wake()
        is_same = np.array_equal(coded.gold, self.snapshot.gold)
        return self.snapshot.gold if is_same else coded.gold

    def _show_labels(self) -> None:
        """Show labels as the files have them now, if that is something else."""
        with self._lock:
            before, gold = self.snapshot, self._code_labels()
            is_same = gold is before.gold and self._classes.shown == before.classes
            is_same = is_same and self._chosen == before.chosen
            if not is_same or before.problems != tuple(self._problems.values()):
                self._show("rows", gold=gold)

    # -- running LFs -----------------------------------------------------------------------------

    def _waiting_python(self) -> list[str]:
        if self._must_load:
            self._must_load = False
            self._show("rules", is_loading=True)
            self._reread("lfs", self._load_file)
            with self._lock:
                if "lfs" in self._problems:
                    for name in self._board.waiting(PYTHON):
                        self._board.fail(name, "was not run: the file cannot be run")
                self._show("rules", gold=self._code_labels(), is_loading=False)
        return self._board.waiting(PYTHON)

    def _load_file(self) -> None:
        path, file = self.project.lfs, None
        if path is not None and path.is_file():
            file = self._workers[PYTHON].load(path)
            if any(lf.is_prompted for lf in file.lfs):
                self._workers[PROMPTED].forget_file()
        with self._lock:
            self._board.take_file(file)
            self._watch.adopt("lfs")
            self._note_clashes()
            self._lanes[DECLARED].wake()  # a rule may vote whose name was that of an LF
            self._lanes[PROMPTED].wake()

    def _run_python(self, name: str) -> None:
        lf, path = self._board.named(name), self.project.lfs
        if lf is not None and lf.is_running and path is not None:
            self._take_votes(lf, self._workers[PYTHON].run(path, name), self._classes)

    def _run_rule(self, name: str) -> None:
        lf, classes = self._board.named(name), self._classes
        if lf is not None and lf.is_running and lf.rule is not None:
            limit = self._rule_limit
            voted = self._workers[DECLARED].run_rule(lf.rule, classes.names, limit)
            self._take_votes(lf, voted, classes)

    def _run_prompted(self, name: str) -> None:
        """Run an LF that asks a language model; it only says what it would ask unless it may."""
        with self._lock:
            lf, classes, path = self._board.named(name), self._classes, self.project.lfs
            may_ask = name in self._may_ask
            self._may_ask.discard(name)
        worker = self._workers[PROMPTED]
        if lf is None or not lf.is_running:
            return
        if lf.rule is not None:
            voted = worker.run_rule(lf.rule, classes.names, _ASKING_LIMIT, may_ask)
        elif path is not None:
            voted = worker.run(path, name, may_ask)
        else:
            return
        self._take_votes(lf, voted, classes)

    def _take_votes(self, lf: LFState, voted: LFVotes, classes: ProjectClasses) -> None:
        with self._lock:
            if self._is_closed or classes.key != self._classes.key:
                return
            if not self._board.take_votes(lf.name, lf.key, voted, self._classes.shown):
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
                grows = self._classes.names is None
                gold = self._code_labels() if grows else self.snapshot.gold
                self._show("rules", gold=gold)

    # -- files -----------------------------------------------------------------------------------

    def _changed_on_disk(self, group: str) -> None:
        """Read again what somebody else has changed."""
        if group == "lfs":
            self._load_again()
            return
        deeds = {
            "settings": self._reopen,
            "table": self._read_table,
            "rules": self._read_rules,
            "gold": self._show_labels,
        }
        self._reread(group, deeds[group])

    def _load_again(self) -> None:
        self._must_load = True
        self._lanes[PYTHON].wake()

    def _reread(self, group: str, read: Callable[[], None]) -> None:
        """Read a group of files; what is wrong with it is a problem to show."""
        try:
            read()
            problem = None
        except (SpearAmalError, OSError) as error:
            problem = str(error)
        except Exception as error:  # the threads that call this have nobody to raise it to
            problem = f"Unexpected {type(error).__name__}: {error}; please report it"
        with self._lock:
            if self._is_closed or problem == self._problems.get(group):
                return
            self._problems.pop(group, None)
            if problem is not None:
                self._problems[group] = problem
            self._show("problems")

    def _reopen(self) -> None:
        if self.project.reopen is None:
            return
        before, after = self.project, self.project.reopen()
        for name in ("text_column", "label_column", "id_column"):
            if getattr(before, name) != (now := getattr(after, name)):
                raise InputError(
                    f"{before.settings_file.name} says {name} = {now!r} now: end the workbench and "
                    f"start it anew for that; until then it is {getattr(before, name)!r} here"
                )
        self.project = after
        for group in ("table", "lfs", "rules", "gold"):
            self._watch.adopt(group)
        self._reread("table", self._read_table)
        self._reread("rules", self._read_rules)
        if before.lfs != self.project.lfs:
            self._load_again()
        for key in _NAMED:
            if f"name of {key}" in self._problems:
                self._name_in_settings(key)

    def _read_table(self) -> None:
        self._take_table(OpenTable.read(self.project))

    def _take_table(self, table: OpenTable) -> None:
        with self._lock:
            before, self._table = self._table, table
            self._gold = GoldFile(self.project.gold, table.known_rows(self.project))
            if before is table or not before.lf_rows.equals(table.lf_rows):
                cache = self.project.usable_cache()
                for worker in self._workers.values():
                    worker.hold(table, self.project.text_column, cache)
                self._board.take_table(len(table.texts))
                for lane in self._lanes.values():
                    lane.wake()
            changes = {"frame": table.frame, "texts": table.texts, "ids": table.ids}
            if before.texts is not table.texts or not self.snapshot.order.texts:
                changes["order"] = RandomOrder(table.texts)
            self._show("rows", gold=self._code_labels(), table=table.digest, **changes)
            if (outputs := self._outputs_path) is not None:
                self._reread("outputs", lambda: self.take_outputs(outputs))

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
        self._name_in_settings("rules")

    def _take_rules(self, rules: RulesFile) -> None:
        self._board.take_rules(rules)
        self._code_labels()
        self._note_clashes()
        self._lanes[DECLARED].wake()
        self._lanes[PROMPTED].wake()

    def _note_clashes(self) -> None:
        self._problems.pop("names", None)
        if clashes := self._board.clashes:
            self._problems["names"] = (
                f"{self.project.rules.name}: the rule {clashes[0]!r} has the name of an LF of "
                f"{self.project.lfs}; rename one of the two, until then the rule does not vote"
            )

    def _name_in_settings(self, key: str) -> None:
        """Write into the settings that there is such a file, so that all commands read it."""
        self._reread(f"name of {key}", lambda: self._add_to_settings(key, _NAMED[key]))

    def _add_to_settings(self, key: str, file: str) -> None:
        if key in self.project.named:
            return
        path = self.project.settings_file
        try:
            add_to_settings(path, key, file)
        except (SpearAmalError, OSError) as error:  # what was to be written is in its file
            raise InputError(
                f"the commands do not read {file} until {path.name} says {key} = {file!r}, which "
                f"could not be written there: {error}"
            ) from error
        self.project = replace(self.project, named=self.project.named | {key})

    def _python_files(self) -> list[Path]:
        """Return the user's file, what lies beside it, and modules that it imported."""
        path = self.project.lfs
        if path is None:
            return []
        file = self._board.file
        imported = [] if file is None else [Path(name) for name in file.files]
        return [path, *sorted(path.parent.glob("*.py")), *imported]

    # -- inside ----------------------------------------------------------------------------------

    def _lf(self, name: str) -> LFState:
        lf = self.snapshot.named(name)
        if lf is None:
            raise InputError(f"there is no LF {name!r}; was it renamed or removed meanwhile?")
        return lf

    def _checked(self, rule: Rule, replaces: str | None) -> ProjectClasses:
        """Return the classes once there is this rule; InputError if it fits nothing here."""
        with self._lock:
            file, rows = self._board.file, self._table.lf_rows
            if file is not None and rule.name in {lf.name for lf in file.lfs}:
                raise InputError(
                    f"{self.project.lfs} has an LF {rule.name!r} already; choose another name"
                )
            if rule.column not in rows:
                raise InputError(f"there is no column {rule.column!r}; there are {list(rows)}")
            if replaces is not None and self._board.rules.named(replaces) is None:
                raise StaleError(f"the rule {replaces!r} was removed, elsewhere")
            self._board.rules.with_rule(rule, replaces)
            labels = [*self._table.label_values, *self._gold.read().by_row.values()]
            classes = self._classes_of(labels, rule)
            rule_with_class(rule, classes.names, "not added", self.project.lfs)
            return classes

    def _show(self, topic: str, **changes: Any) -> None:
        """Replace the snapshot by one of the present state, and publish that."""
        with self._lock:
            changes |= {
                "revision": self.snapshot.revision + 1,
                "classes": self._classes.shown,
                "chosen": self._chosen,
                "lfs": self._times.dated(self._board.lfs),
                "problems": tuple(self._problems.values()),
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


def _as_rule(seen: SeenRule, name: str) -> Rule:
    """Return what a page believes of a rule; StaleError if no rule can be so."""
    if not isinstance(seen, Mapping):
        return seen
    try:
        return checked_rule(seen)
    except InputError as error:
        raise StaleError(f"the page knows the rule {name!r} wrongly: {error}") from error
