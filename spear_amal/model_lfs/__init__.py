"""Labelling functions from models: trained ones, and encoders that are told what classes are."""

from spear_amal.model_lfs.from_model import model_lf
from spear_amal.model_lfs.voting import ModelLF, TableModelLF
from spear_amal.model_lfs.zero_shot import zero_shot_lf

__all__ = ["ModelLF", "TableModelLF", "model_lf", "zero_shot_lf"]
