"""What is said of mixers side by side."""

import numpy as np
import pandas as pd

from spear_amal.report.grid_tables import conditions, mixing_verdicts, note_of, verdicts_of

N = 6
WAVE = 0.01 * np.cos(np.pi * np.arange(N))
SCORES = {
    "gcs": np.full(N, 0.4),
    "single": np.full(N, 0.5),
    "maoal": 0.5 + WAVE,
    "random-search": np.full(N, 0.6),
    "amal": 0.6 + WAVE,
}


def condition_of(study="aux-rotation", scores=SCORES, n=N):
    """Made-up runs: every method's scores by seed."""
    rows = [
        {
            **{"corpus": "digits", "method": method, "title": method.upper(), "seed": seed},
            **{"metric": "accuracy", "labels": 97, "features": "pixels", "error": None},
            **{"protocol": f"{study}: shuffled targets", "config": {"version": "1"}},
            **{"score": values[seed], "val_score": values[seed], "seconds": 1.0, "warnings": []},
        }
        for method, values in scores.items()
        for seed in range(n)
    ]
    (found,) = conditions(pd.DataFrame(rows))
    return found


def test_mixers_stand_above_below_or_within_noise_of_the_main_loss_alone():
    against, first = mixing_verdicts(condition_of())
    assert against.startswith(
        "shuffled targets: above SINGLE: RANDOM-SEARCH +10.0 (+10.0 to +10.0)"
    )
    assert "; below SINGLE: GCS -10.0 (-10.0 to -10.0); within noise of SINGLE: MAOAL" in against
    assert "the highest mean has" in first and "60.0; not told apart from it: " in first
    assert "few" not in against + first


def test_the_best_of_all_and_few_seeds():
    scores = {"single": np.full(N, 0.5), "gcs": np.full(N, 0.7)}
    against, first = mixing_verdicts(condition_of(scores=scores, n=2))
    assert "highest mean has GCS, 70.0; above all others. 2 seeds, too few" in first
    assert against.endswith("2 seeds, too few to rely on the intervals.")
    assert mixing_verdicts(condition_of(scores=scores, n=1)) == []
    assert mixing_verdicts(condition_of(scores={"gcs": scores["gcs"]})) == []


def test_a_failed_run_leaves_the_others_comparable():
    held = condition_of()
    runs = held.runs[~((held.runs["method"] == "amal") & (held.runs["seed"] == 3))]
    against, first = mixing_verdicts(held.__class__("aux-rotation", "digits", "s", "", runs))
    assert "above SINGLE: RANDOM-SEARCH" in against and "AMAL +" in against
    assert "AMAL" in first


def test_other_studies_have_their_own_verdicts_and_notes():
    assert mixing_verdicts(condition_of("kd-noise")) == []
    assert note_of(condition_of("kd-noise")) == ""
    assert note_of(condition_of()).startswith("ALM-KD is left out")
    # AMAL is held against every other method there as well.
    assert any(": AMAL above SINGLE" in text for text in verdicts_of(condition_of()))
