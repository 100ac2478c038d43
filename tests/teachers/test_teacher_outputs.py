"""All teachers for all rows: shape, names in messages, the cache; early-stopped teachers."""

import copy
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from spear_amal.errors import InputError
from spear_amal.teachers import (
    NetworkTeacher,
    TeacherOutputs,
    as_teacher,
    early_stopped,
    stack_logits,
)

N, D, C = 53, 7, 3
LABELS = [0, 1, 2]


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(N, D))


class Counted(nn.Module):
    """Knows how often it was asked."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.head = nn.Linear(D, C)
        self.asked = 0

    def forward(self, x):
        self.asked += 1
        return self.head(x)


def fitted(X):
    return LogisticRegression().fit(X, np.arange(N) % C)


def test_all_teachers_stand_side_by_side(X):
    model, net, table = fitted(X), Counted(), np.random.default_rng(1).normal(size=(N, C))
    found = stack_logits([model, net, table], X, classes=LABELS)
    assert found.shape == (N, 3, C) and found.dtype == np.float32
    for t, one in enumerate((model, net, table)):
        np.testing.assert_array_equal(found[:, t], as_teacher(one).logits(X, classes=LABELS))
    assert stack_logits([], X, classes=LABELS).shape == (N, 0, C)
    assert stack_logits([model, net], X[:0], classes=LABELS).shape == (0, 2, C)
    assert stack_logits([model, net], X[:1], classes=LABELS).shape == (1, 2, C)


def test_sparse_rows_give_what_dense_rows_give(X):
    thin = np.where(np.abs(X) < 1, 0, X)
    dense, sparse = (
        stack_logits([fitted(X), Counted()], rows, classes=LABELS)
        for rows in (thin, sp.csr_array(thin))
    )
    np.testing.assert_allclose(sparse, dense, atol=1e-6)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((5, C)), r"teacher 1 \('array'\): it has outputs for 5 rows, X has 53"),
        (np.zeros((N, 5)), r"teacher 1 \('array'\): it gives 5 columns"),
        (np.full((N, C), np.inf), r"teacher 1 \('array'\): its logits are NaN or infinite"),
        (nn.Linear(D, 5), r"teacher 1 \('Linear'\): it gives 5 columns, the student has 3"),
        (LogisticRegression(), "teacher 1: LogisticRegression is not fitted"),
        ("model.pkl", "teacher 1: model.pkl is not opened"),
    ],
)
def test_messages_name_the_teacher(X, bad, message):
    with pytest.raises(InputError, match=message):
        stack_logits([fitted(X), bad], X, classes=LABELS)


def test_teachers_of_different_widths_need_classes(X):
    with pytest.raises(InputError, match=r"different numbers of classes: \[3, 5\]"):
        stack_logits([nn.Linear(D, 5), Counted()], X)


def test_outputs_are_computed_once(X):
    net = Counted()
    outputs = TeacherOutputs({"net": net}, X, None, LABELS)
    assert outputs.logits is outputs.logits and net.asked == 1
    assert outputs.names == ["net"] and len(outputs) == N


def test_a_second_run_takes_what_the_first_kept(X, tmp_path):
    net = Counted()
    first = TeacherOutputs([net, fitted(X)], X, None, LABELS, cache=tmp_path).logits
    assert net.asked == 1 and len(list(tmp_path.iterdir())) == 2
    same = copy.deepcopy(net)
    again = TeacherOutputs([same, fitted(X)], X.copy(), None, LABELS, cache=tmp_path).logits
    assert same.asked == 1 and len(list(tmp_path.iterdir())) == 2  # the copy counts on from 1
    np.testing.assert_array_equal(first, again)
    plain = stack_logits([Counted(), fitted(X)], X, classes=LABELS)
    np.testing.assert_array_equal(first, plain)


def test_other_teachers_rows_ids_or_classes_are_asked_anew(X, tmp_path):
    net = Counted()

    def ask(teacher=net, rows=X, ids=None, classes=LABELS):
        before = len(list(tmp_path.iterdir()))
        found = TeacherOutputs([teacher], rows, ids, classes, cache=tmp_path).logits
        np.testing.assert_array_equal(
            found, stack_logits([teacher], rows, row_ids=ids, classes=classes)
        )
        return len(list(tmp_path.iterdir())) - before

    assert ask() == 1 and ask() == 0
    assert ask(rows=X + 1) == 1 and ask(rows=X[::-1]) == 1 and ask(rows=sp.csr_array(X)) == 1
    assert ask(ids=np.arange(N)) == 1
    assert ask(classes=["a", "b", "c"]) == 1
    # Same parameters, but the columns stand for other classes.
    assert ask(as_teacher(net, classes=[0, 1, 2])) == 1
    assert ask(as_teacher(net, classes=[2, 1, 0])) == 1
    other = copy.deepcopy(net)
    with torch.no_grad():
        other.head.bias += 1
    assert ask(other) == 1
    assert ask(as_teacher(np.ones((N, C)))) == 0  # at hand already


def test_a_damaged_or_foreign_cache_file_is_made_again(X, tmp_path):
    def ask(rows):
        return TeacherOutputs([Counted()], rows, None, LABELS, cache=tmp_path).logits

    right = ask(X)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    ask(X + 1)
    (foreign,) = (p for p in tmp_path.iterdir() if p != path)
    for content in (b"", whole[: len(whole) // 2], b"text", foreign.read_bytes()):
        path.write_bytes(content)
        with pytest.warns(
            UserWarning, match="kept outputs of these teachers and rows or is damaged"
        ):
            np.testing.assert_array_equal(ask(X), right)
        np.testing.assert_array_equal(ask(X), right)  # mended, so no warning


def test_a_cache_that_cannot_be_written_warns(X, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.warns(UserWarning, match="cannot be kept"):
        found = TeacherOutputs([Counted()], X, None, LABELS, cache=blocked).logits
    assert found.shape == (N, 1, C)


def test_a_model_that_cannot_be_hashed_is_asked_each_time(X, tmp_path):
    model = fitted(X)
    model.extra = lambda: None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TeacherOutputs([model], X, None, LABELS, cache=tmp_path).logits  # noqa: B018
    assert list(tmp_path.iterdir()) == []


# -- early-stopped teachers -----------------------------------------------------------------------


def states():
    net, kept = Counted(), {}
    for epoch in (70, 20):
        with torch.no_grad():
            net.head.bias += epoch
        kept[epoch] = copy.deepcopy(net)
    return kept


def test_snapshots_become_teachers_by_epoch(X):
    kept = states()
    made = early_stopped(kept, name="net")
    assert [t.name for t in made] == ["net@20", "net@70"]
    dicts = [(epoch, net.state_dict()) for epoch, net in kept.items()]
    again = early_stopped(dicts, network=Counted(), name="net")
    for a, b, epoch in zip(made, again, (20, 70), strict=True):
        expected = NetworkTeacher(kept[epoch]).logits(X)
        np.testing.assert_array_equal(a.logits(X), expected)
        np.testing.assert_array_equal(b.logits(X), expected)
    assert stack_logits(made, X, classes=LABELS).shape == (N, 2, C)


@pytest.mark.parametrize(
    ("snapshots", "network", "message"),
    [
        ([], None, "one state for each epoch"),
        ([(1, Counted()), (1, Counted())], None, r"found epochs \[1, 1\]"),
        ([(1, Counted().state_dict())], None, "needs its network"),
        ([(1, nn.Linear(2, 3).state_dict())], Counted(), "epoch 1 is of another network"),
        ([(1, "net.pt")], Counted(), "must be a module or a state dict"),
    ],
)
def test_snapshots_that_cannot_teach(snapshots, network, message):
    with pytest.raises(InputError, match=message):
        early_stopped(snapshots, network)


def test_snapshots_that_share_memory_are_noticed():
    net = Counted()
    with pytest.raises(InputError, match="epochs 1 and 2 are the same memory"):
        early_stopped([(1, net), (2, net)])
    with pytest.raises(InputError, match="keep copies"):
        early_stopped([(1, net.state_dict()), (2, net.state_dict())], net)
