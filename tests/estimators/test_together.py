"""Fits in steps: driven together each gives what it gives alone, and none is harmed by another."""

from __future__ import annotations

import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spear_amal import (
    GoldClassifier,
    LabelMatrix,
    LabelModelClassifier,
    SpearClassifier,
    TrainerConfig,
)
from spear_amal.distributed.shard import Shard
from spear_amal.errors import InputError
from spear_amal.estimators import together
from spear_amal.estimators.together import Stopwatch, finish_together, fit_together, train_members
from spear_amal.studies import shuffled_votes
from spear_amal.training import DivergedError, members
from spear_amal.training.run import TrainingRun

N_L, N_U, N_V, D = 61, 97, 53, 5
SHORT = TrainerConfig(max_epochs=3, dtype="float64")
EARLY = {"warmup": 1, "refresh_every": 1}  # so that weights are learnt


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, N_L + N_U + N_V)
    X = rng.normal(size=(len(gold), D)) + 0.8 * np.eye(2, D)[gold]
    right = rng.random((len(gold), 5)) < 0.85
    votes = np.where(rng.random(right.shape) < 0.4, np.where(right, gold[:, None], 0), -1)
    L, t = LabelMatrix.from_dense(votes, classes=range(2)), N_L + N_U
    y = np.where(np.arange(t) < N_L, gold[:t], -1)
    return {
        "X": X[:t],
        "y": y,
        "L": L[:t],
        "X_val": X[t:],
        "y_val": gold[t:],
        "L_val": L[t:],
    }


def without_votes(rows):
    return {name: value for name, value in rows.items() if not name.startswith("L")}


def many_fits(rows):
    """Fits of several rounds and kinds, one of them with rows of weight 0."""
    counted = rows | {"sample_weight": np.arange(N_L + N_U) % 3}
    return [
        (
            SpearClassifier(trainer=SHORT, mixer_options=EARLY, fit_strategy="crossfit", n_folds=3),
            rows,
        ),
        (SpearClassifier(trainer=SHORT, fit_strategy="refit", mixer="fixed"), rows),
        (GoldClassifier(trainer=SHORT, random_state=5), without_votes(rows)),
        (LabelModelClassifier(trainer=SHORT, fit_strategy="refit", label_model="cage"), rows),
        (SpearClassifier(trainer=SHORT, mixer="random-search", mixer_options={"trials": 2}), rows),
        (
            SpearClassifier(
                trainer=SHORT, mixer_options=EARLY, fit_strategy="crossfit-weights", n_folds=2
            ),
            counted,
        ),
    ]


@pytest.fixture(scope="module")
def alone(rows):
    return [estimator.fit(**given) for estimator, given in many_fits(rows)]


def same(one, other, rows):
    tables = [[model.predict_proba(rows["X"]), model.weights_] for model in (one, other)]
    for ours, theirs in zip(*tables, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
    ours, theirs = (model.history_.drop(columns="seconds") for model in (one, other))
    pd.testing.assert_frame_equal(ours, theirs, rtol=0, atol=1e-10)
    for name in ("best_epoch_", "seed_", "validation_used_", "exponent_"):
        assert getattr(one, name) == getattr(other, name)
    assert one.val_score_ == pytest.approx(other.val_score_, abs=1e-10)


@pytest.mark.parametrize("order", [1, -1])
def test_together_each_fit_gets_what_it_gets_alone(rows, alone, order):
    driven = fit_together(many_fits(rows)[::order])[::order]
    for one, other in zip(alone, driven, strict=True):
        same(one, other, rows)
    paths = [[estimator.training_path_ for estimator in fits] for fits in (alone, driven)]
    assert paths[0] == [f"lock step of {n}" for n in (3, 1, 1, 1, 2)] + [
        "lock step of 2, lock step of 1"
    ]
    assert paths[1] == [
        *("lock step of 6", "lock step of 6, lock step of 1", "lock step of 1", "lock step of 1"),
        *("lock step of 6", "lock step of 2, lock step of 1"),
    ]


def test_memory_bounds_how_many_are_under_way(rows, alone, monkeypatch):
    pooled = []

    def counted(asked):
        pooled.append(len(asked))
        return members.fit_members(asked)

    monkeypatch.setattr(together, "fit_members", counted)
    one_by_one = fit_together(many_fits(rows)[:3], memory=1)
    assert pooled == [3, 1, 1, 1]  # one fit after the other: folds, a model and its refit, a model
    pooled.clear()
    driven = fit_together(many_fits(rows)[:3])
    assert pooled == [5, 1]
    for one, *others in zip(alone[:3], one_by_one, driven, strict=True):
        for other in others:
            same(one, other, rows)


def test_fits_begin_only_when_there_is_room(rows):
    begun = []

    def fits():
        for estimator, given in many_fits(rows)[:2]:
            begun.append(estimator)
            yield estimator.fit_steps(**given)

    endings = finish_together(fits(), memory=1)
    assert next(endings).number == 0 and len(begun) == 1
    assert next(endings).number == 1 and len(begun) == 2


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of sums over such rows
def test_a_fit_that_diverges_takes_no_other_along(rows, alone):
    wild = GoldClassifier(trainer=replace(SHORT, lr=50.0), random_state=3)
    overflowing = {"X_val": np.where(rows["X_val"] < 0, -1e308, 1e308)}
    fits = many_fits(rows)[:3]
    fits.insert(1, (wild, without_votes(rows) | overflowing))
    driven = fit_together(fits)
    error = driven.pop(1)
    assert isinstance(error, DivergedError) and str(error).startswith("seed 3: loss 'validation'")
    for one, other in zip(alone[:3], driven, strict=True):
        same(one, other, rows)


@pytest.fixture
def second_diverges(monkeypatch):
    """Make the second model that is trained diverge in its first epoch; the list of all."""
    trained, after_epoch = [], TrainingRun.after_epoch

    def diverge(self, *sums):
        if self not in trained:
            trained.append(self)
        if [self] == trained[1:2]:
            raise DivergedError("loss 'gold' became nan in epoch 0")
        after_epoch(self, *sums)

    monkeypatch.setattr(TrainingRun, "after_epoch", diverge)
    return trained


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"fit_strategy": "crossfit", "n_folds": 3}, "fold 2 of 3, seed 4"),
        ({"mixer": "random-search", "mixer_options": {"trials": 3}}, "trial 2 of 3, seed 4"),
        ({"fit_strategy": "refit"}, "refit, seed 4"),
    ],
)
def test_a_model_that_diverges_is_named_after_the_others_are_done(
    rows, second_diverges, options, name
):
    model = SpearClassifier(trainer=SHORT, random_state=4, **options)
    with pytest.raises(DivergedError, match=rf"^{name}: loss 'gold' became nan"):
        model.fit(**rows)
    assert all(
        len(run.state.history) == 3 for run in second_diverges if run is not second_diverges[1]
    )


def test_other_errors_end_their_own_fit_only(rows, tmp_path):
    """One before any training, one of the trainer itself: a file that is no checkpoint."""
    broken = tmp_path / "run.safetensors"
    broken.write_bytes(b"no checkpoint")
    good = (GoldClassifier(trainer=SHORT), without_votes(rows))
    fits = [
        (GoldClassifier(trainer=SHORT), without_votes(rows) | {"y": rows["y"][:7]}),
        (GoldClassifier(trainer=replace(SHORT, checkpoint=broken)), without_votes(rows)),
        good,
    ]
    short, unread, fitted = fit_together(fits)
    assert isinstance(short, InputError) and "7" in str(short)
    assert isinstance(unread, Exception) and "run.safetensors" in str(unread)
    same(GoldClassifier(trainer=SHORT).fit(**good[1]), fitted, rows)


def test_warnings_are_those_of_each_fit_and_shown_once(rows):
    useless = rows | {"L": shuffled_votes(rows["L"], 1), "L_val": shuffled_votes(rows["L_val"], 1)}
    no_l_val = {name: value for name, value in rows.items() if name != "L_val"}
    given = [useless, rows, no_l_val, useless]
    before = warnings.showwarning
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        steps = (SpearClassifier(trainer=SHORT).fit_steps(**one) for one in given)
        endings = sorted(finish_together(steps), key=lambda ending: ending.number)
    said = [[text.split(",")[0] for _, text in ending.warnings] for ending in endings]
    guard = said[0]
    assert len(guard) == 1 and "no better than" in guard[0]
    assert said == [
        guard,
        [],
        ["validation rows came without L_val: LF quality cannot be estimated on them"],
        guard,
    ]
    assert len(shown) == 3  # every fit warns on its own, where nobody asked for once
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        fit_together([(SpearClassifier(trainer=SHORT), one) for one in given])
    assert len(shown) == 2
    assert warnings.showwarning is before


@pytest.mark.parametrize("left_out", ["L_val", None])
def test_a_warning_points_at_the_line_that_called_fit(rows, left_out):
    given = {name: value for name, value in rows.items() if name != left_out}
    if left_out is None:
        given |= {"L": shuffled_votes(rows["L"], 1), "L_val": shuffled_votes(rows["L_val"], 1)}
    with pytest.warns(UserWarning) as shown:
        SpearClassifier(trainer=SHORT).fit(**given)
    assert [warning.filename for warning in shown] == [__file__]


def test_an_interrupt_closes_every_fit(rows, monkeypatch):
    closed = []

    def steps(number):
        try:
            yield from SpearClassifier(trainer=SHORT).fit_steps(**rows)
        finally:
            closed.append(number)

    def interrupt(asked):
        raise KeyboardInterrupt

    monkeypatch.setattr(together, "fit_members", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(finish_together(steps(number) for number in range(3)))
    assert sorted(closed) == [0, 1, 2]
    with pytest.raises(KeyboardInterrupt):
        together.finish(steps(3))
    assert closed[-1] == 3


def test_processes_that_share_rows_meet_within_one_fit(rows, monkeypatch):
    """What such a fit opens is closed before any other begins or goes on."""
    log = []

    def steps(number, world):
        (member,) = next(SpearClassifier(trainer=SHORT).fit_steps(**rows))
        for place in "ab":
            log.append(f"{number}{place}")
            yield [replace(member, shard=Shard(0, world))]

    monkeypatch.setattr(together, "fit_members", lambda asked: [None] * len(asked))
    list(finish_together(steps(number, world) for number, world in enumerate([1, 2, 1])))
    assert log == ["0a", "1a", "1b", "2a", "0b", "2b"]


def test_a_stopwatch_leaves_out_the_time_of_others(rows, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(together.time, "perf_counter", lambda: clock[0])

    def steps():
        clock[0] += 2
        results = yield from train_members(["a model"])
        clock[0] += 3
        return results

    result = members.TrainingResult([], 0, None, None, seconds=5.0)
    watch = Stopwatch()
    timed = watch.time(steps())
    assert next(timed) == ["a model"]
    clock[0] += 100
    with pytest.raises(StopIteration) as end:
        timed.send([result])
    assert end.value.value == [result] and watch.seconds == 10.0


def test_seconds_of_models_in_lock_step_are_shares():
    """Of all together they are no more than the time that passed."""
    points = np.random.default_rng(0).normal(size=(60, 4))
    given = {"X": points, "y": (points[:, 0] > 0).astype(int)}
    began = time.perf_counter()
    fits = [(GoldClassifier(random_state=seed), given) for seed in range(4)]
    models = fit_together(fits)
    passed = time.perf_counter() - began
    assert {model.training_path_ for model in models} == {"lock step of 4"}
    assert sum(model.history_["seconds"].sum() for model in models) <= passed
