"""Calibration of scores on gold: it helps where there is enough, and does no harm elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.maths.reliability import reliability_gap
from spear_amal.prompted_lfs import Calibration, fit_calibration


def drawn(n: int, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return scores whose log-odds are that many times too large, and which votes are right."""
    rng = np.random.default_rng(seed)
    likely = rng.beta(6, 2, n)
    return expit(sharpness * logit(likely)), rng.random(n) < likely


def test_overconfident_scores_are_mended_on_rows_that_it_has_not_seen() -> None:
    fitted = fit_calibration(*drawn(300, sharpness=3))
    scores, right = drawn(5003, sharpness=3, seed=1)
    assert reliability_gap(fitted.apply(scores), right) < 0.04
    assert reliability_gap(scores, right) > 0.12
    assert fitted.error_after < fitted.error_before
    assert fitted.log_loss_after < fitted.log_loss_before


@pytest.mark.parametrize("n", [0, 1, 9, 11, 31, 101])
def test_few_gold_rows_do_no_harm_to_scores_that_are_right(n: int) -> None:
    test_scores, test_right = drawn(5003, sharpness=1, seed=99)
    before = reliability_gap(test_scores, test_right)
    errors = [
        reliability_gap(fit_calibration(*drawn(n, 1, seed)).apply(test_scores), test_right)
        for seed in range(5)
    ]
    assert np.mean(errors) < before + 0.02


def test_too_few_votes_leave_scores_as_they_are_and_say_so() -> None:
    fitted = fit_calibration([0.9] * 9, [False] * 9)
    assert (fitted.slope, fitted.intercept) == (1.0, 0.0)
    assert "10 are needed" in fitted.facts["calibration"]


def test_order_of_scores_stays() -> None:
    fitted = fit_calibration(*drawn(101, sharpness=3))
    assert (np.diff(fitted.apply(np.linspace(0, 1, 53))) >= 0).all()


def test_a_file_holds_it_and_nothing_else_is_taken(tmp_path: Path) -> None:
    fitted = fit_calibration(*drawn(101, sharpness=3))
    path = tmp_path / "spam.json"
    fitted.save(path)
    assert Calibration.load(path) == fitted
    with pytest.raises(OutputExistsError):
        fitted.save(path)
    content = json.loads(path.read_text())
    content["slope"] = 7.0
    path.write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match="calibrate the LF again"):
        Calibration.load(path)
    path.write_text("[]")
    with pytest.raises(FileFormatError):
        Calibration.load(path)
    with pytest.raises(InputError, match="no such file"):
        Calibration.load(tmp_path / "none.json")


def test_one_without_figures_is_kept_too(tmp_path: Path) -> None:
    Calibration(slope=0.5, intercept=0.1).save(tmp_path / "a.json")
    assert Calibration.load(tmp_path / "a.json").slope == 0.5


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="one length"):
        fit_calibration([0.5], [True, False])
    with pytest.raises(InputError, match=r"in \[0, 1\]"):
        fit_calibration([1.5], [True])


def test_reliability_tells_score_and_truth_of_each_bin() -> None:
    bins = Calibration(slope=1, intercept=0).reliability([0.95, 0.95, 0.15], [True, False, False])
    assert bins[0] == {"after": 0.0, "votes": 1.0, "score": 0.15, "right": 0.0}
    assert bins[1] == {"after": 0.0, "votes": 2.0, "score": 0.95, "right": 0.5}
    assert len(bins) == 4
