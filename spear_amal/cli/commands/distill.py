"""The commands ``distill`` and ``teacher-outputs``. Heavy imports wait for the call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spear_amal.cli.commands.options import (
    Data,
    DataDir,
    FaultTolerant,
    Force,
    LabelColumn,
    Lfs,
    TextColumn,
)
from spear_amal.cli.config import load_distill_settings

Images = Annotated[
    str | None,
    typer.Option(help="Images instead of a table: digits, cifar10, ..; docs/data.md has all."),
]
ImagesPath = Annotated[
    Path | None, typer.Option(help="Folder, archive or .npz file that holds the images.")
]
RowIdColumn = Annotated[
    str | None, typer.Option(help="Column by which files of teacher outputs know the rows.")
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(distill)
    app.command("teacher-outputs")(teacher_outputs)


def distill(
    data: Data = None,
    images: Images = None,
    student: Annotated[
        str | None,
        typer.Option(help="linear, mlp, mlp:32, or for images resnet8, wrn-16-1, convnet, .."),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="A network by name (trained first), a model file of train or distill, or a file "
            "of teacher outputs. Give it again to add further teachers."
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(
            help="amal, alm-kd, kd, ce, ..; an unknown name lists all and says what they are. "
            "[default: amal]"
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Model file to write. [default: model.safetensors]")
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(help="Table of labelled rows for epoch and weights; default: some of --data."),
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    row_id_column: RowIdColumn = None,
    lfs: Lfs = None,
    fault_tolerant: FaultTolerant = False,
    images_path: ImagesPath = None,
    subset: Annotated[
        int | None, typer.Option(help="Draw so many training images, classes in proportion.")
    ] = None,
    label_noise: Annotated[
        float | None, typer.Option(help="Share of training images that get another class.")
    ] = None,
    assistant: Annotated[
        list[str] | None,
        typer.Option(help="Network between teacher and student, the largest first (takd, dgkd)."),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Softens what teachers say. [default: 4]")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="accuracy, f1 or macro-f1. [default: accuracy]")
    ] = None,
    max_epochs: Annotated[int | None, typer.Option(help="[default: 100]")] = None,
    optimiser: Annotated[str | None, typer.Option(help="adam or sgd. [default: adam]")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    schedule: Annotated[
        str | None, typer.Option(help="constant, cosine or steps. [default: constant]")
    ] = None,
    milestones: Annotated[
        list[int] | None, typer.Option(help="Epoch at which steps lower the rate; repeatable.")
    ] = None,
    augment: Annotated[
        str | None, typer.Option(help="crop, crop-flip or turn-crop-flip: training images only.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option()] = None,
    seed: Annotated[int | None, typer.Option()] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, auto. [default: cpu]")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="File (one a network) from which a run that was stopped goes on."),
    ] = None,
    keep_epochs: Annotated[
        list[int] | None,
        typer.Option(help="Also write the student as it was after this epoch; repeatable."),
    ] = None,
    early_stopped: Annotated[
        bool,
        typer.Option(
            "--early-stopped", help="Keep the epochs of the trained teachers: each one teaches."
        ),
    ] = False,
    teacher_cache: Annotated[
        Path | None, typer.Option(help="Folder in which teachers' answers are kept.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Table of the learnt weights by row id to write.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="HTML report to write.")] = None,
    data_dir: DataDir = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with these settings; default: distill.toml, if there is one."),
    ] = None,
    force: Force = False,
) -> None:
    """Train a small model on labels and on what larger ones say; write one model file."""
    settings = load_distill_settings(
        config,
        data=data,
        images=images,
        student=student,
        teacher=teacher,
        method=method,
        output=output,
        validation=validation,
        text_column=text_column,
        label_column=label_column,
        row_id_column=row_id_column,
        lfs=lfs,
        images_path=images_path,
        subset=subset,
        label_noise=label_noise,
        assistant=assistant,
        temperature=temperature,
        metric=metric,
        max_epochs=max_epochs,
        optimiser=optimiser,
        lr=lr,
        schedule=schedule,
        milestones=milestones,
        augment=augment,
        batch_size=batch_size,
        seed=seed,
        device=device,
        checkpoint=checkpoint,
        keep_epochs=keep_epochs,
        early_stopped=early_stopped or None,
        teacher_cache=teacher_cache,
        weights=weights,
        report=report,
    )
    from spear_amal.cli.distill import distill as run

    run(settings, data_dir, fault_tolerant, force)


def teacher_outputs(
    model: Annotated[Path, typer.Option(help="Model file that train or distill wrote.")],
    output: Annotated[Path, typer.Option(help="File to write (.npz).")],
    data: Data = None,
    row_id_column: RowIdColumn = None,
    images: Images = None,
    images_path: ImagesPath = None,
    lfs: Lfs = None,
    data_dir: DataDir = None,
    force: Force = False,
) -> None:
    """Write what a model says of every row, by row id: a teacher for a distillation elsewhere."""
    from spear_amal.cli.teacher_outputs import Request
    from spear_amal.cli.teacher_outputs import teacher_outputs as run

    asked = Request(model, output, tuple(data or ()), row_id_column, images, images_path, lfs)
    run(asked, data_dir, force)
