"""Models that are alike enough to be trained in lock step, drawn anew whenever asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from spear_amal.losses import ComponentSet, spear_components, teacher_components
from spear_amal.mixers import Fixed, Mixer
from spear_amal.models import MLP, JointModel, LinearModel, RuleModel
from spear_amal.training import Table, Trainer, TrainerConfig, TrainingResult
from spear_amal.training.members import Member


@dataclass(frozen=True)
class Own:
    """What one member has of its own."""

    seed: int = 0
    n: int = 23
    n_features: int = 6
    mixer: Callable[[], Mixer] = Fixed
    class_weights: tuple[float, ...] | None = None
    trainer: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""
    callbacks: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Group:
    """What members have in common, and each of them.

    `features` are "dense"; "wide" and "narrow", few entries a row, in a sparse matrix alone or with
    a dense copy; or "full", a sparse matrix of which most is there. `lfs` says of each LF whether
    it gives scores. Members in a `shared` table are trained on other rows of it.
    """

    members: Sequence[Own] = (Own(), Own(seed=1))
    features: str = "dense"
    hidden: tuple[int, ...] = ()
    n_classes: int = 3
    lfs: tuple[bool, ...] = (False,) * 4
    n_teachers: int = 0
    row_weights: bool = False
    shared: bool = False
    dtype: str = "float64"
    trainer: dict[str, Any] = field(default_factory=dict)
    selection: bool = True

    def draw(self) -> list[Member]:
        """Make the members, each time the same."""
        tables = [self._tables(own) for own in self.members[: 1 if self.shared else None]]
        if self.shared:
            tables *= len(self.members)
        return [self._member(own, *pair) for own, pair in zip(self.members, tables, strict=True)]

    def _member(self, own: Own, table: Table, selection: Table) -> Member:
        rng = np.random.default_rng([own.seed, 1])
        rows = np.arange(len(table))
        if self.shared and own is not self.members[0]:
            rows = np.sort(rng.permutation(rows)[: min(own.n, len(rows))])
        options = {"batch_size": 7, "max_epochs": 4, "dtype": self.dtype, "lr": 0.05}
        return Member(
            trainer=Trainer(
                TrainerConfig(**options | self.trainer | own.trainer),
                seed=own.seed,
                callbacks=own.callbacks,
            ),
            model=self._model(own, table.n_features),
            components=self._components(own),
            mixer=own.mixer(),
            table=table,
            rows=rows,
            selection=selection if self.selection else None,
            fingerprint=own.fingerprint,
            label=f"seed {own.seed}",
        )

    def _components(self, own: Own) -> ComponentSet:
        with_rules = bool(self.lfs)
        given = spear_components(with_rules=with_rules, class_weights=own.class_weights)
        return ComponentSet(
            [*given.components, *teacher_components(self.n_teachers)],
            given.penalties if with_rules else (),
        )

    def _model(self, own: Own, n_features: int) -> JointModel:
        rng = np.random.default_rng([own.seed, 2])
        generator = torch.Generator().manual_seed(own.seed)
        feature = (
            MLP(n_features, self.n_classes, self.hidden, generator)
            if self.hidden
            else LinearModel(n_features, self.n_classes)
        )
        rules = None
        if self.lfs:
            k = torch.as_tensor(np.arange(len(self.lfs)) % self.n_classes)
            guides = torch.as_tensor(rng.uniform(0.6, 0.9, len(k)))
            rules = RuleModel(self.n_classes, k, guides, torch.tensor(self.lfs), start="ones")
        # Neither guides nor zeros: there the penalty and entropy have no slope, and Adam would
        # make steps of rounding errors.
        torch.nn.init.normal_(feature.head.weight, std=0.3, generator=generator)
        return JointModel(feature, rules).to(getattr(torch, self.dtype))

    def _tables(self, own: Own) -> tuple[Table, Table]:
        """Rows to train on, and twelve for validation."""
        rng = np.random.default_rng([own.seed, 3])
        return self._table(rng, own.n, own, 0.5), self._table(rng, 12, own, 1.0)

    def _table(self, rng: np.random.Generator, n: int, own: Own, labelled: float) -> Table:
        y = rng.integers(0, self.n_classes, n)
        x = rng.normal(size=(n, own.n_features))
        x[:, : self.n_classes] += 0.7 * np.eye(self.n_classes)[y][:, : own.n_features]
        share = {"narrow": 0.05, "wide": 0.2, "full": 0.6}.get(self.features)
        if share is not None:
            kept = rng.permutation(x.size) < share * x.size - 1
            x = sp.csr_array(np.where(kept.reshape(x.shape), x, 0))
        teachers = rng.normal(size=(n, self.n_teachers, self.n_classes))
        teachers[rng.random((n, self.n_teachers)) < 0.2] = np.nan
        width = 1 if self.features == "wide" else 2048
        with mock.patch("spear_amal.training.table.DENSE_WIDTH", width):
            table = Table(
                x.astype(self.dtype),
                np.where(rng.random(n) < labelled, y, -1),
                teachers=teachers,
                n_classes=self.n_classes,
                weights=rng.uniform(0.2, 2, n) if self.row_weights else None,
                dtype=getattr(torch, self.dtype),
            )
        k = np.arange(len(self.lfs)) % self.n_classes
        right = rng.random((n, len(k))) < np.where(k == y[:, None], 0.6, 0.15)
        table.fired = torch.as_tensor(right).to(table.dtype)
        if any(self.lfs):
            scores = rng.uniform(0.05, 0.95, right.shape) * right * np.array(self.lfs)
            table.scores = torch.as_tensor(scores).to(table.dtype)
        return table


def assert_same(
    trained: tuple[Member, Any], expected: tuple[Member, Any], tolerance: float = 1e-10
) -> None:
    """Compare models and results; a tolerance of 0 means bit for bit."""
    (member, result), (other, witness) = trained, expected
    for outcome in (result, witness):
        assert isinstance(outcome, TrainingResult), outcome
    close = {"rtol": 0, "atol": tolerance}
    state = other.model.state_dict()
    for name, value in member.model.state_dict().items():
        torch.testing.assert_close(value, state[name], **close)
    ours, theirs = (pd.DataFrame(r.history).drop(columns="seconds") for r in (result, witness))
    pd.testing.assert_frame_equal(ours, theirs, **close)
    for name in ("best_epoch", "refreshes"):
        assert getattr(result, name) == getattr(witness, name)
    assert result.val_score == pytest.approx(witness.val_score, abs=tolerance)
    for name in ("weights", "last_weights"):
        one, another = (getattr(r, name) for r in (result, witness))
        assert (one is None) == (another is None)
        if one is not None:
            torch.testing.assert_close(one[:], another[:], **close)
    assert result.kept.keys() == witness.kept.keys()
    for epoch, kept in result.kept.items():
        torch.testing.assert_close(kept, witness.kept[epoch], **close)
    assert torch.equal(result.domain[:], witness.domain[:])
    assert member.model.training == other.model.training


@pytest.fixture(scope="session")
def train():
    """Train a group by some function of members; members and what came of each."""

    def run(group, fit):
        members = group.draw()
        return list(zip(members, fit(members), strict=True))

    return run


@pytest.fixture(scope="session")
def own():
    """Make the part of one member."""
    return Own


@pytest.fixture(scope="session")
def group():
    """Make a group."""
    return Group


@pytest.fixture(scope="session")
def same():
    """Compare two trained members."""
    return assert_same
