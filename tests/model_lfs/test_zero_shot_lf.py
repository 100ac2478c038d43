"""Votes by descriptions of classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spear_amal.data import TextEncoder
from spear_amal.errors import InputError, SpearAmalError
from spear_amal.labeling import PandasLFApplier
from spear_amal.labeling.hashing import Unhashable, lf_hash
from spear_amal.model_lfs import zero_shot_lf


def letters(texts: list[str]) -> np.ndarray:
    return np.array([[text.count(letter) for letter in "aeiou"] for text in texts], float)


VOWELS = {"a": ["banana", "cat"], "e": "sleep"}
ROWS = pd.DataFrame({"text": ["alabama", "trees", "ae", "xyz", "", None, "aaae"]})


def votes_of(lf: Any) -> np.ndarray:
    applier = PandasLFApplier([lf], ["a", "e"])
    return applier.apply(ROWS, progress_bar=False).to_dense()[:, 0]


def test_votes_for_what_a_text_is_most_like() -> None:
    assert votes_of(zero_shot_lf("v", VOWELS, letters)).tolist() == [0, 1, -1, -1, -1, -1, 0]
    margin = zero_shot_lf("v", VOWELS, letters, margin=0.7)
    assert votes_of(margin).tolist() == [0, 1, -1, -1, -1, -1, -1]
    sure = zero_shot_lf("v", VOWELS, letters, at_least=0.99, temperature=0.5)
    assert (votes_of(sure) == -1).all()


def test_scores_are_a_softmax_of_similarities() -> None:
    spec = zero_shot_lf("v", VOWELS, letters, label="a", temperature=0.5)
    matrix = PandasLFApplier([spec], ["a", "e"]).apply(ROWS, progress_bar=False)
    similarities = np.array([3, 1]) / np.sqrt(10)
    p = np.exp(similarities[0] / 0.5) / np.exp(similarities / 0.5).sum()
    assert spec.continuous and matrix.scores.toarray()[6, 0] == pytest.approx(p, abs=1e-4)
    names = [lf.name for lf in zero_shot_lf("v", VOWELS, letters).by_class()]
    assert names == ["v_a", "v_e"]


def test_what_is_like_no_class_may_be_described() -> None:
    lf = zero_shot_lf("v", {**VOWELS, None: "ae"}, letters)
    assert votes_of(lf).tolist()[2:4] == [-1, -1]
    assert {one.label for one in lf.by_class()} == {"a", "e"}


def test_what_votes_depend_on_is_hashed() -> None:
    encoder = TextEncoder(letters, identity="letters 1", cache=False)
    made = [
        zero_shot_lf("v", VOWELS, encoder),
        zero_shot_lf("v", {**VOWELS, "e": "tree"}, encoder),
        zero_shot_lf("v", VOWELS, encoder, margin=0.1),
        zero_shot_lf("v", VOWELS, encoder, temperature=0.1),
        zero_shot_lf("v", VOWELS, TextEncoder(letters, identity="letters 2", cache=False)),
    ]
    before = [lf_hash(lf) for lf in made]
    for lf in made:
        votes_of(lf)
    assert [lf_hash(lf) for lf in made] == before and len(set(before)) == len(made)
    with pytest.raises(Unhashable, match="version"):
        lf_hash(zero_shot_lf("v", VOWELS, letters))
    assert lf_hash(zero_shot_lf("v", VOWELS, letters, version=1))


@pytest.mark.parametrize(
    ("classes", "options", "words"),
    [
        ({"a": "x", "e": ""}, {}, "class 'e' has no description"),
        ({"a": "x", "e": []}, {}, "class 'e' has no description"),
        ({"a": "x", "e": None}, {}, "class 'e' has no description"),
        ({"a": "x", None: " "}, {}, "no class have no description"),
        (["a", "e"], {}, "must be a mapping"),
        ({"a": "x"}, {}, "two classes or more"),
        (VOWELS, {"label": "i"}, "'i', described are"),
        (VOWELS, {"temperature": 0}, "temperature"),
        (VOWELS, {"margin": -1}, "margin"),
    ],
)
def test_bad_input_is_refused(classes, options, words: str) -> None:
    with pytest.raises(InputError, match=words):
        zero_shot_lf("v", classes, letters, **options)


def test_an_encoder_that_cannot_be_had_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpearAmalError, match="no such folder"):
        zero_shot_lf("v", VOWELS, "wordlama")
    with pytest.raises(SpearAmalError, match="holds no sentence-transformers model"):
        zero_shot_lf("v", VOWELS, tmp_path)
