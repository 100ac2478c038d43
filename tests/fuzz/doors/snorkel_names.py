"""Snorkel's names for metrics, labels and slices: odd arrays, gold and slicing functions."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from registry import door
from values import mostly, odd

from spear_amal.analysis import Scorer, get_label_buckets, get_label_instances, metric_score
from spear_amal.slicing import (
    PandasSFApplier,
    SFApplier,
    SlicingFunction,
    slice_dataframe,
    slicing_function,
)
from spear_amal.utils import filter_labels, preds_to_probs, probs_to_preds, to_int_label_array

METRICS = ["accuracy", "coverage", "f1", "f1_macro", "precision", "roc_auc"]


def codes(n):
    return st.lists(st.integers(-1, 2), min_size=n, max_size=n)


@door("analysis.Scorer", "analysis.metric_score")
def metrics(draw, folder):
    n = draw(st.integers(1, 9))
    golds, preds = draw(mostly(codes(n), odd)), draw(mostly(codes(n), odd))
    shares = st.floats(0, 1).map(lambda share: [share, 1 - share])
    probs = draw(mostly(st.lists(shares, min_size=n, max_size=n), odd))
    metric = draw(mostly(st.sampled_from(METRICS), odd))
    score = Scorer(metrics=[metric]).score(golds, preds, probs)[metric]
    left_out = None if metric == "coverage" else {"golds": [-1], "preds": [-1]}
    direct = metric_score(golds, preds, probs, metric=metric, filter_dict=left_out)
    np.testing.assert_equal(score, direct)
    if metric == "accuracy":
        pairs = [(g, p) for g, p in zip(golds, preds, strict=True) if g != -1 and p != -1]
        np.testing.assert_allclose(score, np.mean([g == p for g, p in pairs]))


@door("analysis.get_label_buckets", "analysis.get_label_instances")
def buckets(draw, folder):
    n = draw(st.integers(1, 9))
    golds, preds = draw(mostly(codes(n), odd)), draw(mostly(codes(n), odd))
    rows = get_label_buckets(golds, preds)
    assert sorted(np.concatenate([[], *rows.values()]).tolist()) == list(range(len(golds)))
    for labels, places in rows.items():
        again = get_label_instances(labels, np.arange(len(golds)), golds, preds)
        np.testing.assert_array_equal(again, places)


@door(
    *("utils.filter_labels", "utils.preds_to_probs", "utils.probs_to_preds"),
    "utils.to_int_label_array",
)
def labels_and_probabilities(draw, folder):
    n = draw(st.integers(1, 9))
    labels = to_int_label_array(draw(mostly(codes(n), odd)))
    assert labels.ndim == 1 and labels.dtype.kind == "i"
    kept = filter_labels({"golds": labels}, {"golds": [-1]})["golds"]
    assert kept.tolist() == [label for label in labels.tolist() if label != -1]
    p = preds_to_probs(kept, draw(mostly(st.just(3), odd)))
    np.testing.assert_array_equal(probs_to_preds(p), kept)


@door(
    *("slicing.PandasSFApplier", "slicing.SFApplier", "slicing.SlicingFunction"),
    *("slicing.slice_dataframe", "slicing.slicing_function"),
)
def slices(draw, folder):
    values = draw(st.lists(st.integers(0, 9), min_size=1, max_size=9))
    answer = draw(mostly(st.sampled_from([True, False]), odd))
    small = SlicingFunction(draw(mostly(st.just("small"), odd)), lambda x: x.number < 5)

    @slicing_function()
    def other(x):
        return answer

    frame = pd.DataFrame({"number": values})
    table = PandasSFApplier([small, other]).apply(frame, progress_bar=False)
    points = SFApplier([small, other]).apply(list(frame.itertuples()), progress_bar=False)
    np.testing.assert_array_equal(table, points)
    inside = [number < 5 for number in values]
    np.testing.assert_array_equal(table[small.name], inside)
    assert slice_dataframe(frame, small).index.tolist() == np.flatnonzero(inside).tolist()
