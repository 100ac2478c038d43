"""The command ``train``: from tables and labelling functions to one model file and a report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from spear_amal.cli.compare import evaluation_of
from spear_amal.cli.console import (
    add_to_json,
    print_result,
    print_status,
    print_warning,
    warnings_as_notes,
)
from spear_amal.cli.estimate import (
    estimate_content,
    estimate_of,
    print_estimate,
    read_estimate_rows,
)
from spear_amal.cli.events import event_file, write_event
from spear_amal.cli.options.project import TrainOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.row_outputs import check_texts, write_outputs
from spear_amal.cli.training_data import read_training_data
from spear_amal.cli.votes import has_lfs, lfs_of
from spear_amal.estimators import PooledClassifier
from spear_amal.io.atomic import written_together
from spear_amal.label_models import UNKNOWN_WITHOUT_GOLD
from spear_amal.labeling import LFReview, VotesTest, review_lfs, votes_test
from spear_amal.report import Evaluation, Examples, ReportContent, votes_sentence
from spear_amal.studies import MethodSpec, parse_method
from spear_amal.studies.crossval.estimate import ScoreEstimate
from spear_amal.text_classifier import TextClassifier
from spear_amal.training import reported_metric
from spear_amal.training_rows import LabelledTable, TrainingData


def train(settings: TrainOptions) -> None:
    """Train on the tables of the settings and write the model file, and the report if wanted."""
    with event_file(settings.events, "train", settings.force, method=settings.method):
        _train(settings)


def _train(settings: TrainOptions) -> None:
    model = new_text_classifier(settings)
    spec = model.method_spec()
    check_outputs(
        settings.force,
        settings.output,
        settings.row_outputs,
        report=settings.report,
        continued=settings.checkpoint,
        inputs=settings.data,
    )
    data = read_training_data(settings, spec.method.uses_votes)
    if settings.row_outputs is not None:
        check_texts(data)
    test = read_estimate_rows(settings, spec, data)
    n_validation = "" if data.validation is None else f", {len(data.validation.y)} validation"
    print_status(f"{spec.title}: {_n_rows(data.train.y)}{n_validation}")
    _warn_of_classes_without_gold(data)
    write_event("stage", name="training")
    with warnings_as_notes():
        model.fit_data(data)
    spec = parse_method(model.parts_.method)  # without labels it may be another
    estimate = estimate_of(settings, spec, data, test)
    model.estimate_ = None if estimate is None else estimate.as_json()
    with written_together():
        model.save(settings.output, overwrite=settings.force)
        if settings.row_outputs is not None:
            write_outputs(settings.row_outputs, model, data, test, estimate)
        if settings.report is not None:
            from spear_amal.report import write_report

            content = _report(settings, spec, data, model, estimate)
            write_report(settings.report, content, settings.force)
    if (data.train.y >= 0).any():
        print_estimate(estimate, settings)
    _print_result(model, settings, data)
    if settings.report is not None:
        print_result(f"Report written to {settings.report}")


def _warn_of_classes_without_gold(data: TrainingData) -> None:
    """Print which classes have no labelled row while others have some."""
    gold = data.train.y if data.validation is None else np.append(data.train.y, data.validation.y)
    missing = [name for code, name in enumerate(data.classes) if code not in gold]
    if 0 < len(missing) < len(data.classes):
        names = ", ".join(repr(name) for name in missing)
        print_warning(
            f"Warning: no row is labelled {names}, which a model can know from the rules alone, "
            "and no score tells how well; label some such rows"
        )


def _n_rows(y: np.ndarray) -> str:
    return f"{len(y)} rows, {int((y >= 0).sum())} of them labelled"


def new_text_classifier(settings: TrainOptions) -> TextClassifier:
    """Make the unfitted classifier of the settings."""
    return TextClassifier(
        settings.method,
        features=settings.features,
        metric=settings.metric,
        max_epochs=settings.max_epochs,
        random_state=settings.seed,
        checkpoint=settings.checkpoint,
        verbose=1,
    )


def _test_of_votes(estimator: Any, train: LabelledTable) -> VotesTest | None:
    """Return the test of a guard, or test for a method without one; None without votes."""
    result = getattr(estimator, "votes_test_", None)
    if result is None and train.votes is not None:
        result = votes_test(train.votes, train.votes.classes.as_numbers(train.y))
    return result


def _print_result(model: TextClassifier, settings: TrainOptions, data: TrainingData) -> None:
    estimator = model.estimator_
    test = _test_of_votes(estimator, data.train)
    if estimator.validation_source_ == "label-model":
        print_result(UNKNOWN_WITHOUT_GOLD)
    elif test is not None:
        print_result(votes_sentence(test))
    if votes_left_out(estimator):
        print_result(LEFT_OUT)
    if isinstance(estimator, PooledClassifier):
        weights = estimator.weights_["weight"]
        shares = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
        print_result(f"Weights in the pool: {shares}")
        add_to_json(pool={str(name): float(weight) for name, weight in weights.items()})
    if model.needs_votes:
        print_result("The model predicts with the rules as well: give predict and evaluate --lfs")
    print_result(f"Model written to {settings.output}")


def members_table(estimator: Any) -> pd.DataFrame | None:
    """Return the members of a pool with weight and score, as strings; None for other estimators."""
    if not isinstance(estimator, PooledClassifier):
        return None
    frame = estimator.weights_
    return pd.DataFrame(
        {
            "member": [str(name) for name in frame.index],
            "weight": [f"{weight:.2f}" for weight in frame["weight"]],
            f"{reported_metric(estimator.metric)} on unseen gold rows": [
                f"{s:.3f}" for s in frame["score"]
            ],
            "log-likelihood": [f"{value:.3f}" for value in frame["log_likelihood"]],
        }
    )


LEFT_OUT = (
    "The votes are no better than chance on the labelled rows, so they were left out: the model "
    "was trained on gold labels only."
)


def _validation(spec: MethodSpec, estimator: Any) -> str:
    """Return in words what the validation score is worth."""
    score = f"{reported_metric(estimator.metric)}: {estimator.val_score_:.3f}"
    if estimator.validation_source_ == "label-model":
        return f"Agreement with the label model, {score}. {UNKNOWN_WITHOUT_GOLD}"
    if estimator.validation_source_ == "teacher":
        return f"Agreement with the ensemble that taught it, on rows of any kind, {score}."
    if isinstance(estimator, PooledClassifier):
        return (
            f"On the labelled rows {score}, each row predicted by models, and pooled by weights, "
            "that had not seen it."
        )
    return (
        f"Validation {score}, which is optimistic, as the same rows "
        f"{_role_of_validation(spec, estimator)}."
    )


def _report(
    settings: TrainOptions,
    spec: MethodSpec,
    data: TrainingData,
    model: TextClassifier,
    estimate: ScoreEstimate | None,
) -> ReportContent:
    train, estimator = data.train, model.estimator_
    return ReportContent(
        title=f"{spec.title} on {', '.join(path.name for path in settings.data)}",
        summary=[
            f"{spec.title} was trained on {_n_rows(train.y)}. {_validation(spec, estimator)}",
            *([LEFT_OUT] if votes_left_out(estimator) else []),
        ],
        class_names=data.classes,
        votes=train.votes,
        y=train.y if (train.y >= 0).any() else None,
        review=_review(settings, train),
        members=members_table(estimator),
        histories={spec.title: estimator.history_},
        examples=_examples(spec, train, estimator),
        outcome=_outcome(spec, data.validation, model),
        test=_test_outcome(spec, data, estimate),
        estimate=estimate_content(estimate),
        settings=settings.as_text(),
    )


def _review(settings: TrainOptions, train: LabelledTable) -> LFReview | None:
    """Return the review of the rules, with the words of the rows; None without rules."""
    if train.votes is None or not has_lfs(settings):
        return None
    gold = train.votes.classes.as_numbers(train.y)
    lfs = lfs_of(settings).lfs  # they know the words that they look for
    return review_lfs(train.votes, gold, train.texts or None, lfs)


def _test_outcome(
    spec: MethodSpec, data: TrainingData, estimate: ScoreEstimate | None
) -> Evaluation | None:
    """Return how the model did on the user's own test rows, if they were scored."""
    if estimate is None or estimate.in_folds:
        return None
    found = evaluation_of(spec, estimate.result, len(data.classes))
    return replace(found, rows=f"{len(found.right)} test rows")


def _role_of_validation(spec: MethodSpec, estimator: Any) -> str:
    """Return, as text, what the validation rows that gave the score chose for an estimator."""
    both = spec.method.learns_from_v and estimator.validation_used_ != "split"
    both = both and not votes_left_out(estimator)  # then there are no weights to learn
    return "chose the epoch and the weights" if both else "chose the epoch"


def votes_left_out(estimator: Any) -> bool:
    """Return whether the guard of a fitted estimator kept the votes out of training."""
    return bool(getattr(estimator, "guarded_", False))


def learnt(estimator: Any) -> bool:
    """Return whether weights differ from 1 anywhere, so that there is something to look at."""
    values = estimator.row_weights_.to_numpy()
    return bool((values[~np.isnan(values)] != 1).any())


def _examples(spec: MethodSpec, train: LabelledTable, estimator: Any) -> Examples | None:
    if train.votes is None or not learnt(estimator):
        return None
    weights = estimator.row_weights_.iloc[: len(train.y)]  # validation rows of their own follow
    return Examples(spec.title, weights, train.y, train.votes, train.texts)


def _outcome(
    spec: MethodSpec, validation: LabelledTable | None, model: TextClassifier
) -> Evaluation | None:
    estimator = model.estimator_
    # Models that are refitted or cross-fitted trained on the validation rows in the end, and the
    # guard refits unasked.
    if validation is None or estimator.fit_strategy != "single" or votes_left_out(estimator):
        return None
    votes = validation.votes if model.needs_votes else None
    role = f"validation rows, which also {_role_of_validation(spec, estimator)}"
    p = model.predict_proba(validation.frame, votes)[:, model.places_]
    return evaluation(spec.title, role, validation.y, p)


def evaluation(model: str, role: str, y: np.ndarray, p: np.ndarray) -> Evaluation:
    """Return what a report shows of a model's probabilities (n, C) for rows of known codes (n,)."""
    predicted = p.argmax(1)
    return Evaluation(
        model=model,
        rows=f"{len(y)} {role}",
        confusion=confusion_matrix(y, predicted, labels=np.arange(p.shape[1])),
        confidence=p.max(1),
        right=predicted == y,
    )
