"""Declared rules: what is accepted is written, read again, and votes alike in any batch."""

import pandas as pd
from hypothesis import strategies as st
from registry import door
from values import mostly, mutated, odd, small_odd, texts

from spear_amal.declared_lfs import (
    KeywordRule,
    RegexRule,
    RulesFile,
    SimilarRule,
    ThresholdRule,
    add_to_settings,
    applier_of,
    change_rules,
    describe,
    load_project_lfs,
    make_lf,
    nearest_similarities,
    read_rules_file,
    rule_from_fields,
    rules_version,
    similar_lf,
    vectors_of,
)
from spear_amal.errors import InputError
from spear_amal.labeling import PandasLFApplier

RIGHT = [
    {"kind": "keyword", "keywords": ["spam", "you"], "min_count": 1, "whole_word": "false"},
    {"kind": "regex", "pattern": "s.a", "ignore_case": True},
    {"kind": "threshold", "column": "number", "at_least": "1", "at_most": 3.5},
    {"kind": "similar", "examples": "a spam offer\nsee you", "at_least": 0.5},
]
ROWS = pd.DataFrame(
    {"text": ["a spam offer", "see you there", "", "SPA"], "number": [1, 3, None, 4]}
)


@st.composite
def fields(draw):
    """Fields of a rule, now and then one of them odd or left out."""
    made = draw(st.sampled_from(RIGHT)) | {"name": "x", "label": draw(st.sampled_from([0, 1]))}
    if draw(st.booleans()):
        key = draw(st.sampled_from([*made, "column", "name", "other"]))
        made |= {key: draw(mostly(texts, small_odd, 1))}
    return made


@door(
    *("declared_lfs.rule_from_fields", "declared_lfs.make_lf", "declared_lfs.describe"),
    *("declared_lfs.change_rules", "declared_lfs.read_rules_file", "declared_lfs.RulesFile"),
    *("declared_lfs.rules_version", "declared_lfs.KeywordRule", "declared_lfs.RegexRule"),
    *("declared_lfs.SimilarRule", "declared_lfs.ThresholdRule", "declared_lfs.Rule"),
)
def declared_rules(draw, folder):
    rule = rule_from_fields(draw(fields()))
    kinds = {kind.__name__: kind for kind in (KeywordRule, RegexRule, SimilarRule, ThresholdRule)}
    assert kinds[type(rule).__name__](**rule.model_dump()) == rule and describe(rule)
    path = folder / "rules.toml"
    muted = draw(st.frozensets(texts.filter(_encodes), max_size=2))
    file = change_rules(path, lambda file: RulesFile(file.rules, muted).with_rule(rule))
    assert read_rules_file(path) == file and rules_version(path)
    if rule.column not in ROWS or (rule.kind == "threshold") != (rule.column == "number"):
        return
    applier = PandasLFApplier([make_lf(rule)], ["ham", "spam"])
    together = applier.apply(ROWS, progress_bar=False).to_dense().tolist()
    alone = [
        applier.apply(ROWS[i : i + 1], progress_bar=False).to_dense().tolist()[0]
        for i in range(len(ROWS))
    ]
    assert together == alone


@door("declared_lfs.load_project_lfs", "declared_lfs.applier_of", "declared_lfs.LFsLike")
def files_of_rules(draw, folder):
    path = folder / "rules.toml"
    made = [rule_from_fields(RIGHT[i] | {"name": f"x{i}", "label": i}) for i in (0, 1)]
    change_rules(path, lambda _: RulesFile(tuple(made), frozenset(["x0"])))
    if draw(st.booleans()):
        path.write_bytes(mutated(draw, path.read_bytes()))
    loaded = load_project_lfs(None, path)
    assert {lf.name for lf in loaded.lfs}.isdisjoint(read_rules_file(path).muted)
    given = draw(mostly(st.sampled_from([path, [path], str(path)]), odd))
    try:
        applier_of(
            given, classes=["ham", "spam"], labels=draw(mostly(st.just(["ham"]), st.just([])))
        )
    except TypeError:
        raise InputError("no LFs") from None


@door("declared_lfs.similar_lf", "declared_lfs.vectors_of", "declared_lfs.nearest_similarities")
def similar_texts(draw, folder):
    examples = draw(mostly(st.lists(texts, min_size=1, max_size=3), odd))
    lf = similar_lf("x", examples, 1, draw(mostly(st.sampled_from([0.3, 1]), odd)))
    found = draw(st.lists(texts, min_size=1, max_size=4))
    close = nearest_similarities(vectors_of("ngrams", found), vectors_of("ngrams", found))
    assert all(close[i] == (1 if text.strip() else 0) for i, text in enumerate(found))
    assert [lf(text) for text in found] == [
        lf.label if vote else -1 for vote in lf.decide(found).tolist()
    ]


@door("declared_lfs.add_to_settings")
def settings(draw, folder):
    path = folder / "spear.toml"
    path.write_text(
        draw(st.sampled_from(["", "# gold = 'a'\n", "gold = 'b'\n", "[x]\n", "gold = 3"]))
    )
    value = draw(texts.filter(_encodes))
    assert add_to_settings(path, "gold", value) and not add_to_settings(path, "gold", value)


def _encodes(text):
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
