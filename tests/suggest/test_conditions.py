"""Conditions hold exactly where the rules that are made of them vote."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spear_amal.declared_lfs import make_lf
from spear_amal.labeling import PandasLFApplier
from spear_amal.suggest.form_conditions import CASED_FORMS, FORMS, form_conditions
from spear_amal.suggest.other_conditions import number_conditions, numeric_columns
from spear_amal.suggest.pool import mine_conditions
from spear_amal.suggest.word_conditions import word_conditions

TEXTS = [
    "Call 08001234567 now, don't wait! Win £500 at http://win.example.com",
    "call me at 5 pm, I don't know",
    "I'll call you   later; it's Anna's birthday on 12/05/2020",
    "CLAIM YOUR PRIZE NOW!!! txt WIN to 80086",
    "claim your prize now, text win to 80087 or 150p",
    "straße café naïve ÉCOLE",
    "",
    "   \n\t ",
    'a\nsecond line (with brackets) and "quotes" & more?',
    "well-known well known don\u2019t x_y 4u2 50% off :)",
] * 3


def rows_of_rules(conditions, frame: pd.DataFrame) -> np.ndarray:
    """Rows on which the rules of conditions vote (n, J)."""
    taken: set[str] = set()
    lfs = []
    for condition in conditions:
        rule = condition.rule("yes", "text", taken)
        taken.add(rule.name)
        lfs.append(make_lf(rule))
    return PandasLFApplier(lfs, ["no", "yes"]).apply(frame, progress_bar=False).to_dense() == 1


@pytest.mark.parametrize("mine", [word_conditions, form_conditions])
def test_rules_vote_where_conditions_hold(mine) -> None:
    conditions, holds = mine(TEXTS, 3)
    assert len(conditions) > 20
    votes = rows_of_rules(conditions, pd.DataFrame({"text": TEXTS}))
    differ = (votes != holds.toarray()).any(axis=0)
    assert [c.words for c, wrong in zip(conditions, differ, strict=True) if wrong] == []


def test_words_of_several_kinds_are_mined() -> None:
    words = {condition.words for condition in word_conditions(TEXTS, 3)[0]}
    assert {"call", "claim your prize", "don't", "to [number]", "well-known"} <= words
    assert {"claim [any word] prize", "[number]p"} <= words
    assert not {"don", "t", "s"} & words  # halves of words


def test_numbers() -> None:
    frame = pd.DataFrame({"text": TEXTS, "likes": np.arange(30) % 7, "id": np.arange(30)})
    frame["score"] = np.where(np.arange(30) % 5 == 0, np.nan, np.arange(30) / 3)
    frame["flag"] = np.arange(30) % 2 == 0
    columns = numeric_columns(frame, ["text"])
    assert columns == ["likes", "score"]
    conditions, holds = number_conditions(frame, columns, 3)
    assert np.array_equal(rows_of_rules(conditions, frame), holds)
    assert {dict(c.fields)["column"] for c in conditions} == {"likes", "score"}


def test_likeness_holds_where_the_rule_votes() -> None:
    frame = pd.DataFrame({"text": TEXTS})
    has_gold = np.arange(30) < 10
    pool = mine_conditions(frame, "text", has_gold, encoder="ngrams")
    like = [j for j, c in enumerate(pool.conditions) if c.kind == "similar"]
    assert like
    votes = rows_of_rules([pool.conditions[j] for j in like], frame)
    assert np.array_equal(votes[pool.rows], pool.holds[:, like].toarray())


def test_mining_sees_where_gold_is_and_not_which() -> None:
    frame = pd.DataFrame({"text": TEXTS})
    pool = mine_conditions(frame, "text", np.arange(30) % 3 == 0, seed=1)
    assert pool.n_gold == 10 and set(pool.rows[:10] % 3) == {0}
    assert sorted(pool.rows) == list(range(30))


def test_names_are_free_and_signatures_know_no_bound() -> None:
    conditions, _ = form_conditions(TEXTS, 3)
    lengths = [c for c in conditions if c.words.startswith("at least")]
    assert len(lengths) > 1
    assert len({c.signature("yes") for c in lengths}) == 1
    first = lengths[0].rule("yes", "text", ())
    assert lengths[0].rule("yes", "text", {first.name}).name == f"{first.name}_2"
    assert lengths[0].signature("no") != lengths[0].signature("yes")


def test_patterns_of_forms_are_distinct() -> None:
    patterns = [pattern for _, pattern in (*FORMS, *CASED_FORMS)]
    assert len(set(patterns)) == len(patterns)
