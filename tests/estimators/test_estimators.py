"""Fitting, predicting, files, and what estimators must never do: look at test rows."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from spear_amal import GoldClassifier, LabelMatrix, LabelModelClassifier, SpearClassifier
from spear_amal.data import synthetic_corpus, synthetic_votes
from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.estimators.guides import estimate_guides, resolve_guides
from spear_amal.estimators.product import choose_exponent, combine
from spear_amal.mixers import Amal
from spear_amal.studies import make_task

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
    return cls(**options).fit(X[:150], y[:150], X_val=X[150:], y_val=gold[150:], **votes)


@pytest.mark.parametrize("final", ["single", "refit", "crossfit"])
@pytest.mark.parametrize("cls", [SpearClassifier, GoldClassifier, LabelModelClassifier])
def test_all_finals_learn(data, cls, final):
    X, _, _, gold = data
    model = fitted(data, cls, final=final, n_folds=3)
    p = model.predict_proba(X)
    assert p.shape == (N, C)
    np.testing.assert_allclose(p.sum(1), 1)
    assert model.score(X, gold) > 0.6
    assert len(model.models_) == (3 if final == "crossfit" else 1)
    assert 0 <= model.val_score_ <= 1


def test_sparse_features_give_the_dense_result(data):
    X, y, L, _ = data
    X = np.where(np.abs(X) > 1, X, 0.0)
    dense = SpearClassifier(max_epochs=5).fit(X, y, L=L).predict_proba(X)
    for kind in (sp.csr_array, sp.csr_matrix, sp.coo_array):
        sparse = SpearClassifier(max_epochs=5).fit(kind(X), y, L=L).predict_proba(kind(X))
        np.testing.assert_allclose(sparse, dense, atol=1e-5)


def test_weights_say_who_took_part(data):
    _X, y, L, _ = data
    model = fitted(data, mixer=Amal(warmup=0, refresh_every=1))
    weights = model.weights_
    covered = L.covered()
    uncovered_unlabelled = (~covered[:150]) & (y[:150] < 0)
    assert weights.iloc[:150][uncovered_unlabelled].isna().all(axis=None)
    assert weights.iloc[150:].isna().all(axis=None)
    trained = weights.dropna()
    assert ((trained >= 0) & (trained <= 1)).all(axis=None)
    assert (trained["agreement"] < 1).any()
    assert (trained[["rule-gold", "rule-likelihood"]] == 1).all(axis=None)


def test_variant_b_moves_the_weights_of_rule_only_losses(data):
    model = fitted(data, mixer_options={"outer": "feature+rules", "warmup": 0, "refresh_every": 1})
    assert (model.weights_["rule-gold"].dropna() < 1).any()
    assert (model.weights_["rule-likelihood"].dropna() < 1).any()


def test_string_classes_none_and_lists(data):
    X, y, L, _gold = data
    names = np.array(["cat", "dog", "eel"])
    named = LabelMatrix.from_dense(np.asarray(L), classes=names.tolist())
    text = np.array([None if c < 0 else names[c] for c in y], dtype=object)
    model = SpearClassifier(max_epochs=5).fit(X, text, L=named)
    assert model.classes_.tolist() == names.tolist()
    assert set(model.predict(X)) <= set(names)
    plain = SpearClassifier(max_epochs=5).fit(X.tolist(), y.tolist(), L=np.asarray(L).tolist())
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
    plain = SpearClassifier(max_epochs=12).fit(X, y, L=L)
    with_scores = SpearClassifier(max_epochs=12).fit(X, y, L=scored)
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
        task, scorer = make_task(corpus, votes, seed=0, n_labelled=31, n_validation=29)
        path = tmp_path / f"{shuffle}.safetensors"
        model = SpearClassifier(max_epochs=6, checkpoint=path).fit(
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


def test_unlabelled_gold_is_never_seen(data):
    """y of unlabelled rows is -1: nothing in fit takes another source of labels."""
    X, y, L, _ = data
    one = SpearClassifier(max_epochs=4).fit(X, y, L=L).predict_proba(X)
    two = SpearClassifier(max_epochs=4).fit(X, y.copy(), L=L).predict_proba(X)
    np.testing.assert_array_equal(one, two)


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [SpearClassifier, GoldClassifier, LabelModelClassifier])
@pytest.mark.parametrize("feature", ["linear", "mlp"])
def test_save_and_load(data, tmp_path, cls, feature):
    X, _, L, _ = data
    model = fitted(data, cls, feature_model=feature, hidden=(5,), final="refit")
    path = tmp_path / "model.safetensors"
    model.save(path)
    again = cls.load(path)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.get_params() == model.get_params()
    assert again.history_.shape == model.history_.shape
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
        return super().forward(x)[0]


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
    options = {"max_epochs": 6, "checkpoint": path, "final": "crossfit", "n_folds": 2}
    first = SpearClassifier(**options).fit(X, y, L=L)
    assert {p.name for p in tmp_path.iterdir()} == {f"run-fold{i}.safetensors" for i in range(2)}
    second = SpearClassifier(**options).fit(X, y, L=L)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    with pytest.raises(FileFormatError, match="other data"):
        SpearClassifier(**options).fit(X + 1e-3, y, L=L)


# -- bad input ------------------------------------------------------------------------------------


def test_bad_input_is_named(data):
    X, y, L, gold = data

    def refused(message, *args, error=ValueError, **kw):
        options = kw.pop("options", {})
        with pytest.raises(error, match=message):
            SpearClassifier(max_epochs=2, **options).fit(*args, **kw)

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
    refused("class 7, but L has 3 classes", X, np.where(y == 2, 7, y), L=named)
    strings = np.where(y < 0, "-1", "zebra").astype(object)
    refused("zebra", X, strings, L=named)
    refused("continuous", X, np.where(y < 0, -1, y + 0.5), L=L)
    refused("class codes", X, np.where(y == 2, -2, y), L=L)
    refused("without y_val", X, y, L=L, X_val=X[:5])
    refused("y_val has 4 rows", X, y, L=L, X_val=X[:5], y_val=gold[:4])
    refused("validation rows need gold", X, y, L=L, X_val=X[:5], y_val=y[-5:])
    refused("L_val has 6 LFs", X, y, L=L, X_val=X[:5], y_val=gold[:5], L_val=np.asarray(L)[:5, :6])
    refused("fewer folds", X, y, L=L, options={"final": "crossfit", "n_folds": 40})
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
    with pytest.raises(InputError, match="recommended"):
        SpearClassifier.preset("fast")
    with pytest.raises(InputError, match="majority"):
        fitted(data, LabelModelClassifier, label_model="minority")


def test_without_lfs_spear_is_trained_on_gold(data):
    X, y, _, gold = data
    model = SpearClassifier(max_epochs=30).fit(X, y)
    assert list(model.weights_.columns) == ["gold", "entropy"]
    assert model.score(X, gold) > 0.6


def test_few_gold_rows_validate_on_themselves():
    X = np.array([[0.0], [1.0], [0.1], [0.9]])
    model = GoldClassifier(max_epochs=3).fit(X, [0, 1, -1, -1])
    assert model.validation_source_ == "training"


def test_split_validation_keeps_the_halves_apart(data):
    shared, split = fitted(data), fitted(data, validation="split")
    assert shared.val_score_ != split.val_score_ or not shared.history_.equals(split.history_)


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
    guides = resolve_guides([0.6, 0.7], L.to_unipolar(plan), np.array([0, 1]), plan)
    assert guides.tolist() == [0.6, 0.6, 0.7]


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
