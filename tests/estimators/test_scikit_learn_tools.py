"""Tools of scikit-learn over every classifier, with classes by name and votes in another order.

Right values are counted here by name, without the order of columns that is under test.
"""

import functools
import itertools
import math

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import classification_report, get_scorer, log_loss, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from spear_amal import LabelMatrix, TrainerConfig, estimators
from spear_amal.data import TextEncoder, TextFeatures
from spear_amal.estimators import (
    AuxiliaryClassifier,
    BaseSpearEstimator,
    DistilledClassifier,
    GoldClassifier,
    LabelModelClassifier,
    PooledClassifier,
    ReweightedClassifier,
    RotationDistiller,
    RuleNetworkClassifier,
    SelfTrainedClassifier,
    SingleModelClassifier,
    SpearClassifier,
)

N, N_GOLD, SIDE = 120, 60, 4
T = TrainerConfig(max_epochs=3, lr=0.03)
NETWORK = TrainerConfig(max_epochs=6, lr=0.03, batch_size=16)
ESTIMATORS = [
    GoldClassifier(trainer=T),
    SpearClassifier(trainer=T),
    LabelModelClassifier(trainer=T),
    ReweightedClassifier(trainer=T),
    RuleNetworkClassifier(trainer=T, inference="feature"),
    PooledClassifier(trainer=T, inference="feature", n_folds=3),
    SingleModelClassifier(trainer=T, n_folds=3),
    SelfTrainedClassifier(trainer=T),
    DistilledClassifier("mlp:5", trainer=NETWORK),
    AuxiliaryClassifier("mlp:5", ["l2"], trainer=NETWORK),
    RotationDistiller("mlp:5", mixer="ce", trainer=NETWORK),
]
EVERY = pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
TWO, THREE = ("romance", "action"), ("romance", "action", "drama")


def test_every_classifier_is_here():
    public = {k for k in vars(estimators).values() if isinstance(k, type)}
    trained = {k for k in public if issubclass(k, BaseSpearEstimator)} - {BaseSpearEstimator}
    assert trained == {type(estimator) for estimator in ESTIMATORS}


def rows_of(estimator, names):
    """Features or images, gold by name on all rows, and votes that code `names` as they stand."""
    rng = np.random.default_rng(7)
    c = rng.integers(0, len(names), N)
    X = rng.normal(size=(N, SIDE * SIDE)) + 1.5 * np.eye(len(names), SIDE * SIDE)[c]
    if isinstance(estimator, RotationDistiller):
        X = X.reshape(N, 1, SIDE, SIDE).astype(np.float32)
    right = rng.random((N, 3)) < 0.8
    V = np.where(rng.random((N, 3)) < 0.6, np.where(right, c[:, None], 0), -1)
    return X, np.array(names)[c], LabelMatrix.from_dense(V, classes=names)


@functools.cache  # by the object: tests only ask the model
def fitted(estimator, names):
    """Train with gold on half of the rows; return the model with all rows and gold."""
    X, y, L = rows_of(estimator, names)
    observed = np.where(np.arange(N) < N_GOLD, y.astype(object), None)
    return clone(estimator).fit(X, observed, L=L), X, y


def by_name(model, X):
    """Probabilities (n,) of each class."""
    return dict(zip(model.classes_.tolist(), model.predict_proba(X).T, strict=True))


def area(scores, positive):
    """Share of pairs in which the positive row has the higher score; ties count half."""
    pairs = list(itertools.product(scores[positive], scores[~positive]))
    return sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


@EVERY
@pytest.mark.parametrize("names", [TWO, THREE], ids=len)
def test_scores_of_columns_are_those_of_names(estimator, names):
    model, X, y = fitted(estimator, names)
    assert model.classes_.tolist() == sorted(names)
    p, columns = model.predict_proba(X), by_name(model, X)
    assert [max(columns, key=lambda name: columns[name][i]) for i in range(N)] == list(
        model.predict(X)
    )
    nll = -sum(math.log(columns[name][i]) for i, name in enumerate(y)) / N
    assert log_loss(y, p) == pytest.approx(nll, rel=1e-5)
    assert get_scorer("neg_log_loss")(model, X, y) == pytest.approx(-nll, rel=1e-5)
    said = model.predict(X)
    report = classification_report(y, said, target_names=model.classes_, output_dict=True)
    assert {name: report[name]["support"] for name in names} == {n: sum(y == n) for n in names}
    areas = {name: area(columns[name], y == name) for name in names}
    if len(names) == 2:
        assert roc_auc_score(y, p[:, 1]) == pytest.approx(areas[max(names)])
        assert get_scorer("roc_auc")(model, X, y) == pytest.approx(areas[max(names)])
    else:
        expected = sum(areas.values()) / len(names)
        assert get_scorer("roc_auc_ovr")(model, X, y) == pytest.approx(expected)
    assert min(areas.values()) > 0.6  # a column in another's place would lie below a half


@EVERY
def test_scorers_answer_and_refuse_as_for_a_classifier_of_scikit_learn(estimator):
    """Some ask for a positive class where classes are names: from theirs and from ours alike."""
    model, X, y = fitted(estimator, TWO)
    other = LogisticRegression().fit(X.reshape(N, -1), y)
    for name in ("average_precision", "neg_brier_score", "f1", "f1_macro", "recall"):
        pairs = ((model, X), (other, X.reshape(N, -1)))
        answers = [answer(name, judged, rows, y) for judged, rows in pairs]
        assert answers[0] == answers[1], name


def answer(name, judged, rows, y):
    try:
        get_scorer(name)(judged, rows, y)
    except ValueError as error:
        return str(error)[:20]
    return "a score"


@EVERY
def test_calibration_of_a_trained_model(estimator):
    model, X, y = fitted(estimator, TWO)
    calibrated = CalibratedClassifierCV(FrozenEstimator(model)).fit(X[:N_GOLD], y[:N_GOLD])
    assert calibrated.classes_.tolist() == sorted(TWO)
    columns = by_name(calibrated, X)
    # Platt's curve is monotone: rows keep the order that the model gave them.
    before, after = by_name(model, X), columns
    for name in TWO:
        assert area(after[name], y == name) == pytest.approx(area(before[name], y == name))
        assert columns[name][y == name].mean() > columns[name][y != name].mean()


@EVERY
def test_calibration_with_folds_over_gold_rows(estimator):
    X, y, L = rows_of(estimator, TWO)
    calibrated = CalibratedClassifierCV(clone(estimator), cv=2).fit(X, y, L=L)
    columns = by_name(calibrated, X)
    assert all(columns[name][y == name].mean() > columns[name][y != name].mean() for name in TWO)


@EVERY
def test_stacking_and_voting_of_trained_models(estimator):
    model, X, y = fitted(estimator, THREE)
    stacked = StackingClassifier([("ours", model)], LogisticRegression(), cv="prefit").fit(X, y)
    assert stacked.named_estimators_["ours"].classes_.tolist() == sorted(THREE)
    by_hand = LogisticRegression().fit(model.predict_proba(X), y)
    np.testing.assert_array_equal(stacked.predict(X), by_hand.predict(model.predict_proba(X)))
    frozen = [("one", FrozenEstimator(model)), ("two", FrozenEstimator(model))]
    # Voting codes the labels 0, 1, .. by sorted name: a frozen model's names must not come into it.
    voted = VotingClassifier(frozen, voting="soft").fit(X, y)
    np.testing.assert_allclose(voted.predict_proba(X), model.predict_proba(X), rtol=1e-6)


@EVERY
def test_cross_val_predict_equals_folds_by_hand(estimator):
    X, y, L = rows_of(estimator, THREE)
    folds = StratifiedKFold(2)
    labels = cross_val_predict(clone(estimator), X, y, cv=folds, params={"L": L})
    # For probabilities scikit-learn codes labels 0, 1, .. by sorted name, so the votes must too.
    L = L.in_class_order(sorted(THREE))
    p = cross_val_predict(clone(estimator), X, y, cv=folds, params={"L": L}, method="predict_proba")
    for train, test in folds.split(X[:, 0], y):
        model = clone(estimator).fit(X[train], y[train], L=L[train])
        for k, name in enumerate(sorted(THREE)):
            np.testing.assert_allclose(p[test, k], by_name(model, X[test])[name], rtol=1e-5)
        assert np.mean(labels[test] == model.predict(X[test])) > 0.9  # but for rounding


@pytest.mark.parametrize("names", [TWO, THREE], ids=len)
def test_codes_of_sorted_names_are_told_from_codes_of_votes(names):
    X, y, L = rows_of(ESTIMATORS[1], names)
    by_sorted = np.array([sorted(names).index(name) for name in y])
    by_votes = np.array([names.index(name) for name in y])
    votes = L.to_dense()
    right, wrong = ((votes == codes[:, None])[votes >= 0].mean() for codes in (by_votes, by_sorted))
    shown = rf"agrees with {wrong:.0%} of the votes.* it would with {right:.0%}.*in_class_order"
    with pytest.warns(UserWarning, match=shown):
        SpearClassifier.from_options(max_epochs=1, guard=False).fit(X, by_sorted, L=L)
    GoldClassifier(trainer=T).fit(X, by_votes, L=L)  # no warning
    GoldClassifier(trainer=T).fit(X, by_sorted, L=L.in_class_order(sorted(names)))


@EVERY
def test_grid_search_and_cross_val_score_judge_by_name(estimator):
    X, y, L = rows_of(estimator, TWO)
    folds = StratifiedKFold(2)
    found = cross_val_score(clone(estimator), X, y, cv=folds, params={"L": L}, scoring="roc_auc")
    expected = []
    for train, test in folds.split(X[:, 0], y):
        model = clone(estimator).fit(X[train], y[train], L=L[train])
        positive = max(TWO)
        expected.append(area(by_name(model, X[test])[positive], y[test] == positive))
    np.testing.assert_allclose(found, expected)
    search = GridSearchCV(
        clone(estimator), {"trainer__lr": [1e-7, 0.03]}, cv=folds, scoring="neg_log_loss"
    ).fit(X, y, L=L)
    assert search.best_params_ == {"trainer__lr": 0.03}
    assert search.classes_.tolist() == sorted(TWO)


@EVERY
def test_joblib_keeps_a_model(estimator, tmp_path):
    model, X, _ = fitted(estimator, THREE)
    joblib.dump(model, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    assert again.classes_.tolist() == sorted(THREE)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.predict(X).tolist() == model.predict(X).tolist()


# -- settings of scikit-learn -------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ESTIMATORS[:5], ids=lambda e: type(e).__name__)
def test_metadata_routing_brings_the_votes_where_they_are_asked_for(estimator):
    X, y, L = rows_of(estimator, THREE)
    folds = StratifiedKFold(2)
    by_hand = []
    for train, test in folds.split(X, y):
        model = clone(estimator).fit(X[train], y[train], L=L[train])
        by_hand.append(np.mean(model.predict(X[test]) == y[test]))
    with config_context(enable_metadata_routing=True):
        asking = clone(estimator).set_fit_request(L=True).set_score_request(L=False)
        routed = cross_val_score(asking, X, y, cv=folds, params={"L": L})
        np.testing.assert_allclose(routed, by_hand)
        pipeline = make_pipeline(FunctionTransformer(), asking).fit(X, y, L=L)
        search = GridSearchCV(asking, {"trainer__lr": [0.03]}, cv=folds).fit(X, y, L=L)
        assert search.best_score_ == pytest.approx(np.mean(by_hand))
        with pytest.raises(UnsetMetadataPassedError, match="set_fit_request"):
            cross_val_score(clone(estimator), X, y, cv=folds, params={"L": L})
    plain = clone(estimator).fit(X, y, L=L)
    np.testing.assert_array_equal(pipeline.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(search.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize("output", ["pandas", "polars", "default"])
def test_text_features_go_through_a_pipeline_whatever_transformers_put_out(output):
    if output == "polars":
        pytest.importorskip("polars")
    texts = ["a spy saves a city", "two in love", "a spy in love", "a city of spies"] * 10
    y = np.array(["action", "romance", "romance", "action"] * 10)
    pipeline = make_pipeline(TextFeatures(min_df=1), GoldClassifier(trainer=T))
    expected = pipeline.fit(texts, y).predict_proba(texts)
    with config_context(transform_output=output):
        features = TextFeatures(min_df=1)
        assert sp.issparse(features.fit_transform(texts)) and sp.issparse(features.transform(texts))
        np.testing.assert_array_equal(clone(pipeline).fit(texts, y).predict_proba(texts), expected)
        encoder = TextEncoder(lambda texts: [[len(text), 1.0] for text in texts])
        assert encoder.fit_transform(texts).shape == (40, 2)


# -- rows without a label -----------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("unlabelled", [-1, None], ids=str)
def test_calibration_by_folds_over_unlabelled_rows_is_refused(estimator, unlabelled):
    """It would calibrate against a class -1; of None beside texts scikit-learn says so itself."""
    X, y, L = rows_of(estimator, TWO)
    if unlabelled is None:
        y = np.where(np.arange(N) < N_GOLD, y.astype(object), None)
    else:
        y = np.where(np.arange(N) < N_GOLD, y == "romance", -1).astype(int)
        L = L.in_class_order(["action", "romance"])
    with pytest.raises((ValueError, TypeError), match=r"labelled rows|None"):
        CalibratedClassifierCV(clone(estimator), cv=2).fit(X, y, L=L)


def test_tools_that_code_labels_anew_make_a_class_of_unlabelled_rows():
    """They pass on 0 for -1: with votes whose classes have names this is one class too many."""
    X, y, L = rows_of(ESTIMATORS[1], TWO)
    L = L.in_class_order(["action", "romance"])
    y = np.where(np.arange(N) < N_GOLD, y == "romance", -1).astype(int)
    spear = SpearClassifier(trainer=T)
    with pytest.raises(ValueError, match="-1"):
        cross_val_predict(spear, X, y, cv=2, params={"L": L}, method="predict_proba")
    labels = cross_val_predict(spear, X, y, cv=2, params={"L": L})  # takes -1 as it is meant
    assert set(labels) == {0, 1}
