"""Weights by role: what names stand for, AMAL's start by name, and teachers that drop out."""

import copy
import json

import numpy as np
import pytest
import torch

from spear_amal import SpearClassifier, TrainerConfig
from spear_amal.batch import Batch
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.mixers import Amal, Fixed
from spear_amal.mixers.dgkd import DGKD
from spear_amal.mixers.loss_roles import by_name

N, B = 13, 5
NAMES = ("label", "teacher0", "teacher1", "entropy")
K = len(NAMES)


def batch():
    none = torch.zeros(B, 0)
    return Batch(torch.arange(B), none, torch.zeros(B).long(), none, none, none)


def attached(mixer, names=NAMES, mixable=None):
    k = len(names)
    mixable = torch.ones(k, dtype=torch.bool) if mixable is None else torch.tensor(mixable)
    mixer.attach(N, names, torch.ones(N, k, dtype=torch.bool), mixable)
    return mixer


def test_roles_stand_for_names_and_names_come_first():
    values = {"label": 0.1, "teacher": 0.9, "teacher1": 0.5}
    assert by_name("x", values, NAMES).tolist() == pytest.approx([0.1, 0.9, 0.5, 1.0])
    assert by_name("x", values, ("entropy", "teacher1")).tolist() == [1.0, 0.5]
    del values["teacher1"]
    assert by_name("x", values, ("gold", "teacher")).tolist() == pytest.approx([0.1, 0.9])
    assert by_name("x", values, ("entropy",)).tolist() == [1.0]  # a role may have no loss
    assert by_name("x", {"gold": 0.3, "label": 0.1}, ("gold",)).tolist() == pytest.approx([0.3])
    with pytest.raises(InputError, match=r"x names losses .*'pupil'"):
        by_name("x", {"pupil": 1.0}, NAMES)


def test_hintons_weights_as_fixed_ones():
    mixer = attached(Fixed({"label": 0.1, "teacher": 0.9}))
    expected = torch.tensor([0.1, 0.9, 0.9, 1.0]).expand(B, K)
    assert torch.equal(mixer.weights(batch(), torch.rand(B, K)), expected)


# -- AMAL -----------------------------------------------------------------------------------------


def test_amal_starts_by_name():
    mixer = attached(Amal.preset("distillation"))
    assert torch.equal(mixer.table(), torch.tensor([0.1, 0.9, 0.9, 1.0]).expand(N, K))
    assert [e for e in range(33) if mixer.should_refresh(e)] == [10, 20, 30]
    assert mixer.look_ahead_options().group_size == 384


def test_a_start_by_name_must_name_losses_that_are_trained():
    with pytest.raises(InputError, match="start names losses"):
        attached(Amal(start={"pupil": 0.5}))


def test_the_same_start_for_all_losses_by_name_or_number():
    by_number, by_names = Amal(start=0.3), Amal(start=dict.fromkeys(NAMES, 0.3))
    assert torch.equal(attached(by_number).table(), attached(by_names).table())


def test_a_start_by_name_survives_json():
    mixer = Amal(start={"label": 0.25, "teacher": 0.75}, clamp=(0.0, 2.0))
    summary = json.loads(json.dumps(mixer.summary()))
    assert summary.pop("mixer") == "Amal"
    assert torch.equal(attached(Amal(**summary)).table(), attached(mixer).table())


def test_a_start_by_name_survives_a_saved_estimator(tmp_path):
    labels, y = synthetic_votes(53, 5, 3, seed=0)
    x = np.random.default_rng(0).normal(size=(53, 7)) + 2 * np.eye(3, 7)[y]
    observed = np.where(np.arange(53) < 17, y, -1)
    mixer = Amal(
        start={"label": 0.25, "entropy": 0.5}, weight_lr=0.0
    )  # weights stay at their start
    model = SpearClassifier(mixer=mixer, trainer=TrainerConfig(max_epochs=3)).fit(
        x, observed, labels
    )
    path = tmp_path / "model.safetensors"
    model.save(path)
    again = SpearClassifier.load(path)
    assert again.mixer.summary() == mixer.summary()
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))
    assert model.weights_["gold"].dropna().eq(0.25).all()


# -- DGKD -----------------------------------------------------------------------------------------


def drawn(mixer, n=400):
    losses = torch.rand(B, K)
    return torch.stack([mixer.weights(batch(), losses)[0] for _ in range(n)])


def test_teachers_stay_independently_with_the_given_probability():
    weights = drawn(attached(DGKD(0.75, seed=0)), 2000)
    assert (weights[:, 0] == 0.1).all()
    assert (weights[:, 3] == 1.0).all()
    stays = weights[:, 1:3] > 0
    assert torch.equal(weights[:, 1:3], torch.where(stays, 0.9, 0.0))  # not scaled up
    # five standard deviations of a proportion of 2000 draws are below 0.06
    assert stays.double().mean(0).tolist() == pytest.approx([0.75, 0.75], abs=0.06)
    both, none = stays.all(1).double().mean(), (~stays).all(1).double().mean()
    assert both.item() == pytest.approx(0.75**2, abs=0.06)
    assert none.item() == pytest.approx(0.25**2, abs=0.06)


def test_a_batch_shares_its_draw():
    mixer = attached(DGKD(0.5, seed=0))
    for _ in range(17):
        weights = mixer.weights(batch(), torch.rand(B, K))
        assert (weights == weights[0]).all()


def test_exactly_so_many_teachers_are_dropped():
    names = ("gold", "teacher0", "teacher1", "teacher2")
    weights = drawn(attached(DGKD(drop=2, seed=0), names))
    stays = weights[:, 1:] > 0
    assert (stays.sum(1) == 1).all()
    assert stays.any(0).all()


@pytest.mark.parametrize(("keep", "expected"), [(0.0, 0.0), (1.0, 0.9)])
def test_all_or_none(keep, expected):
    assert (drawn(attached(DGKD(keep)), 7)[:, 1:3] == expected).all()


def test_a_teacher_that_is_not_mixable_is_never_dropped():
    mixer = attached(DGKD(0.0), mixable=[True, False, True, True])
    assert drawn(mixer, 7)[0].tolist() == pytest.approx([0.1, 1.0, 0.0, 1.0])


def test_draws_go_on_after_the_state_was_taken_back():
    first, second = (attached(DGKD(0.5, seed=seed)) for seed in (0, 1))
    drawn(first, 11)
    second.load_state_dict(first.state_dict())
    assert torch.equal(drawn(first, 31), drawn(second, 31))


def test_a_copy_in_the_middle_of_a_run_draws_the_same():
    first = attached(DGKD(0.5, seed=0))
    drawn(first, 11)
    assert torch.equal(drawn(copy.deepcopy(first), 31), drawn(first, 31))


def test_draws_move_no_other_draws():
    mixer = attached(DGKD(0.5))
    losses = torch.rand(B, K)
    before = torch.get_rng_state()
    mixer.weights(batch(), losses)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "options",
    [
        {"keep": 1.5},
        {"keep": -0.1},
        {"drop": -1},
        {"drop": 0.5},
        {"seed": "a"},
        {"per_loss": {"label": -1.0}},
        {"per_loss": [0.1, 0.9]},
    ],
)
def test_nonsense_is_refused_by_name(options):
    with pytest.raises(InputError, match=next(iter(options))):
        DGKD(**options)


def test_all_teachers_cannot_be_dropped():
    with pytest.raises(InputError, match="drop=2"):
        attached(DGKD(drop=2))
