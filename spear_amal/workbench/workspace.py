"""The state behind the pages: it reads files, changes them when asked, and tells who listens.

Pages read :attr:`Workspace.snapshot`, which never changes under their hands; all changes go
through the methods, which keep each other out and publish what changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data import read_rows
from spear_amal.errors import InputError, StaleError
from spear_amal.labeling import PandasLFApplier, load_lfs
from spear_amal.votes.class_set import ClassSet
from spear_amal.workbench.gold_file import GivenLabel, GoldFile, replaced_label
from spear_amal.workbench.hub import Hub
from spear_amal.workbench.project import Project
from spear_amal.workbench.rule_table import MutingEffect, effect_of_muting, rule_table, value_table
from spear_amal.workbench.snapshot import PYTHON, LFState, Snapshot
from spear_amal.workbench.table import OpenTable


class Workspace:
    """A project that is open in the workbench.

    Parameters
    ----------
    project : Project
    time_limit : float
        Seconds after which an LF is stopped.

    Attributes
    ----------
    project : Project
    hub : Hub
    snapshot : Snapshot
        The present state; replaced as a whole.
    """

    def __init__(self, project: Project, time_limit: float = 60.0) -> None:
        self.project = project
        self.hub = Hub()
        self._lock = RLock()
        self._table = OpenTable.read(project)
        self._gold = GoldFile(project.gold, self._table.known_rows(project))
        self._undo: dict[str, list[_Labelling]] = {}
        self.snapshot = self._read()

    def close(self) -> None:
        """End what runs in the background."""

    # -- rules -----------------------------------------------------------------------------------

    def add_rule(
        self, rule: Any, replaces: str | None = None, seen: Mapping[str, Any] | None = None
    ) -> LFState:
        """Make a declared rule an LF, on the disk when this returns.

        Parameters
        ----------
        rule : Rule
            Of :mod:`spear_amal.declared_lfs`.
        replaces : str, optional
            Name of the declared rule that this one takes the place of; it may be the same name.
        seen : rule or None
            The rule `replaces` as the page saw it.

        Returns
        -------
        LFState
            The new LF, with its votes.

        Raises
        ------
        InputError
            If the name is taken, the class or the column is unknown, or the rule runs too long.
        StaleError
            If the rule that it replaces was changed or removed meanwhile.
        """
        raise NotImplementedError

    def remove_rule(self, name: str, seen: Any = None) -> None:
        """Remove a declared rule; StaleError if it is no longer the rule that the page saw."""
        raise NotImplementedError

    def mute(self, name: str, muted: bool) -> None:
        """Mute an LF, which leaves it out of votes and training, or take it in again."""
        with self._lock:
            self._lf(name)
            lfs = tuple(
                replace(lf, is_muted=muted) if lf.name == name else lf for lf in self.snapshot.lfs
            )
            self._replace("rules", lfs=lfs)

    def reject(self, signature: str) -> None:
        """Keep a suggestion from ever being made again."""
        raise NotImplementedError

    def run_again(self, name: str) -> None:
        """Run an LF again, as after it was stopped."""
        self._lf(name)

    def stop(self, name: str) -> None:
        """Stop an LF that is running; its error then says so."""
        self._lf(name)

    def rule_table(self) -> pd.DataFrame:
        """Return the statistics of all LFs, computed once a revision.

        Returns
        -------
        DataFrame
            Index: names of LFs, in file order. Columns as of
            :func:`~spear_amal.workbench.rule_table.rule_table`, further ``value, value_low,
            value_high`` with ``advice, gain, is_sure`` (NaN for LFs that do not vote),
            ``is_value_pending`` (the values are of a former state, and are being computed) and
            ``changed``.
        """
        snapshot = self.snapshot
        table = rule_table(snapshot).join(value_table(snapshot)).assign(is_value_pending=False)
        return table.assign(changed=[lf.changed for lf in snapshot.lfs])

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
            given = self._gold.read()
            self._show_gold()
            self._check_seen(seen or {})
            if label is not None and label not in self.snapshot.classes:
                raise InputError(f"no class {label!r}; the classes are {self.snapshot.classes}")
            known = self._gold.rows
            changes: dict[str, GivenLabel | None] = {}
            for row in rows:
                key = known.key(row, given.by_id)
                present = self.snapshot.label_of(row)
                if label is None and key not in given.by_key and present is not None:
                    raise InputError("the label stands in the table itself; change it there")
                places = known.places(given.by_id)[key]
                own = {known.labels[place] for place in places}
                if label is None or own == {label}:
                    changes[key] = None
                else:
                    changes[key] = GivenLabel(label, replaced_label(known, places, label))
            changes = {key: new for key, new in changes.items() if given.by_key.get(key) != new}
            if not changes:
                return ()
            self._gold.change(changes)
            before = {key: given.by_key.get(key) for key in changes}
            self._undo.setdefault(client, []).append(_Labelling(before, changes))
            self._show_gold()
            return self._places(changes, given.by_id)

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
            if not self._undo.get(client):
                return ()
            last = self._undo[client].pop()
            given = self._gold.read()
            if any(given.by_key.get(key) != after for key, after in last.after.items()):
                self._show_gold()
                raise StaleError("somebody has changed that label since; it stays as it is")
            self._gold.change(last.before)
            self._show_gold()
            return self._places(last.before, given.by_id)

    def take_outputs(self, path: Path) -> None:
        """Show what a trained model says of the rows, from the file that training wrote."""
        raise NotImplementedError

    # -- inside ----------------------------------------------------------------------------------

    def _lf(self, name: str) -> LFState:
        lf = self.snapshot.named(name)
        if lf is None:
            raise InputError(f"no LF {name!r}; was it removed meanwhile?")
        return lf

    def _check_seen(self, seen: Mapping[int, str | None]) -> None:
        for row, label in seen.items():
            present = self.snapshot.label_of(row)
            if present != label:
                raise StaleError(
                    f"row {row} was labelled {present!r} meanwhile, the page showed {label!r}"
                )

    def _places(self, keys: Mapping[str, Any], by_id: bool) -> tuple[int, ...]:
        places = self._gold.rows.places(by_id)
        return tuple(row for key in keys for row in places[key])

    def _show_gold(self) -> None:
        """Bring the labels of the file into the snapshot, if they are others."""
        gold = self._codes(self.snapshot.classes)
        if not np.array_equal(gold, self.snapshot.gold):
            self._replace("rows", gold=gold)

    def _codes(self, classes: Sequence[str]) -> np.ndarray:
        labels = list(self._table.labels)
        for row, label in self._gold.read().by_row.items():
            labels[row] = label
        return np.asarray(read_rows.class_codes(labels, classes, "the data"))

    def _read(self) -> Snapshot:
        project, table = self.project, self._table
        loaded = load_lfs(project.lfs or project.folder / "lfs.py")
        classes = tuple(
            map(str, read_rows.classes_of_table(ClassSet(loaded.classes).names, table.labels))
        )
        matrix = PandasLFApplier(loaded.lfs, classes, project.text_column).apply(
            table.lf_rows, progress_bar=False
        )
        dense = matrix.to_dense().astype(np.int16)
        lfs = tuple(
            LFState(lf.name, PYTHON, dense[:, j], label=getattr(lf, "label", None))
            for j, lf in enumerate(loaded.lfs)
        )
        gold = self._codes(classes)
        return Snapshot(
            *(1, table.frame, table.texts, table.ids, classes, gold, lfs), table=table.digest
        )

    def _replace(self, topic: str, **changes: Any) -> None:
        """Replace the snapshot by a changed one, and publish that."""
        with self._lock:
            revision = self.snapshot.revision + 1
            self.snapshot = replace(self.snapshot, revision=revision, **changes)
        self.hub.publish(topic, revision=revision)


class _Labelling:
    """One act of labelling: labels by key before and after, None for no record of the file."""

    def __init__(
        self, before: Mapping[str, GivenLabel | None], after: Mapping[str, GivenLabel | None]
    ) -> None:
        self.before, self.after = before, after
