"""Probabilities of classes from the tokens of an answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fake_client import sure
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.llm import TokenChoice
from spear_amal.prompted_lfs.token_scores import word_probabilities

WORDS = ("spam", "ham", "unknown")
HEAD = [sure('{"'), sure("answer"), sure('":')]


def token(chosen: str, shares: dict[str, float]) -> TokenChoice:
    listed = {text: math.log(share) for text, share in shares.items()}
    return TokenChoice(chosen, listed[chosen], listed)


def test_alternatives_count_for_the_word_that_they_begin() -> None:
    deciding = token("sp", {"sp": 0.5, "ham": 0.25, "h": 0.125, "un": 0.125})
    answer = [*HEAD, sure(' "'), deciding, sure("am"), sure('"}')]
    np.testing.assert_allclose(word_probabilities(answer, WORDS), [0.5, 0.375, 0.125])


def test_case_and_leading_spaces_are_one_word() -> None:
    deciding = token(" Spam", {" Spam": 0.5, "spam": 0.2, " HAM": 0.2, "Ham": 0.1})
    answer = word_probabilities([deciding], ["spam", "ham"])
    np.testing.assert_allclose(answer, [0.7, 0.3])


def test_a_quote_in_the_token_before_is_no_part_of_the_word() -> None:
    joined = token(' "sp', {' "sp': 0.6, ' "ham': 0.3, ' "un': 0.1})
    answer = [*HEAD, joined, sure('am"}')]
    np.testing.assert_allclose(word_probabilities(answer, WORDS), [0.6, 0.3, 0.1])


def test_words_that_begin_alike_are_divided_by_the_next_token() -> None:
    first = token("not", {"not": 0.8, "spam": 0.2})
    second = token(" spam", {" spam": 0.75, " sure": 0.25})
    words = ["spam", "not spam", "not sure"]
    np.testing.assert_allclose(word_probabilities([first, second], words), [0.2, 0.6, 0.2])


def test_a_word_that_begins_another_ends_at_the_quote() -> None:
    answer = [*HEAD, sure(' "'), sure("spam"), token('"}', {'"}': 0.4, "mer": 0.6})]
    np.testing.assert_allclose(word_probabilities(answer, ["spam", "spammer"]), [0.4, 0.6])


def test_a_shared_beginning_that_was_not_chosen_is_divided_as_the_answer_is() -> None:
    quote = token(' "', {' "': 0.5, '"': 0.5})
    answer = [*HEAD, quote, token("ham", {"ham": 0.9, "spam": 0.1}), sure('"}')]
    np.testing.assert_allclose(word_probabilities(answer, ["spam", "ham"]), [0.1, 0.9])


def test_words_that_are_not_listed_get_the_most_that_they_can_have() -> None:
    # 0.3 is left; each can have no more than the least listed one, 0.1.
    deciding = token("a", {"a": 0.6, "b": 0.1})
    answer = word_probabilities([deciding], ["a", "b", "c", "d"])
    np.testing.assert_allclose(answer, np.array([0.6, 0.1, 0.1, 0.1]) / 0.9)
    # 0.1 is left, which is less than the least listed one for each.
    deciding = token("a", {"a": 0.6, "b": 0.3})
    answer = word_probabilities([deciding], ["a", "b", "c", "d"])
    np.testing.assert_allclose(answer, [0.6, 0.3, 0.05, 0.05])


@pytest.mark.parametrize("answer", [[], [sure("Sure"), sure(" thing")], [*HEAD, sure(" 7}")]])
def test_no_probabilities_where_tokens_show_no_answer(answer: list[TokenChoice]) -> None:
    assert word_probabilities(answer, WORDS) is None


def test_letters_beyond_ascii_and_quotes_in_words() -> None:
    words = ["größer", 'so "called"']
    deciding = token("gr", {"gr": 0.75, 'so \\"': 0.25})
    answer = [*HEAD, sure(' "'), deciding, sure("ößer"), sure('"}')]
    np.testing.assert_allclose(word_probabilities(answer, words), [0.75, 0.25])


@given(
    words=st.lists(st.text("abc ", min_size=1, max_size=4), min_size=1, max_size=4, unique=True),
    tokens=st.lists(
        st.dictionaries(
            st.text('abc "', min_size=1, max_size=3), st.floats(0.01, 0.3), min_size=1, max_size=3
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_shares_sum_to_one_whatever_the_tokens(
    words: list[str], tokens: list[dict[str, float]]
) -> None:
    answer = word_probabilities([token(next(iter(shares)), shares) for shares in tokens], words)
    if answer is not None:
        assert answer.shape == (len(words),)
        assert (answer >= 0).all()
        assert answer.sum() == pytest.approx(1)
