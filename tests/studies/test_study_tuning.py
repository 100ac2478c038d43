import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.data import partition
from spear_amal.errors import InputError, MissingExtraError
from spear_amal.estimators import GoldClassifier
from spear_amal.studies import (
    Method,
    corpus_run,
    parse_method,
    register_method,
    run_study,
    tuning,
)
from spear_amal.studies.corpus_run import make_setup, run_identity
from spear_amal.studies.results_file import StudyFile, identity
from spear_amal.studies.tuning import FOLDS, SEEDS, fold_rows, fold_split, without_folds

TRIALS = 3
QUICK = {"max_epochs": 1}
SPACE = {
    "lr_scale": ("float", 0.1, 3.0, "log"),
    "patience": ("int", 1, 4),
    "fit_strategy": ("choice", ("single", "refit")),
}


class Picky(GoldClassifier):
    """Cannot train with patience 2 or more."""

    def fit(self, *rows, **more):
        if self.trainer.patience > 1:
            raise ArithmeticError("too patient")
        return super().fit(*rows, **more)


@given(st.integers(1, 37), st.integers(1, 5), st.integers(0, 99))
def test_folds_partition_the_gold_rows_by_class(n, n_classes, seed):
    y = np.random.default_rng(seed).integers(n_classes, size=n + 7)
    gold = np.arange(7, n + 7)
    parts = [fold_rows(gold, y, seed, fold) for fold in range(FOLDS)]
    held = np.concatenate([out for _, _, out in parts])
    assert sorted(held) == gold.tolist()
    for labelled, validation, out in parts:
        assert sorted([*labelled, *validation, *out]) == gold.tolist()
        for k in range(n_classes):
            mine = [int((y[rows] == k).sum()) for rows in (labelled, validation)]
            assert 0 <= mine[0] - mine[1] <= 1


def test_held_out_and_test_rows_are_never_trained_on(source):
    setup = make_setup(source)
    ids = source.votes.row_ids
    for seed in SEEDS:
        parts = partition(source.corpus, seed, 23, 23)
        gold = set(parts.labelled) | set(parts.validation)
        held = set()
        for fold in range(FOLDS):
            task, scorer, y = fold_split(setup, seed, fold)
            seen = set(task.train_rows)
            checked = set(np.searchsorted(ids, task.votes_val.row_ids))
            out = gold - seen - checked
            assert len(out) == len(scorer) == len(y) and not seen & checked
            assert not (seen | checked) & set(parts.test)
            assert set(parts.unlabelled) <= seen
            held |= out
        assert held == gold


def test_chosen_options_are_the_best_trial_and_enter_the_rows(source, tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    ask = {"tune": TRIALS, "output": path, "only": True, **QUICK}
    frame = run_study(source, ["spear", "spear:crossfit=2", "only-l"], 2, **ask)
    records = {record["method"]: record for record in StudyFile(path).tuning}
    assert set(records) == {"spear", "only-l"}  # folds take what their single model was tuned to
    for record in records.values():
        assert len(record["trials"]) == TRIALS and record["trials"][0]["params"] == {}
        assert record["score"] == max(trial["value"] for trial in record["trials"])
        assert record["chosen"] in [trial["params"] for trial in record["trials"]]
        assert set(record["space"]) >= set(record["chosen"])
        assert record["seeds"] == list(SEEDS) and record["config"]["tune"] == TRIALS
    chosen = records["spear"]["chosen"]
    for options in (config["options"] for config in frame["config"][:2]):
        assert options == {**options, **chosen}
    monkeypatch.setattr(tuning, "tune_method", None)
    assert run_study(source, ["spear:crossfit=2"], 2, **ask)["error"].isna().all()


def test_tuning_is_the_same_twice(source):
    setup = make_setup(source, tune=TRIALS, settings=QUICK)
    one, two = (tuning.tune_method(setup, parse_method("only-l")) for _ in range(2))
    assert one["trials"] == two["trials"]
    specs = [parse_method("only-l"), parse_method("majority")]
    store = StudyFile()
    found = tuning.tune_methods(setup, specs, 1, store)
    assert found["only-l"] == one["chosen"] and len(store.tuning) == 2


def test_failed_trials_have_no_value(source, methods):
    register_method(Method("picky", "Picky", Picky, {"patience": 1}, uses_votes=False, space=SPACE))
    setup = make_setup(source, tune=9, settings=QUICK)
    record = tuning.tune_method(setup, parse_method("picky"))
    failed = [trial for trial in record["trials"] if trial["value"] is None]
    assert 0 < len(failed) < 9 and failed[0]["error"] == "too patient"
    assert record["chosen"].get("patience", 1) == 1
    forced = parse_method("picky").changed(patience=3)
    with pytest.raises(InputError, match="every trial failed; too patient"):
        tuning.tune_method(setup, forced)


def test_ties_go_to_the_lower_loss_then_to_the_defaults(source, methods, monkeypatch):
    register_method(Method("tied", "Tied", GoldClassifier, uses_votes=False, space=SPACE))
    setup = make_setup(source, tune=3, settings=QUICK)
    losses = iter([0.5, 0.5, 0.4, 0.4, 0.4, 0.4])
    monkeypatch.setattr(tuning, "_held_out_score", lambda *ignored: (0.9, next(losses)))
    record = tuning.tune_method(setup, parse_method("tied"))
    assert record["chosen"] == record["trials"][1]["params"] != {}
    monkeypatch.setattr(tuning, "_held_out_score", lambda *ignored: (0.9, 0.3))
    assert tuning.tune_method(setup, parse_method("tied"))["chosen"] == {}


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("amal:crossfit=5", "amal"),
        ("amal:crossfit=3,weight_lr=9", "amal:weight_lr=9"),
        ("spear", "spear"),
    ],
)
def test_single_model_of_a_method_in_folds(text, alone):
    assert without_folds(parse_method(text)).text == alone


def test_without_optuna_nothing_is_run(source, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "spear_amal.studies.tuning.importlib.util.find_spec",
        lambda name: None if name == "optuna" else find(name),
    )
    with pytest.raises(MissingExtraError, match=r"spear-amal\[tune\]"):
        run_study(source, ["only-l"], 2, tune=2, output=tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()


def test_another_optuna_is_another_tuning(source, tmp_path, monkeypatch):
    """For one seed its versions propose other trials."""
    trained = []

    def tune(setup, spec):
        trained.append(spec.text)
        return {"chosen": {}, "score": 0.5, "trials": []}

    monkeypatch.setattr(tuning, "tune_method", tune)
    setup, store = make_setup(source, tune=TRIALS), StudyFile(tmp_path / "a.json")
    for number, times in (("4.1.0", 1), ("4.1.0", 1), ("5.0.0", 2), ("4.1.0", 2)):
        monkeypatch.setattr(tuning, "installed_version", lambda package, n=number: n)
        tuning.tune_methods(setup, [parse_method("spear")], 1, store)
        assert len(trained) == times
    assert [record["config"]["optuna"] for record in store.tuning] == ["4.1.0", "5.0.0"]


def test_snorkels_label_model_is_known_by_the_version_of_its_package(source, monkeypatch):
    setup, keys = make_setup(source), []
    for number in ("0.9.9", "0.10.0"):
        monkeypatch.setattr(corpus_run, "version", lambda package, n=number: n)
        keys.append([run_identity(setup, parse_method(m), 0) for m in ("snorkel", "majority")])
    assert identity(keys[0][0]) != identity(keys[1][0])
    assert identity(keys[0][1]) == identity(keys[1][1])


def test_the_first_trials_are_the_same_however_many_are_asked_for_at_once(source):
    """TPE draws its first ten at random, so that it does not matter what it was told before."""
    spec, found = parse_method("only-l"), []
    for at_once in (1, 2, 10):
        setup = make_setup(source, tune=5, settings=QUICK, trials_at_once=at_once)
        found.append(tuning.tune_method(setup, spec))
    first, *others = found
    assert first["trials"][0]["params"] == {} and len(first["trials"]) == 5
    for record in others:
        for ours, theirs in zip(record["trials"], first["trials"], strict=True):
            assert ours["params"] == theirs["params"]
            assert ours["value"] == pytest.approx(theirs["value"], abs=1e-6)
    assert [record["trials"][1]["path"] for record in found] == [
        "lock step of 12",  # partitions times folds, of the defaults and another one
        "lock step of 18",
        "lock step of 30",
    ]


@pytest.mark.parametrize(("tune", "matters"), [(11, False), (12, True)])
def test_another_number_of_trials_at_once_is_another_tuning_where_it_matters(source, tune, matters):
    setups = [make_setup(source, tune=tune, trials_at_once=n) for n in (1, 7)]
    keys = [identity(tuning._identity(setup, parse_method("spear"))) for setup in setups]
    assert (keys[0] != keys[1]) == matters
