"""Label models behind an end model: what they see, when they predict, and reweighted rows."""

import numpy as np
import pytest

from spear_amal import TrainerConfig
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.estimators import LabelModelClassifier, ReweightedClassifier
from spear_amal.label_models import LabelModel, MajorityVote

N, N_TRAIN, M, C, D = 199, 151, 7, 3, 11
N_GOLD = 41


@pytest.fixture(scope="module")
def data():
    labels, gold = synthetic_votes(N, M, C, accuracies=0.8, coverages=0.4, seed=3)
    X = np.random.default_rng(0).normal(size=(N, D)) + 1.5 * np.eye(C, D)[gold]
    return X, np.where(np.arange(N) < N_GOLD, gold, -1), labels, gold


def fitted(data, cls=LabelModelClassifier, **options):
    X, y, L, gold = data
    t = N_TRAIN
    model = cls.from_options(**{"max_epochs": 5, "n_folds": 3, **options})
    return model.fit(X[:t], y[:t], L=L[:t], X_val=X[t:], y_val=gold[t:], L_val=L[t:])


class Spy(LabelModel):
    """Majority vote that takes gold, and notes whose."""

    uses_gold = True
    fits: list = []  # noqa: RUF012  # clones must write into one list

    def _fit(self, L, y):
        self.known_ = np.flatnonzero(y >= 0)
        Spy.fits.append(self.known_)
        self.inner_ = MajorityVote().fit(L)

    def _posterior(self, L):
        return self.inner_.predict_proba(L)


@pytest.fixture
def seen(monkeypatch):
    """Members as they were fitted, beside what :class:`Spy` was given."""
    from spear_amal.estimators import base

    kept = []
    keep = base.BaseSpearEstimator._set_fitted_attributes
    monkeypatch.setattr(
        base.BaseSpearEstimator,
        "_set_fitted_attributes",
        lambda self, pool, results, plan: kept.append(results) or keep(self, pool, results, plan),
    )
    Spy.fits = []
    return kept


@pytest.mark.parametrize("cls", [LabelModelClassifier, ReweightedClassifier])
@pytest.mark.parametrize("final", ["single", "refit", "crossfit"])
def test_a_label_model_never_learns_from_held_out_gold(data, seen, cls, final):
    model = fitted(data, cls, label_model=Spy(), fit_strategy=final, max_epochs=2)
    members = seen[0]
    gold = np.concatenate([np.arange(N_GOLD), np.arange(N_TRAIN, N)])
    firsts = Spy.fits if final == "crossfit" else Spy.fits[:1]
    assert len(firsts) == len(members)
    for known, member in zip(firsts, members, strict=True):
        assert len(np.intersect1d(known, member.validation)) == 0
        np.testing.assert_array_equal(np.sort(np.concatenate([known, member.validation])), gold)
    if final == "refit":
        assert len(Spy.fits) == 2
        np.testing.assert_array_equal(Spy.fits[1], gold)
    np.testing.assert_array_equal(model.label_models_[-1].known_, Spy.fits[-1])


@pytest.mark.parametrize("final", ["single", "refit", "crossfit"])
def test_the_exponent_is_judged_by_label_models_that_never_saw_v(data, seen, final, monkeypatch):
    """With a refit the last label model learnt from V: it must not choose its own exponent."""
    posteriors, real = [], Spy.predict_proba

    def predict(self, L):
        posteriors.append((len(L), self.known_))
        return real(self, L)

    monkeypatch.setattr(Spy, "predict_proba", predict)
    fitted(data, label_model=Spy(), fit_strategy=final, inference="product", max_epochs=2)
    # Twice each: to hold it against the majority vote (rows with votes), and for the exponent.
    on_validation = [(n, known) for n, known in posteriors if 0 < n < N]
    members = seen[0]
    assert len(on_validation) == 2 * len(members)
    for (n, known), member in zip(on_validation, [*members, *members], strict=True):
        assert n <= len(member.validation)
        assert len(np.intersect1d(known, member.validation)) == 0
    for (n, _), member in zip(on_validation[-len(members) :], members, strict=True):
        assert n == len(member.validation)


def test_the_label_model_sees_lfs_and_not_their_columns(data, monkeypatch):
    seen_votes = []
    fit = MajorityVote._fit
    monkeypatch.setattr(
        MajorityVote, "_fit", lambda self, L, *rest: seen_votes.append(L) or fit(self, L, *rest)
    )
    X, y, labels, _ = data
    L = labels.with_classes(["m", "z", "a"])  # not in the order of classes_
    names = np.array([*L.classes, None], dtype=object)[y]
    LabelModelClassifier.from_options(max_epochs=1).fit(X, names, L=L)
    for votes in seen_votes:
        np.testing.assert_array_equal(votes.to_dense(), L.to_dense())
        assert (votes.classes, votes.lf_names) == (L.classes, L.lf_names)
    assert seen_votes


def test_class_balance_is_given_by_name(data):
    X, y, labels, _ = data
    L = labels.with_classes(["m", "z", "a"])
    model = LabelModelClassifier.from_options(
        label_model="label-model",
        label_model_options={"class_balance": {"a": 0.2, "m": 0.5, "z": 0.3}},
        max_epochs=1,
    ).fit(X, y, L=L)
    assert model.label_models_[0].class_balance_.tolist() == [0.5, 0.3, 0.2]
    with pytest.raises(InputError, match="model_abstains must be"):
        LabelModelClassifier(
            label_model="dawid-skene", label_model_options={"model_abstains": "perhaps"}
        ).fit(X, y, L=L)


def test_a_label_model_of_votes_alone_is_fitted_once(data):
    class Counting(MajorityVote):
        fits = 0

        def _fit(self, L, y):
            Counting.fits += 1
            super()._fit(L, y)

    model = fitted(data, label_model=Counting(), fit_strategy="crossfit")
    assert Counting.fits == 1
    assert len(model.label_models_) == 3


@pytest.mark.parametrize("final", ["single", "refit", "crossfit"])
def test_product_with_a_label_model(data, final):
    X, _, L, _ = data
    model = fitted(data, label_model="majority", fit_strategy=final, inference="product")
    model.exponent_ = 1.0
    with pytest.raises(InputError, match="L="):
        model.predict_proba(X)
    found = model.predict_proba(X, L)
    q = MajorityVote().fit(L).predict_proba(L)
    feature = fitted(data, label_model="majority", fit_strategy=final)
    if final == "crossfit":
        assert (found[(q == 0)] < 1e-9).all()
    else:
        expected = feature.predict_proba(X) * np.clip(q, 1e-12, None)
        np.testing.assert_allclose(found, expected / expected.sum(1, keepdims=True), atol=1e-6)
    silent = ~L.covered()
    assert silent.any()
    np.testing.assert_allclose(found[silent], feature.predict_proba(X)[silent], atol=1e-6)


def test_a_model_that_predicts_with_its_label_model_has_no_file(data, tmp_path):
    model = fitted(data, inference="product")
    model.exponent_ = 0.5
    with pytest.raises(InputError, match="label model"):
        model.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


# -- reweighting ----------------------------------------------------------------------------------


@pytest.mark.parametrize("final", ["single", "refit", "crossfit"])
@pytest.mark.parametrize("mixer", ["l2r", "mwn", "amal", "fixed"])
def test_every_mixer_and_final_trains(data, mixer, final):
    X, _, _, gold = data
    model = fitted(data, ReweightedClassifier, mixer=mixer, fit_strategy=final)
    p = model.predict_proba(X)
    assert np.isfinite(p).all()
    assert model.score(X, gold) > 0.5
    assert model.history_.filter(like="loss/").notna().all(axis=None)


@pytest.mark.parametrize("mixer", ["l2r", "mwn"])
def test_a_refit_still_learns_its_weights_on_v(data, mixer, monkeypatch):
    """Weights of a batch cannot be frozen: V stays the meta set while its rows train as well."""
    from spear_amal.mixers import MIXERS

    looks, kind = [], MIXERS[mixer].mixer
    refresh = kind.refresh

    def watch(self, look_ahead, batch):
        looks.append(np.sort(look_ahead.validation.y.numpy()))
        refresh(self, look_ahead, batch)

    monkeypatch.setattr(kind, "refresh", watch)
    model = fitted(data, ReweightedClassifier, mixer=mixer, fit_strategy="refit")
    refit = model.history_[model.history_["refit"].notna()]
    batches = -(-int((~model.weights_.isna()).any(axis=1).sum()) // 32)
    assert len(refit) == model.best_epoch_[0] + 1
    held = np.sort(data[3][N_TRAIN:])
    assert len(looks) > batches * len(refit)  # the first fit looked ahead as well
    assert all((one == held).all() for one in looks)


def test_a_row_has_gold_or_one_favourite_or_takes_no_part(data):
    _, y, L, _ = data
    model = fitted(data, ReweightedClassifier)
    took_part = model.weights_["noisy-label"].notna().to_numpy()
    favourite = MajorityVote().fit(L).predict(L, tie_break_policy="abstain") >= 0
    expected = np.where(np.arange(N) < N_TRAIN, (y >= 0) | favourite, False)
    np.testing.assert_array_equal(took_part, expected)
    assert (~favourite & L.covered()).any()  # there are ties


def test_mixers_differ_and_repeat(data):
    X = data[0]
    found = {}
    for mixer in ("l2r", "mwn", "fixed"):
        one, two = (fitted(data, ReweightedClassifier, mixer=mixer) for _ in range(2))
        np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
        found[mixer] = one.predict_proba(X)
    assert np.abs(found["l2r"] - found["fixed"]).max() > 1e-3
    assert np.abs(found["mwn"] - found["fixed"]).max() > 1e-3


@pytest.mark.parametrize("mixer", ["l2r", "mwn"])
def test_save_and_load(data, tmp_path, mixer):
    from spear_amal.mixers import build_mixer

    X = data[0]
    given = build_mixer(mixer, {"meta_size": 7})
    model = fitted(data, ReweightedClassifier, mixer=given, feature_model="mlp", hidden=(5,))
    model.save(tmp_path / "model.safetensors")
    again = ReweightedClassifier.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.mixer.summary() == given.summary()


def test_bad_parameters_are_named(data):
    with pytest.raises(InputError, match="unknown mixer"):
        fitted(data, ReweightedClassifier, mixer="l3r")
    with pytest.raises(InputError, match="meta_size"):
        fitted(data, ReweightedClassifier, mixer_options={"meta_size": 0})
    with pytest.raises(InputError, match="unknown label_model"):
        fitted(data, ReweightedClassifier, label_model="minority")
    with pytest.raises(InputError, match="label_model_options must be"):
        fitted(data, ReweightedClassifier, label_model_options=[3])
    with pytest.raises(InputError, match="mixer_options must be"):
        fitted(data, ReweightedClassifier, mixer_options=3)


def test_without_votes_gold_rows_are_weighed(data):
    X, y, _, _ = data
    model = ReweightedClassifier(trainer=TrainerConfig(max_epochs=2)).fit(X, y)
    assert list(model.weights_.columns) == ["gold"]
