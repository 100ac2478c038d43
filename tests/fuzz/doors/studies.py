"""Methods by name, splits, tables of studies, and what reports make of them."""

import math

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from registry import door
from values import mostly, odd, small_odd, texts, votes

from spear_amal import Comparison, Crossover, LabelMatrix, studies
from spear_amal.data import synthetic_corpus

METHOD = st.one_of(
    st.sampled_from(
        [*studies.METHODS, "amal:crossfit=3", "amal:lr=x", "amal:", ":", "amal:lr=1e999"]
    ),
    texts,
    small_odd,
)


@door(
    *("studies.parse_method", "studies.find_method", "studies.METHODS", "studies.Method"),
    *("studies.MethodSpec", "studies.study_methods", "studies.load_study", "studies.CATALOGUE"),
)
def methods(draw, folder):
    how = draw(st.integers(0, 2))
    name = draw(mostly(st.sampled_from(sorted(studies.METHODS)), METHOD, 1))
    if how == 0:
        spec = studies.parse_method(name)
        assert studies.parse_method(spec.text).text == spec.text
    elif how == 1:
        assert studies.find_method(name).name == name
    else:
        study = draw(mostly(st.sampled_from(sorted(studies.CATALOGUE)), small_odd, 2))
        assert studies.load_study(study).name == study


CORPUS = synthetic_corpus(40, seed=0, n_test=10)
VOTES = LabelMatrix.from_dense(np.tile([[0, -1], [1, 1]], (20, 1)), classes=CORPUS.classes)


@door("studies.make_split", "studies.Split", "studies.HeldOutScorer", "studies.shuffled_votes")
def splits(draw, folder):
    sizes = {
        name: draw(mostly(st.integers(1, 12), small_odd)) for name in ("n_labelled", "n_validation")
    }
    L = draw(mostly(st.just(VOTES), st.one_of(votes(rows=(40, 40)), votes(), odd)))
    seed = draw(mostly(st.integers(0, 9), small_odd))
    split, _ = studies.make_split(CORPUS, L, seed, **sizes)
    assert split.n_labelled == sizes["n_labelled"] and len(split.y_val) == sizes["n_validation"]
    assert len(split.y_train) + len(split.y_val) == 30
    again, _ = studies.make_split(CORPUS, L, seed, **sizes)
    np.testing.assert_array_equal(split.train_rows, again.train_rows)


ROWS = np.random.default_rng(0).normal(size=(24, 3))


@door("spear_amal.Comparison")
def comparisons(draw, folder):
    y = draw(mostly(st.lists(st.integers(-1, 1), min_size=24, max_size=24), odd))
    L = draw(mostly(votes(rows=(24, 24)), st.one_of(votes(), odd)))
    groups = draw(mostly(st.none(), st.one_of(st.just(np.arange(24) // 2), odd)))
    method = draw(mostly(st.sampled_from(["spear", "majority", "amal:crossfit=2"]), small_odd))
    folds = draw(mostly(st.integers(2, 3), small_odd))
    comparison = Comparison(methods=[method], folds=folds, repeats=1, max_epochs=1)
    comparison.fit(ROWS, y, L, groups=groups)
    table, scores = comparison.table_, comparison.scores_
    assert ((0 <= table["low"]) & (table["low"] <= table["score"] + 1e-9)).all()
    assert ((table["score"] <= table["high"] + 1e-9) & (table["high"] <= 1)).all()
    assert scores.groupby("method")["row"].nunique().nunique() == 1
    assert not scores.duplicated(["method", "row"]).any()


MORE_ROWS = np.random.default_rng(0).normal(size=(60, 3))


@door("spear_amal.Crossover")
def crossovers(draw, folder):
    y = draw(mostly(st.lists(st.integers(-1, 1), min_size=60, max_size=60), odd))
    L = draw(mostly(votes(rows=(60, 60)), st.one_of(votes(), odd)))
    groups = draw(mostly(st.none(), st.one_of(st.just(np.arange(60) // 2), odd)))
    options = {
        "method": draw(mostly(st.sampled_from(["spear", "majority"]), small_odd)),
        "sizes": draw(mostly(st.just(3), small_odd)),
        "folds": draw(mostly(st.just(2), small_odd)),
        "labels_per_rule": draw(mostly(st.just(20.0), small_odd)),
        "smallest_gain": draw(mostly(st.just(0.01), small_odd)),
    }
    crossover = Crossover(max_epochs=1, **options).fit(MORE_ROWS, y, L, groups=groups)
    table = crossover.table_
    assert table["labels"].is_monotonic_increasing
    assert table[["plain", "rules"]].stack().between(0, 1).all()
    assert crossover.crossing_.low <= crossover.crossing_.high
    assert crossover.answer_ in ("rule", "label", "stop") and crossover.verdict_


@door("studies.calibration_error", "studies.score_table", "studies.shuffled_votes")
def tables_of_scores(draw, folder):
    L = draw(votes())
    shuffled = studies.shuffled_votes(L, draw(mostly(st.integers(0, 9), small_odd, 2)))
    # Rows change places, within each LF: how often it votes for what stays.
    np.testing.assert_array_equal(np.sort(shuffled.to_dense(), 0), np.sort(L.to_dense(), 0))
    cells = draw(st.lists(st.floats(0, 1), min_size=8, max_size=8))
    p = np.array(cells).reshape(4, 2) + 1e-3
    p /= p.sum(1, keepdims=True)
    y = np.array(draw(st.lists(st.integers(0, 1), min_size=4, max_size=4)))
    table = studies.score_table(p, y)
    assert all(np.isfinite(value) for value in table.values())
    assert math.isclose(table["accuracy"], (p.argmax(1) == y).mean())
    by_hand = -sum(math.log(p[i, y[i]]) for i in range(4)) / 4
    assert math.isclose(table["nll"], by_hand, rel_tol=1e-9)


@door("studies.run_study")
def runs(draw, folder):
    source = draw(
        st.one_of(st.sampled_from([str(folder), str(folder / "x"), "nothing"]), small_odd)
    )
    given = draw(mostly(st.just(["majority"]), st.sampled_from([[], "majority", None])))
    seeds = draw(mostly(st.just(2), small_odd))
    key = st.sampled_from(["n_labelled", "protocol", "tune", "jobs"])
    options = draw(mostly(st.just({}), st.dictionaries(key, small_odd, max_size=2)))
    studies.run_study(source, given, seeds, **options)


@door("studies.summarise", "studies.verdicts", "studies.Verdict")
def summaries(draw, folder):
    method = st.sampled_from(["only-l", "majority", "amal"])
    seen = draw(st.lists(st.tuples(method, st.integers(0, 2)), max_size=6, unique=True))
    score = mostly(st.floats(0, 1), st.just(float("nan")), 15)
    rows = [
        {
            **{"corpus": "made up", "features": "", "protocol": "", "labels": 10, "metric": "f1"},
            **{"seed": seed, "method": name, "title": name, "score": draw(score), "dedup": None},
            **{"val_score": 0.5, "seconds": 1.0, "config": {"options": {}}, "warnings": []},
        }
        for name, seed in seen
    ]
    table = studies.summarise(pd.DataFrame(rows), draw(mostly(st.none(), small_odd)))
    means = pd.DataFrame(rows).dropna(subset=["score"]).groupby("method")["score"].mean()
    assert len(table) == len(means)
