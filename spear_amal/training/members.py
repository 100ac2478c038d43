"""Many models to train at once: folds, seeds and trials are the same model on other rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.losses import ComponentSet
from spear_amal.mixers import Mixer
from spear_amal.models import JointModel
from spear_amal.training.run import DivergedError
from spear_amal.training.state import TrainingResult
from spear_amal.training.table import Table, TrainingRows
from spear_amal.training.trainer import Trainer
from spear_amal.warn_once import ShownTexts, each_warning_once


@dataclass(frozen=True)
class Member:
    """One model to train: what :meth:`.Trainer.fit` takes.

    Attributes
    ----------
    trainer : Trainer
    model, components, mixer
    table : Table or ShardTable
    rows : ndarray of int
    selection, outer : Table, optional
    fingerprint : str
    shard : Shard
    label : str
        What errors and progress call it, such as "fold 2 of 5, seed 3".
    """

    trainer: Trainer
    model: JointModel
    components: ComponentSet
    mixer: Mixer
    table: TrainingRows
    rows: np.ndarray
    selection: Table | None = None
    outer: Table | None = None
    fingerprint: str = ""
    shard: Shard = WHOLE
    label: str = ""


def fit_members(members: Sequence[Member]) -> list[TrainingResult | Exception]:
    """Train every member; each gets the result that it gets alone.

    Returns
    -------
    list of TrainingResult or Exception
        In the order of `members`; a member that fails, such as one that diverges, takes no other
        along.
    """
    return [_fit_alone(member) for member in members]


def _fit_alone(member: Member) -> TrainingResult | Exception:
    shown: ShownTexts = {}
    began = time.perf_counter()
    try:
        with each_warning_once(shown):
            result = member.trainer.fit(
                member.model,
                member.components,
                member.mixer,
                member.table,
                member.rows,
                member.selection,
                member.outer,
                fingerprint=member.fingerprint,
                shard=member.shard,
            )
    except DivergedError as error:
        return DivergedError(f"{member.label}: {error}" if member.label else str(error))
    except Exception as error:  # of its checkpoint, its own loss: no matter of the others
        return error
    result.seconds = time.perf_counter() - began
    result.warnings = shown
    return result
