"""Studies of distillation: each a list of runs, and how one of them is done."""

from spear_amal.studies.distillation.capacity import STUDY as KD_CAPACITY
from spear_amal.studies.distillation.coreset import STUDY as CORESET
from spear_amal.studies.distillation.early import STUDY as KD_EARLY
from spear_amal.studies.distillation.multi import STUDY as KD_MULTI
from spear_amal.studies.distillation.noise import STUDY as KD_NOISE
from spear_amal.studies.distillation.rules_and_teacher import STUDY as RULES_AND_TEACHER
from spear_amal.studies.distillation.self_distillation import STUDY as KD_SELF
from spear_amal.studies.distillation.synthetic import STUDY as KD_SYNTHETIC
from spear_amal.studies.grid.study import GridStudy, run_grid_study

_ALL = (
    KD_SYNTHETIC,
    KD_NOISE,
    KD_CAPACITY,
    KD_MULTI,
    KD_EARLY,
    KD_SELF,
    CORESET,
    RULES_AND_TEACHER,
)
#: The studies of distillation by name.
KD_STUDIES: dict[str, GridStudy] = {study.name: study for study in _ALL}

__all__ = ["KD_STUDIES", "GridStudy", "run_grid_study"]
