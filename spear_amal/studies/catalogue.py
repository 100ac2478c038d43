"""Every study that is a list of runs, by name: those of distillation and those of mixers."""

from spear_amal.studies.distillation import KD_STUDIES, GridStudy
from spear_amal.studies.mixers import MIXING_STUDIES

#: All studies of distillation and of mixers, by name.
CATALOGUE: dict[str, GridStudy] = {**KD_STUDIES, **MIXING_STUDIES}

__all__ = ["CATALOGUE"]
