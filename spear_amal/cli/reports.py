"""The report of ``train``: what there is to show without test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from spear_amal.cli.material import Material
from spear_amal.cli.model_file import TextModel
from spear_amal.cli.settings import Settings
from spear_amal.report import Examples, Outcome, ReportContent, write_report
from spear_amal.studies import Method


def report_training(
    settings: Settings, method: Method, material: Material, model: TextModel, force: bool
) -> None:
    """Write the report that the settings name."""
    train, estimator = material.train, model.estimator
    content = ReportContent(
        title=f"{method.title} on {', '.join(path.name for path in settings.data)}",
        summary=[
            f"{method.title} was trained on {len(train.y)} rows, {int((train.y >= 0).sum())} of "
            f"them labelled. Validation {settings.metric}: {estimator.val_score_:.3f}, which is "
            "optimistic, as the same rows chose the epoch."
        ],
        classes=material.classes,
        labels=train.votes,
        gold=train.y,
        histories={method.title: estimator.history_},
        examples=_examples(method, material, estimator),
        outcome=_outcome(method, material, model),
        settings=_plain(settings),
    )
    write_report(settings.report or "report.html", content, overwrite=force)


def learnt(estimator: Any) -> bool:
    """Tell whether weights differ from 1 anywhere, so that there is something to look at."""
    values = estimator.weights_.to_numpy()
    return bool((values[~np.isnan(values)] != 1).any())


def _examples(method: Method, material: Material, estimator: Any) -> Examples | None:
    train = material.train
    if train.votes is None or not learnt(estimator):
        return None
    weights = estimator.weights_.iloc[: len(train.y)]  # validation rows of their own follow
    return Examples(method.title, weights, train.y, train.votes, train.texts)


def _outcome(method: Method, material: Material, model: TextModel) -> Outcome | None:
    held = material.validation
    # Models that are refitted or cross-fitted trained on the validation rows in the end.
    if held is None or model.estimator.final != "single":
        return None
    p = model.predict_proba(held.texts, held.votes if model.needs_votes else None)
    predicted = p.argmax(1)
    return Outcome(
        model=method.title,
        rows=f"{len(held.y)} validation rows, which also chose the epoch",
        confusion=confusion_matrix(held.y, predicted, labels=np.arange(len(material.classes))),
        confidence=p.max(1),
        right=predicted == held.y,
    )


def _plain(settings: Settings) -> dict[str, str]:
    shown = {}
    for name, value in vars(settings).items():
        several = value if isinstance(value, tuple) else (value,)
        if value is not None:
            shown[name] = ", ".join(str(one) for one in several)
    return shown
