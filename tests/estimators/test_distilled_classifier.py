"""DistilledClassifier: every method on every kind of rows, who teaches whom, and what is learnt."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from spear_amal import LabelMatrix, TrainerConfig
from spear_amal.data import TextFeatures, synthetic_corpus, synthetic_votes
from spear_amal.errors import InputError
from spear_amal.estimators import DISTILLATION, DistilledClassifier, distiller
from spear_amal.mixers import Amal, Crust
from spear_amal.teachers import (
    Teacher,
    as_teacher,
    early_stopped,
    mean_teacher,
    save_teacher_outputs,
)
from spear_amal.training import ProgressBar

N, N_VAL, D, C = 61, 29, 7, 3
SHAPE = (2, 11, 11)
AT_ONCE = {"warmup": 1, "refresh_every": 1}


def gold():
    return np.random.default_rng(0).integers(0, C, N + N_VAL)


def rows(kind):
    rng, y = np.random.default_rng(1), gold()
    if kind == "images":
        x = rng.normal(60, 20, (len(y), *SHAPE)) + 90 * np.eye(C, SHAPE[1])[y][:, None, :, None]
        return x.clip(0, 255).astype(np.uint8)
    x = rng.normal(size=(len(y), D)) + 2 * np.eye(C, D)[y]
    return x if kind == "features" else sp.csr_array(np.where(abs(x) > 0.5, x, 0))


def teacher(kind="features"):
    x = rows(kind)
    flat = x.reshape(len(x), -1) / 255 if kind == "images" else x
    return LogisticRegression(max_iter=300).fit(flat[:N], gold()[:N])


def fitted(model, kind="features", y=None, y_val=None, **given):
    x = rows(kind)
    y = gold()[:N] if y is None else y
    y_val = gold()[N:] if y_val is None else y_val
    return model.fit(x[:N], y, X_val=x[N:], y_val=y_val, **given)


def distilled(mixer="kd", student="mlp:5", teachers=None, **options):
    teachers = [teacher()] if teachers is None else teachers
    return DistilledClassifier.from_options(
        student, teachers, mixer=mixer, **{"max_epochs": 5, **options}
    )


def alike(one, other, kind="features", tolerance=0.0):
    """Whether two fitted models hold the same numbers, by default bit for bit."""
    states = [model.models_[0].state_dict().values() for model in (one, other)]
    close = {"rtol": 0, "atol": tolerance}
    same = all(torch.allclose(a, b, **close) for a, b in zip(*states, strict=True))
    x = rows(kind)
    return same and np.allclose(one.predict_proba(x), other.predict_proba(x), **close)


# -- every method ---------------------------------------------------------------------------------


COLUMNS = {"ce": ["label"], "dgkd": ["label", "teacher0", "teacher1", "teacher2"]}
COLUMNS["dgkd-drop"] = COLUMNS["dgkd"]
COLUMNS["sskd"] = ["label", "teacher", "rotated", "similarity"]


@pytest.mark.parametrize("kind", ["features", "sparse", "images"])
@pytest.mark.parametrize("method", DISTILLATION)
def test_every_method_on_every_kind_of_rows(method, kind, tmp_path):
    if method == "sskd" and kind != "images":
        with pytest.raises(InputError, match="sskd turns images"):
            fitted(distiller(method, "mlp:5", [teacher(kind)]), kind)
        return
    teachers = ["mlp:17"] if method == "sskd" else [teacher(kind)]  # SSKD asks for features
    options = {"mixer_options": AT_ONCE} if method in ("amal", "alm-kd") else {}
    model = distiller(
        method, "mlp:5", teachers, ["mlp:13", "mlp:11"], max_epochs=3, lr=0.02, **options
    )
    fitted(model, kind)
    x = rows(kind)
    p = model.predict_proba(x)
    assert p.shape == (N + N_VAL, C)
    np.testing.assert_allclose(p.sum(1), 1)
    assert set(model.predict(x)) <= {0, 1, 2}
    assert model.score(x, gold()) == np.mean(model.predict(x) == gold())
    assert list(model.weights_.columns) == COLUMNS.get(method, ["label", "teacher"])
    assert model.weights_.iloc[N:].isna().all(axis=None)  # validation rows took no part
    assert model.weights_.iloc[:N].notna().all(axis=None)
    assert len(model.history_) == 3
    assert model.history_[[f"loss/{name}" for name in model.weights_]].notna().all(axis=None)
    assert model.input_shape_ == x.shape[1:]
    assert model.n_features_in_ == np.prod(x.shape[1:])
    path = tmp_path / "student"
    model.save(path)
    again = type(model).load(path)
    assert np.array_equal(again.predict_proba(x), p)
    assert again.input_shape_ == x.shape[1:]
    pd.testing.assert_frame_equal(again.weights_, model.weights_, check_dtype=False, rtol=1e-6)
    assert again.get_params() == {**model.get_params(), "teachers": (), "assistants": ()}


def test_a_lone_last_row_goes_through_batch_normalisation():
    layers = torch.nn.Linear(D, 5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, C)
    model = fitted(distilled("kd", torch.nn.Sequential(*layers), batch_size=N - 1))
    assert model.history_["loss/label"].notna().all()


def test_a_network_learns_images_from_a_teacher():
    model = distilled("kd", "convnet", [teacher("images")], max_epochs=23, lr=0.02, batch_size=16)
    fitted(model, "images")
    assert model.val_score_ > 0.9


def test_weights_of_known_mixers():
    three = [teacher()] * 3
    found = {
        name: fitted(distilled(name, teachers=three)).weights_.iloc[0].round(6).tolist()
        for name in ("kd", "ce", "fixed", "amal", "alm-kd")
    }
    assert found["kd"] == [0.1, 0.3, 0.3, 0.3]
    assert found["ce"] == [1, 0, 0, 0]
    assert found["fixed"] == [1, 1, 1, 1]
    assert found["amal"] == pytest.approx([0.1, 0.9, 0.9, 0.9])  # ten epochs of warm-up
    assert found["alm-kd"] == pytest.approx([0.1, 0.9, 0.9, 0.9])


@pytest.mark.parametrize("mixer", ["kd", "amal", "alm-kd", "dgkd", "dgkd-drop", "crust"])
def test_without_teachers_the_label_counts_fully(mixer):
    options = {"teachers": [], "optimiser": "sgd", "max_epochs": 3}  # Adam hides a factor
    alone = fitted(distilled("ce", **options))
    # Some train by autograd, others by slopes in closed form: two ways to sum.
    assert alike(alone, fitted(distilled(mixer, **options)), tolerance=1e-6)
    # SuperLoss weighs rows by their losses from the start.
    assert distilled("superloss", teachers=[])._new_mixer().per_loss == {"label": 1.0}


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_a_teacher_of_weight_zero_is_no_teacher_bit_for_bit(optimiser):
    options = {"optimiser": optimiser, "batch_size": 13}
    alone = fitted(distilled("ce", teachers=[], **options))
    off = {"mixer_options": {"per_loss": {"label": 1.0, "teacher": 0.0}}}
    assert alike(alone, fitted(distilled("kd", **options, **off)))
    assert alike(alone, fitted(distilled("ce", **options)))
    assert not alike(alone, fitted(distilled("kd", **options)))


@pytest.mark.parametrize("kind", ["features", "images"])
def test_amal_that_learns_nothing_is_hintons_bit_for_bit(kind):
    options = {"teachers": [teacher(kind)], "batch_size": 13}
    if kind == "images":
        options["augment"] = "crop-flip"
    fixed = fitted(distilled("kd", **options), kind)
    still = fitted(distilled("amal", mixer_options={**AT_ONCE, "weight_lr": 0.0}, **options), kind)
    assert alike(fixed, still, kind)
    assert np.array_equal(fixed.weights_, still.weights_, equal_nan=True)
    moving = fitted(distilled("amal", mixer_options=AT_ONCE, **options), kind)
    assert not alike(fixed, moving, kind)


# -- rows, classes and who is asked what ----------------------------------------------------------


def test_classes_are_names_and_teachers_columns_follow_them():
    """The teacher knows its classes in another order than the student's."""
    names = np.array(["owl", "ant", "bee"])  # codes of the student: ant, bee, owl
    told = teacher().predict_log_proba(rows("features"))
    named = as_teacher(told, classes=names.tolist())
    texts = names[gold()]
    by_name = fitted(distilled(teachers=[named]), y=texts[:N], y_val=texts[N:])
    assert by_name.classes_.tolist() == ["ant", "bee", "owl"]
    order = [1, 2, 0]
    plain = as_teacher(told[:, order])
    numbered = np.argsort(order)[gold()]
    x = rows("features")
    by_number = distilled(teachers=[plain]).fit(
        x[:N], numbered[:N], X_val=x[N:], y_val=numbered[N:]
    )
    assert alike(by_name, by_number)
    assert by_name.predict(x).tolist() == by_name.classes_[by_number.predict(x)].tolist()


def test_unlabelled_rows_are_taught_by_teachers():
    y = np.where(np.arange(N) < 7, gold()[:N], -1)
    options = {"max_epochs": 23, "lr": 0.01, "patience": None}
    model = fitted(distilled(**options), y=y)
    assert model.weights_["label"][:N].notna().tolist() == (y >= 0).tolist()
    assert model.weights_["teacher"][:N].notna().all()
    seven = fitted(distilled("ce", **options), y=y)
    x = rows("features")
    # Where nobody has a label the student goes by the teacher.
    judged = np.flatnonzero(y < 0)
    said = teacher().predict(x[judged])
    assert model.score(x[judged], said) > seven.score(x[judged], said) + 0.05


def test_rows_of_which_nobody_says_anything_are_left_out():
    unlabelled = np.where(np.arange(N) < 31, gold()[:N], -1)
    x = rows("features")
    model = fitted(distilled("ce", teachers=[], batch_size=7), y=unlabelled)
    fewer = distilled("ce", teachers=[], batch_size=7)
    fewer.fit(x[:31], gold()[:31], X_val=x[N:], y_val=gold()[N:])
    assert alike(model, fewer)
    assert model.weights_["label"].notna().sum() == 31


def test_teacher_outputs_by_row_id_whatever_their_order(tmp_path):
    x = rows("features")
    told = teacher().decision_function(x)
    ids = np.array([f"row-{i}" for i in range(N + N_VAL)])
    order = np.random.default_rng(3).permutation(len(ids))
    path = tmp_path / "teacher.npz"
    save_teacher_outputs(path, ids[order], told[order], [0, 1, 2])
    by_file = fitted(distilled(teachers=[path]), row_ids=ids[:N], row_ids_val=ids[N:])
    assert alike(by_file, fitted(distilled(teachers=[told])))
    frame = pd.DataFrame(told, index=ids).iloc[order]
    by_frame = fitted(distilled(teachers=[frame]), row_ids=ids[:N], row_ids_val=ids[N:])
    assert alike(by_file, by_frame)
    # A label matrix knows its rows.
    votes = LabelMatrix.from_dense(np.stack([gold(), gold()], 1), row_ids=ids.tolist())
    by_votes = fitted(distilled(teachers=[path]), L=votes[:N], L_val=votes[N:])
    assert "teacher" in by_votes.weights_.columns


def test_a_mean_of_arrays_is_cut_into_training_and_validation_rows():
    one, other = np.random.default_rng(3).normal(size=(2, N + N_VAL, C))
    mean = mean_teacher([one, other])
    model = fitted(distilled("kd", teachers=[mean]))
    told = mean.logits(rows("features"))
    assert alike(model, fitted(distilled("kd", teachers=[told])))


@pytest.mark.parametrize("augment", [None, "crop"])
def test_modules_see_images_without_a_channel_as_the_student_does(augment):
    x = rows("images")[:, 0]
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 5), torch.nn.Flatten())
    module.append(torch.nn.Linear(3 * 7 * 7, C))
    both = [
        distilled("kd", teachers=[module], augment=augment).fit(x.astype(np.float32), gold())
        for x in (x, x[:, None])
    ]
    assert np.array_equal(*(one.weights_ for one in both), equal_nan=True)
    assert np.array_equal(both[0].predict_proba(x / 1.0), both[1].predict_proba(x[:, None] / 1.0))


def test_teachers_may_see_other_features():
    x = rows("features")
    wide = teacher()
    model = distilled(teachers=[wide]).fit(
        x[:N, :2],
        gold()[:N],
        X_val=x[N:, :2],
        y_val=gold()[N:],
        teacher_X=x[:N],
        teacher_X_val=x[N:],
    )
    told = wide.predict_log_proba(x)
    by_array = distilled(teachers=[told]).fit(
        x[:N, :2], gold()[:N], X_val=x[N:, :2], y_val=gold()[N:]
    )
    assert np.array_equal(model.predict_proba(x[:, :2]), by_array.predict_proba(x[:, :2]))


def test_a_forest_and_a_pipeline_teach_a_student_of_tf_idf():
    corpus = synthetic_corpus(n=220, seed=1, n_test=40)
    texts, y = corpus.frame["text"], corpus.labels
    features = TextFeatures(min_df=1).fit(texts)
    x = features.transform(texts)
    assert sp.issparse(x)
    forest = RandomForestClassifier(17, random_state=0).fit(x, y)
    model = distilled(teachers=[forest], student="linear", max_epochs=11, lr=0.05).fit(x, y)
    assert model.score(x, forest.predict(x)) > 0.8
    pipeline = make_pipeline(features, LogisticRegression()).fit(texts, y)
    asked = distilled(teachers=[pipeline], student="linear").fit(x, y, teacher_X=texts)
    same = distilled(teachers=[pipeline[-1]], student="linear").fit(x, y)
    assert np.array_equal(asked.predict_proba(x), same.predict_proba(x))


class Spy(torch.nn.Module):
    """A teacher that notes what it is asked about."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(x)
        return x.double().mean(dim=(2, 3))[:, [0, 1, 1]]


def test_networks_are_asked_about_augmented_images_unless_they_see_others():
    x, spy = rows("images"), Spy()
    options = {"teachers": [spy], "batch_size": N, "max_epochs": 3}
    fitted(distilled(**options), "images")
    assert len(spy.seen) == 2  # training rows, validation rows, once and for all
    spy.seen.clear()
    fitted(distilled(**options, augment="crop"), "images")
    assert [len(seen) for seen in spy.seen] == [N, N_VAL, N, N, N]
    assert not any(torch.equal(seen, spy.seen[0]) for seen in spy.seen[2:])
    spy.seen.clear()
    large = x.repeat(2, axis=2).repeat(2, axis=3)
    fitted(
        distilled(**options, augment="crop"), "images", teacher_X=large[:N], teacher_X_val=large[N:]
    )
    assert [seen.shape[2] for seen in spy.seen] == [22, 22]


# -- rules beside teachers ------------------------------------------------------------------------


def votes(accuracies):
    labels, y = synthetic_votes(N + 97, 5, C, accuracies=accuracies, coverages=0.6, seed=3)
    x = np.random.default_rng(0).normal(size=(len(y), D)) + 2 * np.eye(C, D)[y]
    return labels, y, x


@pytest.mark.parametrize("mixer", ["amal", "kd", "alm-kd"])
def test_rules_and_teachers_together(mixer, tmp_path):
    labels, y, x = votes(0.8)
    observed = np.where(np.arange(N) < 17, y[:N], -1)
    told = LogisticRegression().fit(x, y).predict_log_proba(x)
    options = {"mixer_options": AT_ONCE} if mixer != "kd" else {}
    model = distilled(mixer, teachers=[told, told[:, [1, 2, 0]]], **options)
    model.fit(x[:N], observed, labels[:N], x[N:], y[N:], labels[N:])
    columns = list(model.weights_.columns)
    assert columns[0] == "gold"
    assert {"entropy", "consensus", "agreement", "rule-likelihood"} < set(columns)
    assert columns[-2:] == ["teacher0", "teacher1"]
    assert model.n_lfs_ == 5
    assert model.weights_["teacher0"][:N].notna().all()  # unlabelled and uncovered rows, too
    model.save(tmp_path / "both")
    again = DistilledClassifier.load(tmp_path / "both")
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))
    np.testing.assert_allclose(model.rule_predict_proba(labels).sum(1), 1, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:on .* gold rows the votes agree")
def test_useless_votes_are_left_out_and_teachers_stay():
    _, y, x = votes(0.8)
    useless = np.random.default_rng(5).integers(-1, C, (len(y), 5))
    told = LogisticRegression().fit(x, y).predict_log_proba(x)
    model = distilled("amal", teachers=[told])
    model.fit(x[:N], y[:N], useless[:N], x[N:], y[N:], useless[N:])
    assert model.guarded_
    assert list(model.weights_.columns) == ["label", "teacher"]
    assert model.weights_.iloc[0].tolist() == pytest.approx([0.1, 0.9])


@pytest.mark.parametrize("final", ["crossfit", "refit", "crossfit-weights"])
@pytest.mark.parametrize("mixer", ["kd", "amal", "dgkd"])
def test_other_finals_with_teachers(final, mixer):
    teachers = [teacher()] * 2
    if (final, mixer) == ("crossfit-weights", "dgkd"):
        with pytest.raises(InputError, match="keeps none; use 'crossfit' or 'refit'"):
            fitted(distilled(mixer, teachers=teachers, fit_strategy=final))
        return
    options = {"mixer_options": AT_ONCE} if mixer == "amal" else {}
    model = distilled(
        mixer, teachers=teachers, fit_strategy=final, n_folds=3, lr=0.05, batch_size=13, **options
    )
    fitted(model)
    assert len(model.models_) == (3 if final == "crossfit" else 1)
    right = model.predict(rows("features")) == gold()
    assert right.mean() > 0.8
    assert model.weights_.notna().all(axis=None)  # rows of V are trained on as well


def test_crust_goes_on_choosing_rows_in_a_refit(monkeypatch):
    seen, original = [], Crust.visits

    def visits(self, rows, epoch):
        chosen = original(self, rows, epoch)
        seen.append((len(rows), len(chosen) < len(rows)))
        return chosen

    monkeypatch.setattr(Crust, "visits", visits)
    fitted(distilled("crust", fit_strategy="refit", mixer_options={"start_epoch": 0}, lr=0.05))
    assert {(n, fewer) for n, fewer in seen} == {(N, True), (N + N_VAL, True)}


# -- chains and networks by name ------------------------------------------------------------------


@pytest.fixture
def trained(monkeypatch):
    """List of what was trained, in order: (student, names of its teachers, mixer)."""
    found, original = [], DistilledClassifier.fit_steps

    def fit_steps(self, **given):
        yield from original(self, **given)
        found.append((self.student, [t.name for t in self.teachers_], self.mixer))
        return self

    monkeypatch.setattr(DistilledClassifier, "fit_steps", fit_steps)
    return found


def test_takd_hands_down_a_chain(trained):
    model = distiller("takd", "mlp:3", ["mlp:11"], ["mlp:7", "mlp:5"], max_epochs=2)
    fitted(model)
    assert trained == [
        ("mlp:11", [], "ce"),
        ("mlp:7", ["mlp:11"], "kd"),
        ("mlp:5", ["mlp:7"], "kd"),
        ("mlp:3", ["mlp:5"], "kd"),
    ]


@pytest.mark.parametrize("method", ["dgkd", "dgkd-drop"])
def test_dgkd_lets_all_larger_models_teach(trained, method):
    model = distiller(method, "mlp:3", ["mlp:11"], ["mlp:7", "mlp:5"], max_epochs=2)
    fitted(model)
    assert trained == [
        ("mlp:11", [], "ce"),
        ("mlp:7", ["mlp:11"], "kd"),  # an only teacher is not dropped
        ("mlp:5", ["mlp:11", "mlp:7"], method),
        ("mlp:3", ["mlp:11", "mlp:7", "mlp:5"], method),
    ]


def test_a_teacher_by_name_is_what_training_it_by_hand_gives():
    x, y = rows("features"), gold()
    options = {"max_epochs": 5, "random_state": 7}
    by_name = fitted(DistilledClassifier.from_options("linear", ["mlp:11"], mixer="kd", **options))
    large = fitted(DistilledClassifier.from_options("mlp:11", [], mixer="ce", **options))
    by_hand = fitted(DistilledClassifier.from_options("linear", [large], mixer="kd", **options))
    assert by_name.teachers_[0].name == "mlp:11"
    assert alike(by_name, by_hand)
    np.testing.assert_allclose(
        by_name.teachers_[0].logits(x, classes=[0, 1, 2]).argmax(1), large.predict(x)
    )
    assert y.shape == (N + N_VAL,)


def test_progress_is_called_by_the_network_that_is_trained(monkeypatch):
    titles = []
    monkeypatch.setattr(ProgressBar, "on_begin", lambda self, *_: titles.append(self.title))
    for hook in ("on_epoch", "on_end"):
        monkeypatch.setattr(ProgressBar, hook, lambda self, *_: None)
    student = torch.nn.Linear(D, C)
    fitted(distiller("takd", student, ["mlp:11"], ["mlp:7"], max_epochs=1, verbose=1))
    assert titles == ["mlp:11", "mlp:7", "Linear"]


@pytest.mark.parametrize("final", ["refit", "crossfit"])
def test_teachers_trained_here_never_train_on_validation_rows(final):
    def told(**options):
        model = distiller("takd", "mlp:3", ["mlp:11"], ["mlp:7"], max_epochs=3, **options)
        return fitted(model).teachers_[0].logits(rows("features"))

    assert np.array_equal(told(fit_strategy=final, n_folds=3), told())


def test_other_methods_leave_assistants_and_ce_its_teachers_out():
    assert distiller("kd", "mlp", ["resnet8"], ["resnet8"]).assistants == ()
    assert distiller("ce", "mlp", ["resnet8"]).teachers == ()
    assert distiller("takd", "mlp", ["resnet8"]).chain is None  # nobody in between
    with pytest.raises(InputError, match="found 2 teachers"):
        fitted(distiller("takd", "mlp", ["mlp:7", "mlp:5"]))
    with pytest.raises(InputError, match=r"unknown method 'best'; choose from ce, kd"):
        distiller("best")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_snapshots_are_the_epochs_they_say_and_teach(dtype):
    options = {"dtype": dtype, "max_epochs": 7, "lr": 0.01}
    model = fitted(distilled("ce", "convnet", [], keep_epochs=[2, 5], **options), "images")
    assert list(model.snapshots_) == [2, 5]
    x = torch.as_tensor(rows("images"))
    with torch.no_grad():
        two, five = (model.snapshots_[epoch](x)[0] for epoch in (2, 5))
    assert two.dtype == getattr(torch, dtype)
    assert not torch.allclose(two, five)
    short = fitted(distilled("ce", "convnet", [], **{**options, "max_epochs": 2}), "images")
    assert short.best_epoch_ == [1]  # the chosen epoch is the second, and the same
    with torch.no_grad():
        assert torch.equal(short.models_[0].eval().feature(x)[0], two)
    stopped = early_stopped(model.snapshots_)
    student = fitted(distilled("alm-kd", teachers=stopped), "images")
    assert [one.name for one in student.teachers_] == ["teacher@2", "teacher@5"]
    np.testing.assert_allclose(student.teachers_[0].logits(rows("images")), two, atol=1e-5)


# -- what AMAL finds ------------------------------------------------------------------------------


@pytest.mark.parametrize("mixer", ["amal", "alm-kd"])
def test_noisy_labels_lose_weight_to_the_teacher(mixer):
    """Three clouds; a fifth of the labels is wrong; the teacher is right: AUC of the weights."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, C, 401)
    x = rng.normal(size=(401, D)) + 2.5 * np.eye(C, D)[y]
    noisy = rng.random(301) < 0.2
    given = np.where(noisy, (y[:301] + rng.integers(1, C, 301)) % C, y[:301])
    start = {"label": 0.5, "teacher": 0.5} if mixer == "amal" else 0.5
    options = {**AT_ONCE, "weight_lr": 0.03, "start": start}
    model = distilled(
        mixer,
        teachers=[LogisticRegression().fit(x, y)],
        student="linear",
        mixer_options=options,
        temperature=1.0,
        max_epochs=7,
    )
    model.fit(x[:301], given, X_val=x[301:], y_val=y[301:])
    label, told = (model.weights_[name][:301] for name in ("label", "teacher"))
    assert roc_auc_score(noisy, told - label) > 0.9  # 0.96 and more at the time of writing
    assert roc_auc_score(noisy, -label) > 0.9


# -- scikit-learn's tools -------------------------------------------------------------------------


def test_a_clone_keeps_teachers_and_says_who_must_be_wrapped():
    held = as_teacher(teacher())
    copy = clone(DistilledClassifier("linear", [held], trainer=TrainerConfig(max_epochs=3)))
    assert copy.teachers[0] is held
    fitted(copy)
    bare = clone(DistilledClassifier("linear", [teacher()], trainer=TrainerConfig(max_epochs=3)))
    with pytest.raises(InputError, match=r"LogisticRegression is not fitted.*as_teacher\(model\)"):
        fitted(bare)
    search = GridSearchCV(
        DistilledClassifier("linear", [held], trainer=TrainerConfig(max_epochs=2)),
        {"temperature": [1.0, 4.0]},
        cv=2,
    )
    search.fit(rows("features"), gold())
    assert isinstance(search.best_estimator_.teachers_[0], Teacher)


def test_a_mixer_object_and_a_module_as_student_survive_a_file(tmp_path):
    mixer = Amal.preset("distillation", **AT_ONCE)
    net = torch.nn.Sequential(torch.nn.Linear(D, 5), torch.nn.ReLU(), torch.nn.Linear(5, C))
    before = [p.clone() for p in net.parameters()]
    model = fitted(distilled(mixer, net))
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    model.save(tmp_path / "own")
    with pytest.raises(InputError, match="student="):
        DistilledClassifier.load(tmp_path / "own")
    again = DistilledClassifier.load(tmp_path / "own", student=net)
    assert again.mixer.summary() == mixer.summary()
    x = rows("features")
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))


def test_fitted_and_loaded_models_are_in_evaluation_mode(tmp_path):
    model = fitted(distilled("ce", "convnet", [], max_epochs=1), "images")
    model.save(tmp_path / "model")
    for one in (model, DistilledClassifier.load(tmp_path / "model")):
        assert not any(part.training for part in one.models_[0].modules())
    x = torch.as_tensor(rows("images"))
    p = model.models_[0].feature(x)[0].softmax(1).detach()
    np.testing.assert_allclose(p, model.predict_proba(rows("images")), atol=1e-5)


def test_a_second_fit_forgets_the_first():
    model = distilled("amal")
    fitted(model)
    fitted(model, "features", teacher_X=None)
    first = model.predict_proba(rows("features"))
    model.set_params(teachers=[teacher("images")] * 2)
    fitted(model, "images")
    assert model.input_shape_ == SHAPE
    model.set_params(teachers=[teacher()])
    fitted(model)
    assert np.array_equal(model.predict_proba(rows("features")), first)


@pytest.mark.parametrize("mixer", ["alm-kd", "amal"])
def test_a_label_aware_start_is_told_by_the_teacher(mixer):
    """With no step of the weights they stay as they began, by the teacher's own probabilities."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(97, 3)), np.arange(97) % 3
    logits = rng.normal(size=(97, 3))
    options = {"label_aware": True, "weight_lr": 0.0, "start": 0.9}
    trainer = TrainerConfig(max_epochs=2)
    student = DistilledClassifier(
        "linear", [logits], mixer=mixer, mixer_options=options, trainer=trainer
    ).fit(X, y)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    begun = student.weights_["teacher"].to_numpy()
    trained = ~np.isnan(begun)
    assert trained.sum() > 40
    np.testing.assert_allclose(begun[trained], 0.9 * p[np.arange(97), y][trained], rtol=1e-4)
