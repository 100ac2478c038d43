import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import InputError, MissingExtraError
from spear_amal.labeling import (
    LabelingFunction,
    LambdaPreprocessor,
    LFApplier,
    PandasLFApplier,
    Preprocessor,
    Row,
    SpacyPreprocessor,
    lambda_mapper,
    nlp_labeling_function,
    preprocessor,
)
from spear_amal.labeling.nlp import _load


def counting(name, change, **options):
    """A preprocessor that notes the texts it was called with."""
    calls = []

    def run(x):
        calls.append(x.text)
        change(x)
        return x

    return LambdaPreprocessor(name, run, **options), calls


def lower(x):
    x.text = x.text.lower()


def words(x):
    x.words = x.text.split()


def lfs_with(pre, count=3):
    return [LabelingFunction(f"lf{j}", lambda x: len(x.words), pre=pre) for j in range(count)]


FRAME = pd.DataFrame({"text": ["A b", "C", "d E f", "C"]}, index=[3, 1, 1, 2])


def test_once_a_row_for_the_whole_set_of_lfs():
    low, low_calls = counting("low", lower)
    split, split_calls = counting("split", words)
    # One set names the chain, the other reaches `low` through `pre` of `split2`.
    split2, split2_calls = counting("split2", words, pre=[low])
    found = PandasLFApplier([*lfs_with([low, split]), LabelingFunction("x", len_of, pre=[split2])])
    matrix = found.apply(FRAME)
    assert matrix.to_dense().T.tolist() == [[2, 1, 3, 1]] * 4
    assert low_calls == FRAME["text"].tolist()
    assert split_calls == split2_calls == ["a b", "c", "d e f", "c"]


def len_of(x):
    return len(x.words)


def test_the_rows_of_the_user_do_not_change():
    def change(x):
        x.text = "gone"
        x.tags.append("new")
        x.more["k"] = 1
        x.array[0] = 9
        x.new = 1

    pre, _ = counting("change", change)
    make = dict(text="t", tags=["a"], more={}, array=np.zeros(2))
    rows = [SimpleNamespace(**make), Row(**make)]
    seen = []
    lf = LabelingFunction("lf", lambda x: seen.append((x.text, x.tags)), pre=[pre])
    LFApplier([lf]).apply(rows)
    assert seen == [("gone", ["a", "new"])] * 2
    for row in rows:
        assert (row.text, row.tags, row.more, row.array.tolist()) == ("t", ["a"], {}, [0, 0])
        assert not hasattr(row, "new")


def test_rows_of_one_preprocessor_do_not_change_by_another():
    def add(tag):
        return lambda x: x.tags.append(tag)

    first, _ = counting("first", lambda x: setattr(x, "tags", []))
    left, _ = counting("left", add("l"))
    right, _ = counting("right", add("r"))
    seen = {}

    def look(name):
        return lambda x: seen.__setitem__(name, list(x.tags))

    lfs = [
        LabelingFunction("l", look("l"), pre=[first, left]),
        LabelingFunction("r", look("r"), pre=[first, right]),
        LabelingFunction("n", look("n"), pre=[first]),
    ]
    LFApplier(lfs).apply([Row(text="t")])
    assert seen == {"l": ["l"], "r": ["r"], "n": []}


@pytest.mark.parametrize(
    "row",
    [
        SimpleNamespace(text="A b"),
        pd.Series({"text": "A b"}),
        next(pd.DataFrame({"text": ["A b"]}).itertuples()),
    ],
)
def test_one_row_of_any_kind(row):
    low, _ = counting("low", lower)
    split, _ = counting("split", words, pre=[low])
    assert split(row).words == ["a", "b"] and row.text == "A b"
    assert LabelingFunction("lf", lambda x: len(x.words), pre=[split])(row) == 2


def test_plain_strings_and_dicts():
    strip = preprocessor(name="strip")(lambda x: x.strip())
    assert LabelingFunction("lf", len, pre=[strip])("  abc ") == 3

    @preprocessor
    def add(x):
        x["n"] = 1
        return x

    row = {"text": "a"}
    assert add(row) == {"text": "a", "n": 1} and row == {"text": "a"}


def test_memo_across_applies_and_its_bound():
    split, calls = counting("split", words, memoize=True, memo_size=2)
    applier = PandasLFApplier(lfs_with([split], 2))
    first = applier.apply(FRAME)
    assert calls == ["A b", "C", "d E f"]  # equal rows once
    assert np.array_equal(applier.apply(FRAME), first)
    assert calls[3:] == ["A b"]  # the oldest was forgotten, the two latest were kept
    split.reset_cache()
    split(Row(text="C"))
    assert calls[4:] == ["C"] and len(split._memo) == 1


def test_the_memo_forgets_what_was_not_used_for_longest():
    split, calls = counting("split", words, memoize=True, memo_size=2)
    for text in ["a", "b", "a", "c", "a", "b"]:
        split(Row(text=text))
    assert calls == ["a", "b", "c", "b"]


def test_memo_by_a_key_of_the_user_and_of_fields_that_cannot_be_hashed():
    by_length, calls = counting("k", words, memoize=True, memoize_key=lambda x: len(x.text))
    assert by_length(Row(text="ab")).words == by_length(Row(text="cd")).words == ["ab"]
    assert calls == ["ab"]
    odd, calls = counting("odd", words, memoize=True)
    for _ in range(2):
        odd(Row(text="a", array=np.arange(3), tags=["x", {"y": 1}], inner=SimpleNamespace(z=[1])))
    odd(Row(text="a", array=np.arange(4), tags=["x", {"y": 1}], inner=SimpleNamespace(z=[1])))
    assert calls == ["a", "a"]


def test_equal_numbers_of_other_types_are_other_rows():
    kinds = []
    pre = LambdaPreprocessor("p", lambda x: kinds.append(type(x.n)) or x, memoize=True)
    for n in (1, True, 1.0):
        pre(Row(n=n))
    assert kinds == [int, bool, float]


def test_a_preprocessor_as_a_class():
    class Combine(Preprocessor):
        def run(self, title, body):
            return {"article": f"{title} {body}"}

    assert Combine("c")(SimpleNamespace(title="a", body="b")).article == "a b"
    renamed = Combine("c", {"title": "t", "body": "b"}, {"article": "full"})
    assert renamed({"t": "x", "b": "y"})["full"] == "x y"
    with pytest.raises(InputError, match="no column 'title'"):
        Combine("c")(SimpleNamespace(body="b"))
    assert lambda_mapper is preprocessor


def test_none_is_no_row():
    with pytest.raises(InputError, match="'p' returned None"):
        LambdaPreprocessor("p", lambda x: None)(Row())
    with pytest.raises(InputError, match="returned None"):
        LabelingFunction("lf", len, pre=[lambda x: None])(Row())


# -- spaCy ---------------------------------------------------------------------------------------

spacy = pytest.importorskip("spacy", reason="spaCy is not installed (extra nlp)")


class CountingPipeline:
    """A blank pipeline that counts calls of `pipe` and texts."""

    def __init__(self):
        self._nlp, self.calls, self.texts = spacy.blank("en"), 0, 0

    def pipe(self, texts, **options):
        self.calls += 1
        self.texts += len(texts)
        return self._nlp.pipe(texts, **options)


def test_parsed_in_one_batch_for_lfs_that_name_the_pipeline_each():
    nlp = CountingPipeline()
    lfs = [
        nlp_labeling_function(name=f"lf{j}", nlp=nlp)(lambda x, j=j: int(len(x.doc) > j))
        for j in range(3)
    ]
    other = LabelingFunction(
        "tok", lambda x: len(x.parsed), pre=[SpacyPreprocessor(nlp, doc_field="parsed")]
    )
    matrix = PandasLFApplier([*lfs, other]).apply(FRAME)
    assert matrix.to_dense().tolist() == [[1, 1, 0, 2], [1, 0, 0, 1], [1, 1, 1, 3], [1, 0, 0, 1]]
    assert (nlp.calls, nlp.texts) == (2, 8)  # once for each field the document goes to


def test_documents_of_missing_texts_and_of_plain_strings():
    parse = SpacyPreprocessor(spacy.blank("en"))
    assert len(parse(Row(text=None)).doc) == 0 and len(parse(Row(text=float("nan"))).doc) == 0
    assert [token.text for token in parse("Free now!")] == ["Free", "now", "!"]
    assert parse(pd.Series({"text": "a b"})).doc.text == "a b"


def test_rule_based_components_and_chains():
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PRIZE", "pattern": "cash"}])
    low, _ = counting("low", lower)
    parse = SpacyPreprocessor(nlp, pre=[low], memoize=True)

    @nlp_labeling_function(nlp=nlp, pre=[low], label=1)
    def offers(x):
        return any(entity.label_ == "PRIZE" for entity in x.doc.ents)

    rows = [Row(text="CASH"), Row(text="hello")]
    assert LFApplier([offers]).apply(rows).to_dense().ravel().tolist() == [1, -1]
    assert parse(rows[0]).doc is parse(rows[0]).doc  # memoised
    without = SpacyPreprocessor(nlp, pre=[low], disable=["entity_ruler"])
    assert not without(rows[0]).doc.ents


def test_without_brackets_the_default_model_is_missing_and_named():
    with pytest.raises(InputError, match=r"no spaCy pipeline 'none_such' is installed.*blank"):
        SpacyPreprocessor("none_such")
    with pytest.raises(InputError, match="must be a spaCy pipeline or its name, found 3"):
        SpacyPreprocessor(3)


def test_a_pipeline_from_a_folder(tmp_path):
    spacy.blank("de").to_disk(tmp_path / "model")
    assert SpacyPreprocessor(str(tmp_path / "model")).nlp.lang == "de"


def test_spacy_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", None)
    _load.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install 'spear-amal\[nlp\]'"):
        SpacyPreprocessor("any")
