"""Every kind of teacher: columns in the student's order, clear refusals, nothing disturbed."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from torch import nn

from spear_amal import GoldClassifier, TrainerConfig
from spear_amal.errors import InputError
from spear_amal.teachers import NetworkTeacher, Teacher, as_teacher, as_teachers, mean_teacher
from spear_amal.teachers.class_columns import FLOOR
from spear_amal.tensors.sparse_rows import SparseRows

N, D, C = 53, 7, 3
NAMES = ["ant", "bee", "cat"]


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    y = np.arange(N) % C
    return generator.normal(size=(N, D)) + y[:, None], y


def network(width=C):
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Linear(D, 11), nn.BatchNorm1d(11), nn.Dropout(0.5), nn.ReLU(), nn.Linear(11, width)
    )


# -- scikit-learn ---------------------------------------------------------------------------------

FITTED = {
    "probabilities": LogisticRegression(),
    "discriminant": LinearDiscriminantAnalysis(),
    "scores": RidgeClassifier(),
    "pipeline": make_pipeline(StandardScaler(), LinearSVC()),
}


@pytest.mark.parametrize("kind", FITTED)
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 0, 2]])
def test_columns_follow_the_students_classes(rows, kind, order):
    X, y = rows
    model = clone(FITTED[kind]).fit(X, np.array(NAMES)[y])
    found = as_teacher(model).logits(X, classes=[NAMES[i] for i in order])
    assert found.dtype == np.float32 and found.shape == (N, C)
    said = np.array([NAMES[i] for i in order])[found.argmax(1)]
    assert (said == model.predict(X)).all()


def test_a_teacher_trained_with_classes_in_another_order_gives_the_same_columns(rows):
    X, y = rows
    plain = LogisticRegression(tol=1e-8, max_iter=999).fit(X, y)
    swapped = LogisticRegression(tol=1e-8, max_iter=999).fit(X, np.array([2, 0, 1])[y])
    a = as_teacher(plain).logits(X, classes=[0, 1, 2])
    b = as_teacher(swapped).logits(X, classes=[2, 0, 1])
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_probabilities_become_their_logs_and_zero_stays_finite(rows):
    X, y = rows
    model = RandomForestClassifier(5, random_state=0).fit(X, y)
    found = as_teacher(model).logits(X, classes=[0, 1, 2])
    p = model.predict_proba(X)
    assert (p == 0).any()
    np.testing.assert_allclose(found, np.log(np.clip(p, FLOOR, None)), rtol=1e-6)


def test_one_score_for_two_classes_is_the_log_odds(rows):
    X, y = rows
    model = RidgeClassifier().fit(X, y == 1)
    found = as_teacher(model).logits(X, classes=[True, False])
    np.testing.assert_allclose(found[:, 0] - found[:, 1], model.decision_function(X), rtol=1e-5)


def test_frozen_teachers_survive_a_clone_and_teachers_clone_to_themselves(rows):
    X, y = rows
    model = LogisticRegression().fit(X, y)
    kept = clone(FrozenEstimator(model))
    assert as_teacher(kept).name == "LogisticRegression"
    teacher = as_teacher(model)
    assert clone([teacher])[0] is teacher


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda X, y: LogisticRegression(), "not fitted.*FrozenEstimator"),
        (lambda X, y: GoldClassifier(), "not fitted"),
        (lambda X, y: SVC().fit(X, y).__class__, "is a class"),
        (lambda X, y: NearestNeighbors().fit(X), "no classes_"),
        (
            lambda X, y: RandomForestClassifier(2).fit(X, np.stack([y, y], 1)),
            "2 outputs",
        ),
        (lambda X, y: None, "NoneType"),
        (lambda X, y: network().state_dict(), "state dict has no network"),
    ],
)
def test_what_cannot_teach_is_refused(rows, make, message):
    with pytest.raises(InputError, match=message):
        as_teacher(make(*rows))


def test_a_model_that_only_predicts_is_refused(rows):
    X, y = rows
    with pytest.raises(InputError, match=r"only predicts labels.*predict_proba"):
        as_teacher(VotingClassifier([("one", LogisticRegression())]).fit(X, y))


def test_scores_of_pairs_are_refused(rows):
    X, y = rows
    model = make_pipeline(StandardScaler(), SVC(decision_function_shape="ovo")).fit(X, y)
    with pytest.raises(InputError, match="pair of classes"):
        as_teacher(model).logits(X, classes=[0, 1, 2])


def test_other_classes_are_named(rows):
    X, y = rows
    few = as_teacher(LogisticRegression().fit(X, y == 1))
    with pytest.raises(InputError, match=r"student does not know \[False, True\]"):
        few.logits(X, classes=NAMES)
    with pytest.raises(InputError, match=r"does not know \[3\].*missing='low'"):
        as_teacher(LogisticRegression().fit(X, y)).logits(X, classes=[0, 1, 2, 3])


def test_a_class_the_teacher_lacks_gets_a_low_probability(rows):
    X, y = rows
    model = LogisticRegression().fit(X, y)
    found = as_teacher(model, missing="low").logits(X, classes=[3, 0, 1, 2])
    p = softmax(found, axis=1)
    assert (p[:, 0] < 2 * FLOOR).all()
    np.testing.assert_allclose(p[:, 1:], model.predict_proba(X), atol=1e-6)


def test_features_of_another_width_are_an_input_error(rows):
    X, y = rows
    with pytest.raises(InputError, match="predict_proba fails"):
        as_teacher(LogisticRegression().fit(X, y)).logits(X[:, :5], classes=[0, 1, 2])


def test_images_are_flattened_for_scikit_learn(rows):
    pixels = np.random.default_rng(1).integers(0, 256, (N, 1, 5, 3)).astype(np.uint8)
    model = LinearDiscriminantAnalysis().fit(pixels.reshape(N, -1), rows[1])
    found = as_teacher(model).logits(pixels, classes=[0, 1, 2])
    assert (found.argmax(1) == model.predict(pixels.reshape(N, -1))).all()


@pytest.mark.parametrize("form", [list, np.array, pd.Series])
def test_a_pipeline_on_text_is_asked_about_text(form):
    texts = [f"{NAMES[i % C]} number {i}" for i in range(N)]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, np.arange(N) % C)
    found = as_teacher(model).logits(form(texts), classes=[2, 1, 0])
    assert (2 - found.argmax(1) == np.arange(N) % C).all()


# -- this package's own ---------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"fit_strategy": "crossfit", "n_folds": 3}])
def test_own_classifiers_teach_what_they_predict(rows, options):
    X, y = rows
    model = GoldClassifier.from_options(max_epochs=2, **options).fit(X, np.array(NAMES)[y])
    teacher, order = as_teacher(model), ["cat", "ant", "bee"]
    expected = model.predict_proba(X)[:, [2, 0, 1]]
    np.testing.assert_allclose(softmax(teacher.logits(X, classes=order), 1), expected, atol=1e-6)
    sparse = teacher.logits(sp.csr_array(X), classes=order)
    np.testing.assert_allclose(softmax(sparse, 1), expected, atol=1e-6)
    x = SparseRows.from_csr(sp.csr_array(X), torch.float32)
    np.testing.assert_allclose(
        softmax(teacher.online_logits(x, order).numpy(), 1), expected, atol=1e-6
    )


def test_narrow_sparse_rows_do_not_pass(rows):
    model = GoldClassifier(trainer=TrainerConfig(max_epochs=2)).fit(*rows)
    with pytest.raises(InputError, match="trained on 7 features, X has 5"):
        as_teacher(model).logits(sp.csr_array(rows[0][:, :5]), classes=[0, 1, 2])


# -- torch ----------------------------------------------------------------------------------------


def test_a_network_is_left_as_it_was(rows):
    module = network().train()
    module[1].eval()  # a frozen batch norm inside a network in training
    modes = [part.training for part in module.modules()]
    before = {name: t.clone() for name, t in module.state_dict().items()}
    found = as_teacher(module).logits(rows[0], classes=[0, 1, 2])
    x = torch.tensor(rows[0], dtype=torch.float32, requires_grad=True)
    live = as_teacher(module).online_logits(x)
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(before[name], t) for name, t in module.state_dict().items())
    assert not live.requires_grad
    np.testing.assert_allclose(found, live.numpy(), atol=1e-6)


def test_modes_come_back_after_a_failure():
    module = network().train()
    with pytest.raises(InputError, match="cannot be asked about rows of shape"):
        as_teacher(module).logits(np.zeros((5, D + 1)))
    assert all(part.training for part in module.modules())


@pytest.mark.parametrize("chunk", [1, 13, 1000])
def test_chunks_equal_one_call(rows, chunk):
    module = network().eval()
    with torch.no_grad():
        whole = module(torch.tensor(rows[0], dtype=torch.float32)).numpy()
    X = rows[0][::-1]  # negative strides
    found = NetworkTeacher(module, chunk=chunk).logits(X)
    np.testing.assert_allclose(found[::-1], whole, atol=1e-6)
    assert NetworkTeacher(module, chunk=chunk).logits(X[:0], classes=[0, 1, 2]).shape == (0, C)


class Answers(nn.Module):
    def __init__(self, pack):
        super().__init__()
        self.inner = network()
        self.pack = pack

    def forward(self, x):
        return self.pack(self.inner(x))


@pytest.mark.parametrize(
    "pack", [lambda z: (z, z + 1), lambda z: SimpleNamespace(logits=z), lambda z: [z]]
)
def test_logits_are_found_in_what_a_network_returns(rows, pack):
    np.testing.assert_array_equal(
        as_teacher(Answers(pack)).logits(rows[0]), as_teacher(network()).logits(rows[0])
    )


@pytest.mark.parametrize(
    ("pack", "message"),
    [
        (lambda z: {"scores": z}, "returns dict"),
        (lambda z: z[:, 0], "shape .53,."),
        (lambda z: z[:2], "for 53 rows"),
        (lambda z: z / 0, "NaN or infinite in 53 of 53 rows"),
    ],
)
def test_other_returns_are_refused(rows, pack, message):
    with pytest.raises(InputError, match=message):
        as_teacher(Answers(pack)).logits(rows[0], classes=[0, 1, 2])


def test_a_network_of_another_width_is_refused(rows):
    with pytest.raises(InputError, match="gives 5 columns, the student has 3 classes"):
        as_teacher(network(5)).logits(rows[0], classes=[0, 1, 2])
    with pytest.raises(InputError, match="gives 3 columns for its 2 classes"):
        as_teacher(network(), classes=["a", "b"]).logits(rows[0], classes=["a", "b"])


def test_named_columns_of_a_network_are_put_in_order(rows):
    teacher = as_teacher(network(), classes=NAMES)
    x = torch.tensor(rows[0], dtype=torch.float32)
    order = ["bee", "cat", "ant"]
    np.testing.assert_allclose(
        teacher.logits(rows[0], classes=order), teacher.logits(rows[0])[:, [1, 2, 0]]
    )
    np.testing.assert_allclose(
        teacher.online_logits(x, order).numpy(), teacher.logits(rows[0], classes=order), atol=1e-6
    )


def test_pixels_reach_the_network_as_pixels():
    class Sees(nn.Module):
        def forward(self, x):
            assert x.dtype == torch.uint8
            return x.flatten(1).float()[:, :C] / 255

    pixels = np.random.default_rng(2).integers(0, 256, (5, 1, 2, 3)).astype(np.uint8)
    found = as_teacher(Sees()).logits(pixels)
    np.testing.assert_allclose(found, pixels.reshape(5, -1)[:, :C] / np.float32(255))
    with pytest.raises(InputError, match=r"raw pixels.*nn.Sequential"):
        as_teacher(nn.Sequential(nn.Conv2d(1, 3, 1), nn.Flatten())).logits(pixels)


def test_text_does_not_reach_a_network():
    with pytest.raises(InputError, match="needs numbers"):
        as_teacher(network()).logits(np.array([["a"] * D]))


def test_parameters_are_counted(rows):
    assert as_teacher(network()).n_parameters == D * 11 + 11 + 22 + 11 * C + C
    assert mean_teacher([network(), network()]).n_parameters == 2 * (D * 11 + 11 + 22 + 11 * C + C)
    assert mean_teacher([network(), np.zeros((N, C))]).n_parameters is None


# -- arrays, tables, ensembles --------------------------------------------------------------------


def test_arrays_must_be_of_these_rows(rows):
    with pytest.raises(InputError, match="outputs for 5 rows, X has 53"):
        as_teacher(np.zeros((5, C))).logits(rows[0])
    with pytest.raises(InputError, match="shape"):
        as_teacher(np.zeros(N))
    with pytest.raises(InputError, match="numbers"):
        as_teacher(np.array([["a", "b"]]))


def test_probabilities_must_be_said():
    p = np.array([[0.25, 0.75], [1.0, 0.0]])
    with pytest.raises(InputError, match="kind='probabilities'"):
        as_teacher(p).logits(np.zeros((2, D)))
    found = as_teacher(p, kind="probabilities").logits(np.zeros((2, D)))
    np.testing.assert_allclose(softmax(found, 1), p, atol=1e-6)
    np.testing.assert_allclose(as_teacher(p, kind="logits").logits(np.zeros((2, D))), p)
    with pytest.raises(InputError, match=r"1 rows are no probabilities.*row 1"):
        as_teacher([[0.5, 0.5], [2.0, 1.0]], kind="probabilities").logits(np.zeros((2, D)))
    with pytest.raises(InputError, match="kind must be"):
        as_teacher(p, kind="odds").logits(np.zeros((2, D)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_values_that_are_no_numbers_are_counted(bad):
    values = np.zeros((5, C))
    values[3, 1] = bad
    for silent in (False, True):
        with pytest.raises(InputError, match=r"in 1 of 5 rows, first in \[3\]"):
            as_teacher(values, silent=silent).logits(np.zeros((5, D)))


def test_silence_must_be_asked_for():
    values = np.zeros((5, C))
    values[3] = np.nan
    with pytest.raises(InputError, match="silent=True"):
        as_teacher(values).logits(np.zeros((5, D)))
    found = as_teacher(values, silent=True).logits(np.zeros((5, D)))
    assert np.isnan(found).all(1).tolist() == [False, False, False, True, False]


def test_frames_are_looked_up_by_row_id():
    frame = pd.DataFrame(
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], index=["r", "s", "t"], columns=NAMES
    )
    found = as_teacher(frame).logits(np.zeros((2, D)), ["t", "r"], ["cat", "ant", "bee"])
    assert found.tolist() == [[9, 7, 8], [3, 1, 2]]
    with pytest.raises(InputError, match=r"1 of 2 rows have no outputs.*\['u'\]"):
        as_teacher(frame).logits(np.zeros((2, D)), ["t", "u"], NAMES)
    with pytest.raises(InputError, match="row_ids are needed"):
        as_teacher(frame).logits(np.zeros((3, D)), None, NAMES)
    bare = pd.DataFrame(frame.to_numpy(), index=[2, 0, 1])
    assert as_teacher(bare).logits(np.zeros((3, D)), None, NAMES)[0].tolist() == [4, 5, 6]


def test_a_mean_is_of_probabilities_and_of_those_that_speak(rows):
    X, _ = rows
    a, b = np.random.default_rng(4).normal(size=(2, N, C))
    b[:5] = np.nan
    mean = mean_teacher([as_teacher(a), as_teacher(b, silent=True)])
    found = softmax(mean.logits(X, classes=[0, 1, 2]), 1)
    np.testing.assert_allclose(found[:5], softmax(a[:5], 1), atol=1e-6)
    both = (softmax(a[5:], 1) + softmax(b[5:], 1)) / 2
    np.testing.assert_allclose(found[5:], both, atol=1e-6)
    quiet = as_teacher(np.full((N, C), np.nan), silent=True)
    assert np.isnan(mean_teacher([quiet, quiet]).logits(X)).all()
    assert mean.online_logits(torch.zeros(2, D)) is None


def test_a_mean_of_networks_answers_live_and_names_the_member_that_fails(rows):
    x = torch.tensor(rows[0], dtype=torch.float32)
    nets = [network(), Answers(lambda z: z * 2)]
    mean = mean_teacher(nets)
    np.testing.assert_allclose(
        log_softmax(mean.logits(rows[0]), 1),
        mean.online_logits(x).log_softmax(1).numpy(),
        atol=1e-5,
    )
    np.testing.assert_allclose(
        NetworkTeacher(nets).online_logits(x), mean.online_logits(x), atol=1e-5
    )
    with pytest.raises(InputError, match="member 'Sequential': it gives 5 columns"):
        mean_teacher([network(), network(5)]).logits(rows[0], classes=[0, 1, 2])
    with pytest.raises(InputError, match="found none"):
        mean_teacher([])


def test_classes_of_members_are_brought_together(rows):
    X, y = rows
    first = LogisticRegression().fit(X, np.array(NAMES)[y])
    second = as_teacher(first.predict_log_proba(X)[:, ::-1], classes=NAMES[::-1])
    found = mean_teacher([first, second]).logits(X)
    np.testing.assert_allclose(softmax(found, 1), first.predict_proba(X), atol=1e-6)


# -- the door -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pkl", ".joblib", ".pt", ".PTH"])
def test_pickles_are_refused_unopened(tmp_path, suffix):
    path = tmp_path / f"teacher{suffix}"
    path.write_bytes(b"anything")
    with pytest.raises(InputError, match=r"can run code.*load it yourself.*pass the object"):
        as_teacher(str(path))


@pytest.mark.parametrize("suffix", [".safetensors", ".txt"])
def test_other_files_are_refused_with_advice(tmp_path, suffix):
    with pytest.raises(InputError, match="pass"):
        as_teacher(tmp_path / f"teacher{suffix}")


def test_options_that_a_kind_does_not_know_are_an_input_error(rows):
    with pytest.raises(InputError, match="silent"):
        as_teacher(network(), silent=True)
    with pytest.raises(InputError, match="missing must be"):
        as_teacher(network(), missing="high")
    with pytest.raises(InputError, match="chunk"):
        as_teacher(network(), chunk=0)
    with pytest.raises(InputError, match="two or more different"):
        as_teacher(network(), classes=["a", "a", "b"])


def test_lists_dicts_and_one_thing_alone(rows):
    module = network()
    teacher = as_teacher(module, "big")
    assert as_teacher(teacher) is teacher
    with pytest.raises(InputError, match="teacher already"):
        as_teacher(teacher, "small")
    assert [t.name for t in as_teachers({"one": module, "two": module})] == ["one", "two"]
    assert as_teachers(module)[0].name == "Sequential"
    assert as_teachers([]) == [] and repr(teacher) == "NetworkTeacher('big')"
    with pytest.raises(InputError, match="teacher 1: LogisticRegression is not fitted"):
        as_teachers([module, LogisticRegression()])
    assert isinstance(as_teachers((teacher,))[0], Teacher)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_want_of_memory_is_no_fault_of_the_features(rows, error):
    class Hungry(torch.nn.Module):
        def forward(self, x):
            raise error

    class Fitted(LogisticRegression):
        def predict_proba(self, X):
            raise error

    X, y = rows
    for teacher in (as_teacher(Hungry()), as_teacher(Fitted().fit(X, y))):
        with pytest.raises(type(error), match="memory"):
            teacher.logits(X)
