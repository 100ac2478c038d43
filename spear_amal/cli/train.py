"""The command ``train``: from tables and labelling functions to one model file and a report."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix

from spear_amal.cli.config import CliConfig
from spear_amal.cli.console import is_watched, print_result, print_status, warnings_as_notes
from spear_amal.cli.training_data import LabelledTable, TrainingData, gather_material
from spear_amal.data import TextFeatures
from spear_amal.errors import InputError
from spear_amal.estimators import LabelModelClassifier
from spear_amal.io.atomic import refuse_existing
from spear_amal.labeling import VotesTest, votes_test
from spear_amal.pipeline import TextModel
from spear_amal.report import (
    Evaluation,
    Examples,
    ReportContent,
    require_report_extra,
    votes_sentence,
    write_report,
)
from spear_amal.studies import MethodSpec, one_thread, parse_method


def train(settings: CliConfig, fault_tolerant: bool, force: bool) -> None:
    """Train on the tables of the settings and write the model file, and the report if wanted."""
    spec = _method(settings.method)
    refuse_existing(settings.output, force)  # before minutes of work, not after
    if settings.report is not None:
        require_report_extra()
        refuse_existing(settings.report, force)
    material = gather_material(settings, spec.method.uses_votes, fault_tolerant)
    _check_gold(spec, material)
    _tell(material, spec)
    with one_thread(), warnings_as_notes():
        model = fit_text_model(settings, spec, material)
    model.save(settings.output, overwrite=force)
    _tell_result(model, spec, settings, material)
    if settings.report is not None:
        report_training(settings, spec, material, model, force)
        print_result(f"Report written to {settings.report}")


def _method(text: str) -> MethodSpec:
    """Read a method; what cannot end in a model file is said before any work.

    Raises
    ------
    InputError
        If it is no method, or the estimator could not be saved.
    """
    spec = parse_method(text)
    estimator = spec.make()
    if isinstance(estimator, LabelModelClassifier) and estimator.inference != "feature":
        raise InputError(
            f"--method {text}: a model file holds no label model to predict with; leave out "
            f"inference={estimator.inference}, or choose spear, amal or recommended"
        )
    return spec


def _check_gold(spec: MethodSpec, material: TrainingData) -> None:
    """Refuse a ceiling that would be none."""
    n = int((material.train.y < 0).sum())
    if spec.method.gold == "all" and n:
        raise InputError(
            f"--method {spec.text} is trained on gold labels of all rows, but {n} of "
            f"{len(material.train.y)} rows have none; choose only-lv, or a method that uses votes"
        )


def fit_text_model(settings: CliConfig, spec: MethodSpec, material: TrainingData) -> TextModel:
    """Fit TF-IDF features and the method's estimator."""
    train, held = material.train, material.validation
    features = TextFeatures().fit(train.texts + (held.texts if held is not None else []))
    estimator = make_estimator(settings, spec)
    _check_folds(spec, estimator, material)
    given: dict[str, Any] = {"L": train.votes}
    if held is not None:
        given |= {"X_val": features.transform(held.texts), "y_val": held.y, "L_val": held.votes}
    estimator.fit(features.transform(train.texts), train.y, **given)
    names = train.votes.lf_names if train.votes is not None else ()
    return TextModel(
        estimator, features, material.classes, settings.text_column, tuple(names), spec.text
    )


def make_estimator(settings: CliConfig, spec: MethodSpec) -> Any:
    """Make the unfitted estimator of a method; its own options go before the settings."""
    return spec.make(
        metric=settings.metric,
        random_state=settings.seed,
        max_epochs=settings.max_epochs,
        checkpoint=settings.checkpoint,
        verbose=int(is_watched()),
    )


def _check_folds(spec: MethodSpec, estimator: Any, material: TrainingData) -> None:
    """Say early, and in the words of the command line, that there are too few labels for folds."""
    if not estimator.fit_strategy.startswith("crossfit"):
        return
    parts = [material.train, *([material.validation] if material.validation is not None else [])]
    codes = np.concatenate([part.y for part in parts])
    counts = np.bincount(codes[codes >= 0], minlength=len(material.classes))
    rare = [code for code in np.flatnonzero(counts) if counts[code] < estimator.n_folds]
    if rare:
        raise InputError(
            f"{spec.title} needs {estimator.n_folds} labelled rows of every class, found "
            f"{counts[rare[0]]} of {material.classes[rare[0]]!r}; label more rows, or choose a "
            "method that trains one model: --method amal, spear or only-lv"
        )


def _tell(material: TrainingData, spec: MethodSpec) -> None:
    y = material.train.y
    validation = "" if material.validation is None else f", {len(material.validation.y)} validation"
    print_status(f"{spec.title}: {len(y)} rows, {int((y >= 0).sum())} of them labelled{validation}")


def _votes_found(estimator: Any, train: LabelledTable) -> VotesTest | None:
    """Take the test of a guard, or make it for a method without one; None without votes."""
    found = getattr(estimator, "votes_test_", None)
    if found is None and train.votes is not None:
        found = votes_test(train.votes, train.y)
    return found


_SOURCES = {
    "given": "on the validation rows",
    "split": "on labelled rows held out for it",
    "training": "on the training rows themselves, as there are too few labelled rows to hold out",
    "folds": "on labelled rows that were held out, the mean over folds",
}


def _tell_result(
    model: TextModel, spec: MethodSpec, settings: CliConfig, material: TrainingData
) -> None:
    estimator = model.estimator
    where, role = _SOURCES[estimator.validation_source_], chosen_by_validation(spec, estimator)
    # What learnt weights from the same rows flatters itself there.
    flattered = ", so this is too good" if "weights" in role else ""
    print_result(f"{estimator.metric} {estimator.val_score_:.3f} {where} (they {role}{flattered})")
    found = _votes_found(estimator, material.train)
    if found is not None:
        print_result(votes_sentence(found))
    if votes_left_out(estimator):
        print_result(LEFT_OUT)
    if model.needs_votes:
        print_result("The model predicts with the rules as well: give predict and evaluate --lfs")
    print_result(f"Model written to {settings.output}")


LEFT_OUT = (
    "The votes are no better than chance on the labelled rows, so they were left out: the model "
    "was trained on gold labels only."
)


def report_training(
    settings: CliConfig, spec: MethodSpec, material: TrainingData, model: TextModel, force: bool
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
        class_names=material.classes,
        votes=train.votes,
        y=train.y,
        histories={spec.title: estimator.history_},
        examples=_examples(spec, material, estimator),
        outcome=_outcome(spec, material, model),
        settings=settings_as_text(settings),
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


def _examples(spec: MethodSpec, material: TrainingData, estimator: Any) -> Examples | None:
    train = material.train
    if train.votes is None or not learnt(estimator):
        return None
    weights = estimator.weights_.iloc[: len(train.y)]  # validation rows of their own follow
    return Examples(spec.title, weights, train.y, train.votes, train.texts)


def _outcome(spec: MethodSpec, material: TrainingData, model: TextModel) -> Evaluation | None:
    held, estimator = material.validation, model.estimator
    # Models that are refitted or cross-fitted trained on the validation rows in the end, and the
    # guard refits unasked.
    if held is None or estimator.fit_strategy != "single" or votes_left_out(estimator):
        return None
    p = model.predict_proba(held.texts, held.votes if model.needs_votes else None)
    predicted = p.argmax(1)
    return Evaluation(
        model=spec.title,
        rows=f"{len(held.y)} validation rows, which also {chosen_by_validation(spec, estimator)}",
        confusion=confusion_matrix(held.y, predicted, labels=np.arange(len(material.classes))),
        confidence=p.max(1),
        right=predicted == held.y,
    )


def settings_as_text(settings: Any) -> dict[str, str]:
    """Give settings as text, without those that were not given."""
    shown = {}
    for name, value in vars(settings).items():
        several = value if isinstance(value, tuple) else (value,)
        if value is not None:
            shown[name] = ", ".join(str(one) for one in several)
    return shown
