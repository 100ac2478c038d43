"""Methods by name, tables of studies, and what reports make of them."""

import numpy as np
from hypothesis import strategies as st
from registry import door
from values import mostly, odd, small_odd, texts, votes

from spear_amal import studies
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
    if how == 0:
        studies.parse_method(draw(METHOD))
    elif how == 1:
        studies.find_method(draw(METHOD))
    else:
        studies.load_study(draw(st.one_of(st.sampled_from(sorted(studies.CATALOGUE)), small_odd)))


@door("studies.make_split", "studies.Split", "studies.HeldOutScorer", "studies.shuffled_votes")
def splits(draw, folder):
    corpus = synthetic_corpus(40, seed=0, n_test=10)
    sizes = {
        name: draw(mostly(st.integers(1, 12), small_odd)) for name in ("n_labelled", "n_validation")
    }
    L = draw(mostly(votes(rows=(30, 30)), odd))
    studies.make_split(corpus, L, draw(st.one_of(st.just(0), small_odd)), **sizes)


@door("studies.calibration_error", "studies.score_table", "studies.shuffled_votes")
def tables_of_scores(draw, folder):
    studies.shuffled_votes(draw(votes()), draw(st.one_of(st.just(0), st.integers(0, 9))))
    p = (
        np.abs(np.array(draw(st.lists(st.floats(0, 1), min_size=8, max_size=8)))).reshape(4, 2)
        + 1e-3
    )
    y = np.array(draw(st.lists(st.integers(0, 1), min_size=4, max_size=4)))
    table = studies.score_table(p / p.sum(1, keepdims=True), y)
    assert all(np.isfinite(value) for value in table.values())


@door("studies.run_study")
def runs(draw, folder):
    source = draw(
        st.one_of(st.sampled_from([str(folder), str(folder / "x"), "nothing"]), small_odd)
    )
    given = draw(st.sampled_from([["majority"], [], "majority", None]))
    seeds = draw(st.one_of(st.just(1), small_odd))
    options = draw(
        st.dictionaries(st.sampled_from(["n_labelled", "protocol", "tune", "jobs"]), small_odd)
    )
    studies.run_study(source, given, seeds, offline=True, **options)
