"""Commands on a user's own tables, from votes to predictions. Heavy imports wait for the call."""

from __future__ import annotations

import typer

from spear_amal.cli.commands.command import add_command
from spear_amal.cli.options.project import (
    AnalyzeOptions,
    ApplyOptions,
    CompareOptions,
    CrossoverOptions,
    EvaluateOptions,
    ExportOptions,
    LabelOptions,
    NextOptions,
    PredictOptions,
    SuggestOptions,
    TrainOptions,
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (apply, analyze, compare, crossover, train, predict, evaluate, export):
        add_command(app, command, rich_help_panel="Your own tables")
    add_command(app, label_table, "label", rich_help_panel="Your own tables")
    add_command(app, choose_next, "next", rich_help_panel="Your own tables")
    add_command(app, suggest_rules, "suggest", rich_help_panel="Your own tables")


def apply(options: ApplyOptions) -> None:
    """Apply labelling functions to a table; write their votes and print what they do.

    Runs the file of labelling functions that --lfs, or spear.toml in this folder, names.
    """
    from spear_amal.cli.apply import apply as run

    run(options)


def analyze(options: AnalyzeOptions) -> None:
    """Print what to mend next: which labelling functions are wrong, silent or copies, and where.

    Runs the file of labelling functions that --lfs, or spear.toml in this folder, names, unless
    --votes names votes. Those that did not change have their votes read from the cache.
    """
    from spear_amal.cli.analyze import analyze as run

    run(options)


def suggest_rules(options: SuggestOptions) -> None:
    """Suggest labelling functions: declared rules that the labelled rows tell from luck.

    They are mined from the rows, or written by a language model (--llm), and tested together on the
    labelled rows. Nothing is changed without --add.
    """
    from spear_amal.cli.suggest_rules import suggest_rules as run

    run(options)


def choose_next(options: NextOptions) -> None:
    """Choose the rows whose labels would help most; write them with an empty column of labels.

    Fill it in and name the file as --gold (in spear.toml: gold), as it is.
    Runs the file of labelling functions that --lfs, or spear.toml in this folder, names.
    """
    from spear_amal.cli.next_rows import choose_next as run

    run(options)


def compare(options: CompareOptions) -> None:
    """Show what the rules add: score methods on labelled rows that their models never saw.

    Repeated cross-validation on one partly labelled table, or scores on --test rows. Runs the file
    of labelling functions that --lfs, or spear.toml in this folder, names. A comparison that was
    stopped goes on where it was when the same command is given again.
    """
    from spear_amal.cli.compare import compare as run

    run(options)


def crossover(options: CrossoverOptions) -> None:
    """Compute what would help most: write a rule, label n more rows, or stop.

    Scores with rules and without against the number of labels, on labelled rows that no training
    saw, and where plain supervision catches up. Runs the file of labelling functions that --lfs, or
    spear.toml in this folder, names. A run that was stopped goes on when the same command is given
    again.
    """
    from spear_amal.cli.crossover import crossover as run

    run(options)


def label_table(options: LabelOptions) -> None:
    """Write a label for each row by the votes, with probabilities, votes and conflicts.

    Runs the file of labelling functions that --lfs, or spear.toml in this folder, names.
    """
    from spear_amal.cli.label import label_table as run

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


def export(options: ExportOptions) -> None:
    """Write a model as a file that other programs run, and as a card that people read.

    An ONNX file holds features and networks; onnxruntime runs it without this package. It is held
    against the model first, on odd rows and on those of --data. A model card says what the model
    is for, what it was made from and what it is worth.
    """
    from spear_amal.cli.export import export as run

    run(options)
