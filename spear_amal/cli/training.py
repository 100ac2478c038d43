"""The command ``train``: from tables and labelling functions to one model file and a report."""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal.cli.console import is_watched, note, say
from spear_amal.cli.material import Material, gather_material
from spear_amal.cli.model_file import TextModel
from spear_amal.cli.settings import Settings
from spear_amal.data import TextFeatures
from spear_amal.errors import InputError
from spear_amal.files import refuse_existing
from spear_amal.report import need_matplotlib
from spear_amal.studies import Method, find_method, one_thread


def train(settings: Settings, fault_tolerant: bool, force: bool) -> None:
    """Train on the tables of the settings and write the model file, and the report if wanted."""
    method = find_method(settings.method)
    refuse_existing(settings.output, force)  # before minutes of work, not after
    if settings.report is not None:
        need_matplotlib()
        refuse_existing(settings.report, force)
    material = gather_material(settings, method.uses_votes, fault_tolerant)
    _tell(material, method)
    with one_thread():
        model = fit_text_model(settings, method, material)
    model.save(settings.output, overwrite=force)
    _tell_result(model, settings)
    if settings.report is not None:
        from spear_amal.cli.reports import report_training

        report_training(settings, method, material, model, force)
        say(f"Report written to {settings.report}")


def fit_text_model(settings: Settings, method: Method, material: Material) -> TextModel:
    """Fit TF-IDF features and the method's estimator."""
    train, held = material.train, material.validation
    features = TextFeatures().fit(train.texts + (held.texts if held is not None else []))
    estimator = make_estimator(settings, method)
    _check_folds(method, estimator, material)
    given: dict[str, Any] = {"L": train.votes}
    if held is not None:
        given |= {"X_val": features.transform(held.texts), "y_val": held.y, "L_val": held.votes}
    estimator.fit(features.transform(train.texts), train.y, **given)
    names = train.votes.lf_names if train.votes is not None else ()
    return TextModel(
        estimator, features, material.classes, settings.text_column, tuple(names), method.name
    )


def make_estimator(settings: Settings, method: Method) -> Any:
    """Make the unfitted estimator of a method."""
    return method.make(
        metric=settings.metric,
        random_state=settings.seed,
        max_epochs=settings.max_epochs,
        checkpoint=settings.checkpoint,
        verbose=int(is_watched()),
    )


def _check_folds(method: Method, estimator: Any, material: Material) -> None:
    """Say early, and in the words of the command line, that there are too few labels for folds."""
    if estimator.final != "crossfit":
        return
    parts = [material.train, *([material.validation] if material.validation is not None else [])]
    codes = np.concatenate([part.y for part in parts])
    counts = np.bincount(codes[codes >= 0], minlength=len(material.classes))
    rare = [code for code in np.flatnonzero(counts) if counts[code] < estimator.n_folds]
    if rare:
        raise InputError(
            f"{method.title} needs {estimator.n_folds} labelled rows of every class, found "
            f"{counts[rare[0]]} of {material.classes[rare[0]]!r}; label more rows, or choose a "
            "method that trains one model: --method amal-single, spear or only-lv"
        )


def _tell(material: Material, method: Method) -> None:
    y = material.train.y
    validation = "" if material.validation is None else f", {len(material.validation.y)} validation"
    note(f"{method.title}: {len(y)} rows, {int((y >= 0).sum())} of them labelled{validation}")


_SOURCES = {
    "given": "on the validation rows",
    "split": "on labelled rows held out for it",
    "training": "on the training rows themselves, as there are too few labelled rows to hold out",
    "folds": "on labelled rows that were held out, the mean over folds",
}


def _tell_result(model: TextModel, settings: Settings) -> None:
    estimator = model.estimator
    where = _SOURCES[estimator.validation_source_]
    # What learnt weights from the same rows flatters itself there.
    learnt = str(getattr(estimator, "mixer", "")).startswith("amal")
    role = "chose the epoch and the weights, so this is too good" if learnt else "chose the epoch"
    say(f"{settings.metric} {estimator.val_score_:.3f} {where} (they {role})")
    if model.needs_votes:
        say("The model predicts with the rules as well: give predict and evaluate --lfs")
    say(f"Model written to {settings.output}")
