"""Numbers that fit float64 but not the type that a model computes in are refused at every door."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from spear_amal import GoldClassifier, LossMixer, SpearClassifier
from spear_amal.errors import InputError
from spear_amal.estimators import AuxiliaryClassifier, DistilledClassifier
from spear_amal.teachers import save_teacher_outputs
from spear_amal.training import DivergedError, ParquetRows, Table

N, D = 83, 3
LARGE = 1e39  # float32 ends at 3.4e38


@pytest.fixture(scope="module")
def rows():
    X = np.random.default_rng(0).normal(size=(N, D))
    large = X.copy()
    large[5, 1] = LARGE
    return X, (X[:, 0] > 0).astype(int), large


def gold(**options):
    return GoldClassifier.from_options(max_epochs=2, **options)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.csr_matrix, sp.coo_array])
@pytest.mark.parametrize("sign", [1, -1])
def test_features_of_training_validation_and_prediction(rows, form, sign):
    X, y, large = rows
    large, message = form(sign * large), r"features hold -?1e\+39.*float64"
    model = gold().fit(X, y)
    for use in (
        lambda: gold().fit(large, y),
        lambda: gold().fit(form(X), y, X_val=large, y_val=y),
        lambda: model.predict_proba(large),
        lambda: model.predict(large),
        lambda: model.score(large, y),
    ):
        with pytest.raises(InputError, match=message):
            use()


def test_wide_sparse_features_that_stay_sparse(rows):
    _, y, _ = rows
    X = sp.random_array((N, 2500), density=0.01, format="csr", rng=0)
    X.data[7] = LARGE
    with pytest.raises(InputError, match="features hold"):
        gold().fit(X, y)


def test_float64_takes_them(rows):
    X, y, large = rows
    p = gold(dtype="float64").fit(large, y).predict_proba(large)
    assert np.isfinite(p).all()
    # The other columns alone settle the other rows: the large value is no part of them.
    assert gold(dtype="float64").fit(X, y).predict_proba(large)[5].max() > 0.99


def test_scores_that_overflow_are_refused_and_give_no_class(rows):
    X, y, _ = rows
    model = gold(lr=0.5).fit(X, y)
    towards = np.sign(model.models_[0].feature.head.weight[0].detach().numpy())
    wide = np.tile(3e38 * towards, (N, 1))  # finite, each of them
    with pytest.raises(InputError, match=r"scores of 83 of 83 rows are not finite, first in row 0"):
        model.predict_proba(wide)


def test_a_loss_on_validation_rows_that_is_no_number_ends_training(rows):
    X, y, _ = rows
    wide = np.where(X < 0, -3e38, 3e38)
    with pytest.raises(DivergedError, match="validation"):
        gold(lr=50.0).fit(X, y, X_val=wide, y_val=y)


def test_targets_of_tasks(rows):
    X, y, large = rows
    with pytest.raises(InputError, match="targets of a task hold"):
        AuxiliaryClassifier.from_options("mlp:3", ["side"], max_epochs=1).fit(
            X, y, tasks={"side": large[:, 1]}
        )
    missing = np.where(np.arange(N) < 9, np.nan, X[:, 1])  # unknown is no large number
    AuxiliaryClassifier.from_options("mlp:3", ["side"], max_epochs=1).fit(
        X, y, tasks={"side": missing}
    )


def test_images(rows):
    _, y, _ = rows
    images = np.random.default_rng(0).normal(size=(N, 1, 4, 4))
    images[3, 0, 1, 1] = LARGE
    with pytest.raises(InputError, match=r"1 images .* row 3"):
        DistilledClassifier.from_options("mlp:3", mixer="ce", max_epochs=1).fit(images, y)


def test_answers_of_teachers_in_memory_and_in_files(rows, tmp_path):
    X, y, _ = rows
    logits = np.zeros((N, 2))
    logits[4, 1] = LARGE
    with pytest.raises(InputError, match=r"infinite in 1 of 83 rows, first in \[4\]"):
        DistilledClassifier.from_options("linear", [logits], max_epochs=1).fit(X, y)
    with pytest.raises(InputError, match=r"infinite in 1 of 83 rows, first in \[4\]"):
        save_teacher_outputs(tmp_path / "a.npz", np.arange(N), logits, [0, 1])
    assert not (tmp_path / "a.npz").exists()
    with pytest.raises(InputError, match="logits of a teacher hold"):
        Table(X, y, teachers=logits[:, None])


def test_rows_on_disk(rows, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    from spear_amal.votes.label_matrix import LabelMatrix
    from spear_amal.votes.parquet import finish_votes, write_part

    _, y, large = rows
    (tmp_path / "votes").mkdir()
    L = LabelMatrix.from_dense(np.where(np.arange(N)[:, None] % 3 > 0, y[:, None], -1))
    finish_votes(tmp_path / "votes", [write_part(tmp_path / "votes", 0, L)], lf_names=L.lf_names)
    observed = np.where(np.arange(N) % 2, y, -1)  # the large value is on an unlabelled row
    observed[5] = -1
    table = pa.table({"x": list(large), "y": observed})
    pq.write_table(table, tmp_path / "rows.parquet")
    source = ParquetRows(tmp_path / "rows.parquet", features="x", y="y")
    model = SpearClassifier.from_options(max_epochs=2, guard=False)
    with pytest.raises(InputError, match="features hold"):
        model.fit_parquet(source, tmp_path / "votes")


@pytest.mark.parametrize("index", [1 - 1e-12, 1e-50])
def test_options_that_are_probabilities_in_float64_only(rows, index):
    X, y, _ = rows
    with pytest.raises(InputError, match="quality_index"):
        SpearClassifier.from_options(quality_index=index).fit(X, y)


@pytest.mark.parametrize("number", [LARGE, np.inf, np.nan])
def test_weights_of_losses(number):
    with pytest.raises(InputError, match="must be a finite number"):
        LossMixer("fixed", ["label", "teacher"], per_loss={"teacher": number})


def test_the_range_is_looked_at_where_numbers_grow_narrower_only():
    values = np.array([[np.nan, LARGE]])
    assert Table(values, dtype=torch.float64).x[0, 1] == LARGE
    with pytest.raises(InputError, match="features"):
        Table(values)
    assert torch.isinf(Table(np.array([[np.inf]])).x).all()  # finiteness was checked at the door
