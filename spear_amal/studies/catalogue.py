"""The studies of distillation and of mixers by name, in words; their code is loaded to run them.

Help texts and tables of stored runs need the words alone, and do not wait for torch.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spear_amal.checks import check_name

if TYPE_CHECKING:
    from spear_amal.studies.grid.study import GridStudy


@dataclass(frozen=True)
class CatalogueEntry:
    """What is said of a study, and the module that holds it as ``STUDY``.

    Attributes
    ----------
    title : str
        One line on what it shows.
    module : str
        Below :mod:`spear_amal.studies`.
    note : str
        What its tables are shown with, such as methods that do not apply and why.
    """

    title: str
    module: str
    note: str = ""

    def load(self) -> GridStudy:
        """Import the study."""
        study: GridStudy = importlib.import_module(f"spear_amal.studies.{self.module}").STUDY
        return study


#: The studies of distillation by name.
DISTILLATION_STUDIES = {
    "kd-synthetic": CatalogueEntry(
        "ALM-KD's synthetic study: which rows get which weight, and learning curves.",
        "distillation.synthetic",
    ),
    "kd-noise": CatalogueEntry(
        "Wrong labels: do weights find them, and what is learnt in spite of them.",
        "distillation.noise",
    ),
    "kd-capacity": CatalogueEntry(
        "Teachers that are far larger than the student.", "distillation.capacity"
    ),
    "kd-multi": CatalogueEntry("Several teachers at once.", "distillation.multi"),
    "kd-early": CatalogueEntry(
        "Early epochs of the teacher as further teachers.", "distillation.early"
    ),
    "kd-self": CatalogueEntry(
        "Self-distillation: the teacher is a network of the student's own size.",
        "distillation.self_distillation",
    ),
    "coreset": CatalogueEntry(
        "Training on the rows that learnt weights choose.", "distillation.coreset"
    ),
    "rules-and-teacher": CatalogueEntry(
        "Labelling functions and a teacher in one run, mixed by AMAL.",
        "distillation.rules_and_teacher",
    ),
}
#: The studies of mixers by name: the same losses under each of them, side by side.
MIXER_STUDIES = {
    "aux-rotation": CatalogueEntry(
        "An auxiliary task that may help, and a useless one, under every mixer.",
        "mixers.aux_rotation",
        "ALM-KD is left out: its weights are convex ones of a label and of teachers, whose answers "
        "its validation loss is made of; an auxiliary task is no teacher.",
    ),
    "mixers-rules": CatalogueEntry(
        "Labelling functions under every way of mixing losses.",
        "mixers.rules",
        "ALM-KD is left out: its weights are shares of a label and of teachers, and there is no "
        "teacher. The model is linear, one module of two parameters, so that GCS by the "
        "last layer is GCS. The loss on gold does not reach the model of the rules, which follows "
        "the plain sum of its losses under GCS and MAOAL.",
    ),
    "mixers-distillation": CatalogueEntry(
        "Labels and a teacher under every way of mixing losses.", "mixers.distillation"
    ),
}
#: All of them.
CATALOGUE = DISTILLATION_STUDIES | MIXER_STUDIES


def load_study(name: str) -> GridStudy:
    """Load a study of the catalogue by its name.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    check_name("study", name, CATALOGUE)
    return CATALOGUE[name].load()
