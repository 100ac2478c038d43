"""Doors of tables: their features, and the classifier from a table to class names."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from registry import door
from values import gold, mostly, odd, scalars, small_odd, texts

from spear_amal import TextClassifier, data
from spear_amal.labeling import keyword_lf

numbers = st.one_of(st.integers(-5, 5), st.floats(-9, 9), st.none())
categories = st.sampled_from(["a", "b", "", None, "c d"])
words = st.sampled_from(["ham and spam", "spam spam", "ham", "see you", "free spam", ""])


def column(draw, right, n):
    """Cells (n,) of one kind, with now and then one of another."""
    cells = draw(st.lists(right, min_size=n, max_size=n))
    if draw(st.integers(0, 5)) == 0:
        cells[draw(st.integers(0, n - 1))] = draw(scalars)
    return pd.Series(cells, dtype=object)


@door("data.ColumnFeatures", "data.TableFeatures")
def features_of_columns(draw, folder):
    n = draw(st.integers(2, 7))
    frame = pd.DataFrame({"x": column(draw, numbers, n), "kind": column(draw, categories, n)})
    names = draw(mostly(st.permutations(["x", "kind"]), odd))
    made = data.ColumnFeatures(names).fit(frame)
    X = made.transform(frame)
    assert X.shape == (n, len(made.get_feature_names_out())) and np.isfinite(X.data).all()
    again = data.ColumnFeatures.from_json(json.loads(json.dumps(made.to_json())))
    assert (again.transform(frame) != X).nnz == 0
    given = draw(mostly(st.sampled_from(["columns:x", "columns:kind,x"]), small_odd))
    both = data.TableFeatures(given).fit(frame)
    rows = both.transform(frame)
    assert rows.shape[0] == n
    assert (data.TableFeatures.from_arrays(both.to_arrays()).transform(frame) != rows).nnz == 0


LFS = [keyword_lf("free", ["free"], "spam"), keyword_lf("see", ["see", "ham"], "ham")]


@door("spear_amal.TextClassifier")
def from_a_table_to_names(draw, folder):
    n = draw(st.integers(8, 14))
    text = column(draw, st.one_of(words, words, texts), n)
    labels = draw(
        mostly(st.lists(st.sampled_from(["ham", "spam", None]), min_size=n, max_size=n), gold(n))
    )
    if len(labels) != n:
        return
    frame = pd.DataFrame({"text": text, "label": labels})
    method = draw(mostly(st.sampled_from(["only-l", "majority"]), small_odd, 12))
    features = data.TextFeatures(min_df=1, ngram_range=(1, 1))
    clf = TextClassifier(method, features=features, max_epochs=1)
    clf.fit(frame, lfs=LFS, classes=["ham", "spam"])
    rows = draw(mostly(st.lists(st.one_of(words, texts), min_size=1), odd))
    p = clf.predict_proba(rows)
    assert p.shape == (len(rows), 2) and clf.classes_.tolist() == ["ham", "spam"]
    np.testing.assert_allclose(p.sum(1), 1)
    assert clf.predict(rows).tolist() == clf.classes_[p.argmax(1)].tolist()
    row = draw(mostly(st.integers(0, n - 1), odd))
    found = clf.explain(row)
    assert found.predicted in ("ham", "spam") and str(found)
