"""Options of ``distill`` and ``teacher-outputs``, and the keys of ``distill.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from spear_amal.cli.options.shared import (
    Count,
    DataDir,
    Encoding,
    FaultTolerant,
    Force,
    IdColumn,
    Lfs,
    NoCache,
    Rules,
    Sep,
    Sheet,
    Text,
    TrainingConfig,
)
from spear_amal.cli.schema import Options, flag_of, option
from spear_amal.errors import InputError

# A teacher is a network's name or a file; a file is known by its suffix or its folder.
MODEL_SUFFIX = ".safetensors"
OUTPUT_SUFFIXES = (".npz", ".csv", ".jsonl", ".ndjson", ".parquet")


def is_file_name(teacher: str) -> bool:
    """Return whether a teacher is a file and not the name of a network.

    Examples
    --------
    >>> is_file_name("teacher.npz"), is_file_name("models/big"), is_file_name("wrn-16-1")
    (True, True, False)
    """
    path = Path(teacher)
    return path.suffix.lower() in (MODEL_SUFFIX, *OUTPUT_SUFFIXES) or len(path.parts) > 1


Images = Annotated[
    Text | None,
    Field(description="Images instead of a table: digits, cifar10, ..; docs/data.md has all."),
]
ImagesPath = Annotated[
    Path | None, Field(description="Folder, archive or .npz file that holds the images.")
]


_ONLY_WITH = {
    "--data": (
        *("validation", "gold", "id_column", "sep", "encoding", "sheet", "lfs", "rules", "cache"),
    ),
    "--images": ("images_path", "subset", "label_noise", "augment"),
}


class DistillConfig(TrainingConfig):
    """Keys of ``distill.toml``."""

    FILE: ClassVar = "distill.toml"
    HINT: ClassVar = (
        "`spear-amal distill --help` lists the options, docs/distillation.md shows such a file"
    )
    RENAMED: ClassVar = {"row_id_column": "id_column"}

    images: Images = None
    images_path: ImagesPath = None
    subset: int | None = option(None, "Draw so many training images, classes in proportion.", ge=1)
    label_noise: float = option(0.0, "Share of training images that get another class.")
    validation_share: float = option(
        0.2, "Share of the labelled rows that choose the epoch, where no table of them is given."
    )
    student: Text | None = option(
        None, "Network to train: linear, mlp, mlp:32, or for images resnet8, wrn-16-1, convnet, .."
    )
    teacher: tuple[Text, ...] = option(
        (),
        "A network by name (trained first), a model file of train or distill, or a file of teacher "
        "outputs.",
    )
    assistant: tuple[Text, ...] = option(
        (), "Network between teacher and student, the largest first (takd, dgkd)."
    )
    method: Text = option(
        "amal",
        "How to teach: amal, alm-kd, kd, ce, ..; an unknown name lists all, and what they are.",
    )
    mixer_options: dict[str, Any] = option({}, "Further options of the method.")
    temperature: float = option(4.0, "Softens the teachers' answers.")
    optimiser: Text = option("adam", "adam or sgd.")
    lr: float | None = option(None, "Learning rate; default: that of the optimiser.")
    schedule: Text = option("constant", "Of the learning rate: constant, cosine or steps.")
    milestones: tuple[Count, ...] = option((), "Epoch at which steps lowers the learning rate.")
    augment: Text | None = option(None, "crop, crop-flip or turn-crop-flip: training images only.")
    batch_size: int | None = option(None, "Rows in a step; default: by the kind of data.", ge=1)
    device: Text = option("cpu", "cpu, cuda or auto.")
    keep_epochs: tuple[Count, ...] = option((), "Also write the student as it is after this epoch.")
    early_stopped: bool = option(
        False, "Keep the epochs of the teachers that are trained here: each one teaches."
    )
    teacher_cache: Path | None = option(None, "Folder in which teachers' answers are kept.")
    weights: Path | None = option(None, "Table of the learnt weights by row id to write.")

    @classmethod
    def is_path(cls, name: str, text: str) -> bool:
        """Return whether a string of the TOML file is a path: a teacher may be one."""
        return super().is_path(name, text) or (name == "teacher" and is_file_name(text))

    def check(self) -> None:
        """Raise InputError for options that do not go together, or lack one another."""
        for name in ("label_noise", "validation_share"):
            share = getattr(self, name)
            if not 0 <= share < 1:
                raise InputError(f"{name} must be a share from 0 up to 1, found {share}")
        if not self.validation_share and self.validation is None:
            raise InputError("validation_share must be above 0: validation rows choose the epoch")
        if bool(self.data) == bool(self.images):
            found = "both" if self.data else "neither"
            raise InputError(f"distill needs a table (--data) or images (--images), found {found}")
        if self.student is None:
            raise InputError(
                "--student is missing: give 'linear', 'mlp', 'mlp:32' or a network such as "
                f"'resnet8' (in {self.FILE}: the key 'student')"
            )
        needed = "--images" if self.data else "--data"
        for name in _ONLY_WITH[needed]:
            if getattr(self, name):
                flag = flag_of(name, DistillConfig.model_fields[name])
                raise InputError(f"{flag} goes with {needed} only; leave it out")


class DistillOptions(DistillConfig):
    """Options of ``distill``."""

    SHOWN: ClassVar = {
        "Options": "data images student teacher method output report weights force",
        "Tables": "text_column label_column gold id_column sep encoding sheet validation lfs "
        "rules fault_tolerant cache no_cache",
        "Images": "images_path data_dir subset label_noise augment",
        "Teachers": "assistant temperature early_stopped teacher_cache",
        "Training": "metric max_epochs optimiser lr schedule milestones batch_size seed device "
        "checkpoint keep_epochs",
    }

    fault_tolerant: FaultTolerant = False
    no_cache: NoCache = False
    data_dir: DataDir = None
    force: Force = False


class TeacherOutputsOptions(Options):
    """Options of ``teacher-outputs``."""

    RENAMED: ClassVar = {"row_id_column": "id_column"}

    model: Path = option(..., "Model file that train or distill wrote.")
    output: Path = option(..., "File to write (.npz).")
    data: tuple[Path, ...] = option(
        (), "Table: .csv, .tsv, .jsonl or .parquet; several files are one table."
    )
    id_column: IdColumn = None
    sep: Sep = None
    encoding: Encoding = None
    sheet: Sheet = None
    images: Images = None
    images_path: ImagesPath = None
    lfs: Lfs = None
    rules: Rules = None
    data_dir: DataDir = None
    force: Force = False
