import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import FileFormatError, InputError
from spear_amal.studies import read_study, summarise, verdicts
from spear_amal.studies.summary import interval

SCORES = {
    "only-l": [0.70, 0.72, 0.74],
    "supervised": [0.90, 0.92, 0.94],
    "spear": [0.75, 0.71, 0.79],
}


def runs(scores=None, **change):
    """Rows as a study file holds them, with what a test needs."""
    config = {"settings": {}, "lfs": "x.py", "data": "1f", "tune": 0}
    return pd.DataFrame(
        [
            {
                **{"corpus": "toy", "features": "tfidf", "protocol": "random", "labels": 7},
                **{"method": method, "title": method.upper(), "seed": seed, "metric": "f1"},
                **{"score": value, "val_score": value + 0.05, "seconds": 2.0 * seed},
                **{"dedup": {"f1": value - 0.01}, "error": None},
                "config": config | {"options": {"crossfit": 3} if "crossfit=3" in method else {}},
                **change,
            }
            for method, values in (scores or SCORES).items()
            for seed, value in enumerate(values)
        ]
    )


def table(frame, baseline="only-l"):
    return summarise(frame, baseline).droplevel([0, 1, 2, 3, 4])


def test_numbers_by_hand():
    found = table(runs())
    spear = found.loc["spear"]
    assert spear["score"] == pytest.approx(75.0) and spear["sd"] == pytest.approx(4.0)
    assert spear["gain"] == pytest.approx((5 - 1 + 5) / 3)
    assert (spear["wins"], spear["losses"], spear["seeds"]) == (2, 1, 3)
    assert spear["share"] == pytest.approx(3 / 20)
    assert spear["optimism"] == pytest.approx(5.0) and spear["dedup"] == pytest.approx(74.0)
    assert spear["seconds"] == pytest.approx(2.0)
    assert found.loc["supervised", "share"] == 1 and found.loc["only-l", "share"] == 0
    assert np.isnan(found.loc["only-l", "low"]) and list(found.index) == list(SCORES)


def test_interval_is_the_percentile_bootstrap():
    # Three gains, two values: the mean of a resample is -1 + 2k with k of 3 from Binomial(3, 2/3).
    low, high = interval(np.array([5.0, -1.0, 5.0]))
    assert (low, high) == (-1.0, 5.0)  # P(k = 0) = 1/27 > 2.5%
    many = np.random.default_rng(0).normal(1.0, 2.0, 401)
    low, high = interval(many)
    half = 1.96 * many.std() / np.sqrt(len(many))
    assert low == pytest.approx(many.mean() - half, abs=0.03)
    assert high == pytest.approx(many.mean() + half, abs=0.03)


def test_gains_over_another_baseline():
    found = table(runs(), "spear")
    assert found.loc["only-l", "gain"] == pytest.approx(-3.0)
    assert found.loc["only-l", "wins"] == 1 and np.isnan(found.loc["spear", "low"])


def test_baseline_where_only_l_was_not_run():
    found = summarise(pd.concat([runs(), runs({"spear": [0.5], "amal": [0.6]}, labels=11)]))
    assert found["baseline"].tolist() == ["only-l"] * 3 + ["spear"] * 2
    assert found["gain"].iloc[-1] == pytest.approx(10.0)


def test_gains_are_taken_on_common_seeds():
    found = table(runs({"only-l": [0.5, 0.7], "spear": [0.6, 0.8, 0.1]}))
    assert found.loc["spear", "gain"] == pytest.approx(10.0)
    assert np.isnan(found.loc["spear", "share"])  # no ceiling


def test_one_seed_has_no_interval():
    found = table(runs({name: values[:1] for name, values in SCORES.items()}))
    assert found.loc["spear", ["low", "high", "sd"]].isna().all()
    assert found.loc["spear", "gain"] == pytest.approx(5.0)


def test_failed_runs_and_missing_texts_are_left_out():
    frame = runs(dedup=None)
    frame.loc[frame.index[-1], "score"] = np.nan
    found = table(frame)
    assert found.loc["spear", "seeds"] == 2 and found["dedup"].isna().all()


def test_corpora_and_settings_are_kept_apart():
    config = {"options": {}, "settings": {"max_epochs": 3}, "lfs": "x.py", "data": "1f", "tune": 5}
    frame = pd.concat([runs(), runs(labels=11), runs(corpus="other"), runs(config=config)])
    groups = summarise(frame).index.droplevel("method").unique()
    assert [key[0] for key in groups] == ["toy", "toy", "other", "toy"]
    assert groups[3][4] == "votes: x.py; max_epochs=3; 5 trials of tuning; data 1f"


def test_of_several_defaults_the_latest_count():
    config = {"options": {"weight_lr": 2}, "settings": {}, "lfs": "x.py", "data": "1f", "tune": 0}
    newer = runs({"spear": [0.99, 0.99]}, config=config)
    found = table(pd.concat([runs(), newer], ignore_index=True))
    assert found.loc["spear", "score"] == pytest.approx(99.0)


@pytest.mark.parametrize("frame", [runs(), runs(score=np.nan)])
def test_what_cannot_be_summarised(frame):
    with pytest.raises(InputError, match=r"no runs of the baseline|no finished run"):
        summarise(frame, "amal")


def test_verdict_pairs_amal_with_its_equal():
    names = ("only-lv", "only-lv:crossfit=3", "amal", "amal:crossfit=3")
    shift = dict(zip(names, (0.0, 0.01, 0.05, 0.04), strict=True))
    base = np.array([0.70, 0.73, 0.71, 0.74, 0.72])
    (found,) = verdicts(runs({name: base + shift[name] for name in names}))
    assert (found.method, found.rival) == ("amal:crossfit=3", "only-lv:crossfit=3")
    assert found.gain == pytest.approx(3.0) and found.text.startswith(
        "Is AMAL worth it on toy (7 labels)? Yes"
    )
    (single,) = verdicts(runs({name: base - shift[name] for name in ("only-lv", "amal")}))
    assert single.rival == "only-lv" and "? No: " in single.text
    (few,) = verdicts(runs({name: base[:1] for name in ("only-lv", "amal")}))
    assert "Too early to say" in few.text and "interval n/a" in few.text
    (alone,) = verdicts(runs({"amal": base}))
    assert "run --method only-lv as well" in alone.text
    assert verdicts(runs()) == []


def test_files_that_are_no_study(tmp_path):
    with pytest.raises(InputError, match="there is no study file"):
        read_study(tmp_path / "gone.json")
    (tmp_path / "a.json").write_text('{"format": 1, "rows": []}')
    with pytest.raises(InputError, match="no runs yet"):
        read_study(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(FileFormatError, match="damaged"):
        read_study(tmp_path / "a.json")


def test_verdict_knows_that_only_l_and_only_lv_in_folds_are_one_method():
    base = np.array([0.7, 0.71, 0.69, 0.7, 0.72])
    (found,) = verdicts(runs({"only-l:crossfit=3": base, "amal:crossfit=3": base + 0.02}))
    assert (found.rival, found.seeds) == ("only-l:crossfit=3", 5)
    assert found.gain == pytest.approx(2.0)
