"""Votes of declared LFs: as told by hand, alike in any batch, kept on disk by what a rule says."""

import numpy as np
import pandas as pd
import pytest

from spear_amal.declared_lfs import (
    KeywordRule,
    RegexRule,
    SimilarRule,
    ThresholdRule,
    make_lf,
    nearest_similarities,
    similar_lf,
    vectors_of,
)
from spear_amal.errors import InputError, MissingExtraError
from spear_amal.labeling import LFApplier, PandasLFApplier, VoteCache, threshold_lf
from spear_amal.labeling.hashing import lf_hash

RULES = [
    KeywordRule(name="prize", label="spam", keywords=["prize", "won"]),
    RegexRule(name="call", label="spam", pattern=r"\bCALL\b", ignore_case=True),
    ThresholdRule(name="long", label="ham", column="n_words", at_least=4, at_most=5),
    SimilarRule(name="lunch", label="ham", examples=["shall we have lunch?"], at_least=0.5),
]
ROWS = pd.DataFrame(
    {
        "text": [
            "You WON!",
            "call me",
            "shall we have lunch",
            "shall we lunch",
            "",
            None,
            "wonder",
        ],
        "n_words": [2, 2, 4, 5, 0, np.nan, 6],
    }
)
VOTES = [
    [1, -1, -1, -1],
    [-1, 1, -1, -1],
    [-1, -1, 0, 0],
    [-1, -1, 0, 0],
    [-1, -1, -1, -1],
    [-1, -1, -1, -1],
    [-1, -1, -1, -1],
]


def apply(rows, rules=RULES, **options):
    applier = PandasLFApplier([make_lf(rule) for rule in rules], ["ham", "spam"])
    return applier.apply(rows, progress_bar=False, **options).to_dense().tolist()


def test_votes_by_hand():
    assert apply(ROWS) == VOTES
    assert [apply(ROWS[i : i + 1])[0] for i in range(len(ROWS))] == VOTES
    assert apply(ROWS[::-1]) == VOTES[::-1]
    labels = [lf.label for lf in map(make_lf, RULES)]
    assert labels == [rule.label for rule in RULES]


def test_votes_are_kept_by_what_a_rule_says(tmp_path):
    cache = VoteCache(tmp_path)
    rows = ROWS.fillna({"text": ""})
    assert apply(rows, cache=cache) == VOTES
    assert set(cache.report.values()) == {"computed"}
    assert apply(rows, cache=cache) == VOTES  # made anew of the rules
    assert set(cache.report.values()) == {"cached"}
    changes = [
        {"keywords": ("prize", "won", "x")},
        {"ignore_case": False},
        {"at_most": 6},
        {"at_least": 0.51},
    ]
    for rule, change in zip(RULES, changes, strict=True):
        others = [rule.model_copy(update=change) if other is rule else other for other in RULES]
        apply(rows, others, cache=cache)
        computed = [name for name, outcome in cache.report.items() if outcome == "computed"]
        assert computed == [rule.name]


def test_an_encoder_counts_by_what_it_is(monkeypatch):
    rule = SimilarRule(name="x", label=0, examples=["a"], at_least=0.5, encoder="somewhere")
    hashes = set()
    for identity in ("weights 1", "weights 2"):
        monkeypatch.setattr(f"{similar_lf.__module__}._identity", lambda name, now=identity: now)
        hashes.add(lf_hash(make_lf(rule)))
    assert len(hashes) == 2


@pytest.mark.parametrize("encoder", ["ngrams", pytest.param("wordllama", marks=pytest.mark.slow)])
def test_similarity_is_that_of_the_text_alone(encoder):
    texts = [f"{'check my channel' if i % 3 else 'the best song'} {i} {'!' * i}" for i in range(53)]
    texts += ["", " ", "ü", "x" * 999]
    try:
        examples = vectors_of(encoder, ["the best song 3", "see my channel"])
    except MissingExtraError as error:
        pytest.skip(str(error))
    together = nearest_similarities(vectors_of(encoder, texts), examples)
    alone = [nearest_similarities(vectors_of(encoder, [text]), examples)[0] for text in texts]
    assert together.tolist() == alone
    assert together[3] > 0.8 and together.max() <= 1
    itself = vectors_of(encoder, ["the best song 3"])
    assert nearest_similarities(itself, examples).tolist() == [1.0]
    products = np.asarray(
        (vectors_of(encoder, texts) @ examples.T).todense()
        if encoder == "ngrams"
        else vectors_of(encoder, texts) @ examples.T
    )
    assert np.allclose(together, products.max(axis=1), atol=1e-4)


def test_a_network_sees_one_text_at_a_time(monkeypatch, tmp_path):
    """What a network says of a text may depend on its batch: it is given none."""
    from spear_amal.data.encoder_backends import Encoder

    monkeypatch.setenv("SPEAR_AMAL_CACHE", str(tmp_path))
    batches = []

    def load(device):
        return lambda texts: batches.append(len(texts)) or [[len(texts), 1.0] for _ in texts]

    monkeypatch.setattr(f"{similar_lf.__module__}.find_encoder", lambda name: Encoder(name, load))
    lf = similar_lf("x", ["a"], 1, at_least=0.9, encoder="owner/counting")
    votes = LFApplier([lf]).apply(["a", "b", "c"], progress_bar=False)
    assert votes.to_dense().ravel().tolist() == [1, 1, 1] and set(batches) == {1}


def test_bounds_that_are_inside():
    rows = {"n": [4, 5, 6, None]}
    for numbers in (rows["n"], pd.array([4, 5, 6, None], dtype="Int64"), [4.0, 5.0, 6.0, np.nan]):
        frame = pd.DataFrame({"n": numbers})
        for bounds, votes in (
            ({"at_least": 5}, [-1, 1, 1, -1]),
            ({"at_most": 5}, [1, 1, -1, -1]),
            ({"at_least": 5, "at_most": 5}, [-1, 1, -1, -1]),
            ({"at_least": 4.5}, [-1, 1, 1, -1]),
            ({"above": 4, "at_most": 5.5}, [-1, 1, -1, -1]),
        ):
            lf = threshold_lf("x", "n", 1, **bounds)
            applied = PandasLFApplier([lf]).apply(frame, progress_bar=False)
            assert applied.to_dense().ravel().tolist() == votes
    large = pd.DataFrame({"n": [2**53, 2**53 + 1]})
    lf = threshold_lf("x", "n", 1, at_least=2**53 + 1)
    assert PandasLFApplier([lf]).apply(large).to_dense().ravel().tolist() == [-1, 1]
    with pytest.raises(InputError, match="give above= or at_least=, not both"):
        threshold_lf("x", "n", 1, above=1, at_least=1)
    with pytest.raises(InputError, match="can never fire: below=2, at_least=2"):
        threshold_lf("x", "n", 1, below=2, at_least=2)
