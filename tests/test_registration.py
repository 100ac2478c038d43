"""What a reader's own module registers by one line is meant by its name everywhere."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from spear_amal import LabelModelClassifier, RuleModelConfig, SpearClassifier, TrainerConfig
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.estimators import distiller
from spear_amal.label_models import LABEL_MODELS, LabelModel, register_label_model
from spear_amal.loop import LossMixer
from spear_amal.losses import Component, register_loss, spear_components
from spear_amal.losses.spear import LOSSES
from spear_amal.mixers import MIXERS, Amal, Mixer, build_mixer, mixer_parameters, register_mixer

N, M, C, D = 83, 5, 3, 7


class Share(Mixer):
    """Every loss has the same weight."""

    spreads = True

    def __init__(self, share=0.5):
        self.share = share

    def weights(self, batch, losses):
        return torch.full_like(losses, self.share)


class Brier(Component):
    """Squared distance of the prediction to the gold class."""

    def loss(self, outputs, batch):
        gold = torch.nn.functional.one_hot(batch.y.clamp(min=0), outputs.logits.shape[1])
        return (outputs.logits.softmax(1) - gold).square().sum(1)

    def applies(self, batch):
        return batch.y >= 0


class FirstVote(LabelModel):
    """The class of the first LF that fires."""

    def _fit(self, L, y):
        pass

    def _posterior(self, L):
        votes = L.to_dense()
        fired = (votes >= 0).argmax(1)
        return np.eye(self.n_classes_)[votes[np.arange(len(votes)), fired]]


@pytest.fixture
def registered():
    """Registered for one test, each by one line."""
    before = [(table, dict(table)) for table in (MIXERS, LABEL_MODELS, LOSSES)]
    register_mixer("share", Share, "the same weight for every loss")
    register_label_model("first-vote", FirstVote)
    register_loss("brier", Brier)
    yield
    for table, entries in before:
        table.clear()
        table.update(entries)


@pytest.fixture(scope="module")
def data():
    L, gold = synthetic_votes(N, M, C, accuracies=0.8, coverages=0.4, seed=3)
    X = np.random.default_rng(0).normal(size=(N, D)) + 1.5 * np.eye(C, D)[gold]
    return X, np.where(np.arange(N) < 31, gold, -1), L, gold


@pytest.mark.usefixtures("registered")
def test_a_mixer_of_ones_own_is_known_by_name(data, tmp_path):
    X, y, L, _ = data
    assert isinstance(build_mixer("share"), Share)
    assert mixer_parameters("share") == ("share",)
    loop = LossMixer("share", ["label", "teacher"], share=0.25)
    losses = {name: torch.ones(3, requires_grad=True) for name in ("label", "teacher")}
    assert loop(losses, torch.arange(3)).item() == pytest.approx(0.5)
    options = {"trainer": TrainerConfig(max_epochs=2), "random_state": 0}
    named = SpearClassifier.from_options(
        mixer="share", mixer_options={"share": 0.25}, **options
    ).fit(X, y, L=L)
    given = SpearClassifier.from_options(mixer=Share(0.25), **options).fit(X, y, L=L)
    p = named.predict_proba(X)
    np.testing.assert_array_equal(given.predict_proba(X), p)
    for i, model in enumerate((named, given)):
        path = tmp_path / f"{i}.safetensors"
        model.save(path)
        np.testing.assert_array_equal(SpearClassifier.load(path).predict_proba(X), p)
    assert SpearClassifier.load(path).mixer.share == 0.25


@pytest.mark.usefixtures("registered")
def test_a_mixer_of_ones_own_is_a_method_of_distillation(data):
    X, _, _, gold = data
    logits = np.random.default_rng(0).normal(size=(N, C))
    student = distiller("share", "mlp", [logits], mixer_options={"share": 0.25}, max_epochs=2)
    assert np.isfinite(student.fit(X, gold).predict_proba(X)).all()
    with pytest.raises(InputError, match="unknown method 'shares'"):
        distiller("shares")


@pytest.mark.usefixtures("registered")
def test_a_loss_of_ones_own_joins_those_of_spear(data):
    X, y, L, _ = data
    assert spear_components(["brier", 1]).names == ("gold", "brier")
    model = SpearClassifier(
        rule_model=RuleModelConfig(losses=[1, 3, "brier"]), trainer=TrainerConfig(max_epochs=2)
    ).fit(X, y, L=L)
    assert list(model.weights_) == ["gold", "consensus", "brier"]
    assert model.history_["loss/brier"].notna().all()


@pytest.mark.usefixtures("registered")
def test_a_label_model_of_ones_own_is_known_by_name(data, tmp_path):
    X, y, L, _ = data
    for label_model in ("first-vote", FirstVote()):
        model = LabelModelClassifier(
            label_model=label_model, trainer=TrainerConfig(max_epochs=2)
        ).fit(X, y, L=L)
        path = tmp_path / f"{type(label_model).__name__}.safetensors"
        model.save(path)
        again = LabelModelClassifier.load(path)
        np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("register", "base", "taken"),
    [
        (register_mixer, Mixer, "amal"),
        (register_loss, Component, "gold"),
        (register_label_model, LabelModel, "majority"),
    ],
)
@pytest.mark.usefixtures("registered")
def test_what_cannot_be_registered_is_named(register, base, taken):
    own = type("Own", (base,), {})
    with pytest.raises(InputError, match=f"{taken}.* stands for"):
        register(taken, own)
    with pytest.raises(InputError, match=f"derived from {base.__name__}"):
        register("own", int)
    with pytest.raises(InputError, match="under a name"):
        register("", own)
    register("own", own)
    register("own", type("Own", (base,), {}))  # a notebook's cell is run again
    other = type("Own", (base,), {"__module__": "another"})
    with pytest.raises(InputError, match=r"'own' stands for .*Own"):
        register("other", other)  # a file could not tell the two


def test_settings_of_a_mixer_are_searched_as_nested_parameters(data):
    X, _, _, gold = data
    model = SpearClassifier(
        mixer=Amal(warmup=0, refresh_every=1), trainer=TrainerConfig(max_epochs=3)
    )
    assert clone(model).set_params(mixer__weight_lr=3.0).get_params()["mixer__weight_lr"] == 3.0
    assert model.mixer.weight_lr == Amal().weight_lr
    with pytest.raises(InputError, match="weight_lr must be at least 0"):
        clone(model).set_params(mixer__weight_lr=-1.0)
    search = GridSearchCV(model, {"mixer__weight_lr": [0.0, 30.0]}, cv=2, error_score="raise")
    search.fit(X, gold)
    assert search.best_estimator_.mixer.weight_lr in (0.0, 30.0)
