"""What a report shows of a project at one moment, as plain values of JSON."""

from __future__ import annotations

import hashlib
import math
import platform
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd

import spear_amal
from spear_amal.labeling import LFReview, review_lfs
from spear_amal.workbench.gold_origin import gold_origin
from spear_amal.workbench.history import RuleFiles
from spear_amal.workbench.project import Project
from spear_amal.workbench.snapshot import LFState, Snapshot

#: Columns of a review's table of LFs that a report shows.
_COLUMNS = ("grade", "votes", "coverage", "overlaps", "conflicts", "gold votes", "right")
_PRECISION = ("accuracy", "low", "high", "chance")
_VALUE = ("value", "value low", "value high")
_PACKAGES = ("numpy", "pandas", "scipy", "scikit-learn", "torch")


def lf_records(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return what is known of each LF without a computation, in file order.

    ``votes`` is a digest of its votes: another one says that the LF was changed, as long as the
    ``table`` is the same.
    """
    table = hashlib.sha256("\0".join(snapshot.texts).encode(errors="surrogatepass")).hexdigest()
    return [
        {
            "name": lf.name,
            "label": lf.label,
            "kind": lf.kind,
            "about": lf.about,
            "muted": lf.is_muted,
            "error": None if lf.error is None else lf.error.message,
            "votes": hashlib.sha256(lf.votes.astype(np.int16).tobytes()).hexdigest()[:16],
            "table": table[:16],
        }
        for lf in snapshot.lfs
    ]


def gold_counts(snapshot: Snapshot) -> dict[str, int]:
    """Return the number of labelled rows of each class."""
    counts = np.bincount(snapshot.gold[snapshot.gold >= 0], minlength=len(snapshot.classes))
    return dict(zip(map(str, snapshot.classes), counts.tolist(), strict=True))


def project_state(snapshot: Snapshot, project: Project, files: RuleFiles) -> dict[str, Any]:
    """Compute what a report shows of the project, scores of runs apart.

    Takes about as long as ``spear-amal analyze``.
    """
    origin = gold_origin(snapshot)
    active = [lf for lf in snapshot.active if lf.error is None]
    review = None
    if active and len(snapshot.texts):
        y = np.asarray(snapshot.gold) if (snapshot.gold >= 0).any() else None
        review = review_lfs(snapshot.matrix(), y, snapshot.texts)
    return {
        "name": project.name,
        "data": [path.name for path in project.data],
        "settings": {str(key): str(value) for key, value in project.settings.items()},
        "versions": _versions(),
        "rows": len(snapshot.texts),
        "covered": 0 if review is None else review.n_covered,
        "classes": list(map(str, snapshot.classes)),
        "gold": gold_counts(snapshot),
        "origin": [line for line in (origin.sentence, origin.of_votes) if line],
        "lfs": [_described(lf, review) for lf in snapshot.lfs],
        "advice": [] if review is None else _records(review.advice),
        "files": files.texts(),
        "problems": list(snapshot.problems),
    }


def _described(lf: LFState, review: LFReview | None) -> dict[str, Any]:
    """Return what a report shows of one LF; numbers only of those that vote."""
    about = {
        "name": lf.name,
        "label": lf.label,
        "kind": lf.kind,
        "about": lf.about,
        "muted": lf.is_muted,
        "error": None if lf.error is None else lf.error.message,
        "changed": None if lf.changed is None else lf.changed.isoformat(timespec="minutes"),
    }
    if review is None:
        return about
    rows = review.lfs[review.lfs["LF"] == lf.name]
    if not len(rows):
        return about
    row = rows.iloc[0]
    numbers = {name: _plain(row[name]) for name in (*_COLUMNS, *_PRECISION)}
    values = review.values[review.values["LF"] == lf.name] if len(review.values) else None
    if values is not None and len(values):
        numbers |= {name: _plain(values.iloc[0][name]) for name in _VALUE}
    return about | {"votes for": str(row["votes for"])} | numbers


def _versions() -> dict[str, str]:
    this = {"spear_amal": spear_amal.__version__, "Python": platform.python_version()}
    return this | {name: metadata.version(name) for name in _PACKAGES}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def _plain(value: Any) -> Any:
    """Return a cell as JSON has it; None for not-a-number."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
