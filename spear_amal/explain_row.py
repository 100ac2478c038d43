"""From a fitted text classifier and one row to an explanation."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.estimators import RuleNetworkClassifier
from spear_amal.explanation import (
    COEFFICIENTS,
    OCCLUSION,
    Contributions,
    Explanation,
    has_coefficients,
    largest_first,
    linear_contributions,
    texts_without_words,
)
from spear_amal.votes.label_matrix import LabelMatrix

if TYPE_CHECKING:
    from spear_amal.declared_lfs.classes_of_lfs import LFsLike
    from spear_amal.text_classifier import TextClassifier

_SMALLEST = 1e-12  # of probabilities whose logarithm is taken
_FROM_FILE = "this model was loaded from a file, which holds no rows: give the row itself"


class RowToExplain(NamedTuple):
    """One row.

    Attributes
    ----------
    frame : DataFrame of one row
    place : int or None
        Among the training rows, if it is one of them.
    """

    frame: pd.DataFrame
    place: int | None


def explain_row(
    model: TextClassifier, row: Any, votes: LabelMatrix | None, lfs: LFsLike | None
) -> Explanation:
    """Return why a row is classified as it is; as :meth:`TextClassifier.explain`."""
    found = _find(model, row)
    matrix = _votes(model, found, votes, lfs)
    p = model.predict_proba(found.frame, matrix)[0]
    predicted = model.classes_[p.argmax()].item()
    words, how, constant, more = _words(model, found.frame, matrix, predicted)
    rules = _rules(model, matrix)
    if how == COEFFICIENTS:
        total = sum(value for _, value in words) + constant
        more = [*more, *_what_words_leave_open(model, p, total, rules is not None)]
    weights = _weights(model, found.place)
    text = found.frame[model.text_column_].iloc[0] if model.text_column_ in found.frame else ""
    return Explanation(
        text=str(text),
        predicted=predicted,
        probabilities=dict(zip(model.classes_.tolist(), p.tolist(), strict=True)),
        words=words,
        how=how,
        constant=constant,
        label=_gold(model, found.place),
        votes=None if matrix is None else _votes_by_name(model, matrix),
        rules=rules,
        weights=weights,
        notes=[*_notes(model, matrix, weights), *more],
    )


def _notes(
    model: TextClassifier, matrix: LabelMatrix | None, weights: dict[str, float] | None
) -> list[str]:
    """Return in words what an explanation lacks, and why."""
    notes = []
    if not model.lf_names_:
        notes.append("it was trained without labelling functions")
    elif matrix is None:
        notes.append("the labelling functions are not at hand: give lfs= for their votes")
    if weights == {}:
        notes.append("no loss is defined on this training row: it was held out, or has no vote")
    return notes


# -- which row ------------------------------------------------------------------------------------


def _find(model: TextClassifier, row: Any) -> RowToExplain:
    place = _place_of(model, row)
    if place is not None:
        data = getattr(model, "training_data_", None)
        if data is None:
            raise InputError(f"{_FROM_FILE}, as a text, a mapping or a DataFrame of one row")
        return RowToExplain(data.train.frame.iloc[[place]], place)
    if isinstance(row, str):
        return RowToExplain(model.rows_of([row]), None)
    frame = pd.DataFrame([dict(row)]) if isinstance(row, Mapping | pd.Series) else row
    if not isinstance(frame, pd.DataFrame) or len(frame) != 1:
        raise InputError(
            "needed is one row: an id, a text, a mapping or a DataFrame of one row, found "
            f"{type(row).__name__}; explain rows one by one"
        )
    frame, column = model.rows_of(frame), model.id_column_
    has_id = column is not None and column in frame
    return RowToExplain(frame, _place_of_id(model, frame[column].iloc[0]) if has_id else None)


def _place_of(model: TextClassifier, row: Any) -> int | None:
    """Place of a training row that is named by its id or position; None if it is given itself."""
    if isinstance(row, str):
        return _place_of_id(model, row)
    if not isinstance(row, Integral) or isinstance(row, bool):
        return None
    if model.id_column_ is not None:
        place = _place_of_id(model, row)
        if place is None:
            raise InputError(f"no training row has the id {row!r} (column {model.id_column_!r})")
        return place
    data = getattr(model, "training_data_", None)
    if data is None:
        raise InputError(f"{_FROM_FILE}, as a text, a mapping or a DataFrame of one row")
    n = len(data.train.y)
    if not 0 <= (place := int(row)) < n:
        raise InputError(f"there are {n} training rows, counted from 0; found {row}")
    return place


def _place_of_id(model: TextClassifier, row_id: Any) -> int | None:
    known = model.parts_.row_ids
    if known is None:
        return None
    places = np.flatnonzero(known == (str(row_id) if known.dtype.kind == "U" else row_id))
    return int(places[0]) if len(places) == 1 else None


# -- rules and losses -----------------------------------------------------------------------------


def _votes(
    model: TextClassifier, row: RowToExplain, votes: LabelMatrix | None, lfs: LFsLike | None
) -> LabelMatrix | None:
    if votes is not None or not model.lf_names_:
        return votes
    data = getattr(model, "training_data_", None)
    if row.place is not None and lfs is None and data is not None:
        trained: LabelMatrix = data.train.votes[[row.place]]
        return trained
    if lfs is None and not hasattr(model, "applier_") and not model.needs_votes:
        return None
    return model.votes_on(row.frame, lfs)


def _votes_by_name(model: TextClassifier, matrix: LabelMatrix) -> dict[str, Any]:
    names = [*model.class_names_, None]  # -1 takes the last
    return {lf: names[vote] for lf, vote in zip(matrix.lf_names, matrix[0], strict=True)}


def _gold(model: TextClassifier, place: int | None) -> Any:
    data = getattr(model, "training_data_", None)
    return None if place is None or data is None else [*data.classes, None][data.train.y[place]]


def _weights(model: TextClassifier, place: int | None) -> dict[str, float] | None:
    weights = model.estimator_.row_weights_
    if place is None or place >= len(weights):
        return None
    return {str(name): float(value) for name, value in weights.iloc[place].dropna().items()}


def _rules(model: TextClassifier, matrix: LabelMatrix | None) -> dict[Any, float] | None:
    estimator = model.estimator_
    # A rule network judges rules by the features of a row, so it has no answer of its own.
    if matrix is None or not model.needs_votes or isinstance(estimator, RuleNetworkClassifier):
        return None
    p = estimator.rule_predict_proba(matrix)[0]
    return dict(zip(model.names_of(estimator.classes_), p.tolist(), strict=True))


# -- words ----------------------------------------------------------------------------------------


def _words(
    model: TextClassifier, frame: pd.DataFrame, matrix: LabelMatrix | None, predicted: Any
) -> tuple[Contributions, str, float, list[str]]:
    """Return words with what they add, how that is known, the constant, and notes."""
    if has_coefficients(model.estimator_) and model.features_.has_names:
        code = model.names_of(model.estimator_.classes_).index(predicted)
        x, names = model.features_.transform(frame), model.features_.get_feature_names_out()
        words, constant = linear_contributions(model.estimator_, x, names, code)
        return words, COEFFICIENTS, constant, []
    return (*_occluded(model, frame, matrix, predicted),)


def _what_words_leave_open(
    model: TextClassifier, p: np.ndarray, total: float, with_rules: bool
) -> list[str]:
    """Return a note on what of the log-odds of a prediction (C,) is not a sum over words."""
    log_p = np.log(p[model.places_].clip(_SMALLEST))
    best = log_p.argmax()
    log_odds = log_p[best] - np.delete(log_p, best).mean()
    reasons = ["of the model of the rules"] if with_rules else []
    if len(model.estimator_.models_) > 1:
        reasons.append("of averaging the probabilities of several models")
    if not reasons:
        return []
    return [
        f"words and their constant ({total:+.3f} in all) are not the whole: the log-odds of the "
        f"prediction are {log_odds:+.3f}, and the difference comes {' and '.join(reasons)}"
    ]


def _occluded(
    model: TextClassifier, frame: pd.DataFrame, matrix: LabelMatrix | None, predicted: Any
) -> tuple[Contributions, str, float, list[str]]:
    """Leave out words, and the values of other columns, one at a time."""
    variants, names, notes = [frame], [], []
    if model.features_.uses_text:
        text = frame[model.text_column_].iloc[0]
        without, is_cut = texts_without_words(text)
        names += list(without)
        variants += [frame.assign(**{model.text_column_: other}) for other in without.values()]
        notes = [f"only the first {len(without)} words were looked at"] if is_cut else []
    for column in model.features_.columns:
        names.append(column)
        variants.append(frame.assign(**{column: None}))
    rows = pd.concat(variants, ignore_index=True)
    repeated = None if matrix is None else matrix[np.zeros(len(rows), dtype=int)]
    p = model.predict_proba(rows, repeated)[:, model.classes_.tolist().index(predicted)]
    p = p.clip(_SMALLEST, 1 - _SMALLEST)
    log_odds = np.log(p) - np.log1p(-p)
    falls = zip(names, (log_odds[0] - log_odds[1:]).tolist(), strict=True)
    return largest_first(falls), OCCLUSION, 0.0, notes
