"""No warning is shown more than once by one call: of folds, of epochs, of parts of a table."""

import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from spear_amal import SpearClassifier
from spear_amal.cli.console import warnings_as_notes
from spear_amal.labeling import lf_check, lf_grades, review_lfs, votes_test
from spear_amal.report import lf_table
from spear_amal.training import TrainerConfig
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.warn_once import each_warning_once


def warned(call):
    """How often each text was shown, where the filters show everything."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return Counter(str(warning.message) for warning in caught)


def say(text="again", category=UserWarning):
    warnings.warn(text, category, stacklevel=2)


# -- the block ------------------------------------------------------------------------------------


def several():
    with each_warning_once():
        for _ in range(3):
            say()
            say("other")
        with each_warning_once():
            say()
            say("again", RuntimeWarning)


def test_each_text_and_category_is_shown_once():
    assert warned(several) == {"again": 2, "other": 1}


def test_the_next_call_says_it_again():
    assert warned(lambda: (several(), several())) == {"again": 4, "other": 2}


def test_filters_stay_in_force():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="again"):
            several()
        warnings.simplefilter("ignore")
        several()


def test_the_place_of_the_warning_is_that_of_the_caller():
    with warnings.catch_warnings(record=True) as caught, each_warning_once():
        warnings.simplefilter("always")
        say()
    assert caught[0].filename == __file__


def test_what_is_recorded_within_the_block_stays_recorded():
    def call():
        with each_warning_once():
            assert warned(lambda: (say(), say())) == {"again": 2}
            say()

    before = warnings.showwarning
    assert warned(call) == {"again": 1}
    assert warnings.showwarning is before


def test_blocks_that_end_in_another_order_leave_nothing_behind():
    """As those of fits in several threads do, which note what each of them has shown."""

    def call():
        before = warnings.showwarning
        outer, first, second = each_warning_once(), each_warning_once({}), each_warning_once({})
        for block in (outer, first, second):
            block.__enter__()
        say()
        for block in (first, outer, second):
            block.__exit__(None, None, None)
        assert warnings.showwarning is before
        say()

    assert warned(call) == {"again": 2}


def test_an_error_ends_the_block():
    before = warnings.showwarning
    with pytest.raises(ZeroDivisionError), each_warning_once():
        raise ZeroDivisionError
    assert warnings.showwarning is before


# -- calls ----------------------------------------------------------------------------------------


class Doubled(torch.autograd.Function):
    """An operator without a forward mode, of which every look-ahead would warn."""

    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, gradient):
        return 2 * gradient


class Net(nn.Module):
    def __init__(self, n_features, n_classes):
        super().__init__()
        self.body, self.head = nn.Linear(n_features, 3), nn.Linear(3, n_classes)

    def forward(self, x):
        return self.head(Doubled.apply(self.body(x)))


def rows(n=61, m=3):
    generator = np.random.default_rng(5)
    x = generator.normal(size=(n, 5)).astype(np.float32)
    gold = (x[:, 0] > 0).astype(int)
    votes = np.where(generator.random((n, m)) < 0.4, gold[:, None], -1)
    return x, np.where(np.arange(n) < 41, gold, -1), votes


@pytest.mark.slow  # a network with look-aheads; the block itself is tested above
def test_folds_warn_once():
    x, y, votes = rows()
    model = SpearClassifier(
        feature_model=Net,
        fit_strategy="crossfit",
        n_folds=2,
        trainer=TrainerConfig(max_epochs=6),
        mixer_options={"look_ahead": "network"},
    )
    shown = warned(lambda: model.fit(x, y, L=votes))
    assert sum("go backwards twice" in text for text in shown) == 1
    assert max(shown.values()) == 1


@pytest.mark.parametrize(
    "call", [review_lfs, lf_table, lf_check, lf_grades, votes_test], ids=lambda call: call.__name__
)
@pytest.mark.parametrize("first_code", [0, 1])
def test_tables_of_lfs_warn_once_of_labels_that_look_odd(call, first_code):
    generator = np.random.default_rng(3)
    gold = generator.integers(0, 2, 97)
    votes = np.where(generator.random((97, 3)) < 0.5, gold[:, None], -1)
    # 1 and -1, or codes from 1 where votes count from 0
    y = gold + 1 if first_code else np.where(gold == 1, 1, -1)
    shown = warned(lambda: call(LabelMatrix.from_dense(votes), y))
    assert len(shown) == 1 and max(shown.values()) == 1


def test_notes_of_a_command_are_printed_once(capsys):
    with warnings_as_notes():
        for _ in range(3):
            say()
    assert capsys.readouterr().err.count("again") == 1
