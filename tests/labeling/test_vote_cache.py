"""The cache of votes: only what was edited runs, and nothing wrong is ever taken from it."""

from __future__ import annotations

import errno
import random
import re
import subprocess
import sys
import types

import numpy as np
import pandas as pd
import pytest

import spear_amal
from spear_amal.labeling import (
    LabelingFunction,
    LFApplier,
    PandasLFApplier,
    VoteCache,
    keyword_lf,
    labeling_function,
    preprocessor,
    regex_lf,
    threshold_lf,
)
from spear_amal.labeling.hashing import Unhashable, function_hash

ROWS = pd.DataFrame({"text": ["free ring", "see you", "free call"], "size": [3, 50, 7]})
WORDS = ["free"]
LIMIT = 5


def function(code: str, **names):
    """Function ``f`` of a piece of code, with these globals."""
    held = dict(names, __name__="my_functions")
    exec(code, held)  # noqa: S102  # our own lines
    return held["f"]


def lf_of(code: str, **names) -> LabelingFunction:
    return LabelingFunction("edited", function(code, **names))


def apply(lfs, cache, rows=ROWS, **how):
    applier = PandasLFApplier(lfs)
    return applier.apply(rows, progress_bar=False, cache=cache, **how), applier.cache_report


def others() -> list:
    return [keyword_lf("free", ["free"], 1), threshold_lf("big", "size", 0, above=5)]


BEFORE = "def f(x):\n    return 1 if x.size > 5 else -1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (lf_of(BEFORE), lf_of("def f(x):\n    return 1 if x.size > 6 else -1")),
        (lf_of(BEFORE), lf_of("def f(x):\n    return 1 if x.size < 5 else -1")),
        (
            lf_of("def f(x):\n    return 1 if x.size > K else -1", K=5),
            lf_of("def f(x):\n    return 1 if x.size > K else -1", K=6),
        ),
        (
            lf_of("def f(x):\n    return g(x)", g=function(BEFORE)),
            lf_of("def f(x):\n    return g(x)", g=function("def f(x):\n    return 0")),
        ),
        (
            lf_of("def f(x, k=1):\n    return k"),
            lf_of("def f(x, k=0):\n    return k"),
        ),
        (
            LabelingFunction(
                "edited", lambda x, words: int(x.text in words), {"words": {"a", "b"}}
            ),
            LabelingFunction(
                "edited", lambda x, words: int(x.text in words), {"words": {"a", "c"}}
            ),
        ),
        (
            LabelingFunction("edited", lambda x: True, label=1),
            LabelingFunction("edited", lambda x: True, label=0),
        ),
        (
            LabelingFunction(
                "edited", lambda x: 0, pre=[preprocessor(function("def f(x): return x"))]
            ),
            LabelingFunction(
                "edited",
                lambda x: 0,
                pre=[preprocessor(function("def f(y):\n  y.a=1\n  return y"))],
            ),
        ),
        (
            LabelingFunction("edited", lambda x, continuous_score: 0, cont_scorer=lambda x: 0.5),
            LabelingFunction("edited", lambda x, continuous_score: 0, cont_scorer=lambda x: 0.6),
        ),
        (regex_lf("edited", "fre+", 1), regex_lf("edited", "fre+", 1, flags=re.IGNORECASE)),
        (keyword_lf("edited", ["free"], 1), keyword_lf("edited", ["free"], 1, whole_word=False)),
    ],
)
def test_one_edited_lf_runs_alone(tmp_path, before, after):
    apply([*others(), before], tmp_path)
    votes, report = apply([*others(), after], tmp_path)
    assert report == {"free": "cached", "big": "cached", "edited": "computed"}
    again, report = apply([*others(), before], tmp_path)
    assert set(report.values()) == {"cached"}
    for matrix, lf in ((votes, after), (again, before)):
        plain = PandasLFApplier([*others(), lf]).apply(ROWS, progress_bar=False)
        assert np.array_equal(matrix.to_dense(), plain.to_dense())
        assert np.array_equal(matrix.dense_scores(), plain.dense_scores())
        assert matrix.lf_classes.tolist() == plain.lf_classes.tolist()


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.assign(text=["free ring", "see you", "no call"]),
        lambda rows: rows.iloc[::-1],
        lambda rows: rows.iloc[:2],
        lambda rows: rows.assign(size=[3.0, np.nan, 7.0]),
    ],
)
def test_other_rows_are_computed(tmp_path, change):
    lf = LabelingFunction("both", lambda x: int("free" in x.text and x.size > 5))
    apply([lf], tmp_path)
    votes, report = apply([lf], tmp_path, change(ROWS))
    assert report == {"both": "computed"}
    plain = PandasLFApplier([lf]).apply(change(ROWS), progress_bar=False)
    assert np.array_equal(votes.to_dense(), plain.to_dense())


def test_declarative_lfs_depend_on_their_column_only(tmp_path):
    apply(others(), tmp_path)
    _, report = apply(others(), tmp_path, ROWS.assign(text="x", more=1))
    assert report == {"free": "computed", "big": "cached"}


def counts(x):
    global LIMIT
    LIMIT += 0
    return 0


USERS = types.ModuleType("users")
USERS.__file__ = "users.py"
USERS.K = 3


@pytest.mark.parametrize(
    ("f", "why"),
    [
        (lambda x: int(random.random() > 2), "chance"),
        (lambda x: int(bool(open(x.text))), r"open\(\)"),
        (lambda x: eval("0"), r"eval\(\)"),
        (counts, "changes the global 'LIMIT'"),
        (lambda x: len(vars(USERS)) * 0, "vars"),
        (lambda x: id(USERS) * 0, "id"),
        (lambda x: hash(str(USERS)) * 0, "as a whole"),
        (lambda x, thing=iter("ab"): 0, "state of an object of builtins.str"),  # noqa: B008
        (lambda x: pd.Timestamp.now().year * 0, "clock"),
    ],
)
def test_what_cannot_be_seen_is_not_cached(tmp_path, f, why):
    with pytest.raises(Unhashable, match=why):
        function_hash(f)
    lf = LabelingFunction("unseen", f)
    apply([*others(), LabelingFunction("ok", lambda x: 0)], tmp_path)
    how = {"fault_tolerant": True, "return_meta": True}
    for _ in range(2):
        _, report = apply([*others(), lf], tmp_path, **how)
        assert report["unseen"].startswith("not cached: ")
        assert re.search(why, report["unseen"])
        assert report["free"] == "cached"


def test_attribute_of_a_users_module_counts():
    def f(x):
        return USERS.K

    before = function_hash(f)
    USERS.K = 4
    assert function_hash(f) != before
    USERS.K = 3
    assert function_hash(f) == before


def test_lf_that_changes_while_it_runs_is_not_kept(tmp_path):
    seen: list = []
    lf = LabelingFunction("remembers", lambda x: seen.append(x.size) or len(seen) % 2)
    for _ in range(2):
        _, report = apply([lf], tmp_path)
        assert report == {"remembers": "not cached: it changes while it runs"}


def test_lf_that_failed_is_not_kept_and_clipped_scores_are(tmp_path):
    fails = LabelingFunction("fails", lambda x: 1 // (x.size - 3))
    clipped = LabelingFunction("far", lambda x, continuous_score: 1, cont_scorer=lambda x: x.size)
    how = {"fault_tolerant": True, "return_meta": True}
    (_, first), report = apply([fails, clipped], tmp_path, **how)
    assert report == {"fails": "not cached: it failed on 1 rows", "far": "computed"}
    (_, second), report = apply([fails, clipped], tmp_path, **how)
    assert report["far"] == "cached"
    assert (
        (second.faults, second.clipped)
        == (first.faults, first.clipped)
        == (
            {"fails": 1},
            {"far": 3},
        )
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-7],
        lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
        lambda content: b"",
        lambda content: content.replace(spear_amal.__version__.encode(), b"0.0.0", 1),
    ],
    ids=["truncated", "flipped bit", "empty", "another version"],
)
def test_file_that_cannot_be_used_is_replaced(tmp_path, damage):
    lf = keyword_lf("free", ["free"], 1)
    votes, _ = apply([lf], tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(UserWarning, match=re.escape(str(file))):
        again, report = apply([lf], tmp_path)
    assert report == {"free": "computed"}
    assert np.array_equal(again.to_dense(), votes.to_dense())
    assert apply([lf], tmp_path)[1] == {"free": "cached"}


def test_full_disk_costs_the_cache_only(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.warns(UserWarning, match=r"not kept in .*No space left"):
        votes, report = apply([keyword_lf("free", ["free"], 1)], tmp_path)
    assert votes.to_dense()[:, 0].tolist() == [1, -1, 1]
    assert "No space left" in report["free"]
    assert list(tmp_path.iterdir()) == []


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    cache = VoteCache(tmp_path, max_bytes=10**6)
    lfs = [keyword_lf(f"w{i}", [f"word{i}"], 1) for i in range(4)]
    apply(lfs, cache)
    one = next(tmp_path.iterdir()).stat().st_size
    apply([lfs[0]], cache)  # used again
    cache.max_bytes = 2 * one + one // 2
    apply([keyword_lf("new", ["new"], 1)], cache)
    assert len(list(tmp_path.iterdir())) == 2
    assert apply([lfs[0]], cache)[1] == {"w0": "cached"}
    cache.clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_lists_processes_and_cache_together(tmp_path):
    applier = LFApplier([LabelingFunction("long", lambda x: int(len(x) > 4))])
    points = ["short", "longer", "abc"]
    first = applier.apply(points, cache=tmp_path, n_jobs=2)
    assert applier.cache_report == {"long": "computed"}
    second = applier.apply(points, cache=tmp_path, n_jobs=2)
    assert applier.cache_report == {"long": "cached"}
    assert first.to_dense().tolist() == second.to_dense().tolist() == [[1], [1], [0]]


def test_same_fingerprint_in_every_process(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(
        "from spear_amal.labeling import keyword_lf, labeling_function\n"
        "from spear_amal.labeling.hashing import function_hash\n"
        "WORDS = {'a', 'b', 'c', 'd'}\n"
        "@labeling_function(resources={'k': frozenset('xyz')})\n"
        "def f(x, k):\n    return int(x.text in WORDS or x.text in {'p', 'q', 'r'})\n"
        "print(function_hash([f, keyword_lf('a', ['x', 'y'], 1)]))\n"
    )
    said = [
        subprocess.run(
            [sys.executable, path],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1] != ""


def test_a_decorated_function_of_a_module_with_globals():
    @labeling_function()
    def has(x):
        return int(any(word in x.text for word in WORDS))

    before = function_hash(has)
    WORDS.append("more")
    try:
        assert function_hash(has) != before
    finally:
        WORDS.remove("more")
    assert function_hash(has) == before
