"""Auxiliary tasks as a whole: rotation, targets of one's own, mixers, files, resuming."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits

from spear_amal import AuxiliaryClassifier, TrainerConfig
from spear_amal.errors import FileFormatError, InputError
from spear_amal.estimators import AuxiliaryTask, DistilledClassifier
from spear_amal.estimators.auxiliary import auxiliary_mixer
from spear_amal.mixers import MAOAL, Amal, Fixed
from spear_amal.models import FeatureAdapter
from spear_amal.training import Callback

N, N_VAL, N_TEST = 101, 41, 67
SMALL = {"max_epochs": 2, "batch_size": 53, "lr": 0.01}
NETWORK = "convnet4"


@pytest.fixture(scope="module")
def images():
    X, y = load_digits(return_X_y=True)
    X = (X.reshape(-1, 1, 8, 8) * 15).astype(np.uint8)
    ends = np.cumsum([N, N_VAL, N_TEST])
    return [(X[a:b], y[a:b]) for a, b in zip([0, *ends], ends, strict=False)]


def fitted(images, tasks=("rotation",), mixer="fixed", network=NETWORK, given=None, **options):
    (X, y), (X_val, y_val), _ = images
    model = AuxiliaryClassifier.from_options(network, tasks, mixer=mixer, **{**SMALL, **options})
    return model.fit(X, y, X_val=X_val, y_val=y_val, tasks=given)


def features(n=N, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 7)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def state(model):
    return model.models_[0].state_dict()


def same(one, other):
    ours, theirs = state(one), state(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


# -- rotation -------------------------------------------------------------------------------------


def test_a_network_learns_digits_and_how_they_are_turned(images):
    model = fitted(images, max_epochs=13)
    assert list(model.weights_.columns) == ["label", "rotation"]
    last = model.history_.iloc[-1]
    assert last["loss/label"] < 0.5 * np.log(10)
    assert last["loss/rotation"] < 0.7 * np.log(4)
    X, y = images[2]
    assert model.score(X, y) > 0.7
    assert model.tasks_ == (AuxiliaryTask("rotation", "classification", 4),)


def test_the_useless_task_is_not_learnt(images):
    model = fitted(images, ["rotation-shuffled"], max_epochs=13)
    losses = model.history_["loss/rotation-shuffled"]
    assert losses.min() > 0.95 * np.log(4)


def test_a_task_without_weight_changes_nothing(images):
    """Statistics of batch normalisation included: the turned pass is not noted."""
    (X, y), (X_val, y_val), (X_test, _) = images
    alone = DistilledClassifier.from_options(NETWORK, mixer="ce", **SMALL).fit(
        X, y, X_val=X_val, y_val=y_val
    )
    model = fitted(images, mixer_options={"per_loss": {"rotation": 0.0}})
    assert np.array_equal(model.predict_proba(X_test), alone.predict_proba(X_test))
    assert model.history_["val_loss"].tolist() == alone.history_["val_loss"].tolist()
    helped = fitted(images)
    assert not np.array_equal(helped.predict_proba(X_test), alone.predict_proba(X_test))


def test_tasks_speak_on_unlabelled_rows(images):
    (X, y), (X_val, y_val), _ = images
    y = np.where(np.arange(N) < 23, y, -1)
    options = {**SMALL, "mixer": "fixed"}
    model = AuxiliaryClassifier.from_options(NETWORK, ["rotation"], **options).fit(
        X, y, X_val=X_val, y_val=y_val
    )
    assert model.weights_["label"].notna().sum() == 23
    assert model.weights_["rotation"].notna().sum() == N
    only = AuxiliaryClassifier.from_options(NETWORK, ["l2"], **options).fit(
        X, y, X_val=X_val, y_val=y_val
    )
    assert only.weights_["l2"].notna().sum() == 23  # of other rows it says nothing


def test_without_validation_rows_some_gold_rows_are_held_out(images):
    X, y = images[0]
    model = AuxiliaryClassifier.from_options(NETWORK, mixer="fixed", **SMALL).fit(X, y)
    assert model.validation_source_ == "split"
    held = model.weights_["label"].isna().to_numpy()
    assert held.sum() == round(0.5 * N)
    assert (model.weights_["rotation"].isna() == held).all()


# -- tasks of one's own ---------------------------------------------------------------------------


def test_classes_and_numbers_are_learnt_where_they_are_known():
    x, y = features(211)
    side, sum_ = (x[:, 0] > 0).astype(np.int64), x[:, 0] + x[:, 1]
    side[::3], sum_[::2] = -1, np.nan
    tasks = ["side", AuxiliaryTask("sum"), AuxiliaryTask("shade", n_outputs=5)]
    model = AuxiliaryClassifier(
        "mlp:31", tasks, mixer="fixed", trainer=TrainerConfig(max_epochs=83, lr=0.01)
    )
    shade = np.where(np.arange(211) < 3, np.arange(211) % 2, -1)
    model.fit(x, y, tasks={"side": side, "sum": sum_, "shade": shade})
    assert [task.n_outputs for task in model.tasks_] == [2, 1, 5]
    trained = model.weights_["label"].notna().to_numpy()
    for name, known in (("side", side >= 0), ("sum", ~np.isnan(sum_)), ("shade", shade >= 0)):
        assert (model.weights_[name].notna().to_numpy() == (known & trained)).all()
    fresh, _ = features(311, seed=1)
    said = model.predict_task(fresh, "side")
    assert ((said[:, 1] > 0.5) == (fresh[:, 0] > 0)).mean() > 0.8
    numbers = model.predict_task(fresh, "sum")
    assert np.corrcoef(numbers, fresh[:, 0] + fresh[:, 1])[0, 1] > 0.8
    assert model.predict_task(fresh, "shade").shape == (311, 5)
    np.testing.assert_allclose(said.sum(1), 1)


def test_a_task_helps_where_labels_are_few():
    """One label in sixteen, and a task that is the label in other words, on all rows."""
    x, y = features(401)
    few = np.where(np.arange(401) % 16 == 0, y, -1)
    x_val, y_val = features(53, seed=3)
    fresh, truth = features(997, seed=2)
    scores = {}
    for weight in (0.0, 1.0):
        options = {"mixer_options": {"per_loss": {"other": weight}}, "max_epochs": 43, "lr": 0.01}
        model = AuxiliaryClassifier.from_options("mlp:37", ["other"], mixer="fixed", **options)
        model.fit(x, few, X_val=x_val, y_val=y_val, tasks={"other": y})
        scores[weight] = model.score(fresh, truth)
    assert scores[1.0] > scores[0.0] + 0.05


def test_pandas_and_booleans_are_taken():
    x, y = features()
    model = AuxiliaryClassifier(
        "mlp:5", ["a", "b"], mixer="fixed", trainer=TrainerConfig(max_epochs=1)
    )
    model.fit(x, y, tasks={"a": pd.Series(x[:, 2] > 0), "b": pd.Series(x[:, 3])})
    assert [task.kind for task in model.tasks_] == ["classification", "regression"]
    whole = [AuxiliaryTask("a", "regression")]
    model = AuxiliaryClassifier("mlp:5", whole, mixer="fixed", trainer=TrainerConfig(max_epochs=1))
    model.fit(x, y, tasks={"a": np.arange(N) % 3 - 1})
    assert model.weights_["a"].notna().sum() == model.weights_["label"].notna().sum()


def test_sparse_rows_and_networks_without_a_linear_head_go_along():
    class Tail(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.out = torch.nn.Linear(7, 13), torch.nn.Linear(13, 2)

        def forward(self, x):
            hidden = torch.relu(self.inner(x))
            return self.out(hidden) / 2, hidden

    x, y = features()
    network = FeatureAdapter(Tail(), head=None)
    model = AuxiliaryClassifier(
        network, ["side"], mixer="fixed", trainer=TrainerConfig(max_epochs=1)
    )
    model.fit(x, y, tasks={"side": (x[:, 0] > 0).astype(int)})
    assert model.models_[0].feature.heads["side"].in_features == 13
    wide = sp.random_array((N, 3001), density=0.01, random_state=0, format="csr")
    model = AuxiliaryClassifier(
        "mlp:5", ["side"], mixer="fixed", trainer=TrainerConfig(max_epochs=1)
    )
    model.fit(wide, y, tasks={"side": (x[:, 0] > 0).astype(int)})
    assert model.predict_task(wide, "side").shape == (N, 2)


def test_labelling_functions_join_in(images):
    (X, y), (X_val, y_val), _ = images
    votes, votes_val = ((p[1] % 3)[:, None] for p in images[:2])
    y = np.where(np.arange(N) < 67, y % 3, -1)
    model = AuxiliaryClassifier.from_options(NETWORK, ["rotation"], mixer="fixed", **SMALL)
    model.fit(X, y, votes, X_val, y_val % 3, votes_val)
    assert {"gold", "consensus", "rotation"} <= set(model.weights_.columns)
    assert model.weights_["rotation"].notna().sum() == N


# -- mixers ---------------------------------------------------------------------------------------

CHEAP = {
    "fixed": {},
    "single": {},
    "uncertainty": {},
    "gcs": {},
    "superloss": {},
    "random-search": {"trials": 2},
    "amal": {"warmup": 1, "group_size": 59, "inner_repeats": 1},
    "auxilearn": {"every": 1},
    "maoal": {"every": 1},
    "l2r": {"meta_size": 13},
    "mwn": {"meta_size": 13},
}


@pytest.mark.parametrize("mixer", CHEAP)
def test_mixers_train_with_rotation_and_l2(images, mixer):
    model = fitted(images, ["rotation", "l2"], mixer, mixer_options=CHEAP[mixer])
    assert np.isfinite(model.history_["val_loss"]).all()
    assert list(model.weights_.columns) == ["label", "rotation", "l2"]


def test_amal_learns_weights_of_tasks(images):
    model = fitted(images, mixer="amal", mixer_options=CHEAP["amal"])
    weights = model.last_weights_["rotation"].dropna()
    assert weights.between(0, 1).all()
    assert weights.nunique() > 7


def test_gcs_lets_the_heads_of_tasks_follow_their_own_loss(images):
    """The shared trunk may take nothing from a task; its head is trained all the same."""
    never = {"form": "unweighted", "threshold": 0.999}
    frozen = fitted(images, ["rotation-shuffled"], "gcs", mixer_options=never)
    alone = fitted(images, ["rotation-shuffled"], "single")
    start = fitted(images, ["rotation-shuffled"], "single", lr=1e-12)
    for name, tensor in state(alone).items():
        if "heads" not in name:
            torch.testing.assert_close(state(frozen)[name], tensor)
        else:
            assert not torch.equal(state(frozen)[name], state(start)[name])


def test_looking_ahead_over_the_last_layer_is_refused():
    assert auxiliary_mixer("amal").look_ahead_options().parameters == "network"
    for mixer, options in (
        ("amal", {"look_ahead": "last-layer"}),
        ("l2r", {"look_ahead": "last-layer"}),
        (Amal(), None),
        ("crust", None),
    ):
        with pytest.raises(InputError, match="last layer of the main answer"):
            AuxiliaryClassifier(mixer=mixer, mixer_options=options).check_parameters()


def test_mixers_of_teachers_are_refused():
    for mixer in ("alm-kd", "kd", "dgkd"):
        with pytest.raises(InputError, match="weighs teachers"):
            AuxiliaryClassifier(mixer=mixer).check_parameters()


def test_options_go_over_the_defaults():
    made = auxiliary_mixer("amal", {"group_size": 31, "weight_lr": 2.0})
    assert (made.group_size, made.weight_lr, made.look_ahead) == (31, 2.0, "network")
    with pytest.raises(InputError, match="mixer_options must be options by name"):
        auxiliary_mixer("amal", [1])
    assert isinstance(auxiliary_mixer(Fixed()), Fixed)


# -- files, copies, resuming ----------------------------------------------------------------------


def test_a_file_brings_tasks_and_heads_back(images, tmp_path):
    (X, y), _, (X_test, _) = images
    given = {"odd": y % 2, "dark": X.mean((1, 2, 3)) / 255}
    tasks = ("rotation", AuxiliaryTask("odd", "classification", 3), "dark", "l2")
    model = fitted(images, tasks, given=given)
    path = tmp_path / "model.safetensors"
    model.save(path)
    again = AuxiliaryClassifier.load(path)
    assert again.tasks_ == model.tasks_
    assert np.array_equal(again.predict_proba(X_test), model.predict_proba(X_test))
    for name in ("odd", "dark"):
        assert np.array_equal(again.predict_task(X_test, name), model.predict_task(X_test, name))
    twin = clone(again)
    (X, y), (X_val, y_val), _ = images
    twin.fit(X, y, X_val=X_val, y_val=y_val, tasks=given)
    assert same(twin, model)
    assert clone(model).tasks == tasks


def by_ends(name):
    """Modules of somebody's own."""
    return "heads" if "head" in name else "trunk"


@pytest.mark.parametrize("as_object", [False, True])
def test_with_a_function_among_the_options_a_file_predicts_and_says_why_it_cannot_train(
    images, as_object, tmp_path
):
    mixer = MAOAL(by_ends) if as_object else "maoal"
    options = {} if as_object else {"mixer_options": {"partition": by_ends}}
    model = fitted(images, mixer=mixer, **options)
    path, second = tmp_path / "model.safetensors", tmp_path / "again.safetensors"
    model.save(path)
    again = AuxiliaryClassifier.load(path)
    again.save(second)
    for loaded in (again, AuxiliaryClassifier.load(second)):
        assert np.array_equal(loaded.predict_proba(images[2][0]), model.predict_proba(images[2][0]))
        for one in (loaded, clone(loaded)):
            with pytest.raises(InputError, match="'partition' was a function of the user's own"):
                one.fit(*images[0], None, *images[1])
    own = {"mixer": mixer} if as_object else options
    assert same(AuxiliaryClassifier.load(path, **own).fit(*images[0], None, *images[1]), model)


def test_snapshots_and_cross_fitting_keep_the_heads(images):
    model = fitted(images, keep_epochs=[1])
    with torch.no_grad():
        assert len(model.snapshots_[1](torch.as_tensor(images[2][0]))) == 2
    (X, y), _, _ = images
    parts = AuxiliaryClassifier.from_options(
        NETWORK, ["odd"], mixer="fixed", fit_strategy="crossfit", n_folds=2, **SMALL
    ).fit(X, y, tasks={"odd": y % 2})
    assert parts.predict_task(X, "odd").shape == (N, 2)
    assert len(parts.models_) == 2


def test_it_can_be_a_teacher(images):
    teacher = fitted(images, max_epochs=1)
    (X, y), (X_val, y_val), _ = images
    student = DistilledClassifier(
        "mlp:5", [teacher], mixer="kd", trainer=TrainerConfig(max_epochs=1)
    )
    student.fit(X, y, X_val=X_val, y_val=y_val)
    assert list(student.weights_.columns) == ["label", "teacher"]


SLOW = pytest.mark.slow


class KillAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch(self, epoch, record):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "mixer",
    ["fixed", "gcs", "amal", *(pytest.param(name, marks=SLOW) for name in ("mwn", "maoal"))],
)
def test_a_killed_run_goes_on_bit_for_bit(images, mixer, tmp_path):
    options = {
        "mixer": mixer,
        "mixer_options": CHEAP[mixer],
        "max_epochs": 3,
        "augment": "crop",
        "tasks": ("rotation", "rotation-shuffled", "l2"),
    }
    whole = fitted(images, **options)
    for at in (0, 1):
        path = tmp_path / f"run{at}.safetensors"
        with pytest.raises(KeyboardInterrupt):
            fitted(images, checkpoint=path, callbacks=[KillAt(at)], **options)
        again = fitted(images, checkpoint=path, **options)
        assert same(again, whole)
        assert np.array_equal(again.weights_, whole.weights_, equal_nan=True)
        timeless = [m.history_.drop(columns="seconds") for m in (again, whole)]
        pd.testing.assert_frame_equal(*timeless, check_exact=True)


def test_a_run_is_known_by_its_targets(tmp_path):
    x, y = features()
    side = (x[:, 0] > 0).astype(int)

    def fit(targets, **changes):
        options = {"max_epochs": 1, "checkpoint": tmp_path / "run", "mixer": "fixed", **changes}
        return AuxiliaryClassifier.from_options("mlp:5", ["side"], **options).fit(
            x, y, tasks={"side": targets}
        )

    first = fit(side)
    assert same(fit(side, callbacks=[Callback()]), first)
    with pytest.raises(FileFormatError, match="other data or settings"):
        fit(1 - side)


class Attentive(torch.nn.Module):
    """Three words of eight numbers, one layer of attention; its fused form has one derivative."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.TransformerEncoderLayer(8, 2, 17, batch_first=True)
        self.head = torch.nn.Linear(8, 2)

    def forward(self, x):
        hidden = self.layer(x.unflatten(1, (3, 8))).mean(1)
        return self.head(hidden), hidden


@pytest.mark.filterwarnings("ignore:look-aheads over the network go backwards twice")
@pytest.mark.parametrize("mixer", ["maoal", "auxilearn", "amal", "l2r"])
def test_networks_with_attention_learn_their_weights(mixer):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(61, 24)).astype(np.float32)
    y, other = (x[:, 0] > 0).astype(int), (x[:, 1] > 0).astype(int)
    options = {"every": 1} if mixer in ("maoal", "auxilearn") else {}
    model = AuxiliaryClassifier(
        Attentive(),
        ["sign"],
        mixer=mixer,
        mixer_options=options,
        trainer=TrainerConfig(max_epochs=3, batch_size=31),
    )
    model.fit(x, y, tasks={"sign": other})
    assert np.isfinite(model.predict_proba(x)).all()
