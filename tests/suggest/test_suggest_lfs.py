"""Suggestions as a user sees them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spear_amal.declared_lfs import make_lf
from spear_amal.errors import InputError
from spear_amal.labeling import LabelMatrix, PandasLFApplier, keyword_lf
from spear_amal.suggest import Suggestions, mine_conditions, suggest_lfs

CLASSES = ["ham", "spam"]
N = 600


@pytest.fixture(scope="module")
def table() -> tuple[pd.DataFrame, np.ndarray]:
    """Messages of random words; "prize" and "lunch" tell the class, 19 times in 20."""
    rng = np.random.default_rng(11)
    codes = rng.integers(2, size=N)
    filler = rng.choice([f"word{i}" for i in range(40)], (N, 6))
    texts = []
    for code, words in zip(codes, filler, strict=True):
        own = "prize" if (code == 1) == (rng.random() < 0.95) else "lunch"
        texts.append(" ".join([*words, own if rng.random() < 0.5 else "plain"]))
    return pd.DataFrame({"text": texts, "n": rng.integers(90, size=N)}), codes


def labels(codes: np.ndarray, n_gold: int, seed: int = 0) -> np.ndarray:
    y = np.full(len(codes), -1)
    rows = np.random.default_rng(seed).choice(len(codes), n_gold, replace=False)
    y[rows] = codes[rows]
    return y


def asked(made: Suggestions) -> set[tuple[str, str]]:
    return {(one.words, str(one.rule.label)) for one in made.admitted}


def test_finds_what_tells_the_classes_and_nothing_else(table) -> None:
    frame, codes = table
    made = suggest_lfs(frame, labels(codes, 100), classes=CLASSES)
    assert {("prize", "spam"), ("lunch", "ham")} <= asked(made)
    assert all({"prize", "lunch"} & set(one.words.split()) for one in made.admitted)
    assert made.n_gold == 100 and 0 < made.threshold < 0.01
    for one in (*made.admitted, *made.early):
        votes = make_lf(one.rule).decide(frame[one.rule.column].tolist())
        assert np.array_equal(np.flatnonzero(votes), one.rows)
        assert 0 <= one.low <= one.high <= 1 and one.gain_low <= one.gain_high
        assert one.new_coverage == one.coverage == len(one.rows) / N
    prize = next(one for one in made.admitted if one.words == "prize")
    assert prize.low <= (codes[prize.rows] == 1).mean() <= prize.high
    assert prize.gain_low > 0 and prize.more_gold == 0


def test_near_copies_stand_for_one(table) -> None:
    frame, codes = table
    made = suggest_lfs(frame, labels(codes, 100), classes=CLASSES)
    rows = [(str(one.rule.label), set(one.rows.tolist())) for one in made.admitted]
    for i, (label, mine) in enumerate(rows):
        for other, theirs in rows[:i]:
            assert label != other or len(mine & theirs) < 0.9 * len(mine | theirs)


def test_ten_labels_are_too_few(table) -> None:
    frame, codes = table
    made = suggest_lfs(frame, labels(codes, 10), classes=CLASSES)
    assert not made.admitted
    assert all(one.p_value > 0.05 and one.more_gold != 0 for one in made.early)
    assert made.table["admitted"].sum() == 0


def test_more_labels_that_would_decide_are_about_right(table) -> None:
    frame, codes = table
    made = suggest_lfs(frame, labels(codes, 14), classes=CLASSES)
    said = {one.words: one.more_gold for one in made.early}
    assert said.get("prize") or said.get("lunch")
    for word in said.keys() & {"prize", "lunch"}:
        later = suggest_lfs(frame, labels(codes, 14 + 2 * said[word]), classes=CLASSES)
        assert word in {words for words, _ in asked(later)}


def test_what_an_lf_votes_is_not_suggested(table) -> None:
    frame, codes = table
    lfs = [keyword_lf("a", ["prize"], "spam")]
    L = PandasLFApplier(lfs, CLASSES).apply(frame, progress_bar=False)
    made = suggest_lfs(frame, labels(codes, 100), L)
    assert ("prize", "spam") not in asked(made) and ("lunch", "ham") in asked(made)
    lunch = next(one for one in made.admitted if one.words == "lunch")
    assert lunch.new_coverage == lunch.coverage
    assert "a" not in {one.rule.name for one in made.admitted}


def test_rejected_never_comes_again(table) -> None:
    frame, codes = table
    y = labels(codes, 100)
    made = suggest_lfs(frame, y, classes=CLASSES)
    prize = next(one for one in made.admitted if one.words == "prize")
    again = suggest_lfs(frame, y, classes=CLASSES, rejected=[prize.signature])
    shown = (*again.admitted, *again.early)
    assert prize.signature not in {one.signature for one in shown}
    for one in shown:  # nor what is nearly the same
        same = set(one.rows.tolist()) & set(prize.rows.tolist())
        assert one.rule.label != "spam" or len(same) < 0.7 * len(prize.rows)


def test_shuffled_labels_admit_nothing(table) -> None:
    """Ten draws here; the share is counted by benchmarks/suggestion_luck.py."""
    frame, codes = table
    rng = np.random.default_rng(13)
    y = labels(codes, 60)
    has_gold = y >= 0
    pool = mine_conditions(frame, "text", has_gold)
    admitted = 0
    for _ in range(10):
        y[has_gold] = rng.permutation(y[has_gold])
        admitted += bool(suggest_lfs(frame, y, classes=CLASSES, pool=pool).admitted)
    assert admitted <= 2


def test_confident_rows_order_and_never_admit(table) -> None:
    frame, codes = table
    y = labels(codes, 10)
    proba = np.where(codes[:, None] == np.arange(2), 0.95, 0.05)
    made = suggest_lfs(frame, y, proba=proba, classes=CLASSES)
    assert not made.admitted
    assert {one.words for one in made.early} & {"prize", "lunch"}
    best = made.early[0]
    assert best.n_confident > 20 and best.confident > 0.8


@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_few_rows(n_rows: int) -> None:
    made = suggest_lfs(["a b c"] * n_rows, ["ham"] * n_rows, classes=CLASSES)
    assert made.admitted == made.early == ()
    assert list(made.table) == list(suggest_lfs(["x"], [None], classes=CLASSES).table)


def test_names_of_classes_by_default_are_those_of_the_labels(table) -> None:
    frame, codes = table
    y = [CLASSES[code] if row % 5 == 0 else None for row, code in enumerate(codes)]
    made = suggest_lfs(frame["text"].tolist(), y)
    assert {one.rule.label for one in made.admitted} == {"ham", "spam"}


def test_numbers_of_a_column() -> None:
    rng = np.random.default_rng(17)
    likes = rng.integers(100, size=200)
    frame = pd.DataFrame({"text": [f"w{i % 9}" for i in range(200)], "likes": likes})
    y = np.where(np.arange(200) < 80, likes >= 50, -1)
    made = suggest_lfs(frame, y, classes=["few", "many"])
    assert any(one.rule.kind == "threshold" for one in made.admitted)
    shown = [one.signature for one in (*made.admitted, *made.early)]
    assert len(set(shown)) == len(shown)  # a column has one bound on each side
    left = suggest_lfs(frame, y, classes=["few", "many"], without=["likes"])
    assert not any(one.rule.kind == "threshold" for one in left.admitted)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"rows": "text"}, "rows must be texts"),
        ({"rows": ["a"]}, "they must be as many"),
        ({"rows": [1, 2]}, "rows must be texts"),
        ({"text_column": "body", "rows": pd.DataFrame({"text": ["a", "b"]})}, "body"),
        ({"proba": [[0.5, 0.5]]}, r"found shape \(1, 2\)"),
        ({"proba": [[1.5, -0.5]] * 2}, "outside 0 to 1"),
        ({"n": 0}, "n must be"),
        ({"y": ["ham", "eggs"]}, "eggs"),
    ],
)
def test_wrong_input(arguments: dict, said: str) -> None:
    given = {"rows": ["a", "b"], "y": ["ham", "spam"], "classes": CLASSES} | arguments
    with pytest.raises(InputError, match=said):
        suggest_lfs(**given)


def test_votes_of_other_length() -> None:
    L = LabelMatrix.from_dense(np.zeros((3, 1), np.int64), classes=CLASSES)
    with pytest.raises(InputError):
        suggest_lfs(["a", "b"], ["ham", "spam"], L)
