"""What all label models share beyond predictions: scores, weights, files, and class balances."""

import pickle
from enum import Enum

import numpy as np
import pytest
from sklearn import metrics

from spear_amal import LabelMatrix
from spear_amal.data import synthetic_votes
from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.label_models import (
    LABEL_MODELS,
    AccuracyModel,
    Cage,
    DawidSkene,
    LabelModel,
    MajorityVote,
    SnorkelLabelModel,
    WeightedMajority,
)

N, M = 211, 7


@pytest.fixture(params=LABEL_MODELS)
def make(request):
    if request.param == "snorkel":
        pytest.importorskip("snorkel")
    return LABEL_MODELS[request.param]


@pytest.fixture(scope="module", params=[2, 3])
def drawn(request):
    L, y = synthetic_votes(N, M, request.param, coverages=0.4, seed=5)
    gold = np.where(np.arange(N) % 3 == 0, -1, y)
    return L.with_classes([f"class {k}" for k in range(request.param)]), gold


# -- score ----------------------------------------------------------------------------------------


def test_scores_are_those_of_scikit_learn(make, drawn):
    L, gold = drawn
    model = make().fit(L)
    p, predicted = model.predict_proba(L), model.predict(L)
    names = ["accuracy", "coverage", "f1_micro", "f1_macro", "matthews_corrcoef"]
    scored = (gold >= 0) & (predicted >= 0)
    y, found = gold[scored], predicted[scored]
    expected = {
        "accuracy": metrics.accuracy_score(y, found),
        "coverage": (predicted >= 0).mean(),
        "f1_micro": metrics.f1_score(y, found, average="micro"),
        "f1_macro": metrics.f1_score(y, found, average="macro"),
        "matthews_corrcoef": metrics.matthews_corrcoef(y, found),
    }
    if L.n_classes == 2:
        names += ["precision", "recall", "f1", "roc_auc"]
        expected |= {
            "precision": metrics.precision_score(y, found),
            "recall": metrics.recall_score(y, found),
            "f1": metrics.f1_score(y, found),
            "roc_auc": metrics.roc_auc_score(y, p[scored, 1]),
        }
    assert model.score(L=L, Y=gold, metrics=names) == pytest.approx(expected)
    assert model.score(L, gold) == pytest.approx({"accuracy": expected["accuracy"]})


def test_scores_equal_snorkels(drawn):
    snorkel = pytest.importorskip("snorkel.labeling.model")
    L, gold = drawn
    names = ["accuracy", "coverage", "f1_micro", "f1_macro", "matthews_corrcoef"]
    peer = snorkel.MajorityLabelVoter(cardinality=L.n_classes)
    theirs = peer.score(np.asarray(L).astype(int), gold, metrics=names)
    assert MajorityVote().fit(L).score(L, gold, metrics=names) == pytest.approx(theirs)


def test_what_cannot_be_scored_is_said(drawn):
    L, gold = drawn
    model = MajorityVote().fit(L)
    for arguments, message in (
        ({"Y": np.full(N, -1)}, "no gold class"),
        ({"Y": gold[1:]}, f"Y has {N - 1} labels, L has {N} rows"),
        ({"Y": gold, "metrics": ["precission"]}, "unknown metric 'precission'; choose from accur"),
        ({"Y": gold, "metrics": "accuracy"}, r"must be a list of names, such as \['accuracy'\]"),
        ({"Y": gold, "tie_break_policy": "coin"}, "tie_break_policy must be one of"),
    ):
        with pytest.raises(InputError, match=message):
            model.score(L, **arguments)
    if L.n_classes == 3:
        with pytest.raises(InputError, match="'f1' is for two classes, the model has 3"):
            model.score(L, gold, metrics=["f1"])
    tied = LabelMatrix.from_dense([[0, 1]])
    with pytest.raises(InputError, match="both gold and a prediction"):
        MajorityVote().fit(tied).score(tied, [0])


def test_random_ties_go_to_tied_classes_alike_in_every_call():
    votes = np.tile([[0, 2, -1], [1, 1, -1], [-1, 2, 1]], (400, 1))
    model = MajorityVote().fit(votes)
    classes = model.predict(votes, "random")
    np.testing.assert_array_equal(classes, model.predict(votes, "random"))
    assert (classes[1::3] == 1).all()
    for rows, pair in ((slice(0, None, 3), (0, 2)), (slice(2, None, 3), (1, 2))):
        counts = np.bincount(classes[rows], minlength=3)
        assert counts[list(pair)].sum() == 400
        assert counts[list(pair)].min() > 150  # 200 expected, 10 the standard deviation
    silent = np.full((600, 3), -1)
    assert np.bincount(model.predict(silent, "random")).min() > 150


# -- weights --------------------------------------------------------------------------------------


def test_weights_are_shares(make, drawn):
    weights = make().fit(drawn[0]).get_weights()
    assert weights.shape == (M,)
    assert ((weights > 0) & (weights <= 1)).all()


@pytest.mark.parametrize("model", [WeightedMajority, AccuracyModel, DawidSkene])
def test_weights_come_near_the_accuracies_of_the_draw(model):
    accuracies = np.linspace(0.5, 0.9, 9)
    L, _y = synthetic_votes(4001, 9, 2, accuracies=accuracies, coverages=0.6, seed=2)
    weights = model().fit(L).get_weights()
    assert np.abs(weights - accuracies).max() < (0.15 if model is WeightedMajority else 0.05)


def test_weights_of_dawid_skene_by_hand():
    votes = np.array([[0, 1], [0, 0], [1, 1], [0, 1], [-1, -1]])
    model = DawidSkene().fit(votes, [0, 0, 1, 1, 0])
    np.testing.assert_allclose(model.get_weights(), [3 / 4, 3 / 4])


def test_weights_of_snorkel_are_its_own(drawn):
    snorkel = pytest.importorskip("snorkel.labeling.model")
    from spear_amal.label_models.snorkel_model import untouched_globals

    L, _gold = drawn
    with untouched_globals():
        peer = snorkel.LabelModel(cardinality=L.n_classes, verbose=False)
        peer.fit(np.asarray(L).astype(int), seed=3, progress_bar=False)
        expected = peer.get_weights()
    weights = SnorkelLabelModel(seed=3).fit(L).get_weights()
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_weights_of_cage_are_the_precisions_under_its_potentials():
    votes = np.tile([[0, -1], [0, 1], [-1, 1], [0, -1]], (20, 1))
    model = Cage().fit(votes)
    masses = np.exp(model.theta_)  # (C, m)
    for j, k in ((0, 0), (1, 1)):
        other = 1 - j
        fires = masses[:, j] * (1 + masses[:, other])  # summed over the other LF
        np.testing.assert_allclose(model.get_weights()[j], fires[k] / fires.sum())


def test_lfs_that_are_not_heard_weigh_as_chance(drawn):
    L, _gold = drawn
    wider = np.c_[np.asarray(L), np.full(N, 1)]
    for model in (WeightedMajority, AccuracyModel, Cage):
        assert model().fit(wider).get_weights()[-1] == 1 / L.n_classes
    assert MajorityVote().fit(wider).get_weights().tolist() == [1.0] * (M + 1)


def test_a_label_model_of_ones_own_may_have_no_weights(drawn):
    class Even(LabelModel):
        def _fit(self, L, y):
            """Nothing to learn."""

        def _posterior(self, L):
            return np.full((len(L), self.n_classes_), 1 / self.n_classes_)

    with pytest.raises(InputError, match="Even has no weights"):
        Even().fit(drawn[0]).get_weights()


# -- files ----------------------------------------------------------------------------------------


def test_a_file_gives_the_same_model_back(make, drawn, tmp_path):
    L, gold = drawn
    model = make().fit(L, gold)
    path = tmp_path / "model.safetensors"
    assert model.save(path) is None
    empty = make()
    for loaded in (make.load(path), LabelModel.load(path), empty.load(path)):
        assert type(loaded) is make
        np.testing.assert_array_equal(loaded.predict_proba(L), model.predict_proba(L))
        np.testing.assert_array_equal(loaded.get_weights(), model.get_weights())
        np.testing.assert_array_equal(loaded.predict(L), model.predict(L))
        assert loaded.get_params() == model.get_params()
        assert (loaded.classes_, loaded.plan_) == (model.classes_, model.plan_)
    assert empty.load(path) is empty
    with pytest.raises(OutputExistsError):
        model.save(path)
    model.save(path, overwrite=True)
    with pytest.raises(InputError, match=f"has {M - 1} LFs"):
        empty.predict(L[:, : M - 1])


class Size(Enum):
    """Classes that are called by other numbers than their codes."""

    SMALL = 3
    LARGE = 7


def test_a_file_keeps_what_classes_are_called_by(tmp_path):
    L = LabelMatrix.from_dense([[0, 0, -1], [1, 1, 0], [-1, -1, -1]], classes=Size)
    MajorityVote().fit(L).save(tmp_path / "model.safetensors")
    loaded = LabelModel.load(tmp_path / "model.safetensors")
    assert loaded.predict(L).tolist() == [3, 7, -1]
    assert loaded.classes_.ids == (3, 7)
    assert loaded.score(L, [3, 7, None]) == {"accuracy": 1.0}


def test_parameters_come_back(drawn, tmp_path):
    L, _gold = drawn
    shares = {name: 1 / L.n_classes for name in L.classes}
    model = AccuracyModel(class_balance=shares, tol=0.25).fit(L)
    model.save(tmp_path / "a")
    loaded = AccuracyModel.load(tmp_path / "a")
    assert (loaded.class_balance, loaded.tol) == (shares, 0.25)
    loaded.fit(L)
    np.testing.assert_array_equal(loaded.predict_proba(L), model.predict_proba(L))
    guides = np.full(len(L.unipolar_plan()), 0.8)
    Cage(quality_guides=guides).fit(L).save(tmp_path / "b")
    np.testing.assert_array_equal(Cage.load(tmp_path / "b").quality_guides, guides)


def test_wrong_files_are_refused(drawn, tmp_path):
    L, _gold = drawn
    path = tmp_path / "model"
    DawidSkene().fit(L).save(path)
    with pytest.raises(FileFormatError, match=r"holds a DawidSkene; load it with DawidSkene\.load"):
        AccuracyModel.load(path)
    cut = tmp_path / "cut"
    cut.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FileFormatError, match="damaged"):
        DawidSkene.load(cut)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        snorkel = tmp_path / f"{protocol}.pkl"
        snorkel.write_bytes(pickle.dumps({"mu": np.eye(2)}, protocol=protocol))
        with pytest.raises(FileFormatError, match=r"Snorkel's LabelModel\.save writes.*never read"):
            SnorkelLabelModel().load(snorkel)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        DawidSkene.load(tmp_path / "none")


def test_what_no_file_holds_is_said(drawn, tmp_path):
    class Keeper(MajorityVote):
        def _fit(self, L, y, n_rows=None):
            self.kept_ = {1, 2}

    model = Keeper().fit(drawn[0])
    with pytest.raises(InputError, match="kept_ is a set, which the file cannot hold"):
        model.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


# -- class balance --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["label-model", "dawid-skene", "snorkel"])
def test_class_balance_by_name_by_order_and_balanced(name):
    if name == "snorkel":
        pytest.importorskip("snorkel")
    make = LABEL_MODELS[name]
    L, _y = synthetic_votes(N, M, 2, coverages=0.5, seed=1)
    L = L.with_classes(["spam", "ham"])
    by_order = make(class_balance=[0.25, 0.75]).fit(L)
    by_name = make(class_balance={"ham": 0.75, "spam": 0.25}).fit(L)
    np.testing.assert_array_equal(by_name.class_balance_, [0.25, 0.75])
    np.testing.assert_array_equal(by_name.predict_proba(L), by_order.predict_proba(L))
    assert make(class_balance="balanced").fit(L).class_balance_.tolist() == [0.5, 0.5]
    for wrong, message in (
        ({"ham": 1.0}, r"each of the 2 classes \['spam', 'ham'\], by these names"),
        ({"ham": 0.5, "Spam": 0.5}, "by these names"),
        ([0.2, 0.3, 0.5], r"2 shares, one for each of the 2 classes \['spam', 'ham'\]"),
        ({"ham": 0.5, "spam": 0.6}, r"sum to 1, found \{'spam': 0.6, 'ham': 0.5\}"),
        ("even", "must be 'balanced', 'gold', 'estimated', shares by class name"),
        (["a", "b"], "must be numbers"),
    ):
        with pytest.raises(InputError, match=message):
            make(class_balance=wrong).fit(L)


class Kind(Enum):
    HAM = 7
    SPAM = 3


def test_class_balance_of_members_and_numbered_classes():
    L, _y = synthetic_votes(N, M, 2, coverages=0.5, seed=1)
    for shares in ({1: 0.75, 0: 0.25}, {"1": 0.75, "0": 0.25}):
        assert AccuracyModel(class_balance=shares).fit(L).class_balance_.tolist() == [0.25, 0.75]
    named = L.with_classes(["ham", "spam"])
    shares = {Kind.SPAM: 0.75, Kind.HAM: 0.25}
    assert AccuracyModel(class_balance=shares).fit(named).class_balance_.tolist() == [0.25, 0.75]


class Stars(Enum):
    ONE, TWO, THREE = 1, 2, 3


@pytest.mark.parametrize("classes", [[1, 2, 3], Stars, {"x": 7, "y": 8, "z": 9}])
def test_file_keeps_what_classes_are_called_by(make, tmp_path, classes):
    L = synthetic_votes(N, M, 3, seed=2)[0].with_classes(classes)
    model = make().fit(L)
    model.save(tmp_path / "model")
    loaded = make.load(tmp_path / "model")
    assert (loaded.classes_, loaded.classes_.ids) == (L.classes, L.classes.ids)
    predictions = loaded.predict(L)
    first = 7 if isinstance(classes, dict) else 1
    assert set(predictions.tolist()) == {-1, first, first + 1, first + 2}
    fired = predictions != -1
    expected = loaded.predict_proba(L)[fired].argmax(axis=1) + first
    np.testing.assert_array_equal(predictions[fired], expected)
    assert loaded.score(L, predictions)["accuracy"] == 1


def test_gold_of_a_plain_array_is_read_by_the_classes_of_the_model():
    L, y = synthetic_votes(N, M, 3, seed=3)
    model = AccuracyModel().fit(L.with_classes([1, 2, 3]))
    stars = np.where(y < 2, y + 1, -1)
    right = model.predict_proba(L.to_dense()).argmax(axis=1) == y
    expected = right[y < 2].mean()
    for votes in (L.to_dense(), L.with_classes([1, 2, 3])):
        assert model.score(votes, stars, tie_break_policy="first")["accuracy"] == pytest.approx(
            expected
        )


def test_votes_for_the_same_numbers_in_another_order_are_refused():
    L = synthetic_votes(N, M, 3, seed=3)[0]
    model = AccuracyModel().fit(L.with_classes([1, 2, 3]))
    with pytest.raises(InputError, match=r"classes \[3, 2, 1\], the model knows \[1, 2, 3\]"):
        model.predict(L.with_classes([3, 2, 1]))
