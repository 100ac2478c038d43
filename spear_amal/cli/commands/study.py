"""The commands ``study``, those under it, and ``bench``. Heavy imports wait for the call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from spear_amal.cli.commands.command import add_command
from spear_amal.cli.errors import ErrorHandlingGroup
from spear_amal.cli.options.studies import (
    BenchOptions,
    GridStudyOptions,
    StudyOptions,
    StudyReportOptions,
)
from spear_amal.studies.catalogue import CATALOGUE

DEFAULT = "run"


class StudyGroup(ErrorHandlingGroup):
    """A group whose first word is a command, or else the SOURCE of the command ``run``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the name of the default command in front where none is given."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            if args[0].startswith(("kd-", "mixers-", "aux-")):
                ctx.fail(f"there is no study {args[0]!r}; there are {', '.join(CATALOGUE)}")
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group and of its default command: what SOURCE takes."""
        super().format_help(ctx, formatter)
        command = self.commands[DEFAULT]
        with command.context_class(command, parent=ctx, info_name="") as within:
            command.format_help(within, formatter)


study_app = typer.Typer(
    cls=StudyGroup,
    no_args_is_help=True,
    help="Compare methods over seeds: `study SOURCE --output FILE`, or a study of distillation "
    "or of mixers by its name; then `study report FILE`.",
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    add_command(study_app, run, DEFAULT)
    add_command(study_app, report)
    for name in CATALOGUE:
        add_command(study_app, _grid_command(name), name, rich_help_panel="Studies with a name")
    app.add_typer(study_app, name="study", rich_help_panel="Comparisons")
    add_command(app, bench, rich_help_panel="Comparisons")


def run(options: StudyOptions) -> None:
    """Run methods over seeds on SOURCE, store every run, print the table.

    A run that was stopped goes on where it was when the same command is given again.
    """
    from spear_amal.cli.study import run as run_command

    run_command(options)


def report(options: StudyReportOptions) -> None:
    """Print the tables of a study file: scores, gains with intervals, what of the gap is closed."""
    from spear_amal.cli.study import report as run_command

    run_command(options)


def bench(options: BenchOptions) -> None:
    """Run label models, end models and methods on all corpora at hand, beside published figures.

    A run that was stopped goes on where it was when the same command is given again. What fails
    stands in the tables, and stops nothing else.
    """
    from spear_amal.cli.bench import bench as run_command

    run_command(options)


def _grid_command(name: str) -> Callable[[GridStudyOptions], None]:
    """Return the command of a study; options that it does not have are refused when it runs."""

    def run(options: GridStudyOptions) -> None:
        from spear_amal.cli.study import run_grid

        run_grid(name, options)

    run.__doc__ = (
        f"{CATALOGUE[name].title}\n\n"
        "A run that was stopped goes on where it was when the same command is given again."
    )
    return run
