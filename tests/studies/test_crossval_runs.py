"""What a run of a comparison learns from: never the rows that it is scored on, nor their texts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from spear_amal.data import TextFeatures, synthetic_corpus
from spear_amal.errors import InputError
from spear_amal.estimators.together import finish
from spear_amal.labeling import PandasLFApplier, keyword_lf
from spear_amal.studies import parse_method
from spear_amal.studies.crossval.compare import ComparisonPlan, compare_methods, plan_methods
from spear_amal.studies.crossval.folds import text_groups
from spear_amal.studies.crossval.outcome import judged_method
from spear_amal.studies.crossval.runs import HeldOutFold, OuterFolds, run_fold
from spear_amal.studies.crossval.table import ComparedTable, TableRows
from spear_amal.studies.results_file import StudyFile
from spear_amal.votes.class_set import ClassNames

CLASSES = ClassNames(("romance", "action"))
LFS = [
    keyword_lf(word, [word], label=name)
    for name, words in {"romance": ["love", "wedding"], "action": ["gang", "bomb", "gun"]}.items()
    for word in words
]
FAST = {"max_epochs": 3}


def table_of(texts, y, **others):
    votes = PandasLFApplier(LFS, CLASSES).apply(pd.DataFrame({"text": texts}))
    rows = TableRows(list(texts), np.asarray(y), votes, text_groups(texts))
    return ComparedTable("made", rows, CLASSES, new_features=partial(TextFeatures), **others)


@pytest.fixture(scope="module")
def table():
    """131 rows, 47 with gold; texts 3 and 60 are one, and only the first has gold."""
    corpus = synthetic_corpus(n=151, n_test=20, seed=3)
    rows = corpus.frame[:131]
    texts = rows["text"].tolist()
    texts[60] = texts[3].upper()
    y = np.where(np.arange(131) < 47, rows["label"], -1)
    return table_of(texts, y)


def learnt_by(table, fold, number, method, monkeypatch):
    """Run one fold; return the row, and all arrays that the estimator was fitted on."""
    spec, arrays = parse_method(method), []
    fit = spec.method.estimator.fit

    def recorded(self, X, y, L=None, **rows):
        arrays.extend([X.toarray(), y, None if L is None else np.asarray(L), *rows.values()])
        return fit(self, X, y, L=L, **rows) if L is not None else fit(self, X, y, **rows)

    with monkeypatch.context() as patched:
        patched.setattr(spec.method.estimator, "fit", recorded)
        row = finish(run_fold(HeldOutFold(table, fold, number), spec, 0, "accuracy", FAST))
    return row, arrays


@pytest.mark.parametrize("method", ["amal:crossfit=2", "majority", "only-lv", "spear"])
def test_held_out_labels_and_texts_change_nothing_that_is_learnt(method, table, monkeypatch):
    fold = OuterFolds.draw(table, 3, 1, 0).fold[0]
    held_out = np.flatnonzero(fold == 1)
    changed, y = list(table.rows.inputs), table.rows.y.copy()
    y[held_out] = 1 - y[held_out]
    kept, rewritten = held_out[::2], held_out[1::2]
    for row in rewritten:
        changed[row] = f"bomb love quite new words {row}"
    other = table_of(changed, y)
    row, arrays = learnt_by(table, fold, 1, method, monkeypatch)
    other_row, other_arrays = learnt_by(other, fold, 1, method, monkeypatch)
    for ours, theirs in zip(arrays, other_arrays, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    places = np.isin(row["rows"], kept)
    assert row["rows"] == other_row["rows"] == held_out.tolist()
    for name in ("predicted", "confidence"):
        assert np.array(row[name])[places].tolist() == np.array(other_row[name])[places].tolist()
    assert len(arrays[1]) == 131 - len(held_out) - int(fold[3] == 1)


def test_a_row_without_gold_that_repeats_a_held_out_text_is_left_out(table, monkeypatch):
    fold = OuterFolds.draw(table, 3, 1, 0).fold[0]
    for number in range(3):
        _, arrays = learnt_by(table, fold, number, "only-lv", monkeypatch)
        expected = 131 - (fold == number).sum() - (fold[3] == number)
        assert len(arrays[1]) == expected


def test_a_class_with_one_gold_row_is_scored_by_models_that_had_none(table):
    y = np.where((np.cumsum(table.rows.y == 1) > 1) & (table.rows.y == 1), -1, table.rows.y)
    few = replace(table, rows=replace(table.rows, y=y))
    specs, baseline = plan_methods(["amal:crossfit=5"])
    plan = ComparisonPlan(specs, baseline, folds=5, repeats=1, settings=FAST)
    with pytest.raises(InputError, match=r"gold rows of two classes at least .* 'action': 1"):
        compare_methods(few, plan)
    y[np.flatnonzero(table.rows.y == 1)[1]] = 1
    result = compare_methods(few, plan)
    assert result.folds.unseen == ()
    assert len(result.predictions.y) == (y >= 0).sum()


def test_a_third_class_with_one_gold_row_is_said(table):
    codes = table.rows.y.copy()
    codes[np.flatnonzero(codes == 1)[0]] = 2
    classes = ClassNames((*CLASSES, "horror"))
    texts = pd.DataFrame({"text": table.rows.inputs})
    votes = PandasLFApplier(LFS, classes).apply(texts)
    three = replace(table, rows=replace(table.rows, y=codes, votes=votes), classes=classes)
    specs, baseline = plan_methods(["majority"])
    result = compare_methods(three, ComparisonPlan(specs, baseline, repeats=1, settings=FAST))
    assert result.folds.unseen == (2,)
    assert any("Too few gold rows of 'horror'" in note for note in result.notes)


def test_a_comparison_that_was_killed_goes_on_and_ends_alike(table, tmp_path, monkeypatch):
    specs, baseline = plan_methods(["spear"])
    plan = ComparisonPlan(specs, baseline, folds=3, repeats=1, settings=FAST)
    whole = compare_methods(table, plan)
    done = []

    def stop(finished, total, what):
        done.append(finished)
        if finished == 2:
            raise KeyboardInterrupt

    path = tmp_path / "runs.json"
    with pytest.raises(KeyboardInterrupt):
        compare_methods(table, plan, StudyFile(path), progress=stop)
    steps = []
    rest = compare_methods(
        table, plan, StudyFile(path), progress=lambda done, total, what: steps.append((done, total))
    )
    assert steps[0] == (2, 6)
    columns = ["method", "score", "low", "high"]
    assert rest.outcome.table[columns].equals(whole.outcome.table[columns])
    assert compare_methods(table, plan, StudyFile(path)).outcome.table.equals(rest.outcome.table)


def test_runs_of_other_labels_are_not_taken_over(table, tmp_path):
    specs, baseline = plan_methods(["only-lv"])
    plan = ComparisonPlan(specs, baseline, folds=2, repeats=1, settings=FAST)
    store = StudyFile(tmp_path / "runs.json")
    compare_methods(table, plan, store)
    y = table.rows.y.copy()
    y[0] = 1 - y[0]
    compare_methods(replace(table, rows=replace(table.rows, y=y)), plan, store)
    assert len(store.rows) == 4


def test_test_rows_whose_texts_are_in_the_data_are_not_scored(table):
    texts = [table.rows.inputs[70].upper(), "a gun and a bomb", "love and a wedding"]
    test = table_of(texts, [1, 1, 0]).rows
    both = text_groups([*table.rows.inputs, *texts])
    rows = replace(table.rows, groups=both[:131])
    specs, baseline = plan_methods(["spear"])
    plan = ComparisonPlan(specs, baseline, repeats=1, settings=FAST)
    with_test = replace(table, rows=rows, test=replace(test, groups=both[131:]))
    result = compare_methods(with_test, plan)
    assert result.predictions.y.tolist() == [1, 0]
    assert any(note.startswith("1 test rows were left out") for note in result.notes)
    known = replace(test, groups=both[:3])
    with pytest.raises(InputError, match="every test row is also in the data"):
        compare_methods(replace(with_test, test=known), plan)


def test_the_rival_is_treated_alike_and_comes_first():
    specs, baseline = plan_methods(["majority", "amal:crossfit=3"])
    assert [spec.text for spec in specs] == ["only-lv:crossfit=3", "majority", "amal:crossfit=3"]
    assert baseline.text == "only-lv:crossfit=3"
    assert judged_method(specs).text == "amal:crossfit=3"
    assert judged_method([parse_method("only-lv")]) is None
    names = ["only-lv", "majority", "spear", "recommended"]
    assert judged_method([parse_method(name) for name in names]).text == "spear"
    specs, baseline = plan_methods(["only-l:crossfit=2", "amal:crossfit=2"])
    assert [spec.text for spec in specs] == ["only-lv:crossfit=2", "amal:crossfit=2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "f1"}, "take macro-f1"),
        ({"folds": 1}, "folds must be"),
        ({"repeats": 0}, "repeats must be"),
    ],
)
def test_what_cannot_be_compared_is_said_before_training(change, message, table):
    three = replace(table, classes=ClassNames(("romance", "action", "other")))
    specs, baseline = plan_methods(["only-lv"])
    with pytest.raises(InputError, match=message):
        compare_methods(three, ComparisonPlan(specs, baseline, **change))


def test_a_method_that_needs_gold_everywhere_is_refused():
    with pytest.raises(InputError, match="take only-lv"):
        plan_methods(["supervised"])
