"""Labelling functions that are declared in a project's ``rules.toml``, and all LFs of a project."""

from spear_amal.declared_lfs.classes_of_lfs import LFsLike, applier_of
from spear_amal.declared_lfs.make_lf import make_lf
from spear_amal.declared_lfs.project_lfs import load_project_lfs
from spear_amal.declared_lfs.rules import (
    KeywordRule,
    PromptRule,
    RegexRule,
    Rule,
    SimilarRule,
    ThresholdRule,
    describe,
    rule_from_fields,
)
from spear_amal.declared_lfs.rules_toml import (
    RulesFile,
    change_rules,
    read_rules_file,
    rules_version,
)
from spear_amal.declared_lfs.settings_toml import add_to_settings
from spear_amal.declared_lfs.similar import nearest_similarities, similar_lf, vectors_of

__all__ = [
    "KeywordRule",
    "LFsLike",
    "PromptRule",
    "RegexRule",
    "Rule",
    "RulesFile",
    "SimilarRule",
    "ThresholdRule",
    "add_to_settings",
    "applier_of",
    "change_rules",
    "describe",
    "load_project_lfs",
    "make_lf",
    "nearest_similarities",
    "read_rules_file",
    "rule_from_fields",
    "rules_version",
    "similar_lf",
    "vectors_of",
]
