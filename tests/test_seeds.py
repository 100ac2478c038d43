"""Seeds: numbers of any type, generators, None, and what each of them must come to."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from spear_amal import TrainerConfig
from spear_amal.data import partition, synthetic_corpus, synthetic_votes
from spear_amal.data.images.label_noise import add_label_noise
from spear_amal.errors import InputError
from spear_amal.estimators import (
    AuxiliaryClassifier,
    DistilledClassifier,
    GoldClassifier,
    LabelModelClassifier,
    ReweightedClassifier,
    RotationDistiller,
    RuleNetworkClassifier,
    SelfTrainedClassifier,
    SpearClassifier,
)
from spear_amal.labeling import votes_test
from spear_amal.mixers import build_mixer
from spear_amal.seeds import random_generator, settle_seed
from spear_amal.studies import run_study

N, SIDE = 61, 3
T = TrainerConfig(max_epochs=2)
ESTIMATORS = [
    GoldClassifier(trainer=T, feature_model="mlp", hidden=(5,)),
    SpearClassifier(trainer=T, feature_model="mlp", hidden=(5,)),
    LabelModelClassifier(trainer=T, feature_model="mlp", hidden=(5,)),
    ReweightedClassifier(trainer=T, feature_model="mlp", hidden=(5,)),
    SelfTrainedClassifier(trainer=T, feature_model="mlp", hidden=(5,)),
    RuleNetworkClassifier(trainer=T, inference="feature", feature_model="mlp", hidden=(5,)),
    DistilledClassifier("mlp:5", ["mlp:7"], trainer=T),
    AuxiliaryClassifier("mlp:5", ["l2"], trainer=T),
    RotationDistiller("mlp:5", mixer="ce", trainer=T),
]
EVERY = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)


def fitted(estimator, seed):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, N)
    X = rng.normal(size=(N, SIDE * SIDE)) + y[:, None]
    if isinstance(estimator, RotationDistiller):
        X = X.reshape(N, 1, SIDE, SIDE).astype(np.float32)
    L = np.where(rng.random((N, 3)) < 0.6, y[:, None], -1)
    model = clone(estimator).set_params(random_state=seed)
    return model.fit(X, y, L=L), model.predict_proba(X)


@EVERY
def test_a_number_of_any_type_is_the_same_seed(estimator):
    _, expected = fitted(estimator, 7)
    for seed in (np.int64(7), np.uint8(7)):
        np.testing.assert_array_equal(fitted(estimator, seed)[1], expected)
    model, other = fitted(estimator, 2**32 - 1)
    assert model.seed_ == 2**32 - 1
    assert not np.array_equal(other, expected)


@EVERY
@pytest.mark.parametrize("kind", [np.random.RandomState, np.random.default_rng])
def test_a_generator_is_drawn_from(estimator, kind):
    generator = kind(3)
    first, second = fitted(estimator, generator), fitted(estimator, generator)
    again = fitted(estimator, kind(3))
    np.testing.assert_array_equal(first[1], again[1])
    assert first[0].seed_ != second[0].seed_ and not np.array_equal(first[1], second[1])


def test_a_generator_gives_the_number_that_numpy_draws():
    assert settle_seed(np.random.RandomState(3)) == np.random.RandomState(3).randint(
        2**32, dtype=np.uint32
    )
    expected = int(np.random.default_rng(3).integers(2**32))
    assert settle_seed(np.random.default_rng(3)) == expected
    same = fitted(ESTIMATORS[0], expected)[1]
    np.testing.assert_array_equal(fitted(ESTIMATORS[0], np.random.default_rng(3))[1], same)


@EVERY
def test_none_starts_anew_and_leaves_global_generators_alone(estimator):
    legacy, stream = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    model, _ = fitted(estimator, None)
    other, _ = fitted(estimator, None)
    assert model.seed_ != other.seed_  # by chance one time in four thousand millions
    assert model.random_state is None
    np.testing.assert_array_equal(np.random.get_state()[1], legacy)  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), stream)


@EVERY
@pytest.mark.parametrize("seed", [-1, 2**32, 2**64, 1.5, "3", [3]], ids=str)
def test_what_is_no_seed_is_named_with_what_may_be(estimator, seed):
    with pytest.raises(ValueError, match=r"random_state.*4294967295"):
        fitted(estimator, seed)


@pytest.mark.parametrize("seed", [None, np.random.RandomState(3), np.random.default_rng(3)])
def test_a_file_holds_what_a_generator_came_to(seed, tmp_path):
    model, p = fitted(ESTIMATORS[1], seed)
    model.save(tmp_path / "model.safetensors")
    again = SpearClassifier.load(tmp_path / "model.safetensors")
    assert again.random_state == (None if seed is None else model.seed_)
    X = np.random.default_rng(1).normal(size=(5, SIDE * SIDE))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert p.shape == (N, 2)


def test_a_run_that_is_to_be_continued_needs_a_number(tmp_path):
    settings = {"trainer__checkpoint": tmp_path / "run.ckpt"}
    model = clone(ESTIMATORS[0]).set_params(**settings)
    with pytest.raises(InputError, match="needs a number"):
        fitted(model, None)
    first = fitted(model, np.random.RandomState(3))[1]
    np.testing.assert_array_equal(fitted(model, np.random.RandomState(3))[1], first)


DOORS = {
    "partition": lambda seed: partition([0, 1] * 20, seed, 6, 4).labelled,
    "corpus": lambda seed: synthetic_corpus(n=30, seed=seed, n_test=8).labels,
    "votes": lambda seed: synthetic_votes(20, 3, 2, seed=seed)[1],
    "noise": lambda seed: add_label_noise([0, 1, 2] * 9, 0.5, n_classes=3, seed=seed).y,
    "test of votes": lambda seed: [
        votes_test([[0], [1], [0], [1]] * 5, [0, 1, 0, 1] * 5, seed=seed).p_value
    ],
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_takes_the_same_seeds(door):
    draw = DOORS[door]
    np.testing.assert_array_equal(draw(5), draw(np.int64(5)))
    np.testing.assert_array_equal(draw(np.random.RandomState(5)), draw(np.random.RandomState(5)))
    np.testing.assert_array_equal(draw(np.random.default_rng(5)), draw(np.random.default_rng(5)))
    draw(None)
    for wrong in (-1, 1.5, "five"):
        with pytest.raises(InputError, match="whole number from 0"):
            draw(wrong)


def test_a_generator_of_a_large_number_is_that_of_numpy():
    assert random_generator(2**70).random() == np.random.default_rng(2**70).random()


@pytest.mark.parametrize("name", ["auxilearn", "mwn", "dgkd"])
def test_mixers_take_numpys_numbers_and_refuse_what_is_too_large(name):
    def start(seed):
        mixer = build_mixer(name, {"seed": seed})
        domain = torch.ones(7, 2, dtype=torch.bool)
        mixer.attach(7, ("label", "teacher"), domain, torch.ones(2, dtype=torch.bool))
        return mixer

    start(np.int64(3))
    with pytest.raises(InputError, match="seed must be"):
        start(-1)
    with pytest.raises(InputError, match="seed must be"):
        start(2**64)


def test_seeds_of_a_study_are_looked_at_before_it_runs():
    with pytest.raises(InputError, match="4294967295"):
        run_study(synthetic_corpus(n=60, n_test=20), ["only-l"], [0, 2**32])
