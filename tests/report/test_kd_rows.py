"""What may be compared, and what is said of it."""

import made_kd_rows as made
import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import InputError
from spear_amal.report.grid_tables import (
    conditions,
    grid_table,
    method_verdicts,
    of_grid_study,
    readable_grid,
)


def rows_of(scores, condition="noise 0.1", **more):
    """Rows with given scores: {method: [one a seed]}."""
    return pd.DataFrame(
        made.row("kd-noise", condition, method, seed, **more) | {"score": score, "val_score": score}
        for method, values in scores.items()
        for seed, score in enumerate(values)
    )


def test_studies_are_told_by_their_protocol():
    frame = made.frame(made.multi_rows(2)).assign(n=1)
    other = frame.assign(protocol="random")
    kinds = of_grid_study(pd.concat([frame, other]))
    assert kinds.tolist() == [True] * len(frame) + [False] * len(frame)
    assert of_grid_study(frame.assign(protocol="coreset: 10%")).all()


def test_conditions_stand_apart_and_methods_in_order():
    held = conditions(made.frame(made.noise_rows(2), made.capacity_rows(2)))
    assert [one.name for one in held[:3]] == ["40% random", "60% random", "human"]
    assert held[0].title == "kd-noise, digits: 40% random" and len(held) == 6
    assert list(held[0].methods)[:2] == ["ce", "kd"]
    shuffled = made.frame(made.noise_rows(2)[::-1])
    assert next(iter(conditions(shuffled)[0].methods)) == "ce"


def test_methods_with_settings_of_their_own_are_compared():
    (held,) = conditions(rows_of({"ce": [0.5, 0.6], "amal": [0.7, 0.8]}))
    assert set(held.methods) == {"ce", "amal"} and held.variant == ""
    assert "max_epochs=20" in held.settings and "refresh_every" not in held.settings


def test_other_epochs_are_another_table():
    short = rows_of({"ce": [0.1, 0.2], "amal": [0.2, 0.3]}, epochs=2)
    long = rows_of({"ce": [0.5, 0.6]})
    held = conditions(pd.concat([short, long], ignore_index=True))
    assert [one.variant for one in held] == ["max_epochs=2", "max_epochs=20"]
    assert held[1].title.endswith("noise 0.1 (max_epochs=20)")
    assert [len(one.runs) for one in held] == [4, 2]


def test_the_latest_of_a_methods_own_settings_counts():
    old = rows_of({"ce": [0.5, 0.6], "amal": [0.1, 0.1]})
    new = rows_of({"amal": [0.7, 0.8]})
    new["config"] = [
        config | {"settings": config["settings"] | {"mixer_options": {"refresh_every": 5}}}
        for config in new["config"]
    ]
    (held,) = conditions(pd.concat([old, new], ignore_index=True))
    assert grid_table(held).loc["amal", "score"] == pytest.approx(75)


def test_gains_are_paired_and_over_ce():
    (held,) = conditions(rows_of({"amal": [0.6, 0.8, 0.7], "ce": [0.5, 0.7, 0.6]}))
    table = grid_table(held)
    assert list(table.index) == ["ce", "amal"] and set(table["baseline"]) == {"ce"}
    np.testing.assert_allclose(table.loc["amal", ["gain", "low", "high"]].astype(float), 10)
    assert set(grid_table(held, "amal")["baseline"]) == {"amal"}
    drawn = rows_of({"complete": [0.9, 0.8], "ratio": [0.6, 0.6], "random": [0.5, 0.5]})
    (coreset,) = conditions(drawn)
    assert set(grid_table(coreset)["baseline"]) == {"random"}
    assert "ratio above uniform by 10.0" in method_verdicts(coreset)[0]
    (others,) = conditions(rows_of({"kd": [0.5, 0.6], "amal": [0.6, 0.7]}))
    assert set(grid_table(others)["baseline"]) == {"kd"}


def test_tables_show_what_rows_hold_and_no_more():
    (held,) = conditions(made.frame(made.multi_rows(2)))
    shown = readable_grid(held, grid_table(held))
    assert "gap closed" not in shown and "compression" not in shown  # a list: of each teacher
    (held,) = conditions(made.frame(made.synthetic_rows(2)))
    shown = readable_grid(held, grid_table(held)).set_index("method")
    assert shown.loc["KD(0.9)", "teacher"] == "81.0" and shown.loc["KD(0.9)", "last epoch"] != ""
    assert shown.loc["labels alone", "AUC of weights"] == ""
    assert shown.loc["AMAL", "AUC of weights"].startswith("0.9")


def test_verdicts_say_which_side_of_zero_intervals_lie_on():
    n = 6
    wave = 0.02 * np.cos(np.pi * np.arange(n))
    scores = {"ce": np.full(n, 0.5), "kd": 0.6 + wave, "amal": np.full(n, 0.6)}
    (held,) = conditions(rows_of(scores | {"dgkd": np.full(n, 0.65)}))
    (text,) = method_verdicts(held)
    assert text.startswith("noise 0.1: AMAL above labels alone by 10.0 (10.0 to 10.0); ")
    assert "not told apart from KD(0.9): +0.0 (-1." in text
    assert "below DGKD by 5.0 (5.0 to 5.0). 6 seeds." in text


def test_rules_and_teacher_together_are_what_is_judged():
    scores = {"amal": [0.7, 0.8], "only-lv": [0.5, 0.6], "both-amal": [0.75, 0.85]}
    frame = rows_of(scores, dedup={"f1": 0.5}).assign(metric="f1")
    (held,) = conditions(frame.assign(protocol="rules-and-teacher: sms, teacher same-gold"))
    table = grid_table(held)
    assert set(table["baseline"]) == {"only-lv"} and set(table["dedup"]) == {50}
    assert "test F1" in readable_grid(held, table)
    (text,) = method_verdicts(held)
    assert "rules and teacher, AMAL above L+V by 25.0" in text


def test_verdicts_of_the_last_epoch_and_of_few_seeds():
    (held,) = conditions(made.frame(made.synthetic_rows(2)))
    texts = method_verdicts(held)
    assert [text.split(":")[0] for text in texts] == ["noise 0.1"] * 2 + [
        "noise 0.1, last epoch"
    ] * 2
    assert all("2 seeds, too few" in text for text in texts)
    (alone,) = conditions(rows_of({"amal": [0.5]}))
    assert method_verdicts(alone) == []


def test_nothing_but_failures_is_refused():
    with pytest.raises(InputError, match="no finished run"):
        conditions(rows_of({"ce": [None, None]}))
