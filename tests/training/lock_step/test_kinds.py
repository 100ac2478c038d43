"""What is trained in lock step, and what one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from spear_amal.distributed.shard import Shard
from spear_amal.losses import ComponentSet, GoldCrossEntropy, OnCovered, PredictionEntropy
from spear_amal.mixers import (
    AlmKd,
    Amal,
    Fixed,
    LearningToReweight,
    SuperLoss,
    Uncertainty,
)
from spear_amal.models import LinearModel
from spear_amal.training import Trainer, TrainerConfig
from spear_amal.training.members import fit_members, fit_one_by_one, kind_of_member


@pytest.fixture
def member(group):
    return group().draw()[0]


@pytest.mark.parametrize("mixer", [Fixed, Amal, AlmKd])
def test_plain_members_are_stacked(member, mixer):
    assert kind_of_member(replace(member, mixer=mixer())) is not None


class OtherWeights(Amal):
    def weights(self, batch, losses):
        return 2 * super().weights(batch, losses)


class OtherObjective(Fixed):
    def combine(self, step):
        return 2 * super().combine(step)


class Due(Amal):
    def due(self):
        return True


class EveryStep(Amal):
    every_step = True


class Separates(Amal):
    separates = True


@pytest.mark.parametrize(
    "mixer",
    [
        *(OtherWeights, OtherObjective, Due, EveryStep, Separates),
        *(LearningToReweight, SuperLoss, Uncertainty),
    ],
)
def test_mixers_that_need_more_than_a_number_of_a_row_are_not(member, mixer):
    assert kind_of_member(replace(member, mixer=mixer())) is None


class BothWritten(Amal):
    def weights(self, batch, losses):
        return self.row_weights(batch.index).to(losses)

    def row_weights(self, rows):
        return 0.5 * super().row_weights(rows)


def test_a_mixer_of_a_user_that_writes_both(own, group, train, same):
    members = [own(mixer=BothWritten), own(seed=1, mixer=BothWritten)]
    drawn = group(members=members, trainer={"optimiser": "sgd"})
    for one, other in zip(train(drawn, fit_members), train(drawn, fit_one_by_one), strict=True):
        assert one[1].path == "lock step of 2"
        same(one, other, 1e-6)


class OnHidden(GoldCrossEntropy):
    """A loss that pulls at more than the scores, and at features."""

    name = "hidden"

    def loss(self, outputs, batch):
        return outputs.hidden.square().mean(1) + batch.x.abs().sum(1) * outputs.logits[:, 0]


@pytest.mark.parametrize("wrap", [lambda loss: loss, OnCovered])
def test_losses_without_closed_form_are_trained_alone(wrap, own, group, same):
    """They may look at what a lock step does not have."""
    drawn = group(members=[own(), own(seed=1)], hidden=(4,), trainer={"optimiser": "sgd"})

    def fitted(fit):
        members = [
            replace(member, components=ComponentSet([PredictionEntropy(), wrap(OnHidden())]))
            for member in replace(drawn, lfs=()).draw()
        ]
        return list(zip(members, fit(members), strict=True))

    for one, other in zip(fitted(fit_members), fitted(fit_one_by_one), strict=True):
        assert one[1].path == "alone"
        same(one, other, 0)


def test_losses_of_the_covered_rows_are_stacked_by_their_content(group):
    def kind(weights):
        (member, _) = group().draw()
        losses = ComponentSet([OnCovered(GoldCrossEntropy(weights)), PredictionEntropy()])
        return kind_of_member(replace(member, components=losses))

    assert kind([1.0, 2.0, 3.0]) == kind([1.0, 2.0, 3.0]) != kind([3.0, 2.0, 1.0])


class OtherLinear(LinearModel):
    def forward(self, x):
        logits, hidden = super().forward(x)
        return 2 * logits, hidden


def test_modules_of_users_are_trained_alone(member):
    member.model.feature = OtherLinear(6, 3).double()
    assert kind_of_member(member) is None


@pytest.mark.parametrize("name", ["feature.head.bias", "rules.theta"])
def test_frozen_parameters_stay(name, group, own, train, same):
    def frozen(members):
        members[0].model.get_parameter(name).requires_grad_(False)
        return fit_members(members)

    drawn = group()
    before = drawn.draw()[0].model.get_parameter(name)
    (member, result), _ = train(drawn, frozen)
    assert result.path == "alone"
    assert torch.equal(member.model.get_parameter(name), before)


@pytest.mark.parametrize("options", [{"precision": "bf16", "dtype": "float32"}, {"compile": True}])
def test_other_forward_passes_are_trained_alone(member, options):
    assert kind_of_member(replace(member, trainer=Trainer(TrainerConfig(**options)))) is None


def test_rows_that_others_have_and_changed_images_are_trained_alone(member):
    assert kind_of_member(replace(member, shard=Shard(0, 2))) is None
    assert kind_of_member(replace(member, rows=member.rows[:0])) is None
    member.table.augment = lambda x: x
    assert kind_of_member(member) is None


@pytest.mark.parametrize(
    "other",
    [
        {"features": "wide"},
        {"hidden": (3,)},
        {"n_classes": 2},
        {"lfs": ()},
        {"lfs": (True, False, False, False)},
        {"n_teachers": 1},
        {"row_weights": True},
        {"dtype": "float32"},
        {"trainer": {"batch_size": 5}},
        {"trainer": {"optimiser": "sgd"}},
    ],
)
def test_members_that_differ_are_of_other_kinds(other, group):
    kinds = {kind_of_member(g.draw()[0]) for g in (group(), replace(group(), **other))}
    assert len(kinds) == 2 and None not in kinds


def test_kinds_are_mixed_in_the_order_of_members(own, group, same, train):
    groups = [group(members=[own(seed=0), own(seed=1)]), group(members=[own(seed=2)], hidden=(3,))]
    first, second, other = [member for one in groups for member in one.draw()]
    alone = replace(other, mixer=Uncertainty())
    members = [first, alone, second]
    paths = [result.path for result in fit_members(members)]
    assert paths == ["lock step of 2", "alone", "lock step of 2"]
