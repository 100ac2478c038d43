"""From a declared rule to its labelling function."""

from __future__ import annotations

from typing import overload

from spear_amal.declared_lfs.rules import (
    KeywordRule,
    PromptRule,
    RegexRule,
    Rule,
    SimilarRule,
    ThresholdRule,
)
from spear_amal.declared_lfs.similar import similar_lf
from spear_amal.labeling.builders import ColumnLF, keyword_lf, regex_lf
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.thresholds import threshold_lf
from spear_amal.prompted_lfs import prompt_lf


@overload
def make_lf(rule: KeywordRule | RegexRule | ThresholdRule | SimilarRule) -> ColumnLF: ...
@overload
def make_lf(rule: Rule) -> LabelingFunction: ...
def make_lf(rule: Rule) -> LabelingFunction:
    """Make the labelling function of a rule.

    Its votes on a row depend on the rule and that row alone, so a cache of votes keeps them by what
    the rule says.

    Raises
    ------
    SpearAmalError
        If the encoder of a similar rule cannot be had.

    Examples
    --------
    >>> from spear_amal.declared_lfs import KeywordRule
    >>> make_lf(KeywordRule(name="prize", label=1, keywords=["won"]))("You WON!")
    1
    """
    name, label, column = rule.name, rule.label, rule.column
    if isinstance(rule, KeywordRule):
        return keyword_lf(
            name, rule.keywords, label, column, rule.whole_word, rule.ignore_case, rule.min_count
        )
    if isinstance(rule, RegexRule):
        return regex_lf(name, rule.pattern, label, column, rule.flags)
    if isinstance(rule, ThresholdRule):
        return threshold_lf(name, column, label, at_least=rule.at_least, at_most=rule.at_most)
    if isinstance(rule, PromptRule):
        return prompt_lf(
            *(name, rule.prompt, {label: rule.description}),
            model=rule.chat_model(),
            score=rule.score,
            max_cost=rule.max_cost,
        )
    return similar_lf(name, rule.examples, label, rule.at_least, column, rule.encoder)
