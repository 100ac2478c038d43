"""Studies of mixers: the same losses under each of them, side by side."""

from spear_amal.studies.grid.study import GridStudy
from spear_amal.studies.mixers.aux_rotation import STUDY as AUX_ROTATION
from spear_amal.studies.mixers.distillation import STUDY as MIXERS_DISTILLATION
from spear_amal.studies.mixers.rules import STUDY as MIXERS_RULES

_ALL = (AUX_ROTATION, MIXERS_RULES, MIXERS_DISTILLATION)
#: The studies of mixers by name.
MIXING_STUDIES: dict[str, GridStudy] = {study.name: study for study in _ALL}

__all__ = ["MIXING_STUDIES"]
