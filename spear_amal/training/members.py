"""Many models to train at once: folds, seeds and trials are the same model on other rows."""

from __future__ import annotations

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


def fit_members(members: Sequence[Member]) -> list[TrainingResult | DivergedError]:
    """Train every member; each gets the result that it gets alone.

    Returns
    -------
    list of TrainingResult or DivergedError
        In the order of `members`; a member that diverges takes no other along.
    """
    return [_fit_alone(member) for member in members]


def _fit_alone(member: Member) -> TrainingResult | DivergedError:
    try:
        return member.trainer.fit(
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
