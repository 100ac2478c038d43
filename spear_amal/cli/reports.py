"""The report of ``train``: what there is to show without test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from spear_amal.cli.material import Material
from spear_amal.cli.settings import Settings
from spear_amal.pipeline import TextModel
from spear_amal.report import Examples, Outcome, ReportContent, write_report
from spear_amal.studies import MethodSpec

LEFT_OUT = (
    "The votes are no better than chance on the labelled rows, so they were left out: the model "
    "was trained on gold labels only."
)


def report_training(
    settings: Settings, spec: MethodSpec, material: Material, model: TextModel, force: bool
) -> None:
    """Write the report that the settings name."""
    train, estimator = material.train, model.estimator
    content = ReportContent(
        title=f"{spec.title} on {', '.join(path.name for path in settings.data)}",
        summary=[
            f"{spec.title} was trained on {len(train.y)} rows, {int((train.y >= 0).sum())} of "
            f"them labelled. Validation {estimator.metric}: {estimator.val_score_:.3f}, which is "
            f"optimistic, as the same rows {chosen_by_validation(spec, estimator)}.",
            *([LEFT_OUT] if votes_left_out(estimator) else []),
        ],
        classes=material.classes,
        labels=train.votes,
        gold=train.y,
        histories={spec.title: estimator.history_},
        examples=_examples(spec, material, estimator),
        outcome=_outcome(spec, material, model),
        settings=plain(settings),
    )
    write_report(settings.report or "report.html", content, overwrite=force)


def chosen_by_validation(spec: MethodSpec, estimator: Any) -> str:
    """Say what the validation rows that gave the score did for a fitted estimator."""
    both = spec.method.learns_from_v and estimator.validation_used_ != "split"
    both = both and not votes_left_out(estimator)  # then there are no weights to learn
    return "chose the epoch and the weights" if both else "chose the epoch"


def votes_left_out(estimator: Any) -> bool:
    """Tell whether the guard of a fitted estimator kept the votes out of training."""
    return bool(getattr(estimator, "guarded_", False))


def learnt(estimator: Any) -> bool:
    """Tell whether weights differ from 1 anywhere, so that there is something to look at."""
    values = estimator.weights_.to_numpy()
    return bool((values[~np.isnan(values)] != 1).any())


def _examples(spec: MethodSpec, material: Material, estimator: Any) -> Examples | None:
    train = material.train
    if train.votes is None or not learnt(estimator):
        return None
    weights = estimator.weights_.iloc[: len(train.y)]  # validation rows of their own follow
    return Examples(spec.title, weights, train.y, train.votes, train.texts)


def _outcome(spec: MethodSpec, material: Material, model: TextModel) -> Outcome | None:
    held, estimator = material.validation, model.estimator
    # Models that are refitted or cross-fitted trained on the validation rows in the end, and the
    # guard refits unasked.
    if held is None or estimator.final != "single" or votes_left_out(estimator):
        return None
    p = model.predict_proba(held.texts, held.votes if model.needs_votes else None)
    predicted = p.argmax(1)
    return Outcome(
        model=spec.title,
        rows=f"{len(held.y)} validation rows, which also {chosen_by_validation(spec, estimator)}",
        confusion=confusion_matrix(held.y, predicted, labels=np.arange(len(material.classes))),
        confidence=p.max(1),
        right=predicted == held.y,
    )


def plain(settings: Any) -> dict[str, str]:
    """Give settings as text, without those that were not given."""
    shown = {}
    for name, value in vars(settings).items():
        several = value if isinstance(value, tuple) else (value,)
        if value is not None:
            shown[name] = ", ".join(str(one) for one in several)
    return shown
