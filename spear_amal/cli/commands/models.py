"""Commands on a user's own data, from votes to predictions. Heavy imports wait for the call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spear_amal.cli.commands.options import (
    Config,
    Data,
    FaultTolerant,
    Force,
    LabelColumn,
    Lfs,
    Model,
    TextColumn,
)
from spear_amal.cli.config import load_settings


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (apply, analyze, train, predict, evaluate):
        app.command()(command)


def _paths(data: list[Path] | None) -> tuple[Path, ...] | None:
    return tuple(data) if data else None


def apply(
    data: Data = None,
    lfs: Lfs = None,
    output: Annotated[Path | None, typer.Option(help="Label matrix to write (.npz).")] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    fault_tolerant: FaultTolerant = False,
    jobs: Annotated[int, typer.Option(help="Processes; -1 for all cores.")] = 1,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder where votes are kept, so that only edited LFs run again."),
    ] = None,
    votes_folder: Annotated[
        Path | None,
        typer.Option(
            help="For Parquet files of any size: write votes in parts here, in place of a label "
            "matrix. A run that was stopped goes on."
        ),
    ] = None,
    config: Config = None,
    force: Force = False,
) -> None:
    """Apply labelling functions to a table; write their votes and print what they do."""
    from spear_amal.cli.apply import apply as run
    from spear_amal.cli.apply import apply_in_parts

    settings = load_settings(
        config, data=_paths(data), lfs=lfs, text_column=text_column, label_column=label_column
    )
    if votes_folder is not None:
        apply_in_parts(settings, votes_folder, fault_tolerant, force, jobs)
        return
    run(settings, label_column, output, fault_tolerant, force, jobs, cache)


def analyze(
    labels: Annotated[
        Path | None, typer.Option(help="Label matrix, or folder of votes, that apply wrote.")
    ] = None,
    data: Data = None,
    label_column: LabelColumn = None,
    text_column: TextColumn = None,
    output: Annotated[Path | None, typer.Option(help="Also write the table here.")] = None,
    config: Config = None,
    force: Force = False,
) -> None:
    """Print coverage, overlaps, conflicts and, where gold is there, accuracies with intervals."""
    from spear_amal.cli.apply import analyze as run

    settings = load_settings(
        config, labels=labels, data=_paths(data), label_column=label_column, text_column=text_column
    )
    run(settings, label_column, output, force)


def train(
    data: Data = None,
    lfs: Lfs = None,
    validation: Annotated[
        Path | None,
        typer.Option(help="Labelled rows that choose the epoch; default: some of the data."),
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="recommended (AMAL in 5 folds), amal, spear, majority, only-lv (no rules), ..; an "
            "unknown name lists all, docs/concepts.md says what they are. With options: "
            "amal:crossfit=3,weight_lr=30. [default: recommended]"
        ),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="accuracy, f1 or macro-f1. [default: accuracy]")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0)] = None,
    max_epochs: Annotated[int | None, typer.Option(min=1)] = None,
    output: Annotated[
        Path | None, typer.Option(help="Model file to write. [default: model.safetensors]")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="HTML report to write.")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="File (one a fold) from which a run that was stopped goes on."),
    ] = None,
    fault_tolerant: FaultTolerant = False,
    config: Config = None,
    force: Force = False,
) -> None:
    """Train a text classifier on gold labels and votes; write one self-contained model file."""
    settings = load_settings(
        config,
        data=_paths(data),
        lfs=lfs,
        validation=validation,
        text_column=text_column,
        label_column=label_column,
        method=method,
        metric=metric,
        seed=seed,
        max_epochs=max_epochs,
        output=output,
        report=report,
        checkpoint=checkpoint,
    )
    from spear_amal.cli.train import train as run

    run(settings, fault_tolerant, force)


def predict(
    model: Model = None,
    data: Data = None,
    output: Annotated[
        Path | None, typer.Option(help="Table to write: the data with predictions added.")
    ] = None,
    lfs: Lfs = None,
    config: Config = None,
    force: Force = False,
) -> None:
    """Add a predicted label and class probabilities to a table."""
    settings = load_settings(config, data=_paths(data), lfs=lfs, output=model)
    from spear_amal.cli.predict import predict as run

    run(settings, settings.output, output, force)


def evaluate(
    model: Model = None,
    data: Data = None,
    label_column: LabelColumn = None,
    lfs: Lfs = None,
    config: Config = None,
) -> None:
    """Score a model on labelled rows: accuracy, F1, log-loss, calibration, confusion matrix."""
    settings = load_settings(config, label_column=label_column, lfs=lfs, output=model)
    from spear_amal.cli.predict import evaluate as run

    run(settings, settings.output, tuple(data or ()))
