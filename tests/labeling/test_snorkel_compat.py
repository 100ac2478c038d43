"""A script written for Snorkel runs with its imports changed; cell by cell the same results."""

import re
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import spear_amal.labeling as ours

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    theirs = pytest.importorskip("snorkel.labeling", reason="snorkel is not installed")
    their_pre = pytest.importorskip("snorkel.preprocess")
    their_analysis = pytest.importorskip("snorkel.analysis")
    their_utils = pytest.importorskip("snorkel.utils")

# Snorkel 0.10 uses what SciPy and pandas deprecate; that is not ours to judge.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]

ABSTAIN, HAM, SPAM = -1, 0, 1
TEXTS = ["Check out my channel", "great SONG", "please subscribe", "ok", "my song http://x", ""]


def script(labeling, preprocessor, applier_name="PandasLFApplier"):
    """LFs in the manner of a spam tutorial, on whichever package is handed in."""

    @preprocessor(memoize=True)
    def lower(x):
        x.text_lower = x.text.lower()
        return x

    @preprocessor(pre=[lower])
    def tokens(x):
        x.tokens = x.text_lower.split()
        return x

    @labeling.labeling_function(pre=[lower])
    def check(x):
        return SPAM if "check" in x.text_lower else ABSTAIN

    @labeling.labeling_function(name="check_out")
    def regex_check_out(x):
        return SPAM if re.search(r"check.*out", x.text, flags=re.I) else ABSTAIN

    @labeling.labeling_function(pre=[tokens])
    def short(x):
        return HAM if len(x.tokens) < 3 else ABSTAIN

    @labeling.labeling_function(resources={"words": ["song"]}, pre=[lower])
    def words(x, words):
        return HAM if any(word in x["text"].lower() for word in words) else ABSTAIN

    def lookup(x, keywords, label):
        return label if any(word in x.text.lower() for word in keywords) else ABSTAIN

    please = labeling.LabelingFunction(
        name="please", f=lookup, resources=dict(keywords=["please", "plz"], label=SPAM)
    )
    return [check, regex_check_out, short, words, please]


FRAME = pd.DataFrame({"text": TEXTS, "n": range(6)}, index=list("cabbda"))
GOLD = np.array([1, 0, 1, 0, 1, 0])


def test_a_script_gives_the_same_matrix_and_summary():
    old, new = script(theirs, their_pre.preprocessor), script(ours, ours.preprocessor)
    L_old = theirs.PandasLFApplier(lfs=old).apply(df=FRAME, progress_bar=False)
    L_new = ours.PandasLFApplier(lfs=new).apply(df=FRAME, progress_bar=False)
    assert np.array_equal(L_old, L_new)
    rows = [SimpleNamespace(**row) for row in FRAME.to_dict("records")]
    without_items = [lf for lf in new if lf.name != "words"]
    L_list = ours.LFApplier(lfs=without_items).apply(rows, progress_bar=False)
    assert np.array_equal(L_list, np.delete(L_old, 3, axis=1))
    pd.testing.assert_frame_equal(
        theirs.LFAnalysis(L=L_old, lfs=old).lf_summary(Y=GOLD, est_weights=np.ones(5)),
        ours.LFAnalysis(L=L_new, lfs=new).lf_summary(Y=GOLD, est_weights=np.ones(5)),
    )
    # What tutorials do with L.
    assert np.array_equal((L_old != ABSTAIN).mean(axis=0), (L_new != ABSTAIN).mean(axis=0))
    assert np.array_equal(L_old[:, 1], L_new[:, 1])
    old_rows = FRAME.iloc[L_old[:, 1] == SPAM]
    pd.testing.assert_frame_equal(old_rows, FRAME.iloc[L_new[:, 1] == SPAM])


def test_snorkels_own_lfs_run_unchanged():
    lfs = script(theirs, their_pre.preprocessor)
    expected = theirs.PandasLFApplier(lfs).apply(FRAME, progress_bar=False)
    # Mixed with ours, and with our preprocessor in a Snorkel LF and theirs in ours.
    mixed = theirs.LabelingFunction("mix", lambda x: int(x.low == "ok"), pre=[our_low])
    mixed_back = ours.LabelingFunction("back", lambda x: int(x.low == "ok"), pre=[their_low])
    found = ours.PandasLFApplier([*lfs, mixed, mixed_back]).apply(FRAME)
    assert np.array_equal(found[:, :5].to_dense(), expected)
    assert found[:, 5].tolist() == found[:, 6].tolist() == [0, 0, 0, 1, 0, 0]


@ours.preprocessor()
def our_low(x):
    x.low = x.text.lower()
    return x


@their_pre.preprocessor(memoize=True)
def their_low(x):
    x.low = x.text.lower()
    return x


def test_faults_are_counted_alike():
    def fails(x):
        if x.n % 2:
            raise ValueError
        return 1

    old = theirs.PandasLFApplier([theirs.LabelingFunction("f", fails)])
    new = ours.PandasLFApplier([theirs.LabelingFunction("f", fails)])
    options = dict(progress_bar=False, fault_tolerant=True, return_meta=True)
    (L_old, meta_old), (L_new, meta_new) = old.apply(FRAME, **options), new.apply(FRAME, **options)
    assert np.array_equal(L_old, L_new) and dict(meta_old.faults) == meta_new.faults


@st.composite
def votes_and_gold(draw):
    n, m, c = draw(st.integers(2, 11)), draw(st.integers(1, 5)), draw(st.integers(2, 4))
    votes = draw(hnp.arrays(np.int64, (n, m), elements=st.integers(-1, c - 1)))
    return votes, draw(hnp.arrays(np.int64, n, elements=st.integers(0, c - 1))), c


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(votes_and_gold(), st.booleans())
def test_the_analysis_agrees_cell_by_cell(made, named):
    votes, gold, c = made
    lfs = [SimpleNamespace(name=f"lf_{j}") for j in range(votes.shape[1])] if named else None
    old, new = theirs.LFAnalysis(votes, lfs), ours.LFAnalysis(votes, lfs)
    for Y in (None, gold):
        pd.testing.assert_frame_equal(old.lf_summary(Y), new.lf_summary(Y))
    assert old.lf_polarities() == new.lf_polarities()
    for name in ("label_coverage", "label_overlap", "label_conflict", "lf_coverages",
                 "lf_overlaps", "lf_conflicts"):  # fmt: skip
        np.testing.assert_allclose(getattr(old, name)(), getattr(new, name)(), atol=1e-15)
    np.testing.assert_allclose(old.lf_overlaps(True), new.lf_overlaps(True))
    np.testing.assert_allclose(old.lf_conflicts(True), new.lf_conflicts(True))
    np.testing.assert_allclose(
        np.nan_to_num(old.lf_empirical_probs(gold, c)), new.lf_empirical_probs(gold, c)
    )


@settings(max_examples=30)
@given(hnp.arrays(float, (7, 3), elements=st.sampled_from([0, 0.25, 0.5])))
def test_conversions_agree(probs):
    for policy in ("random", "abstain"):
        old = their_utils.probs_to_preds(probs, policy)
        assert np.array_equal(old, ours.probs_to_preds(probs, policy))
    preds = probs.argmax(axis=1)
    assert np.array_equal(their_utils.preds_to_probs(preds, 3), ours.preds_to_probs(preds, 3))
    other = probs.argmin(axis=1)
    old, new = their_analysis.get_label_buckets(preds, other), ours.get_label_buckets(preds, other)
    assert {k: v.tolist() for k, v in old.items()} == {k: v.tolist() for k, v in new.items()}
