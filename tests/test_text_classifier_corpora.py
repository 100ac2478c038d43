"""TextClassifier on real texts: better than guessing, stored and read, explained."""

import os

import numpy as np
import pytest

from spear_amal import TextClassifier
from spear_amal.studies import load_corpus_votes, make_split

DATA = os.environ.get("SPEAR_AMAL_DATA")
SCORES = {"youtube": 0.85, "sms": 0.7}  # accuracy; F1 of spam, an eighth of the messages


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="SPEAR_AMAL_DATA names no folder with the real corpora")
@pytest.mark.parametrize("name", sorted(SCORES))
def test_real_texts(name, tmp_path):
    source = load_corpus_votes(name, data_dir=DATA)
    corpus = source.corpus
    split, _ = make_split(corpus, source.votes, seed=0)
    names = np.array([*corpus.classes, None], dtype=object)
    frame = corpus.frame[["text"]].assign(label=names[corpus.labels])
    train = frame.iloc[split.train_rows].assign(label=names[split.y_train])
    test = frame[(corpus.frame["part"] == "test").to_numpy()]
    clf = TextClassifier("amal", metric=corpus.metric, max_epochs=5)
    clf.fit(train, votes=source.votes[split.train_rows])
    assert clf.score(test) > SCORES[name]
    clf.save(tmp_path / "m")
    again = TextClassifier.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(test), clf.predict_proba(test))
    found = clf.explain(int(np.flatnonzero(split.y_train >= 0)[0]))
    assert found.label in corpus.classes and found.words
    assert set(found.votes) == set(source.votes.lf_names)
