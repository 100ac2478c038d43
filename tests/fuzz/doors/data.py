"""Splits, features, corpora and made-up data."""

import numpy as np
from hypothesis import strategies as st
from registry import door
from values import arrays, gold, mostly, odd, small_odd, texts

from spear_amal import data


@door("data.TextFeatures", "data.make_features", "data.TextEncoder")
def text_features(draw, folder):
    features = data.TextFeatures(min_df=1)
    if draw(st.sampled_from([False, False, True])):
        names = sorted(features.get_params())
        features.set_params(**{draw(st.sampled_from(names)): draw(small_odd)})
    rows = draw(mostly(st.lists(st.one_of(texts, st.just("ham and spam")), min_size=2), odd))
    X = features.fit(rows).transform(rows)
    assert X.shape[0] == len(rows) and np.isfinite(X.data).all()
    data.make_features(draw(mostly(st.just("tfidf"), odd)))


@door("data.partition", "data.Partition", "data.check_disjoint")
def partitions(draw, folder):
    y = draw(mostly(gold(30), st.one_of(arrays((0, 2)), odd)))
    sizes = [draw(mostly(st.integers(0, 12), small_odd)) for _ in range(2)]
    labelled = draw(mostly(st.sampled_from(["random", "stratified", "balanced"]), small_odd))
    seed = draw(mostly(st.just(0), small_odd))
    parts = data.partition(y, seed, *sizes, labelled=labelled)
    rows = np.concatenate([parts.labelled, parts.validation, parts.unlabelled])
    assert len(set(rows.tolist())) == len(rows)


@door("data.check_disjoint")
def disjoint(draw, folder):
    a, b = draw(arrays((0, 2))), draw(arrays((0, 2)))
    data.check_disjoint(a=a, b=b)
    assert not set(map(repr, np.asarray(a))) & set(map(repr, np.asarray(b)))


@door("data.add_label_noise", "data.NoisyLabels")
def label_noise(draw, folder):
    y = draw(mostly(st.lists(st.integers(0, 1), max_size=9), st.one_of(gold(10), arrays((0, 2)))))
    kind = draw(mostly(st.sampled_from(["symmetric", "pair"]), small_odd))
    rate, n_classes = (draw(mostly(st.sampled_from(v), small_odd)) for v in ([0.3, 1.0], [2, 3]))
    data.add_label_noise(y, rate, n_classes, draw(mostly(st.just(0), small_odd)), kind)


@door("data.synthetic_votes", "data.synthetic_corpus")
def synthetic(draw, folder):
    n, m = (
        draw(st.one_of(st.integers(0, 50), small_odd)),
        draw(st.one_of(st.integers(0, 5), small_odd)),
    )
    options = draw(
        st.dictionaries(
            st.sampled_from(["n_classes", "accuracies", "coverages", "class_balance", "seed"]),
            st.one_of(small_odd, st.lists(st.floats(0, 1), max_size=5)),
            max_size=2,
        )
    )
    L, y = data.synthetic_votes(n, m, **options)
    assert L.shape == (n, m) and len(y) == n


@door(
    *("data.load_corpus", "data.corpus_file", "data.corpus_status", "data.CorpusStatus"),
    *("data.fetch_corpus", "data.CORPORA", "data.load_images", "data.IMAGES", "data.kd_synthetic"),
    *("data.digits", "images.digits", "images.kd_synthetic", "images.load_images", "images.IMAGES"),
)
def corpora(draw, folder):
    name = draw(st.one_of(st.sampled_from(["sms", "imdb", "nothing"]), small_odd))
    where = {"data_dir": folder, "cache_dir": folder}
    how = draw(st.integers(0, 4))
    if how == 0:
        data.load_corpus(name, offline=True, progress=False, **where)
    elif how == 1:
        data.corpus_status(name, **where)
    elif how == 2:
        data.corpus_file(name, draw(texts), **where)
    elif how == 3:
        data.load_images(draw(st.one_of(st.just("cifar10"), small_odd)), folder, offline=True)
    else:
        data.kd_synthetic(draw(small_odd), draw(small_odd))
