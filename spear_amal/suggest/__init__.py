"""Suggestions of labelling functions: mined, or written by a model; tested against chance."""

from spear_amal.suggest.candidate import Candidate, Suggestions
from spear_amal.suggest.pool import ConditionPool, mine_conditions
from spear_amal.suggest.rule_answers import RefusedRule
from spear_amal.suggest.suggesting import suggest_lfs
from spear_amal.suggest.writing import WrittenRules, write_rules

__all__ = [
    "Candidate",
    "ConditionPool",
    "RefusedRule",
    "Suggestions",
    "WrittenRules",
    "mine_conditions",
    "suggest_lfs",
    "write_rules",
]
