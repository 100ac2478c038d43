from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import LabelingError
from spear_amal.labeling import (
    ContinuousScorer,
    LabelingFunction,
    LFApplier,
    PandasLFApplier,
    continuous_scorer,
    labeling_function,
    preprocessor,
)

X = SimpleNamespace(text="free")


def test_with_and_without_brackets():
    @labeling_function
    def bare(x):
        """Says free."""
        return 1

    @labeling_function()
    def called(x):
        return 1

    @labeling_function(name="other")
    def renamed(x):
        return 1

    assert [lf.name for lf in (bare, called, renamed)] == ["bare", "called", "other"]
    assert bare.__doc__ == "Says free." and bare.__name__ == "bare"
    assert all(isinstance(lf, LabelingFunction) and lf(X) == 1 for lf in (bare, called, renamed))
    assert repr(renamed) == "LabelingFunction other, Preprocessors: []"


def test_resources_are_handed_over():
    @labeling_function(resources={"words": {"free"}, "vote": 3})
    def lookup(x, words, vote):
        return vote if x.text in words else -1

    assert lookup(X) == 3 and lookup(SimpleNamespace(text="no")) == -1


def test_positional_arguments_stand_as_in_snorkel():
    @preprocessor()
    def upper(x):
        x.text = x.text.upper()
        return x

    lf = LabelingFunction("lf", lambda x, k: k if x.text == "FREE" else -1, {"k": 2}, [upper])
    assert lf(X) == 2 and X.text == "free"
    assert "Preprocessors: [LambdaPreprocessor upper, Pre: []]" in repr(lf)


@pytest.mark.parametrize(
    "label, answer, vote",
    [
        (1, True, 1),
        (1, False, -1),
        (1, None, -1),
        ("spam", True, "spam"),
        (None, np.int64(2), 2),
        (None, None, -1),
    ],
)
def test_calling_one_row(label, answer, vote):
    assert LabelingFunction("lf", lambda x: answer, label=label)(X) == vote


def test_any_object_with_attributes_or_items():
    lf = LabelingFunction("lf", lambda x: int(x["n"] > 1))
    assert lf({"n": 2}) == 1 and lf(pd.Series({"n": 0})) == 0


def test_a_vectorised_lf_returns_its_array():
    lf = LabelingFunction("lf", lambda df: df["n"].to_numpy(), vectorized=True)
    assert lf(pd.DataFrame({"n": [1, 0]})).tolist() == [1, 0]


# -- continuous LFs ------------------------------------------------------------------------------


@continuous_scorer(resources={"scale": 10})
def length(x, scale):
    return len(x) / scale


@labeling_function(label=1, cont_scorer=length, resources={"least": 0.3})
def long_text(x, least, **kwargs):
    return kwargs["continuous_score"] >= least


def test_scores_are_kept_where_the_lf_fires():
    plain = LabelingFunction("plain", lambda x: 0)
    matrix = LFApplier([plain, long_text]).apply(["a", "abc", "abcde"])
    assert matrix.to_dense().tolist() == [[0, -1], [0, 1], [0, 1]]
    assert matrix.dense_scores()[:, 1].tolist() == pytest.approx([0, 0.3, 0.5])
    assert matrix.continuous.tolist() == [False, True]
    assert matrix.scores.nnz <= matrix.nnz and long_text("abcdef") == 1


def test_scorers_with_and_without_brackets():
    @continuous_scorer
    def bare(x):
        return 0.5

    @continuous_scorer(name="named")
    def other(x):
        return 0.5

    assert (bare.name, other.name, repr(other)) == ("bare", "named", "ContinuousScorer named")
    assert isinstance(LabelingFunction("lf", len, cont_scorer=len).scorer, ContinuousScorer)
    assert not LabelingFunction("lf", len).continuous


def test_scores_outside_are_clipped_and_counted():
    scores = iter([-0.5, 0.25, 1.75, 9.0])
    lf = LabelingFunction("c", lambda x, continuous_score: x, cont_scorer=lambda x: next(scores))
    matrix, meta = LFApplier([lf]).apply([1, 1, 1, None], return_meta=True)
    assert matrix.dense_scores().ravel().tolist() == [0, 0.25, 1, 0]
    assert meta.clipped == {"c": 2}  # the row that abstains keeps no score
    lf = LabelingFunction("c", lambda x, continuous_score: 1, cont_scorer=lambda x: 2)
    with pytest.warns(UserWarning, match=r"scores outside \[0, 1\] were clipped: {'c': 1}"):
        LFApplier([lf]).apply([1])


@pytest.mark.parametrize("score", [float("nan"), None, "high", np.nan])
def test_a_score_that_is_no_number(score):
    lf = LabelingFunction("c", lambda x, continuous_score: 1, cont_scorer=lambda x: score)
    with pytest.raises(LabelingError, match="LF 'c', row 0: got the score"):
        LFApplier([lf]).apply([1])


def test_a_vectorised_continuous_lf():
    lf = LabelingFunction(
        "v",
        lambda df, continuous_score: continuous_score > 0.5,
        label=0,
        vectorized=True,
        cont_scorer=lambda df: df["n"].to_numpy() / 4,
    )
    matrix = PandasLFApplier([lf]).apply(pd.DataFrame({"n": [1, 3, 4]}))
    assert matrix.to_dense().ravel().tolist() == [-1, 0, 0]
    assert matrix.dense_scores().ravel().tolist() == [0, 0.75, 1]
    with pytest.raises(LabelingError, match="row 1: got the score NaN"):
        PandasLFApplier([lf]).apply(pd.DataFrame({"n": [1, np.nan, 4]}))


def test_a_vectorised_bad_score_is_tolerated_on_its_row_only():
    lf = LabelingFunction(
        "v",
        lambda df, continuous_score: np.zeros(len(df), dtype=int),
        vectorized=True,
        cont_scorer=lambda df: [0.5, None, 0.25],
    )
    matrix, meta = PandasLFApplier([lf]).apply(
        pd.DataFrame({"n": [1, 2, 3]}), fault_tolerant=True, return_meta=True
    )
    assert matrix.to_dense().ravel().tolist() == [0, -1, 0] and meta.faults == {"v": 1}
    assert matrix.dense_scores().ravel().tolist() == [0.5, 0, 0.25]


def test_options_beside_a_function_are_not_lost():
    def has_link(x):
        return "http" in x

    lf = labeling_function(has_link, label=1, resources={})
    assert (lf.name, lf("http"), lf("no")) == ("has_link", 1, -1)
    step = preprocessor(lambda x, more: x + more, resources={"more": "!"}, memoize=True)
    assert step("a") == "a!" and step.memoize
    scorer = continuous_scorer(lambda x, by: len(x) / by, resources={"by": 4})
    assert scorer("ab") == 0.5
