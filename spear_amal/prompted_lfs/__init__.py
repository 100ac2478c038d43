"""Labelling functions that ask a language model."""

from spear_amal.prompted_lfs.asking import spending_limit, spent
from spear_amal.prompted_lfs.calibration import Calibration, fit_calibration
from spear_amal.prompted_lfs.prompt_lf import calibrate, prompt_lf, prompt_lfs
from spear_amal.prompted_lfs.prompted_lf import PromptedLF
from spear_amal.prompted_lfs.questions import Question

__all__ = [
    "Calibration",
    "PromptedLF",
    "Question",
    "calibrate",
    "fit_calibration",
    "prompt_lf",
    "prompt_lfs",
    "spending_limit",
    "spent",
]
