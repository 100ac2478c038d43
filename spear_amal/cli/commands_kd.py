"""The commands of studies that are lists of runs: of distillation, and of mixers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from spear_amal.cli.options import DataDir

# Written out, since the studies themselves import torch, which help texts must not wait for.
STUDIES = {
    "kd-synthetic": "ALM-KD's synthetic study: which rows get which weight, and learning curves.",
    "kd-noise": "Wrong labels: do weights find them, and what is learnt in spite of them.",
    "kd-capacity": "Teachers that are far larger than the student.",
    "kd-multi": "Several teachers at once.",
    "kd-early": "Early epochs of the teacher as further teachers.",
    "kd-self": "Self-distillation: the teacher is a network of the student's own size.",
    "coreset": "Training on the rows that learnt weights choose.",
    "rules-and-teacher": "Labelling functions and a teacher in one run, mixed by AMAL.",
    "aux-rotation": "An auxiliary task that may help, and a useless one, under every mixer.",
    "mixers-rules": "Labelling functions under every way of mixing losses.",
    "mixers-distillation": "Labels and a teacher under every way of mixing losses.",
}


def register(app: typer.Typer) -> None:
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
        from spear_amal.cli.kd_study import KdOptions
        from spear_amal.cli.kd_study import run as run_command

        given = {
            "data_dir": None if data_dir is None else str(data_dir),
            "scale": scale,
            "max_epochs": max_epochs,
            "corpus": corpus,
        }
        run_command(
            KdOptions(
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
