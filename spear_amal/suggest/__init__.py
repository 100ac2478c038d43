"""Suggestions of labelling functions: mined from a table, tested against chance on gold rows."""

from spear_amal.suggest.candidate import Candidate, Suggestions
from spear_amal.suggest.pool import ConditionPool, mine_conditions
from spear_amal.suggest.suggesting import suggest_lfs

__all__ = ["Candidate", "ConditionPool", "Suggestions", "mine_conditions", "suggest_lfs"]
