"""Commands on a user's own tables, from votes to predictions. Heavy imports wait for the call."""

from __future__ import annotations

import typer

from spear_amal.cli.commands.command import add_command
from spear_amal.cli.options import (
    AnalyzeOptions,
    ApplyOptions,
    EvaluateOptions,
    LabelOptions,
    PredictOptions,
    TrainOptions,
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (apply, analyze, label, train, predict, evaluate):
        add_command(app, command, rich_help_panel="Your own tables")


def apply(options: ApplyOptions) -> None:
    """Apply labelling functions to a table; write their votes and print what they do.

    Runs the file of labelling functions that --lfs, or spear.toml in this folder, names.
    """
    from spear_amal.cli.apply import apply as run

    run(options)


def analyze(options: AnalyzeOptions) -> None:
    """Print coverage, overlaps, conflicts and, where gold is there, accuracies with intervals."""
    from spear_amal.cli.apply import analyze as run

    run(options)


def label(options: LabelOptions) -> None:
    """Write a label for each row by the votes, with probabilities, votes and conflicts.

    Runs the file of labelling functions that --lfs, or spear.toml in this folder, names.
    """
    from spear_amal.cli.label import label as run

    run(options)


def train(options: TrainOptions) -> None:
    """Train a text classifier on gold labels and votes; write one self-contained model file.

    Runs the file of labelling functions that --lfs, or spear.toml in this folder, names.
    """
    from spear_amal.cli.train import train as run

    run(options)


def predict(options: PredictOptions) -> None:
    """Add a predicted label and class probabilities to a table."""
    from spear_amal.cli.predict import predict as run

    run(options)


def evaluate(options: EvaluateOptions) -> None:
    """Score a model on labelled rows: accuracy, F1, log-loss, calibration, confusion matrix."""
    from spear_amal.cli.predict import evaluate as run

    run(options)
