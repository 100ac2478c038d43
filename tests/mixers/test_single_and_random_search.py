"""The main loss alone, and draws of fixed weights."""

import math

import pytest
import torch
from every_mixer import B, K, N, attached, batch
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.errors import InputError
from spear_amal.mixers import RandomSearch, Single, build_mixer
from spear_amal.mixers.loss_roles import main_loss

LONG = ("entropy", "gold", "teacher", "agreement", "label")


def weights_of(mixer, names=LONG, mixable=None):
    mixable = torch.ones(len(names), dtype=torch.bool) if mixable is None else mixable
    on = torch.ones(N, len(names), dtype=torch.bool)
    mixer.attach(N, names, on, mixable)
    weights = mixer.weights(batch(), torch.rand(B, len(names), dtype=torch.float64))
    assert (weights == weights[0]).all()
    assert torch.equal(mixer.table(), mixer.vector.float().expand(N, -1))
    return weights[0]


# -- which loss is main ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [(LONG, 1), (("a", "b"), 0), (("teacher", "label"), 1), (("rotation",), 0)],
)
def test_the_main_loss_is_that_on_labels_else_the_first(names, expected):
    assert main_loss(None, names) == expected
    assert main_loss(names[-1], names) == len(names) - 1


@pytest.mark.parametrize("name", ["single", "random-search", "gcs"])
def test_a_main_loss_that_is_not_there_is_named(name):
    with pytest.raises(InputError, match=r"'rotation'.*entropy"):
        weights_of(build_mixer(name, {"main": "rotation"}))
    for nonsense in (3, "", ["label"]):
        with pytest.raises(InputError, match="main must be"):
            build_mixer(name, {"main": nonsense})


# -- single ---------------------------------------------------------------------------------------


def test_single_counts_the_main_loss_and_what_cannot_be_mixed():
    mixable = torch.tensor([True, True, False, True, True])
    assert weights_of(Single(), mixable=mixable).tolist() == [0, 1, 1, 0, 0]
    assert weights_of(Single("agreement")).tolist() == [0, 0, 0, 1, 0]
    assert attached(Single()).mean_weights(torch.arange(N)) == {
        "label": 1.0,
        "teacher0": 0.0,
        "teacher1": 0.0,
    }


# -- random search --------------------------------------------------------------------------------


def test_trial_zero_is_the_plain_sum():
    assert (weights_of(RandomSearch()) == 1).all()


@given(
    trial=st.integers(1, 97),
    seed=st.integers(0, 97),
    ends=st.tuples(st.floats(0.01, 5), st.floats(0.01, 5)),
    log=st.booleans(),
)
def test_draws_lie_in_range_and_depend_on_seed_and_trial_alone(trial, seed, ends, log):
    options = {"low": min(ends), "high": max(ends), "log": log, "seed": seed, "trial": trial}
    mixable = torch.tensor([True, True, False, True, True])
    weights = weights_of(RandomSearch(**options), mixable=mixable)
    assert weights[1] == weights[2] == 1  # main, and not to be mixed
    drawn = weights[[0, 3, 4]]
    slack = 1e-12 * max(ends)
    assert (drawn >= min(ends) - slack).all()
    assert (drawn <= max(ends) + slack).all()
    again = RandomSearch(3, **options)
    torch.rand(7)  # the global stream plays no part
    assert torch.equal(weights_of(again, mixable=mixable), weights)


def test_draws_differ_between_trials_seeds_and_losses():
    drawn = torch.stack([weights_of(RandomSearch(trial=t, seed=s)) for t in (1, 2) for s in (0, 1)])
    others = drawn[:, [0, 2, 3, 4]].flatten()
    assert len(others.unique()) == len(others)


def test_logarithms_are_drawn_evenly_where_asked_for():
    many = torch.cat(
        [
            weights_of(RandomSearch(trial=t, low=1e-4, high=1.0, log=True))[[0, 2, 3, 4]]
            for t in range(1, 151)
        ]
    )
    shares = [((many >= 10**e) & (many < 10 ** (e + 1))).double().mean() for e in range(-4, 0)]
    assert all(0.18 < share < 0.32 for share in shares)


def test_candidates_are_one_mixer_a_trial_with_the_same_options():
    search = RandomSearch(7, low=0.1, high=3.0, log=True, seed=5, trial=3, main="gold")
    found = search.candidates(LONG)
    assert [one.trial for one in found] == list(range(7))
    for one in found:
        assert {**one.summary(), "trial": 3} == search.summary()
    assert len(search.candidates(["gold"])) == 1  # nothing to search
    assert search.trial == 3


def test_a_longer_search_begins_with_the_draws_of_a_shorter_one():
    short, long = RandomSearch(3).candidates(LONG), RandomSearch(11).candidates(LONG)
    for one, other in zip(short, long, strict=False):
        assert torch.equal(weights_of(one), weights_of(other))


@pytest.mark.parametrize(
    "options",
    [
        {"trials": 0},
        {"trials": 2.5},
        {"trial": -1},
        {"seed": -1},
        {"low": -0.5},
        {"high": math.inf},
        {"high": "1"},
        {"low": 3.0, "high": 2.0},
        {"low": 0.0, "log": True},
    ],
)
def test_nonsense_is_refused_by_name(options):
    with pytest.raises(InputError, match=next(iter(options))):
        build_mixer("random-search", options)


def test_base_mixers_stand_for_themselves():
    mixer = attached(Single())
    assert mixer.candidates(["a"] * K) == [mixer]
