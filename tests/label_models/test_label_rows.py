"""One table of what the votes say: labels, confidence, votes, conflicts."""

import numpy as np
import pytest

from spear_amal.errors import InputError
from spear_amal.label_models import AccuracyModel, DawidSkene, MajorityVote, label_rows
from spear_amal.votes.label_matrix import LabelMatrix

CODES = [[0, 0, -1], [1, 0, -1], [-1, -1, -1], [1, 1, 2], [2, -1, -1], [2, 2, 2]]
IDS = ["f", "e", "d", "c", "b", "a"]


@pytest.fixture
def votes():
    names = ["ham", "spam", "news"]
    return LabelMatrix.from_dense(CODES, lf_names=["x", "y", "z"], classes=names, row_ids=IDS)


def test_majority_votes_by_hand(votes):
    table = label_rows(votes, "majority", lf_votes=True)
    assert table.index.tolist() == IDS
    assert table["predicted"].tolist() == ["ham", None, None, "spam", "news", "news"]
    assert table["n_votes"].tolist() == [2, 2, 0, 3, 1, 3]
    assert table["conflict"].tolist() == [False, True, False, True, False, False]
    assert table["covered"].tolist() == [True, True, False, True, True, True]
    assert table["lf_y"].tolist() == ["ham", "ham", None, "spam", None, "news"]
    p = table[["p_ham", "p_spam", "p_news"]].to_numpy()
    assert np.allclose(p[[0, 1, 2, 3]], [[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3, [0, 1, 0]])
    assert np.allclose(table["confidence"], p.max(1))


@pytest.mark.parametrize("name", ["label-model", "dawid-skene", "weighted-majority"])
def test_probabilities_are_those_of_the_label_model(votes, name):
    kinds = {"label-model": AccuracyModel, "dawid-skene": DawidSkene}
    table = label_rows(votes, name)
    if name in kinds:
        p = kinds[name]().fit(votes).predict_proba(votes)
        assert np.array_equal(table[["p_ham", "p_spam", "p_news"]].to_numpy(), p)
    assert table.columns.tolist()[:2] == ["predicted", "confidence"]
    assert table["predicted"].iloc[2] is None


def test_a_fitted_model_is_asked_and_another_is_left_as_it_was(votes):
    fitted = MajorityVote().fit(votes)
    assert label_rows(votes[:2], fitted)["predicted"].tolist() == ["ham", None]
    fresh = MajorityVote()
    label_rows(votes, fresh)
    assert not hasattr(fresh, "classes_")


def test_plain_codes_are_labels():
    assert label_rows([[0, 1, 1], [0, 0, -1]], "majority")["predicted"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("model", "message"),
    [("amal", "label model 'amal'"), (3, "must be a name or a LabelModel")],
)
def test_unknown_models(votes, model, message):
    with pytest.raises(InputError, match=message):
        label_rows(votes, model)


def test_no_votes_at_all():
    with pytest.raises(InputError, match="all LFs abstain"):
        label_rows([[-1, -1]])
