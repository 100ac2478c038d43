"""The version of an LF: the user's word for what a cache of votes cannot see."""

import time

import pytest

from spear_amal.errors import InputError
from spear_amal.labeling import (
    LabelingFunction,
    LFApplier,
    dictionary_lf,
    keyword_lf,
    labeling_function,
    regex_lf,
    threshold_lf,
)

TEXTS = ["win", "lunch", "win now"]
SEEN: list[str] = []


def by_word(text):
    SEEN.append(text)
    return 1 if time.time() > 0 and "win" in text else None


def by_beginning(text):
    SEEN.append(text)
    return 1 if time.time() > 0 and "wi" in text else None


def timed(version=None, function=by_word):
    """An LF that reads the clock, and counts its calls in a global."""
    return LabelingFunction("timed", function, version=version)


def outcome(lf, cache):
    """What the cache said, and how often the LF was called."""
    SEEN.clear()
    applier = LFApplier([lf])
    votes = applier.apply(TEXTS, progress_bar=False, cache=cache)
    assert votes.to_dense()[:, 0].tolist() == [1 if "win" in text else -1 for text in TEXTS]
    return applier.cache_report["timed"], len(SEEN)


def test_a_version_lifts_the_refusal(tmp_path):
    report, calls = outcome(timed(), tmp_path)
    assert report.startswith("not cached: by_word uses 'time'") and calls == 3
    assert outcome(timed("1"), tmp_path) == ("computed", 3)
    assert outcome(timed("1"), tmp_path) == ("cached", 0)


def test_another_version_or_code_is_computed(tmp_path):
    assert outcome(timed(1), tmp_path) == ("computed", 3)
    assert outcome(timed(2), tmp_path) == ("computed", 3)
    assert outcome(timed("2"), tmp_path) == ("computed", 3)
    assert outcome(timed(1, by_beginning), tmp_path) == ("computed", 3)
    assert outcome(timed(1), tmp_path) == ("cached", 0)


def test_other_rows_are_computed(tmp_path):
    outcome(timed(1), tmp_path)
    SEEN.clear()
    LFApplier([timed(1)]).apply([*TEXTS, "more"], progress_bar=False, cache=tmp_path)
    assert len(SEEN) == 4


def test_a_version_of_what_is_seen_through_is_one_more_thing(tmp_path):
    def report(version):
        applier = LFApplier([keyword_lf("free", ["win"], 1, version=version)])
        applier.apply(TEXTS, progress_bar=False, cache=tmp_path)
        return applier.cache_report["free"]

    said = [report(version) for version in (None, "a", "a", "b", None)]
    assert said == ["computed", "computed", "cached", "computed", "cached"]


def test_every_way_to_make_an_lf_takes_one():
    made = [
        keyword_lf("a", ["b"], 1, version=3),
        regex_lf("a", "b", 1, version=3),
        dictionary_lf("a", {"b": 1}, version=3),
        threshold_lf("a", "n", 1, above=2, version=3),
        labeling_function(version=3)(lambda x: 1),
    ]
    assert [lf.version for lf in made] == [3] * 5


@pytest.mark.parametrize("version", ["", 1.5, True, ["1"]])
def test_a_version_is_a_text_or_a_number(version):
    with pytest.raises(InputError, match="version of LF 'a' must be a text or a whole number"):
        keyword_lf("a", ["b"], 1, version=version)
