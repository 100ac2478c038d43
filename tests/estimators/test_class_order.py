"""`classes_` is sorted, whatever order the votes have; what is given per class keeps its order."""

from pathlib import Path

import numpy as np
import pytest
import torch

from spear_amal import LabelMatrix, RuleModelConfig, SpearClassifier, TrainerConfig
from spear_amal.errors import InputError
from spear_amal.estimators import (
    DistilledClassifier,
    GoldClassifier,
    LabelModelClassifier,
    ReweightedClassifier,
    RuleNetworkClassifier,
)
from spear_amal.estimators.class_order import (
    sort_loaded_classes,
    sorted_classes,
)
from spear_amal.teachers import as_teacher, mean_teacher

FILES = Path(__file__).parent / "data"
N, D, M = 97, 5, 4
# A three-cycle: an order and its inverse differ, so that one cannot stand for the other.
VOTED = ["m", "z", "a"]
SORTED = ["a", "m", "z"]
BY_NAME = {name: code for code, name in enumerate(SORTED)}
T = TrainerConfig(max_epochs=4, lr=0.03)


@pytest.fixture(scope="module")
def data():
    """Votes coded by VOTED; the last LF says one class alone, the second has scores."""
    rng = np.random.default_rng(2)
    c = rng.integers(0, 3, N)
    X = rng.normal(size=(N, D)) + 1.5 * np.eye(3, D)[c]
    right = rng.random((N, M)) < 0.8
    V = np.where(rng.random((N, M)) < 0.6, np.where(right, c[:, None], (c[:, None] + 1) % 3), -1)
    V[:, 3] = np.where((c == 2) & right[:, 3], 2, -1)
    scores = np.where(V >= 0, rng.uniform(0.4, 1, V.shape), 0.0)
    names = np.array(VOTED, dtype=object)[c]
    return X, np.where(np.arange(N) < 50, names, None), V, scores, names


def matrix(V, scores, classes, lf_class):
    return LabelMatrix.from_dense(
        V,
        scores=scores,
        continuous=[False, True, False, False],
        classes=classes,
        lf_names=list("pqrs"),
        lf_classes=[-1, -1, -1, lf_class],
    )


def in_both_orders(data):
    """Rows with votes as VOTED codes them, and the same by hand as SORTED would."""
    X, y, V, scores, _ = data
    by_hand = np.full_like(V, -1)
    for code, name in enumerate(VOTED):
        by_hand[V == code] = BY_NAME[name]
    return (
        (X, y, matrix(V, scores, VOTED, 2)),
        (X, y, matrix(by_hand, scores, SORTED, BY_NAME["a"])),
    )


KINDS = [
    GoldClassifier(trainer=T),
    SpearClassifier(trainer=T, inference="product"),
    LabelModelClassifier(trainer=T, inference="product", label_model="dawid-skene"),
    ReweightedClassifier(trainer=T, label_model="cage"),
    RuleNetworkClassifier(trainer=T),
    RuleNetworkClassifier(trainer=T, form="posterior", inference="product"),
    DistilledClassifier("mlp:7", trainer=T),
]


@pytest.mark.parametrize("estimator", KINDS, ids=lambda e: f"{type(e).__name__}-{e.inference}")
def test_a_model_of_unsorted_votes_is_that_of_votes_sorted_by_hand(data, estimator):
    (X, y, L), (_, _, by_hand) = in_both_orders(data)
    model = estimator.fit(X, y, L=L, X_val=X[:20], y_val=y[:20], L_val=L[:20])
    assert model.classes_.tolist() == SORTED
    if model.inference != "feature":
        model.exponent_ = 0.5
    p, rows = model.predict_proba(X, L), np.arange(N)
    assert model.predict(X, L).tolist() == [SORTED[k] for k in p.argmax(1)]
    rule = model.rule_predict_proba(L) if isinstance(model, SpearClassifier) else None
    score = model.score(X, data[4], L=L)
    # Columns of the unipolar votes come in another order, so that sums are rounded otherwise.
    model.fit(X, y, L=by_hand, X_val=X[:20], y_val=y[:20], L_val=by_hand[:20])
    if model.inference != "feature":
        model.exponent_ = 0.5
    expected = model.predict_proba(X, by_hand)
    random_start = isinstance(estimator, RuleNetworkClassifier)  # of a rule, by its column
    np.testing.assert_allclose(p, expected, atol=0.05 if random_start else 1e-4)
    assert score == pytest.approx(model.score(X, data[4], L=by_hand), abs=1 / N)
    right = p[rows, [BY_NAME[name] for name in data[4]]]
    assert right.mean() > 0.4  # by chance 0.33; in a wrong order less
    if rule is not None:
        np.testing.assert_allclose(rule, model.rule_predict_proba(by_hand), atol=1e-4)


def test_votes_are_recoded_entry_by_entry():
    V = np.array([[0, 1, -1], [2, -1, 2], [-1, -1, -1], [1, 0, 2]])
    S = np.where(V >= 0, np.arange(12.0).reshape(4, 3) / 20, 0)
    votes = LabelMatrix.from_dense(
        V, scores=S, continuous=[True, False, True], classes=VOTED, lf_classes=[-1, 0, 2]
    )
    recoded = votes.in_class_order(SORTED)
    expected = [[-1 if v < 0 else BY_NAME[VOTED[v]] for v in row] for row in V]
    assert recoded.to_dense().tolist() == expected
    assert recoded.lf_classes.tolist() == [-1, BY_NAME["m"], BY_NAME["a"]]
    np.testing.assert_array_equal(recoded.dense_scores(), votes.dense_scores())
    assert votes.to_dense().tolist() == V.tolist()  # the user's own are left alone
    for wrong in (["a", "m"], ["a", "m", "x"], ["a", "m", "m"]):
        with pytest.raises(InputError, match=r"needed are|must be different"):
            votes.in_class_order(wrong)


def test_many_classes_are_recoded_in_a_type_that_holds_them():
    names = [f"c{k:03d}" for k in range(199, -1, -1)]
    votes = LabelMatrix.from_dense([[0, 3], [-1, 1]], classes=names)  # small codes: one byte each
    recoded = votes.in_class_order(sorted(names))
    assert recoded.to_dense().tolist() == [[199, 196], [-1, 198]]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["b", "a"], ["a", "b"]),
        ([30, 10, 20], [10, 20, 30]),
        ([True, False], [False, True]),
        ([1.5, -2.0], [-2.0, 1.5]),
        (np.array(["b", "a", "b"], dtype=object), ["a", "b"]),
    ],
)
def test_classes_are_sorted_as_python_sorts_them(classes, expected):
    assert sorted_classes(classes).tolist() == expected


@pytest.mark.parametrize(
    "classes", [["a", 1], np.array(["a", 1], dtype=object), [("a", 1), ("b", 2)], [1j, 2j]]
)
def test_classes_without_an_order_are_refused(classes):
    with pytest.raises(InputError, match="texts"):
        sorted_classes(classes)


def test_texts_and_numbers_among_the_classes_are_refused_by_fit(data):
    X, _, V, _, _ = data
    L = LabelMatrix.from_dense(V, classes=["ham", 1, 2])
    y = np.array(["ham", 1, 2], dtype=object)[np.arange(N) % 3]
    with pytest.raises(InputError, match=r"mixes names \('ham'\) and numbers \(1\)"):
        SpearClassifier().fit(X, y, L=L)
    with pytest.raises(InputError, match="mixes names"):
        GoldClassifier().fit(X, y)
    with pytest.raises(InputError, match=r"texts.*'ham', 1, 2"):
        SpearClassifier().fit(X, np.where(y == "ham", None, y), L=L)


# -- what is given per class or per column ------------------------------------------------------


def test_class_balance_follows_the_votes(data):
    X, y, V, scores, names = data
    balance = [0.7, 0.2, 0.1]  # of m, z and a
    L = matrix(V, scores, VOTED, 2)
    options = {"class_balance": balance}
    model = LabelModelClassifier(
        label_model="label-model", label_model_options=options, trainer=T
    ).fit(X, y, L=L)
    label_model = model.label_models_[0]
    assert label_model.classes_ == tuple(VOTED)
    assert label_model.class_balance_.tolist() == balance
    p = label_model.predict_proba(L)
    assert (np.array(VOTED)[p.argmax(1)] == names)[L.covered()].mean() > 0.6
    posterior = model._rule_log_proba(0, None, model._votes_of(X, L))
    for k, name in enumerate(SORTED):
        np.testing.assert_allclose(np.exp(posterior[:, k]), p[:, VOTED.index(name)], atol=1e-9)


def test_quality_guides_by_column_follow_the_votes(data):
    X, y, V, scores, _ = data
    L = matrix(V, scores, VOTED, 2)
    columns = L.unipolar_plan()  # (LF, class of the votes), as documented
    guides = np.linspace(0.3, 0.9, len(columns))
    config = RuleModelConfig(quality_guides=guides, guard=False)
    model = SpearClassifier(rule_model=config, trainer=TrainerConfig(max_epochs=1)).fit(X, y, L=L)
    rules = model.models_[0].rules
    stored = {(j, SORTED[k]): q for (j, k), q in zip(model.plan_, rules.q_t.tolist(), strict=True)}
    given = {(j, VOTED[k]): q for (j, k), q in zip(columns, guides, strict=True)}
    assert stored == pytest.approx(given)
    assert rules.k.tolist() == [k for _, k in model.plan_]


@pytest.mark.parametrize("with_votes", [True, False])
def test_f1_is_that_of_class_1_of_the_votes(data, with_votes):
    X, y, V, _, names = data
    rows = names != "z"  # the metric is that of two classes: m and a, as the votes have them
    X, y, V, names = X[rows], y[rows], V[rows], names[rows]
    cast = np.where(V == 2, 1, np.where(V == 0, 0, -1))
    L = LabelMatrix.from_dense(cast, classes=["m", "a"]) if with_votes else None
    kind = SpearClassifier if with_votes else GoldClassifier
    model = kind(metric="f1", trainer=T).fit(X, y, L=L)
    positive = "a" if with_votes else "m"
    predicted = model.predict(X)
    hits = sum((predicted == positive) & (names == positive))
    expected = 2 * hits / (sum(predicted == positive) + sum(names == positive))
    assert 0 < expected < 1
    assert model.score(X, names) == pytest.approx(expected)


def test_columns_of_teachers_go_by_name_or_are_asked_for(data):
    X, y, V, scores, names = data
    L = matrix(V, scores, VOTED, 2)
    logits = 8.0 * (names[:, None] == np.array(VOTED, dtype=object)).astype(float)
    student = DistilledClassifier(
        "linear",
        [as_teacher(logits, classes=VOTED, kind="logits")],
        mixer="fixed",
        mixer_options={"per_loss": {"gold": 0.0}},
        trainer=TrainerConfig(max_epochs=15, lr=0.05),
    ).fit(X, y, L=L)
    assert (student.predict(X) == names).mean() > 0.65
    for unnamed in (logits, mean_teacher([as_teacher(logits, classes=VOTED), logits])):
        with pytest.raises(InputError, match=r"classes=\[\.\.\]"):
            DistilledClassifier("linear", [unnamed], trainer=T).fit(X, y, L=L)
    in_order = matrix(np.where(V < 0, -1, (V + 1) % 3), scores, SORTED, 0)
    DistilledClassifier("linear", [logits], trainer=T).fit(X, y, L=in_order)


def test_snapshots_and_models_have_the_columns_of_classes_(data):
    X, y, V, scores, _ = data
    model = DistilledClassifier.from_options("linear", [], keep_epochs=(4,), max_epochs=4).fit(
        X, y, L=matrix(V, scores, VOTED, 2)
    )
    logits = model.snapshots_[4](torch.as_tensor(X, dtype=torch.float32))[0]
    assert as_teacher(model).logits(X, classes=VOTED).shape == (N, 3)
    by_name = dict(zip(VOTED, as_teacher(model).logits(X, classes=VOTED).T, strict=True))
    p = model.predict_proba(X)
    for k, name in enumerate(SORTED):
        np.testing.assert_allclose(logits.softmax(1)[:, k].detach(), p[:, k], atol=0.05)
        mine = np.exp(by_name[name] - np.logaddexp.reduce(list(by_name.values()), axis=0))
        np.testing.assert_allclose(mine, p[:, k], atol=1e-5)


# -- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SpearClassifier, RuleNetworkClassifier])
def test_a_saved_model_answers_as_before(data, kind, tmp_path):
    X, y, V, scores, _ = data
    L = matrix(V, scores, VOTED, 2)
    model = kind(trainer=T, inference="product", metric="macro-f1").fit(X, y, L=L)
    model.exponent_ = 0.5
    model.save(tmp_path / "model.safetensors")
    again = kind.load(tmp_path / "model.safetensors")
    assert again.classes_.tolist() == SORTED
    np.testing.assert_array_equal(again.predict_proba(X, L), model.predict_proba(X, L))
    assert again.score(X, data[4], L=L) == model.score(X, data[4], L=L)


# What the versions that wrote the files answered, columns by VOTED.
OLD_X = np.arange(12.0).reshape(3, 4) / 5 - 1
OLD_VOTES = [[0, 2, 2], [2, -1, 2], [-1, 1, -1]]
OLD_SCORES = [[0.75, 0, 0], [0.5, 0, 0], [0, 0, 0]]
OLD = {
    "spear": [
        [0.37522134310426664, 0.01719025897508428, 0.6075883979206491],
        [0.022837968919930295, 0.020879019351199856, 0.9562830117288699],
        [0.1716549972192038, 0.6454058658487477, 0.18293913693204847],
    ],
    "rule-network": [
        [0.3200761854552064, 0.34812502271368373, 0.33179879183111],
        [0.31968644367490545, 0.34799377802677495, 0.3323197782983196],
        [0.3196320922036393, 0.34930405319047825, 0.33106385460588256],
    ],
}
OLD_RULE = [
    [0.30304117247080775, 0.0008413335375037191, 0.6961174939916885],
    [0.0006501448393873754, 0.000718773654020568, 0.9986310815065921],
    [0.04832197037201943, 0.9035960857291067, 0.04808194389887407],
]


@pytest.mark.parametrize(
    ("kind", "name"), [(SpearClassifier, "spear"), (RuleNetworkClassifier, "rule-network")]
)
def test_files_with_classes_in_the_order_of_votes_are_put_in_order(kind, name, tmp_path):
    L = LabelMatrix.from_dense(
        OLD_VOTES,
        scores=OLD_SCORES,
        continuous=[True, False, False],
        classes=VOTED,
        lf_names=["one", "two", "three"],
    )
    model = kind.load(FILES / f"{name}-classes-of-votes.safetensors")
    model.save(tmp_path / "again.safetensors")
    for loaded in (model, kind.load(tmp_path / "again.safetensors")):
        assert loaded.classes_.tolist() == SORTED
        p = loaded.predict_proba(OLD_X, L)
        for column, said in enumerate(VOTED):
            expected = np.array(OLD[name])[:, column]
            np.testing.assert_allclose(p[:, SORTED.index(said)], expected, rtol=1e-5)
    if name == "spear":
        rule = np.column_stack([model.rule_predict_proba(L)[:, SORTED.index(v)] for v in VOTED])
        np.testing.assert_allclose(rule, OLD_RULE, rtol=1e-4)


def test_an_older_model_with_a_network_of_ones_own_stays_as_it_is_and_says_so(data):
    X, y, V, scores, _ = data
    own = SpearClassifier(feature_model=torch.nn.Linear(D, 3), trainer=T)
    model = own.fit(X, y, L=matrix(V, scores, VOTED, 2))
    p = model.predict_proba(X)
    model.classes_ = np.array(VOTED)  # as an older file would have set them
    with pytest.warns(UserWarning, match=r"not sorted.*train again"):
        sort_loaded_classes(model)
    assert model.classes_.tolist() == VOTED
    np.testing.assert_array_equal(model.predict_proba(X), p)
