"""Calibration of scores on gold: how often a vote with a score is right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from spear_amal._typing import PathLike, VectorLike
from spear_amal.errors import InputError
from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.io.guard import check_json_digest, guarded_reading, with_digest
from spear_amal.maths.reliability import reliability_bins, reliability_gap
from spear_amal.votes.matrix_checks import as_floats, as_vector

# Strengths of the pull towards "scores are right as they are", from none to all of it.
_PULLS = (0.1, 1.0, 10.0, 100.0, np.inf)
_FOLDS = 5
#: With fewer votes on gold rows scores are left as they are.
FEWEST_VOTES = 10
_KIND, _FORMAT = "spear-amal calibration", 1
_EDGE = 1e-6


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How scores of one LF become probabilities: a line on their log-odds.

    Parameters
    ----------
    slope, intercept : float
        1 and 0: scores stay as they are.
    n_votes : int
        Votes on gold rows that it was learnt from.
    accuracy : float
        Share of them that were right.
    log_loss_before, log_loss_after : float
        Of scores of rows that were left out while they were calibrated.
    error_before, error_after : float
        Expected calibration error, likewise: how far scores are from the share of right votes, in
        ten bins.

    Examples
    --------
    >>> Calibration(slope=0.5, intercept=0.0).apply([0.5, 0.8]).round(3).tolist()
    [0.5, 0.667]
    """

    slope: float
    intercept: float
    n_votes: int = 0
    accuracy: float = float("nan")
    log_loss_before: float = float("nan")
    log_loss_after: float = float("nan")
    error_before: float = float("nan")
    error_after: float = float("nan")

    def apply(self, scores: VectorLike) -> np.ndarray:
        """Return calibrated scores (n,)."""
        return _line(np.asarray(scores, dtype=np.float64), self.slope, self.intercept)

    @property
    def facts(self) -> dict[str, str]:
        """What is known of the calibration, in words by name."""
        if not self.n_votes:
            return {"calibration": f"slope {self.slope:.3g}, intercept {self.intercept:.3g}"}
        if (self.slope, self.intercept) == (1.0, 0.0):
            few = f", and {FEWEST_VOTES} are needed" if self.n_votes < FEWEST_VOTES else ""
            return {"calibration": f"scores stay as they are, by {self.n_votes} votes on gold{few}"}
        return {
            "calibration": (
                f"by {self.n_votes} votes on gold, {self.accuracy:.0%} of them right: calibration "
                f"error {self.error_before:.3f} before, {self.error_after:.3f} after; log loss "
                f"{self.log_loss_before:.3f} before, {self.log_loss_after:.3f} after"
            )
        }

    def save(self, path: PathLike, overwrite: bool = False) -> None:
        """Write the calibration as JSON.

        Raises
        ------
        OutputExistsError
            If the file is there, and `overwrite` is False.
        """
        refuse_existing(path, overwrite)
        plain = {n: v if np.isfinite(v) else None for n, v in asdict(self).items()}
        content = with_digest({"kind": _KIND, "format": _FORMAT, **plain})
        with write_aside(path) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: PathLike) -> Calibration:
        """Read what :meth:`save` wrote.

        Raises
        ------
        FileFormatError
            If the file is damaged, or something else.
        InputError
            If there is no such file.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(
                f"no such file of a calibration: {path}; write it with calibrate(lf, rows, "
                "gold).save(..)"
            )
        with guarded_reading(path, "a calibration", "calibrate the LF again"):
            content = json.loads(path.read_text(encoding="utf-8"))
            check_json_digest(content)
            if (content["kind"], content["format"]) != (_KIND, _FORMAT):
                raise ValueError(f"its kind is {content['kind']!r}, format {content['format']!r}")
            return cls(**_values(content))

    def reliability(self, scores: VectorLike, is_right: VectorLike) -> list[dict[str, float]]:
        """Return what scores say and what is true, before and after, bin by bin.

        Returns
        -------
        list of dict
            Of each bin that is not empty: ``after`` (bool as 0 or 1), ``votes``, ``score`` (mean)
            and ``right`` (share).
        """
        raw = np.asarray(scores, dtype=np.float64)
        right = np.asarray(is_right, dtype=np.float64)
        return [
            {"after": float(after), "votes": float(votes), "score": score, "right": share}
            for after, shown in enumerate((raw, self.apply(raw)))
            for votes, score, share in reliability_bins(shown, right)
        ]


def fit_calibration(scores: VectorLike, is_right: VectorLike) -> Calibration:
    """Return the calibration of scores by votes of which it is known whether they are right.

    The line on the log-odds is pulled towards leaving scores as they are; cross-validation says how
    hard. Where it does not show that calibrated scores are better on rows that were left out,
    scores stay as they are: few gold rows do no harm.

    Parameters
    ----------
    scores : array-like of shape (n,)
        In [0, 1], of votes alone.
    is_right : array-like of bool, shape (n,)

    Raises
    ------
    InputError
        If lengths differ, or a score is outside [0, 1].
    """
    raw, right = _checked(scores, is_right)
    n = len(raw)
    if n < FEWEST_VOTES:
        share = float(right.mean()) if n else float("nan")
        return Calibration(slope=1.0, intercept=0.0, n_votes=n, accuracy=share)
    held_out = [_held_out(raw, right, pull) for pull in _PULLS]
    losses = np.array([_losses(scores, right) for scores in held_out])  # (pulls, n)
    best = int(losses.mean(axis=1).argmin())
    gain = losses[-1] - losses[best]
    # One standard error: a gain that chance gives is none.
    if gain.mean() <= gain.std(ddof=1) / np.sqrt(n):
        best = len(_PULLS) - 1
    slope, intercept = _fit(raw, right, _PULLS[best])
    return Calibration(
        slope=slope,
        intercept=intercept,
        n_votes=n,
        accuracy=float(right.mean()),
        log_loss_before=float(losses[-1].mean()),
        log_loss_after=float(losses[best].mean()),
        error_before=reliability_gap(raw, right),
        error_after=reliability_gap(held_out[best], right),
    )


def _checked(scores: VectorLike, is_right: VectorLike) -> tuple[np.ndarray, np.ndarray]:
    raw = as_floats(as_vector(scores, "scores"), "scores")
    right = as_floats(as_vector(is_right, "is_right"), "is_right")
    if raw.shape != right.shape:
        raise InputError(
            f"scores and is_right must have one length, found {raw.shape} and {right.shape}"
        )
    if not ((raw >= 0) & (raw <= 1)).all():
        raise InputError("scores must be in [0, 1]")
    if not np.isin(right, (0, 1)).all():
        raise InputError("is_right must say True or False of each vote")
    return raw, right


def _line(scores: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    if (slope, intercept) == (1.0, 0.0):
        return scores.copy()
    return np.asarray(expit(slope * logit(np.clip(scores, _EDGE, 1 - _EDGE)) + intercept))


def _losses(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    likely = np.clip(np.where(right > 0, scores, 1 - scores), _EDGE, 1)
    return np.asarray(-np.log(likely))


def _fit(scores: np.ndarray, right: np.ndarray, pull: float) -> tuple[float, float]:
    """Return slope and intercept; the slope is no less than 0, as more sure is not less right."""
    if not np.isfinite(pull):
        return 1.0, 0.0
    odds = logit(np.clip(scores, _EDGE, 1 - _EDGE))
    signs = np.where(right > 0, 1.0, -1.0)

    def objective(line: np.ndarray) -> tuple[float, np.ndarray]:
        margin = signs * (line[0] * odds + line[1])
        away = line - (1.0, 0.0)
        push = -signs * expit(-margin)
        value = np.logaddexp(0, -margin).sum() + pull / 2 * (away**2).sum()
        return float(value), np.array([push @ odds, push.sum()]) + pull * away

    fitted = minimize(
        objective, (1.0, 0.0), jac=True, method="L-BFGS-B", bounds=((0.0, None), (None, None))
    )
    return float(fitted.x[0]), float(fitted.x[1])


def _held_out(scores: np.ndarray, right: np.ndarray, pull: float) -> np.ndarray:
    """Return scores (n,), each calibrated without its own fold."""
    # Folds that have right and wrong votes alike, by score.
    order = np.lexsort((scores, right))
    folds = np.empty(len(scores), dtype=np.int64)
    folds[order] = np.arange(len(scores)) % _FOLDS
    calibrated = np.empty(len(scores))
    for fold in range(_FOLDS):
        out = folds == fold
        calibrated[out] = _line(scores[out], *_fit(scores[~out], right[~out], pull))
    return calibrated


def _values(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a file; what was not known is not-a-number."""
    names = [field.name for field in fields(Calibration)]
    values = {name: content[name] for name in names}
    if not all(v is None or type(v) in (int, float) for v in values.values()):
        raise ValueError("a value is no number")
    if not np.isfinite([values["slope"], values["intercept"]]).all() or values["slope"] < 0:
        raise ValueError("its line is none")
    return {name: float("nan") if value is None else value for name, value in values.items()}
