"""What a comparison says in one sentence."""

from __future__ import annotations

import pytest

from spear_amal.studies.crossval.intervals import Interval
from spear_amal.studies.crossval.verdict import RulesVerdict


def verdict(value, error, n_gold=300, n_unlabelled=2000, in_folds=True):
    interval = Interval(value, value - 1.96 * error, value + 1.96 * error, error)
    return RulesVerdict(interval, n_gold, n_unlabelled, "AMAL", "gold", in_folds=in_folds)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.034, 0.01, "The rules add 3.4 points (95% interval +1.4 to +5.4)."),
        (
            -0.03,
            0.01,
            "The rules add nothing here: with them the score is 3.0 points lower (95% interval "
            "-5.0 to -1.0).",
        ),
        (
            0.001,
            0.003,
            "The rules add nothing here worth having: +0.1 points (95% interval -0.5 to +0.7).",
        ),
        (
            0.02,
            0.015,
            "Too early to say whether the rules help: +2.0 points (95% interval -0.9 to +4.9); "
            "label about 1,100 more rows.",
        ),
    ],
)
def test_sentences(value, error, text):
    assert verdict(value, error).text == text


def test_rows_to_label_are_those_of_the_power_computation():
    # (1.96 + 0.8416)^2 (0.015 / 0.02)^2 = 4.415; 300 of 1325 are there
    assert verdict(0.02, 0.015).more_rows == pytest.approx(1025, abs=1)


def test_a_gain_below_half_of_the_smallest_is_measured_against_that():
    # to tell a gain of -1 point from one of +1 point: the gap is 2 points
    assert verdict(-0.01, 0.015).more_rows == pytest.approx(1025, abs=1)


def test_more_rows_than_there_are():
    text = verdict(0.006, 0.01, n_unlabelled=100).text
    assert "more labelled rows, and the table has 100 without a label" in text


def test_a_test_table_is_not_labelled_further_in_the_data():
    assert verdict(0.02, 0.015, in_folds=False).text.endswith(
        "a test table with about 1,100 more rows would most likely tell."
    )
