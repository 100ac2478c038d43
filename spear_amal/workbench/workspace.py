"""The state behind the pages: it reads files, changes them when asked, and tells who listens.

Pages read :attr:`Workspace.snapshot`, which never changes under their hands; all changes go
through the methods, which keep each other out and publish what changed.
"""

from __future__ import annotations

from dataclasses import replace
from threading import RLock

import numpy as np

from spear_amal.data import ids_of, read_rows
from spear_amal.labeling import PandasLFApplier, load_lfs
from spear_amal.votes.class_set import ClassSet
from spear_amal.workbench.hub import Hub
from spear_amal.workbench.project import Project
from spear_amal.workbench.snapshot import PYTHON, LFState, Snapshot


class Workspace:
    """A project that is open in the workbench.

    Parameters
    ----------
    project : Project

    Attributes
    ----------
    project : Project
    hub : Hub
    snapshot : Snapshot
        The present state; replaced as a whole.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.hub = Hub()
        self._lock = RLock()
        self.snapshot = self._read()

    def close(self) -> None:
        """End what runs in the background."""

    def _read(self) -> Snapshot:
        # TODO(live): per LF, in a worker, with errors; files watched; declared LFs; gold.csv.
        project = self.project
        frame = project.read_table()
        loaded = load_lfs(project.lfs or project.folder / "lfs.py")
        values: list[str | None] = [None] * len(frame)
        if project.label_column in frame:
            values = read_rows.label_values(frame, project.label_column, "the data")
        classes = tuple(
            map(str, read_rows.classes_of_table(ClassSet(loaded.classes).names, values))
        )
        gold = np.asarray(read_rows.class_codes(values, classes, "the data"))
        rows = read_rows.for_lfs(frame, project.text_column)
        matrix = PandasLFApplier(loaded.lfs, classes, project.text_column).apply(
            rows, progress_bar=False
        )
        dense = matrix.to_dense().astype(np.int16)
        lfs = tuple(
            LFState(lf.name, PYTHON, dense[:, j], label=getattr(lf, "label", None))
            for j, lf in enumerate(loaded.lfs)
        )
        texts = frame[project.text_column].tolist()
        return Snapshot(1, frame, texts, ids_of(frame, project.id_column), classes, gold, lfs)

    def _replace(self, topic: str, **changes: object) -> None:
        """Replace the snapshot by a changed one, and publish that."""
        with self._lock:
            revision = self.snapshot.revision + 1
            self.snapshot = replace(self.snapshot, revision=revision, **changes)  # type: ignore[arg-type]
        self.hub.publish(topic, revision=revision)
