"""Splits, features, corpora and made-up data."""

from collections import Counter

import numpy as np
from hypothesis import strategies as st
from registry import door
from values import arrays, gold, mostly, odd, scalars, small_odd, texts

from spear_amal import data

words = st.sampled_from(["ham and spam", "spam spam", "ham", "and", "é ham", "nothing else"])


@door("data.TextFeatures", "data.make_features", "data.TextEncoder")
def text_features(draw, folder):
    features = data.TextFeatures(min_df=1, ngram_range=(1, 1), sublinear_tf=False)
    changed = draw(st.sampled_from([False, False, True]))
    if changed:
        names = sorted(features.get_params())
        features.set_params(**{draw(st.sampled_from(names)): draw(small_odd)})
    rows = draw(mostly(st.lists(st.one_of(texts, words, words), min_size=2), odd))
    X = features.fit(rows).transform(rows)
    again = data.TextFeatures.from_arrays(features.to_arrays()).transform(rows)
    assert X.shape[0] == len(rows) and np.isfinite(X.data).all()
    assert (X != again).nnz == 0
    if not changed:
        known, split = set(features.vocabulary_), features.vectorizer_.build_analyzer()
        assert known == {word for row in rows for word in split(row)}
        norms = np.sqrt(np.square(X.toarray().astype(float)).sum(1))
        empty = [not split(row) for row in rows]
        np.testing.assert_allclose(norms, np.where(empty, 0, 1), rtol=1e-5)
    data.make_features(draw(mostly(st.just("tfidf"), odd)))


@door("data.partition", "data.Partition", "data.check_disjoint")
def partitions(draw, folder):
    right = st.lists(st.sampled_from(["a", "b", "c"]), min_size=20, max_size=40)
    y = draw(mostly(right, st.one_of(gold(30), arrays((0, 2)), odd)))
    sizes = [draw(mostly(st.integers(3, 8), small_odd, 12)) for _ in range(2)]
    labelled = draw(mostly(st.just("random"), small_odd, 12))
    rows_of_test = st.one_of(st.none(), st.lists(st.integers(0, 12), max_size=6))
    test = draw(mostly(rows_of_test, arrays((0, 1))))
    seed = draw(mostly(st.just(0), small_odd, 12))
    parts = data.partition(y, seed, *sizes, labelled=labelled, test=test)
    rows = np.concatenate([parts.labelled, parts.validation, parts.unlabelled, parts.test])
    assert sorted(rows.tolist()) == list(range(len(y)))
    assert [len(parts.labelled), len(parts.validation)] == sizes
    assert set(parts.test.tolist()) == (set() if test is None else set(map(int, test)))
    pool = set(range(len(y))) - set(parts.test.tolist())
    values = list(y)
    assert {values[i] for i in parts.labelled} == {values[i] for i in pool}
    seen = parts.observed_labels(y)
    for i in parts.unlabelled.tolist():
        assert seen[i] is None or seen[i] == -1


@door("data.check_disjoint")
def disjoint(draw, folder):
    right = st.lists(st.integers(0, 20), max_size=4)
    a, b = (draw(mostly(st.one_of(right, right.map(np.array)), arrays((0, 2)), 4)) for _ in "ab")
    data.check_disjoint(a=a, b=b)
    rows = [int(row) for part in (a, b) for row in part]
    assert max(Counter(rows).values(), default=0) <= 1


@door("data.add_label_noise", "data.NoisyLabels")
def label_noise(draw, folder):
    right = st.lists(st.integers(-1, 1), max_size=9)
    y = draw(mostly(right, st.one_of(gold(10), arrays((0, 2)))))
    kind = draw(mostly(st.sampled_from(["symmetric", "pairs"]), small_odd, 12))
    rate, n_classes = (
        draw(mostly(st.sampled_from(v), small_odd, 12)) for v in ([0.3, 1.0], [2, 3])
    )
    noisy = data.add_label_noise(y, rate, n_classes, draw(mostly(st.just(0), small_odd, 12)), kind)
    before = np.array(list(y), dtype=np.int64)
    labelled = before >= 0
    assert noisy.flipped.sum() == round(rate * labelled.sum())
    assert ((noisy.y != before) == noisy.flipped).all() and not noisy.flipped[~labelled].any()
    assert noisy.y.max(initial=-1) < n_classes
    if kind == "pairs":
        flipped = noisy.flipped
        assert (noisy.y[flipped] == (before[flipped] + 1) % n_classes).all()


@door("data.synthetic_judges")
def judges(draw, folder):
    n, m = draw(mostly(st.integers(0, 50), small_odd)), draw(mostly(st.integers(0, 5), small_odd))
    cliques = draw(mostly(st.lists(st.integers(1, 3), max_size=2), small_odd))
    name = st.sampled_from(["copying", "hard_share", "hard_guessing", "accuracies", "coverages"])
    options = draw(st.dictionaries(name, mostly(st.sampled_from([0.0, 0.5, 1.0]), small_odd)))
    L, y = data.synthetic_judges(n, m, cliques=cliques, **options)
    assert L.shape == (n, m) and len(y) == n
    if options.get("copying") == 1.0 and options.get("coverages", 1.0) == 1.0 and len(cliques):
        clique = np.asarray(L)[:, : cliques[0]]
        assert (clique == clique[:, :1]).all()


@door("data.synthetic_votes", "data.synthetic_corpus")
def synthetic(draw, folder):
    if draw(st.booleans()):
        n = draw(mostly(st.integers(2, 40), small_odd))
        n_test = draw(mostly(st.integers(2, 12), small_odd))
        corpus = data.synthetic_corpus(n, draw(mostly(st.just(0), small_odd)), n_test)
        assert len(corpus) == n and (corpus.frame["part"] == "test").sum() == n_test
        assert Counter(corpus.labels.tolist()) == {0: n - n // 2, 1: n // 2}
        return
    n, m = draw(mostly(st.integers(0, 50), small_odd)), draw(mostly(st.integers(0, 5), small_odd))
    options = draw(
        st.dictionaries(
            st.sampled_from(["accuracies", "coverages"]), st.sampled_from([0.0, 0.5, 1.0])
        )
    )
    if draw(st.sampled_from([False, False, True])):
        name = st.sampled_from(["n_classes", "accuracies", "coverages", "class_balance", "seed"])
        options[draw(name)] = draw(st.one_of(small_odd, st.lists(st.floats(0, 1), max_size=5)))
    L, y = data.synthetic_votes(n, m, **options)
    dense = np.asarray(L)
    assert L.shape == (n, m) and len(y) == n
    if options.get("coverages") == 1.0:
        assert (dense >= 0).all()
    if options.get("accuracies") == 1.0:
        assert ((dense == y[:, None]) | (dense < 0)).all()
    if options.get("accuracies") == 0.0:
        assert (dense != y[:, None]).all()


@door(
    *("data.load_corpus", "data.corpus_file", "data.corpus_status", "data.CorpusStatus"),
    *("data.fetch_corpus", "data.CORPORA", "data.load_images", "data.IMAGES", "data.kd_synthetic"),
    *("data.digits", "images.digits", "images.kd_synthetic", "images.load_images", "images.IMAGES"),
)
def corpora(draw, folder):
    names = st.sampled_from(["sms", "imdb", "generated", "generated"])
    name = draw(mostly(names, small_odd, 3))
    where = {"data_dir": folder, "cache_dir": folder}
    how = draw(st.integers(0, 4))
    if how == 0:
        corpus = data.load_corpus(name, offline=True, progress=False, **where)
        assert corpus.name == name == "generated"
    elif how == 1:
        status = data.corpus_status(name, **where)
        assert status.state == ("generated" if name == "generated" else "not fetched")
    elif how == 2:
        data.corpus_file(name, draw(texts), **where)
    elif how == 3:
        images = st.sampled_from(["digits", "cifar10"])
        loaded = data.load_images(draw(mostly(images, small_odd)), folder, offline=True)
        assert len(loaded.x) == len(loaded.y) == 1797
    else:
        noise = draw(mostly(st.sampled_from([0.0, 0.25]), small_odd))
        made = data.kd_synthetic(draw(mostly(st.just(3), small_odd)), noise)
        assert made.noisy.sum() == round(noise * len(made.rows("train")))
        assert (made.noisy == (made.y != made.clean_y)).all()


@door("data.Corpus", "data.CorpusSpec")
def own_corpus(draw, folder):
    n = draw(st.integers(0, 6))
    labels = draw(mostly(st.lists(st.integers(0, 1), min_size=n, max_size=n), gold(n), 4))
    parts = st.sampled_from(["train", "test", "train", "validation"])
    part = draw(mostly(st.lists(parts, min_size=n, max_size=n), st.lists(scalars, max_size=3), 4))
    frame = pd_frame(labels, part)
    classes = draw(mostly(st.just(("ham", "spam")), odd))
    metric = draw(mostly(st.just("f1"), small_odd))
    corpus = data.Corpus("own", classes, frame, metric, "made up")
    assert len(corpus) == n and corpus.labels.tolist() == list(labels)
    rows = [i for name in set(part) for i in corpus.rows(name).tolist()]
    assert sorted(rows) == list(range(n))


def pd_frame(labels, part):
    """Return a frame of a corpus of odd columns; only the package may refuse them."""
    import pandas as pd

    columns = {"label": list(labels), "part": list(part)}
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})
