"""metric="auto": epochs are chosen by what V says of every class, and accuracies are reported."""

import math

import numpy as np
import pytest
import torch

from spear_amal import GoldClassifier, SpearClassifier, TrainerConfig
from spear_amal.studies import parse_method
from spear_amal.training import Callback, score
from spear_amal.training.epoch_choice import epoch_worth


def test_the_worth_of_an_epoch_by_hand():
    p = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6], [0.9, 0.1, 0.0]]
    y = [0, 1, 0, 2, 0]
    bounded = [math.log(0.8 * row[code] + 0.2 / 3) for row, code in zip(p, y, strict=True)]
    found = epoch_worth(torch.tensor(p).log(), torch.tensor(y))
    assert found == pytest.approx(math.exp(sum(bounded) / 5), rel=1e-6)


def test_the_rare_class_counts_where_accuracy_cannot_see_it():
    """Nine in ten: never to answer the rare class is as accurate as to find it half the time."""
    y = torch.tensor([0] * 18 + [1] * 2)
    never = torch.tensor([[0.95, 0.05]] * 20)
    finds = never.clone()
    finds[18] = torch.tensor([0.2, 0.8])  # one of two
    finds[0] = torch.tensor([0.4, 0.6])  # at the cost of one of eighteen
    assert ((never.argmax(1) == y).sum() == (finds.argmax(1) == y).sum()).item()
    assert epoch_worth(finds.log(), y) > epoch_worth(never.log(), y)


def test_one_row_that_is_surely_wrong_cannot_decide_alone():
    y = torch.zeros(50, dtype=torch.long)
    good = torch.full((50, 2), 0.1)
    good[:, 0] = 0.9
    good[0] = torch.tensor([0.0, 1.0])
    fair = torch.full((50, 2), 0.4)
    fair[:, 0] = 0.6
    assert epoch_worth(good.log(), y) > epoch_worth(fair.log(), y)


def test_to_learn_how_rare_a_class_is_is_worth_more_than_to_know_nothing():
    y = torch.tensor([0] * 18 + [1] * 2)
    shares = torch.tensor([[0.9, 0.1]] * 20)
    assert epoch_worth(shares.log(), y) > epoch_worth(torch.full((20, 2), 0.5).log(), y)


@pytest.fixture(scope="module")
def uneven():
    rng = np.random.default_rng(3)
    y = (rng.random(260) < 0.1).astype(int)
    X = rng.normal(size=(260, 4)) + 1.3 * y[:, None]
    return X, y


@pytest.mark.parametrize("lock_step", [False, True])
def test_the_chosen_epoch_is_the_one_of_most_worth_and_its_accuracy_is_reported(uneven, lock_step):
    X, y = uneven
    n = 25
    trainer = TrainerConfig(max_epochs=n, patience=None, keep_epochs=[*range(1, n + 1)], lr=0.05)
    model = GoldClassifier(metric="auto", trainer=trainer, fit_strategy="single")
    observed = np.where(np.arange(130) < 100, y[:130], -1)
    if lock_step:
        model.set_params(trainer__keep_epochs=())
    model.fit(X[:130], observed, X_val=X[130:], y_val=y[130:])
    (chosen,) = model.best_epoch_
    predicted = model.predict_proba(X[130:]).argmax(1)
    assert model.val_score_ == pytest.approx((predicted == y[130:]).mean())
    assert model.history_["val_score"][chosen] == pytest.approx(model.val_score_)
    assert model.score(X[130:], y[130:]) == pytest.approx(model.val_score_)
    if lock_step:
        return
    codes = torch.from_numpy(y[130:])
    with torch.no_grad():
        inputs = torch.from_numpy(X[130:]).float()
        worth = {
            epoch - 1: epoch_worth(network(inputs)[0].log_softmax(1), codes)
            for epoch, network in model.snapshots_.items()
        }
    assert chosen == max(worth, key=lambda epoch: worth[epoch])


class Killed(Callback):
    """Ends training after four epochs."""

    def on_epoch(self, epoch, record):
        if epoch == 3:
            raise KeyboardInterrupt


def test_a_run_that_was_killed_goes_on_to_the_same_choice(uneven, tmp_path):
    X, y = uneven
    observed = np.where(np.arange(130) < 100, y[:130], -1)
    given = {"X": X[:130], "y": observed, "X_val": X[130:], "y_val": y[130:]}
    whole = GoldClassifier(metric="auto", trainer=TrainerConfig(max_epochs=9)).fit(**given)
    settings = {"max_epochs": 9, "checkpoint": tmp_path / "run.ckpt"}
    with pytest.raises(KeyboardInterrupt):
        killed = TrainerConfig(**settings, callbacks=[Killed()])
        GoldClassifier(metric="auto", trainer=killed).fit(**given)
    assert settings["checkpoint"].exists()
    model = GoldClassifier(metric="auto", trainer=TrainerConfig(**settings)).fit(**given)
    assert (model.best_epoch_, model.val_score_) == (whole.best_epoch_, whole.val_score_)


def test_auto_is_an_option_of_methods_beside_the_metric_that_is_reported():
    model = parse_method("amal:metric=auto").make(metric="f1")
    assert isinstance(model, SpearClassifier) and model.metric == "auto"
    assert score("auto", np.array([0, 1, 1]), np.array([0, 0, 1])) == pytest.approx(2 / 3)
