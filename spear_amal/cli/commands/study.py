"""The command ``study`` and those under it. Heavy imports wait for the call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from spear_amal.cli.commands.options import DataDir, Force, Lfs
from spear_amal.cli.errors import ErrorHandlingGroup
from spear_amal.cli.study_names import STUDIES

DEFAULT = "run"


class StudyGroup(ErrorHandlingGroup):
    """A group whose first word is a command, or else the SOURCE of the command ``run``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the default command in front where none is given."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            if args[0].startswith(("kd-", "mixers-", "aux-")):
                known = ", ".join(STUDIES)
                ctx.fail(f"there is no study {args[0]!r}; there are {known}")
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


study_app = typer.Typer(
    cls=StudyGroup,
    no_args_is_help=True,
    help="Compare methods over seeds: `study SOURCE --output FILE`, or a study of distillation "
    "or of mixers by its name; then `study report FILE`.",
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    register_grid(study_app)
    app.add_typer(study_app, name="study")


@study_app.command(DEFAULT)
def run(
    source: Annotated[
        str,
        typer.Argument(help="A corpus (plots, sms, youtube, imdb, generated) or a WRENCH folder."),
    ],
    output: Annotated[
        Path, typer.Option(help="JSON file with one row a run; one that is there is continued.")
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(help="NAME or NAME:option=value,... Give it again to add further methods."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Partitions: seeds 0 to N-1.")] = 5,
    labels: Annotated[
        int | None, typer.Option(help="Rows in L and in V. [default: those of the corpus]")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help="tfidf, published, encoder:NAME or file:PATH. [default: tfidf]"),
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="random, or published: the corpus' own labelled rows.")
    ] = "random",
    tune: Annotated[int, typer.Option(min=0, help="Trials of tuning for every method.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, of one thread each.")] = 1,
    lfs: Lfs = None,
    data_dir: DataDir = None,
    max_epochs: Annotated[int | None, typer.Option(min=1, help="Longest training.")] = None,
    placebo: Annotated[
        bool, typer.Option("--placebo", help="Shuffle the votes, so that the rules tell nothing.")
    ] = False,
    only: Annotated[
        bool, typer.Option("--only", help="Do not add only-l, only-lv and supervised.")
    ] = False,
    baseline: Annotated[
        str | None, typer.Option(help="Gains are taken over this method. [default: only-l]")
    ] = None,
) -> None:
    """Run methods over seeds on SOURCE, store every run, print the table.

    A run that was stopped goes on where it was when the same command is given again.
    """
    from spear_amal.cli.study import StudyOptions
    from spear_amal.cli.study import run as run_command

    run_command(
        StudyOptions(
            source=source,
            output=output,
            methods=tuple(method) if method else None,
            seeds=seeds,
            labels=labels,
            features=features,
            protocol=protocol,
            tune=tune,
            jobs=jobs,
            lfs=lfs,
            data_dir=data_dir,
            max_epochs=max_epochs,
            placebo=placebo,
            only=only,
            baseline=baseline,
        )
    )


@study_app.command()
def report(
    file: Annotated[Path, typer.Argument(help="JSON file that a study wrote.")],
    baseline: Annotated[
        str | None,
        typer.Option(help="Gains are taken over this method. [default: only-l, ce, single, ..]"),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    html: Annotated[Path | None, typer.Option(help="HTML report to write.")] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for the figures of a study of distillation.")
    ] = None,
    force: Force = False,
) -> None:
    """Print the tables of a study file: scores, gains with intervals, what of the gap is closed."""
    from spear_amal.cli.study import Wanted
    from spear_amal.cli.study import report as report_command

    report_command(file, Wanted(baseline, markdown, html, figures, force))


def register_grid(app: typer.Typer) -> None:
    """Add one command for each study."""
    for name, about in STUDIES.items():
        app.command(name, help=f"{about} A run that was stopped goes on.")(_command(name))


def _command(name: str) -> Callable[..., None]:
    """Make the command of a study; options that it does not have are refused when it runs."""

    def run(
        output: Annotated[
            Path, typer.Option(help="JSON file with one row a run; one that is there is continued.")
        ],
        seeds: Annotated[
            int | None, typer.Option(help="Seeds 0 to N-1. [default: those of the study]")
        ] = None,
        jobs: Annotated[int, typer.Option(min=1, help="Processes, of one thread each.")] = 1,
        method: Annotated[
            list[str] | None,
            typer.Option(help="Only this method. Give it again to add further methods."),
        ] = None,
        data_dir: DataDir = None,
        scale: Annotated[
            str | None, typer.Option(help="small fits two cores, paper needs a GPU.")
        ] = None,
        max_epochs: Annotated[int | None, typer.Option(min=1, help="Longest training.")] = None,
        corpus: Annotated[str | None, typer.Option(help="Other images, or other texts.")] = None,
        set_: Annotated[
            list[str] | None,
            typer.Option(
                "--set", help="OPTION=VALUE of the study, as n_train=500. Give it again for others."
            ),
        ] = None,
        baseline: Annotated[
            str | None,
            typer.Option(help="Gains are taken over it. [default: ce, single, ..]"),
        ] = None,
    ) -> None:
        from spear_amal.cli.study import GridOptions
        from spear_amal.cli.study import run_grid as run_command

        given = {
            "data_dir": None if data_dir is None else str(data_dir),
            "scale": scale,
            "max_epochs": max_epochs,
            "corpus": corpus,
        }
        run_command(
            GridOptions(
                study=name,
                output=output,
                seeds=seeds,
                jobs=jobs,
                methods=tuple(method) if method else None,
                baseline=baseline,
                given={key: value for key, value in given.items() if value is not None},
                further=tuple(set_ or ()),
            )
        )

    return run
