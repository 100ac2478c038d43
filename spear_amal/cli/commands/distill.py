"""The commands ``distill`` and ``teacher-outputs``. Heavy imports wait for the call."""

from __future__ import annotations

import typer

from spear_amal.cli.commands.command import add_command
from spear_amal.cli.options.distillation import DistillOptions, TeacherOutputsOptions


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (distill, teacher_outputs):
        add_command(app, command, rich_help_panel="Small models from large ones")


def distill(options: DistillOptions) -> None:
    """Train a small model on labels and on the answers of larger ones; write one model file.

    Runs the file of labelling functions that --lfs, or distill.toml in this folder, names.
    """
    from spear_amal.cli.distill import distill as run

    run(options)


def teacher_outputs(options: TeacherOutputsOptions) -> None:
    """Write a model's answers to every row, by row id: a teacher for a distillation elsewhere."""
    from spear_amal.cli.teacher_outputs import teacher_outputs as run

    run(options)
