"""Many models to train at once: folds, seeds and trials are the same model on other rows."""

from __future__ import annotations

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np

from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.losses import ComponentSet
from spear_amal.maths.cage import Potentials
from spear_amal.mixers import Mixer
from spear_amal.models import JointModel, RuleModel
from spear_amal.training.callbacks import ProgressBar
from spear_amal.training.lock_step import fit_in_lock_step, is_sparse, kind_of_losses, layers_of
from spear_amal.training.run import DivergedError
from spear_amal.training.state import TrainingResult
from spear_amal.training.table import Table, TrainingRows
from spear_amal.training.trainer import BATCH_SIZE, Trainer
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
    within : tuple of str
        What it is a part of, from the outside in: a run of a study, a member of a pool.
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
    within: tuple[str, ...] = ()

    def arguments(self) -> dict[str, Any]:
        """Return what the trainer's `fit` and `begin` take, by name."""
        apart = ("trainer", "label", "within")
        given = {
            each.name: getattr(self, each.name) for each in fields(self) if each.name not in apart
        }
        return given | {"name": (*self.within, self.label)}


def fit_members(members: Sequence[Member]) -> list[TrainingResult | Exception]:
    """Train every member; each gets the result that it gets alone.

    Those of one kind (see :func:`kind_of_member`) are trained in lock step, the others one by one.

    Returns
    -------
    list of TrainingResult or Exception
        In the order of `members`; a member that fails, such as one that diverges, takes no other
        along.
    """
    kinds = [kind_of_member(member) for member in members]
    outcomes: dict[int, TrainingResult | Exception] = {}
    for kind in dict.fromkeys(kinds):
        numbers = [i for i, other in enumerate(kinds) if other == kind]
        same = [members[i] for i in numbers]
        trained = fit_one_by_one(same) if kind is None else fit_in_lock_step(same)
        outcomes |= dict(zip(numbers, trained, strict=True))
    return [_labelled(outcomes[i], member.label) for i, member in enumerate(members)]


def fit_one_by_one(members: Sequence[Member]) -> list[TrainingResult | Exception]:
    """Train every member by itself, with gradients by autograd: the way that suits any module."""
    return [_fit_alone(member) for member in members]


def _fit_alone(member: Member) -> TrainingResult | Exception:
    shown: ShownTexts = {}
    began = time.perf_counter()
    try:
        with each_warning_once(shown):
            result = member.trainer.fit(**member.arguments())
    except Exception as error:  # divergence, its checkpoint, its loss: no matter of the others
        return error
    result.seconds = time.perf_counter() - began
    result.warnings = shown
    return result


def _labelled(outcome: TrainingResult | Exception, label: str) -> TrainingResult | Exception:
    if isinstance(outcome, DivergedError) and label:
        return DivergedError(f"{label}: {outcome}")
    return outcome


def kind_of_member(member: Member) -> Hashable | None:
    """Return what members that are trained in lock step have in common.

    None for a member that cannot be: another module than a linear model or an MLP, rules other
    than CAGE, losses whose slopes are not known in closed form, a mixer that needs more than a
    row's number, pseudo-labels, half precision, changed images, rows that are not in memory or are
    spread over processes.
    """
    settings, table, mixer = member.trainer.settings, member.table, member.mixer
    rules = cast(RuleModel | None, member.model.rules)
    layers = layers_of(member.model.feature)
    if not layers or type(table) is not Table or table.x.ndim != 2 or not len(member.rows):
        return None
    plain = (
        settings.precision == "fp32"
        and not settings.compile
        and settings.micro_batch is None
        and table.augment is None
        and member.shard.world == 1
        and mixer.weighs_by_row()
        and not (mixer.every_step or mixer.needs_graphs or mixer.separates)
        # Steps in closed form give no such states; where the features are the states, none are due.
        and not (len(layers) > 1 and mixer.look_ahead_options().reuse_states)
        and member.components.pseudo_labels is None
        and all(parameter.requires_grad for parameter in member.model.parameters())
    )
    if not plain or not member.components.has_closed_form() or not _has_closed_rules(member):
        return None
    # Linear models on sparse rows may differ in the number of features.
    free = len(layers) == 1 and is_sparse(table)
    weight, n_features = layers[0].weight, None if free else layers[0].in_features
    return (
        (type(member.model.feature), n_features, *(layer.out_features for layer in layers)),
        (weight.dtype, weight.device, is_sparse(table)),
        None if rules is None else (tuple(rules.theta.shape), tuple(rules.continuous.tolist())),
        kind_of_losses(member.components),
        (settings.batch_size or BATCH_SIZE, settings.optimiser),
        (tuple(table.tasks), table.weights is None, tuple(table.teachers.shape[1:])),
        (table.fired.shape[1], id(member) if _is_watched(member) else None),
        _kind_of_checkpoint(member),
    )


def _is_watched(member: Member) -> bool:
    """Return whether callbacks of the user watch the model, which they do one at a time."""
    callbacks = (*member.trainer.callbacks, *member.trainer.settings.callbacks)
    return any(type(callback) is not ProgressBar for callback in callbacks)


def _has_closed_rules(member: Member) -> bool:
    """Return whether the rule model and the penalties have their slopes in closed form."""
    rules = member.model.rules
    if rules is None:
        return not member.components.penalties
    if type(rules) is not RuleModel:
        return False
    guides = rules.beliefs().guides
    return member.components.theta_slope(Potentials(rules.theta.detach()), guides) is not None


def _kind_of_checkpoint(member: Member) -> Hashable:
    """Return what members have in common that share a checkpoint: the folder, and the fit."""
    path = member.trainer.settings.checkpoint
    return None if path is None else (Path(path).parent, member.fingerprint.split("-")[0])
