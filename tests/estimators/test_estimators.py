"""Fitting, predicting, files, and what estimators must never do: look at test rows."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from spear_amal import (
    GoldClassifier,
    LabelMatrix,
    LabelModelClassifier,
    RuleModelConfig,
    SpearClassifier,
    TrainerConfig,
)
from spear_amal.data import synthetic_corpus, synthetic_votes
from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.estimators.prediction import choose_exponent, combine
from spear_amal.estimators.rules import estimate_guides, resolve_guides
from spear_amal.mixers import Amal
from spear_amal.studies import make_split

N, M, C, D = 211, 7, 3, 11


@pytest.fixture(scope="module")
def data():
    labels, gold = synthetic_votes(N, M, C, accuracies=0.8, coverages=0.4, seed=3)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)) + 1.5 * np.eye(C, D)[gold]
    observed = np.where(np.arange(N) < 43, gold, -1)
    return X, observed, labels, gold


def fitted(data, cls=SpearClassifier, **options):
    X, y, L, _ = data
    options = {"max_epochs": 12, **options}
    votes = {} if cls is GoldClassifier else {"L": L[:150], "L_val": L[150:]}
    gold = data[3]
    return cls.from_options(**options).fit(
        X[:150], y[:150], X_val=X[150:], y_val=gold[150:], **votes
    )


@pytest.mark.parametrize("final", ["single", "refit", "crossfit"])
@pytest.mark.parametrize("cls", [SpearClassifier, GoldClassifier, LabelModelClassifier])
def test_all_finals_learn(data, cls, final):
    X, _, _, gold = data
    model = fitted(data, cls, fit_strategy=final, n_folds=3)
    p = model.predict_proba(X)
    assert p.shape == (N, C)
    np.testing.assert_allclose(p.sum(1), 1)
    assert model.score(X, gold) > 0.6
    assert len(model.models_) == (3 if final == "crossfit" else 1)
    assert 0 <= model.val_score_ <= 1


def test_sparse_features_give_the_dense_result(data):
    X, y, L, _ = data
    X = np.where(np.abs(X) > 1, X, 0.0)
    dense = SpearClassifier(trainer=TrainerConfig(max_epochs=5)).fit(X, y, L=L).predict_proba(X)
    for kind in (sp.csr_array, sp.csr_matrix, sp.coo_array):
        sparse = (
            SpearClassifier(trainer=TrainerConfig(max_epochs=5))
            .fit(kind(X), y, L=L)
            .predict_proba(kind(X))
        )
        np.testing.assert_allclose(sparse, dense, atol=1e-5)


def test_weights_say_who_took_part(data):
    _X, y, L, _ = data
    model = fitted(data, mixer=Amal(warmup=0, refresh_every=1))
    weights = model.weights_
    covered = L.covered()
    uncovered_unlabelled = (~covered[:150]) & (y[:150] < 0)
    assert weights.iloc[:150][uncovered_unlabelled].isna().all(axis=None)
    assert weights.iloc[150:].isna().all(axis=None)
    assert (weights.isna() | ((weights >= 0) & (weights <= 1))).all(axis=None)
    assert (weights["agreement"] < 1).any()
    for rules_only in ("rule-gold", "rule-likelihood"):
        assert (weights[rules_only].dropna() == 1).all()
    labelled = np.flatnonzero(y[:150] >= 0)
    assert weights.iloc[labelled][["entropy", "consensus"]].isna().all(axis=None)
    assert weights.iloc[labelled]["gold"].notna().all()


def test_variant_b_moves_the_weights_of_rule_only_losses(data):
    model = fitted(data, mixer_options={"outer": "feature+rules", "warmup": 0, "refresh_every": 1})
    assert (model.weights_["rule-gold"].dropna() < 1).any()
    assert (model.weights_["rule-likelihood"].dropna() < 1).any()


def test_string_classes_none_and_lists(data):
    X, y, L, _gold = data
    names = np.array(["cat", "dog", "eel"])
    named = LabelMatrix.from_dense(np.asarray(L), classes=names.tolist())
    text = np.array([None if c < 0 else names[c] for c in y], dtype=object)
    model = SpearClassifier(trainer=TrainerConfig(max_epochs=5)).fit(X, text, L=named)
    assert model.classes_.tolist() == names.tolist()
    assert set(model.predict(X)) <= set(names)
    plain = SpearClassifier(trainer=TrainerConfig(max_epochs=5)).fit(
        X.tolist(), y.tolist(), L=np.asarray(L).tolist()
    )
    np.testing.assert_array_equal(names[plain.predict(X)], model.predict(X))


def test_continuous_lfs_are_used(data):
    X, y, L, gold = data
    votes = np.asarray(L)
    rng = np.random.default_rng(5)
    scores = np.where(
        votes == gold[:, None], rng.beta(8, 2, votes.shape), rng.beta(2, 8, votes.shape)
    )
    scored = LabelMatrix.from_dense(
        votes, scores=np.where(votes >= 0, scores, 0.0), continuous=np.ones(M, bool)
    )
    plain = SpearClassifier(trainer=TrainerConfig(max_epochs=12)).fit(X, y, L=L)
    with_scores = SpearClassifier(trainer=TrainerConfig(max_epochs=12)).fit(X, y, L=scored)
    covered = L.covered()

    def right(model, matrix):
        return (model.rule_predict_proba(matrix).argmax(1) == gold)[covered].mean()

    assert right(with_scores, scored) > right(plain, L) + 0.05


def test_rule_posterior_is_uniform_where_nothing_fires(data):
    model = fitted(data)
    silent = np.full((2, M), -1)
    np.testing.assert_allclose(model.rule_predict_proba(silent), 1 / C, atol=1e-6)
    with pytest.raises(InputError, match="without labelling functions"):
        fitted(data, GoldClassifier).rule_predict_proba(silent)


# -- no test rows, ever ---------------------------------------------------------------------------


def test_randomised_test_labels_change_nothing(tmp_path):
    """The leak test: same checkpoint, same predictions."""
    found = []
    for shuffle in (False, True):
        corpus = synthetic_corpus(n=200, seed=2, n_test=50)
        if shuffle:
            test = corpus.frame["part"] == "test"
            labels = corpus.frame["label"].to_numpy().copy()
            labels[test] = np.random.default_rng(0).integers(0, 2, test.sum())
            corpus = type(corpus)(**{**vars(corpus), "frame": corpus.frame.assign(label=labels)})
        votes, _ = synthetic_votes(len(corpus.frame), 5, 2, seed=1)
        task, scorer = make_split(corpus, votes, seed=0, n_labelled=31, n_validation=29)
        path = tmp_path / f"{shuffle}.safetensors"
        model = SpearClassifier(
            rule_model=RuleModelConfig(guard=False),
            trainer=TrainerConfig(max_epochs=6, checkpoint=path),
        ).fit(
            task.x_train,
            task.y_train,
            L=task.votes_train,
            X_val=task.x_val,
            y_val=task.y_val,
            L_val=task.votes_val,
        )
        found.append((scorer.probabilities(model), scorer.score(model), model))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    assert found[0][1] != found[1][1]  # the scorer, and it alone, saw other labels
    for a, b in zip(
        found[0][2].models_[0].parameters(), found[1][2].models_[0].parameters(), strict=True
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize("fraction", [0.1, 0.5])
@pytest.mark.parametrize("final", ["single", "refit", "crossfit"])
def test_validation_rows_are_not_trained_on(data, final, fraction, monkeypatch):
    """Also where too few gold rows would make a single fit validate on its training rows."""
    kept = []
    keep = SpearClassifier._set_fitted_attributes
    monkeypatch.setattr(
        SpearClassifier,
        "_set_fitted_attributes",
        lambda self, pool, results, plan: kept.append(results) or keep(self, pool, results, plan),
    )
    X, _y, L, gold = data
    few = np.where(np.arange(N) < 17, gold, -1)
    model = SpearClassifier(
        fit_strategy=final,
        n_folds=3,
        trainer=TrainerConfig(max_epochs=3),
        validation_fraction=fraction,
    )
    model.fit(X, few, L=L)
    for member in kept[0]:
        shared = np.intersect1d(member.trained, member.validation)
        if final == "refit" and model.validation_source_ == "split":
            assert len(shared) == len(member.validation)
            assert member.judge is not member.model
        elif model.validation_source_ == "training":
            assert model.validation_used_ == "training"
        else:
            assert len(shared) == 0


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [SpearClassifier, GoldClassifier, LabelModelClassifier])
@pytest.mark.parametrize("feature", ["linear", "mlp"])
def test_save_and_load(data, tmp_path, cls, feature):
    X, _, L, _ = data
    model = fitted(data, cls, feature_model=feature, hidden=(5,), fit_strategy="refit")
    path = tmp_path / "model.safetensors"
    model.save(path)
    again = cls.load(path)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.get_params() == model.get_params()
    # A file of the same fit is the same file: no clock goes into it.
    timeless = model.history_.drop(columns="seconds").astype(object)
    pd.testing.assert_frame_equal(again.history_.astype(object).fillna("-"), timeless.fillna("-"))
    np.testing.assert_allclose(again.weights_, model.weights_, rtol=1e-6)
    if cls is SpearClassifier:
        np.testing.assert_array_equal(again.rule_predict_proba(L), model.rule_predict_proba(L))
    with pytest.raises(OutputExistsError):
        model.save(path)
    model.save(path, overwrite=True)


def test_damaged_and_foreign_files_are_refused(data, tmp_path):
    path = tmp_path / "model.safetensors"
    fitted(data, GoldClassifier).save(path)
    with pytest.raises(FileFormatError, match="GoldClassifier"):
        SpearClassifier.load(path)
    whole = path.read_bytes()
    for size in (0, 20, len(whole) - 3):
        path.write_bytes(whole[:size])
        with pytest.raises(FileFormatError, match="damaged"):
            GoldClassifier.load(path)
    with pytest.raises(FileNotFoundError):
        GoldClassifier.load(tmp_path / "nothing")


@pytest.mark.parametrize("final", ["single", "crossfit"])
def test_models_with_scores_products_and_objects_come_back(data, tmp_path, final):
    X, y, L, _gold = data
    votes = np.asarray(L)
    rng = np.random.default_rng(5)
    scored = LabelMatrix.from_dense(
        votes, scores=np.where(votes >= 0, rng.random(votes.shape), 0), continuous=np.ones(M, bool)
    )
    model = SpearClassifier(
        mixer=Amal(weight_lr=5.0, clamp=(0.0, 2.0)),
        fit_strategy=final,
        n_folds=2,
        trainer=TrainerConfig(max_epochs=4),
        inference="product",
    ).fit(X, y, L=scored)
    path = tmp_path / "model.safetensors"
    model.save(path)
    again = SpearClassifier.load(path)
    assert again.mixer.summary() == model.mixer.summary()
    assert (again.exponent_, again.vote_schema_) == (model.exponent_, model.vote_schema_)
    np.testing.assert_array_equal(again.predict_proba(X, scored), model.predict_proba(X, scored))
    with pytest.raises(InputError, match="no scores"):
        again.rule_predict_proba(votes)


def test_label_model_objects_and_feature_names_come_back(data, tmp_path):
    import pandas as pd

    from spear_amal.label_models import Cage

    X, y, L, _ = data
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(D)])
    own = Cage(epochs=7)
    model = LabelModelClassifier(label_model=own, trainer=TrainerConfig(max_epochs=3)).fit(
        frame, y, L=L
    )
    assert not hasattr(own, "theta_")  # the user's object is left as it was
    model.save(tmp_path / "m.safetensors")
    again = LabelModelClassifier.load(tmp_path / "m.safetensors")
    assert again.label_model.epochs == 7
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame[frame.columns[::-1]])


def test_votes_are_held_against_those_of_training(data):
    X, y, L, gold = data
    L = LabelMatrix.from_dense(np.asarray(L), lf_names=list("abcdefg"), classes=["x", "y", "z"])
    model = SpearClassifier(trainer=TrainerConfig(max_epochs=4)).fit(X, y, L=L)
    p = model.rule_predict_proba(L)
    np.testing.assert_array_equal(model.rule_predict_proba(L[:, np.arange(M)[::-1]]), p)
    renamed = LabelMatrix.from_dense(
        np.asarray(L), lf_names=list("abcdefh"), classes=["x", "y", "z"]
    )
    with pytest.raises(InputError, match="'g', 'h'"):
        model.rule_predict_proba(renamed)
    with pytest.raises(InputError, match="knows"):
        model.rule_predict_proba(L.with_classes(["z", "y", "x"]))
    few = np.full((5, M), -1)
    few[0, 0] = 0  # plain votes in which the last class does not occur
    short = SpearClassifier(trainer=TrainerConfig(max_epochs=2))
    for votes in (np.asarray(L), L):
        short.fit(X, y, L=votes, X_val=X[:5], y_val=gold[:5], L_val=few)
    named = L.with_classes([0, 1, 2])[:5]
    short.fit(X, y, L=np.asarray(L), X_val=X[:5], y_val=gold[:5], L_val=named)


def test_classes_by_any_name(data):
    X, y, L, _gold = data
    tens = LabelMatrix.from_dense(np.asarray(L), classes=[10, 20, 30])
    model = SpearClassifier(trainer=TrainerConfig(max_epochs=3)).fit(
        X, np.where(y < 0, -1, 10 * (y + 1)), L=tens
    )
    assert model.classes_.tolist() == [10, 20, 30]
    texts = SpearClassifier(trainer=TrainerConfig(max_epochs=3)).fit(
        X, np.where(y < 0, "-1", y.astype(str)), L=np.asarray(L)
    )
    assert texts.classes_.tolist() == ["0", "1", "2"]
    with pytest.raises(InputError, match="classes="):
        SpearClassifier().fit(X, np.where(y < 0, "-1", "class"), L=np.asarray(L))


def test_a_class_that_no_lf_votes_for(data):
    X, y, L, _gold = data
    two = np.where(np.asarray(L) == 2, -1, np.asarray(L))
    for cls in (SpearClassifier, LabelModelClassifier):
        assert cls.from_options(max_epochs=3).fit(X, y, L=two).predict_proba(X).shape == (N, C)


def test_scores_of_fixed_weights_and_unknown_labels(data):
    X, _, _, gold = data
    model = fitted(data, mixer="fixed", mixer_options={"per_loss": {"entropy": 0.25}})
    assert set(model.weights_["entropy"].dropna()) == {0.25}
    strange = gold.copy()
    strange[:] = 9
    assert model.score(X, strange) == 0.0


def test_reversed_arrays_and_wide_sparse_networks(data):
    X, y, L, _ = data
    model = fitted(data)
    np.testing.assert_allclose(
        model.predict_proba(X[::-1])[::-1], model.predict_proba(X), atol=1e-6
    )
    wide = sp.random_array((N, 4001), density=0.01, rng=np.random.default_rng(0), format="csr")
    own = SpearClassifier(
        feature_model=lambda d, c: Wide(d, c), trainer=TrainerConfig(max_epochs=2)
    )
    assert own.fit(wide, y, L=L).predict_proba(wide).shape == (N, C)
    again = SpearClassifier(
        feature_model=lambda d, c: Wide(d, c), trainer=TrainerConfig(max_epochs=2)
    )
    np.testing.assert_array_equal(
        again.fit(wide, y, L=L).predict_proba(wide), own.predict_proba(wide)
    )
    mlp = SpearClassifier(
        feature_model="mlp", hidden=(64,), trainer=TrainerConfig(max_epochs=2)
    ).fit(wide, y, L=L)
    assert np.isfinite(mlp.predict_proba(wide)).all()


def test_a_network_without_a_linear_head_needs_the_whole_network(data):
    from spear_amal.models import FeatureAdapter

    net = FeatureAdapter(Quadratic(), head=None)
    often = {"warmup": 0, "refresh_every": 1}
    with pytest.raises(InputError, match="look_ahead"):
        fitted(data, feature_model=net, mixer_options=often, max_epochs=2)
    options = {**often, "look_ahead": "network"}
    model = fitted(data, feature_model=net, mixer_options=options, max_epochs=2)
    assert (model.weights_["gold"].dropna() <= 1).all()
    lying = FeatureAdapter(Quadratic(), head="out")
    with pytest.raises(InputError, match="not its head"):
        fitted(data, feature_model=lying, mixer_options=often, max_epochs=2)


def test_a_mixer_object_is_not_touched(data):
    mixer = Amal(warmup=0)
    before = dict(vars(mixer))
    fitted(data, mixer=mixer, fit_strategy="crossfit", n_folds=2)
    assert vars(mixer) == before


def test_a_resumed_run_may_show_progress_but_not_change_scores(data, tmp_path):
    X, y, L, _ = data
    votes = np.asarray(L)
    path = tmp_path / "run.safetensors"

    def fit(level, **options):
        scored = LabelMatrix.from_dense(
            votes, scores=np.full(votes.shape, level), continuous=np.ones(M, bool)
        )
        return SpearClassifier.from_options(max_epochs=2, checkpoint=path, **options).fit(
            X, y, L=scored
        )

    fit(0.8)
    fit(0.8, verbose=1)
    with pytest.raises(FileFormatError, match="other data"):
        fit(0.3)


class Wide(nn.Module):
    def __init__(self, d, c):
        super().__init__()
        self.body, self.head = nn.Linear(d, 5), nn.Linear(5, c)

    def forward(self, x):
        hidden = torch.relu(self.body(x))
        return self.head(hidden), hidden


class Quadratic(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(D, C)

    def forward(self, x):
        return self.out(x) ** 2, x


class OwnNet(nn.Module):
    def __init__(self, n_features=D, n_classes=C):
        super().__init__()
        self.body = nn.Linear(n_features, 13)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(13, n_classes)

    def forward(self, x):
        hidden = torch.tanh(self.body(self.drop(x)))
        return self.out(hidden), hidden


class NoHead(OwnNet):
    def forward(self, x):
        return {"logits": super().forward(x)[0]}


def test_a_module_of_the_users_own(data, tmp_path):
    from spear_amal.models import FeatureAdapter

    X = data[0]
    net = FeatureAdapter(OwnNet(), head="out")
    before = {n: p.clone() for n, p in net.state_dict().items()}
    model = fitted(data, feature_model=net)
    assert all(torch.equal(before[n], p) for n, p in net.state_dict().items())
    same = fitted(data, feature_model=net)
    np.testing.assert_array_equal(model.predict_proba(X), same.predict_proba(X))
    path = tmp_path / "own.safetensors"
    model.save(path)
    with pytest.raises(InputError, match="feature_model="):
        SpearClassifier.load(path)
    again = SpearClassifier.load(path, feature_model=net)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))


def test_a_module_that_does_not_fit_is_explained(data):
    from spear_amal.models import FeatureAdapter

    with pytest.raises(InputError, match=r"\['body', 'out'\]"):
        FeatureAdapter(OwnNet(), head="last")
    with pytest.raises(InputError, match="linear"):
        FeatureAdapter(OwnNet(), head="drop")
    with pytest.raises(InputError, match=r"\(logits, hidden\)"):
        fitted(data, feature_model=FeatureAdapter(NoHead(), head="out"))
    with pytest.raises(InputError, match="feature_model"):
        fitted(data, feature_model="forest")


def test_checkpoint_resumes_and_refuses_other_data(data, tmp_path):
    X, y, L, _ = data
    path = tmp_path / "run.safetensors"
    options = {"max_epochs": 6, "checkpoint": path, "fit_strategy": "crossfit", "n_folds": 2}
    first = SpearClassifier.from_options(**options).fit(X, y, L=L)
    assert [p.name for p in tmp_path.iterdir()] == ["run-fold0.safetensors"]  # of both folds
    second = SpearClassifier.from_options(**options).fit(X, y, L=L)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    with pytest.raises(FileFormatError, match="other data"):
        SpearClassifier.from_options(**options).fit(X + 1e-3, y, L=L)


# -- bad input ------------------------------------------------------------------------------------


def test_bad_input_is_named(data):
    X, y, L, gold = data

    def refused(message, *args, error=ValueError, **kw):
        options = kw.pop("options", {})
        with pytest.raises(error, match=message):
            SpearClassifier.from_options(max_epochs=2, **options).fit(*args, **kw)

    bad = X.copy()
    bad[5, 2] = np.nan
    refused("NaN", bad, y)
    bad[5, 2] = np.inf
    refused("inf", bad, y)
    refused("y has 210 rows, X has 211", X, y[:-1])
    refused("L has 210 rows, X has 211", X, y, L=L[:-1])
    refused("all LFs abstain", X, y, L=np.full((N, M), -1))
    refused("no gold label", X, np.full(N, -1), L=L)
    refused("only one class", X, np.where(y == 1, 1, -1), L=L)
    named = LabelMatrix.from_dense(np.asarray(L), classes=["a", "b", "c"])
    refused(
        "y holds 7 in row 2 .* none of the classes 'a'",
        X,
        np.where(y == 2, 7, y),
        L=named,
    )
    strings = np.where(y < 0, "-1", "zebra").astype(object)
    refused("zebra", X, strings, L=named)
    refused("no probabilities", X, np.where(y < 0, -1, y + 0.5), L=L)
    refused("continuous", X, np.where(y < 0, -1, y + 0.5))
    refused("y holds -2", X, np.where(y == 2, -2, y), L=L)
    refused("without y_val", X, y, L=L, X_val=X[:5])
    refused("without X_val", X, y, L=L, y_val=y)
    refused("L_val was given without", X, y, L=L, L_val=L)
    refused("y_val has 4 rows", X, y, X_val=X[:5], y_val=gold[:4])
    refused("validation rows need gold", X, y, X_val=X[:5], y_val=y[-5:])
    refused("device", X, y, L=L, options={"device": "gpu"})
    refused("hidden", X, y, L=L, options={"hidden": 512})
    refused("without votes", X, y, options={"losses": (3, 4)})
    refused("weight_lr", X, y, L=L, options={"mixer_options": {"weight_lr": -1.0}})
    refused("L_val has 6 LFs", X, y, L=L, X_val=X[:5], y_val=gold[:5], L_val=np.asarray(L)[:5, :6])
    refused("unknown loss", X, y, L=L, options={"losses": ("gold", "silver")})
    refused("unknown mixer", X, y, L=L, options={"mixer": "blender"})
    refused("quality_guides", X, y, L=L, options={"quality_guides": 1.5})
    refused("quality_guides", X, y, L=L, options={"quality_guides": [0.9, 0.8]})
    refused("metric", X, y, L=L, options={"metric": "auc"})
    refused("lr", X, y, L=L, options={"lr": -1.0})


def test_votes_of_another_width_are_refused_at_prediction(data):
    model = fitted(data)
    with pytest.raises(InputError, match="knows"):
        model.rule_predict_proba(np.full((2, M), 4))
    with pytest.raises(InputError, match="trained on 7"):
        model.rule_predict_proba(np.full((2, 3), -1))


def test_unknown_presets_and_label_models(data):
    with pytest.raises(InputError, match="folds"):
        SpearClassifier.preset("fast")
    with pytest.raises(InputError, match="majority"):
        fitted(data, LabelModelClassifier, label_model="minority")


def test_without_lfs_spear_is_trained_on_gold(data):
    X, y, _, gold = data
    model = SpearClassifier(trainer=TrainerConfig(max_epochs=30)).fit(X, y)
    assert list(model.weights_.columns) == ["gold", "entropy"]
    assert model.score(X, gold) > 0.6


def test_few_gold_rows_validate_on_themselves():
    X = np.array([[0.0], [1.0], [0.1], [0.9]])
    model = GoldClassifier(trainer=TrainerConfig(max_epochs=3)).fit(X, [0, 1, -1, -1])
    assert model.validation_source_ == "training"


@pytest.mark.parametrize("y_held", [[0, 0, 0, 1, 1], [0, 1, 2, 2, 2, 2], [0, 0, 1, 1, 2, 2, 1]])
def test_halves_of_validation_are_disjoint_and_whole(y_held):
    from spear_amal.estimators.cross_fitting import _halves

    held = 100 + np.arange(len(y_held))
    chooser, outer = _halves(held, np.array(y_held), seed=0)
    assert len(outer) > 0
    assert sorted([*chooser, *outer]) == held.tolist()


def test_what_validation_was_used_for_is_recorded(data):
    assert fitted(data).validation_used_ == "shared"
    assert fitted(data, validation="split").validation_used_ == "split"
    X, y, L, gold = data
    lone = gold[150:].copy()
    lone[:] = 0
    lone[0], lone[1] = 1, 2  # one row each of two classes
    model = SpearClassifier(validation="split", trainer=TrainerConfig(max_epochs=2))
    model.fit(X[:150], y[:150], L=L[:150], X_val=X[150:], y_val=lone, L_val=L[150:])
    assert model.validation_used_ == "split"


# -- guides and the product -----------------------------------------------------------------------


def test_guides_count_fired_rows_only():
    L = LabelMatrix.from_dense([[1, -1], [1, -1], [1, 0], [-1, -1]]).to_unipolar()
    guides = estimate_guides(L, np.array([1, 0, 1, 1]))
    np.testing.assert_allclose(guides, [(1.8 + 2) / 5, (1.8 + 0) / 3])
    nowhere = estimate_guides(L, np.full(4, -1))
    np.testing.assert_allclose(nowhere, 0.9)


def test_guides_per_lf_reach_both_columns_of_a_two_sided_lf():
    L = LabelMatrix.from_dense([[0, 1], [1, 1]])
    plan = L.unipolar_plan()
    guides = resolve_guides([0.6, 0.7], L.to_unipolar(plan), None, plan, 2)
    assert guides.tolist() == [0.6, 0.6, 0.7]


def test_guides_per_lf_skip_silent_lfs():
    L = LabelMatrix.from_dense([[-1, 0, 1, -1], [-1, 1, 1, -1]])
    plan = L.unipolar_plan()
    guides = resolve_guides([0.1, 0.2, 0.3, 0.4], L.to_unipolar(plan), None, plan, 4)
    assert guides.tolist() == [0.2, 0.2, 0.3]


def test_product_leans_to_the_feature_model():
    y = np.array([0, 1] * 11)
    sure = np.log(np.where(np.eye(2)[y] == 1, 0.9, 0.1))
    noise = np.log(np.full((22, 2), 0.5))
    assert choose_exponent(sure, noise, y) == 0.0
    assert choose_exponent(noise, sure, y) == 1.0
    np.testing.assert_allclose(np.exp(combine(sure, noise, 0.5)).sum(1), 1)


def test_product_inference_asks_for_votes(data):
    X, _, L, _ = data
    model = fitted(data, inference="product")
    model.exponent_ = 0.5
    with pytest.raises(InputError, match="L="):
        model.predict(X)
    assert not np.allclose(model.predict_proba(X, L), fitted(data).predict_proba(X))
