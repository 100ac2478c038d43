"""What changed since the last training: rules, and the number of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spear_amal.labeling.analysis import wilson_interval
from spear_amal.labeling.row_digests import digests_of_texts
from spear_amal.workbench.gold_origin import ENOUGH, random_gold
from spear_amal.workbench.history import RecordedRun, RuleFiles, RuleHistory
from spear_amal.workbench.rule_diff import rule_diff
from spear_amal.workbench.snapshot import Snapshot


def changed_lfs(
    history: RuleHistory, runs: Sequence[RecordedRun], records: Sequence[dict[str, Any]]
) -> dict[str, str] | None:
    """Return what happened to LFs since the last run that was done, by their names.

    Parameters
    ----------
    history : RuleHistory
    runs : sequence of RecordedRun
        The oldest first.
    records : sequence of dict
        The LFs now, as :func:`.project_state.lf_records` gives them.

    Returns
    -------
    dict or None
        Of "new", "changed", "muted", "unmuted" and "removed"; None if there is no such run.
    """
    done = [run for run in runs if run.status == "done"]
    if not done:
        return None
    nothing = RuleFiles(None, None)
    diff = rule_diff(nothing, nothing, history.read_json(done[-1].lfs), records)
    parts = {"muted": diff.muted, "unmuted": diff.unmuted, "changed": diff.changed}
    parts |= {"new": diff.added, "removed": diff.removed}
    return {name: what for what, names in parts.items() for name in names}


@dataclass(frozen=True)
class RandomScore:
    """How models that had not seen them predicted rows that were drawn at random.

    Attributes
    ----------
    n : int
    share, low, high : float
        Share of them that was right, with its 95% interval.
    """

    n: int
    share: float
    low: float
    high: float


def random_score(answers: Mapping[str, Any], snapshot: Snapshot) -> RandomScore | None:
    """Return how a run scored on random rows alone; None where too few of them were scored.

    Parameters
    ----------
    answers : mapping
        The fields of :class:`~spear_amal.row_outputs.UnseenAnswers` of the run.
    snapshot : Snapshot
        Which rows were drawn at random.
    """
    rows = np.flatnonzero(random_gold(snapshot)).tolist()
    digests = digests_of_texts([snapshot.texts[row] for row in rows]).tolist()
    left = {digest: digests.count(digest) for digest in set(digests)}
    right = n = 0
    for digest, gold, predicted in zip(
        answers["digests"], answers["gold"], answers["predicted"], strict=True
    ):
        if left.get(digest, 0):  # of copies as many as were drawn
            left[digest] -= 1
            n, right = n + 1, right + (gold == predicted)
    if n < ENOUGH:
        return None
    # Models of several folds share rows: as if there were fewer.
    scale = 1 + float(answers["overlap"])
    low, high = wilson_interval(np.array([right / scale]), np.array([n / scale]), 0.95)
    return RandomScore(n, right / n, float(low[0]), float(high[0]))
