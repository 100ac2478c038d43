import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import InputError, LabelingError
from spear_amal.labeling import (
    ColumnLFApplier,
    LabelingFunction,
    LFApplier,
    PandasLFApplier,
    apply_lfs,
    keyword_lf,
    labeling_function,
    preprocessor,
    threshold_lf,
)

FRAME = pd.DataFrame({"text": ["a", "b", "c"], "size": [1, 2, 3]}, index=["r0", "r1", "r2"])
CLASSES = ("ham", "spam")


def apply(lf, classes=CLASSES, **options):
    return PandasLFApplier([lf], classes).apply(FRAME, **options)


@pytest.mark.parametrize(
    "answer, message",
    [
        (0.7, r"answered 0\.7 \(float\); needed None or -1 \(abstain\) or one of the 2 classes"),
        (1.0, r"answered 1\.0 \(float\)"),
        (np.float64(0.7), r"answered np\.float64\(0\.7\)"),
        (float("nan"), r"answered nan \(float\)"),
        (-2, r"answered -2 \(int\)"),
        (2, r"answered 2 \(int\).*\['ham', 'spam'\]"),
        ("Spam", r"answered 'Spam' \(str\)"),
        (True, r"answered True \(bool\).*declare label="),
        (np.False_, r"answered np\.False_ \(bool\).*declare label="),
        ([1], r"answered \[1\] \(list\)"),
    ],
)
def test_an_answer_that_is_no_class_names_lf_row_and_value(answer, message):
    lf = LabelingFunction("picky", lambda x: answer if x.text == "b" else 1)
    with pytest.raises(LabelingError, match=f"LF 'picky', row 'r1': {message}"):
        apply(lf)
    batch = LabelingFunction("picky", lambda df: [1, answer, -1], vectorized=True)
    with pytest.raises(LabelingError, match=f"LF 'picky', row 'r1': {message}"):
        apply(batch)


@pytest.mark.parametrize("classes", [None, 3])
def test_numbers_beyond_the_classes(classes):
    for answer in (-2, 40_000):
        with pytest.raises(LabelingError, match=f"answered {answer}"):
            apply(LabelingFunction("x", lambda x: answer), classes)  # noqa: B023


def test_another_class_than_declared():
    with pytest.raises(LabelingError, match="answered 'ham', but declares label='spam'"):
        apply(LabelingFunction("x", lambda x: "ham", label="spam"))


@pytest.mark.parametrize(
    "answers, message",
    [
        (np.zeros(2, dtype=int), r"row 'r0': returned shape \(2,\).*must return \(3,\)"),
        (1, r"returned shape \(\)"),
        (np.zeros((3, 1), dtype=int), r"returned shape \(3, 1\)"),
        (np.array([0, 0.7, -1]), r"row 'r0': answered 0\.0 \(float\)"),
        (np.array([True, False, True]), "declare label="),
        (np.array([0, -2, 1]), "row 'r1': answered -2"),
        (pd.Series([0, 1, 0], index=["r2", "r1", "r0"]), "index is not that of the batch"),
    ],
)
def test_vectorised_answers_of_the_wrong_kind(answers, message):
    with pytest.raises(LabelingError, match=message):
        apply(LabelingFunction("v", lambda df: answers, vectorized=True))


@pytest.mark.parametrize(
    "answers",
    [
        np.array([0, -1, 1], dtype=np.int8),
        pd.Series([0, -1, 1], index=FRAME.index),
        ["ham", None, "spam"],
        np.array(["ham", None, 1], dtype=object),
        (0, None, 1),
        pd.array([0, -1, 1], dtype="Int64"),
    ],
)
def test_vectorised_answers_that_are_fine(answers):
    found = apply(LabelingFunction("v", lambda df: answers, vectorized=True))
    assert found.to_dense().ravel().tolist() == [0, -1, 1]


def test_vectorised_answers_of_batches_name_the_row_of_the_whole():
    def odd(batch):
        return [7 if text == "c" else 0 for text in batch["text"]]

    applier = ColumnLFApplier([LabelingFunction("odd", odd, vectorized=True)], CLASSES)
    with pytest.raises(LabelingError, match="row 2: answered 7"):
        applier.apply({"text": ["a", "b", "c"]}, batch_size=2)


# -- functions that raise ------------------------------------------------------------------------


@labeling_function(label="spam")
def fails_on_b(x):
    if x.text == "b":
        raise KeyError("no entry")
    return True


def test_an_lf_that_raises_is_named_with_its_cause():
    with pytest.raises(LabelingError, match="LF 'fails_on_b', row 'r1': raised KeyError") as caught:
        apply(fails_on_b)
    assert isinstance(caught.value.__cause__, KeyError)
    assert "fault_tolerant=True (--fault-tolerant)" in str(caught.value)


def test_tolerated_failures_abstain_and_are_handed_back():
    always = LabelingFunction("always", lambda x: 1 / 0)
    nonsense = LabelingFunction("nonsense", lambda x: 0.5 if x.size > 1 else 0)
    lfs = [fails_on_b, always, nonsense]
    matrix, meta = PandasLFApplier(lfs, CLASSES).apply(FRAME, fault_tolerant=True, return_meta=True)
    assert matrix.to_dense().tolist() == [[1, -1, 0], [-1, -1, -1], [1, -1, -1]]
    assert meta.faults == {"fails_on_b": 1, "always": 3, "nonsense": 2}
    assert [fault.row_id for fault in meta.tracebacks["nonsense"]] == ["r1", "r2"]
    text = meta.tracebacks["fails_on_b"][0].traceback
    assert 'raise KeyError("no entry")' in text and "fails_on_b" in text


def test_only_the_first_tracebacks_are_kept():
    lf = LabelingFunction("always", lambda x: 1 / 0)
    _, meta = LFApplier([lf]).apply(range(17), fault_tolerant=True, return_meta=True)
    assert meta.faults["always"] == 17
    assert [fault.row_id for fault in meta.tracebacks["always"]] == [0, 1, 2]


def test_a_fault_beyond_the_first_chunk_names_its_row(monkeypatch):
    monkeypatch.setattr(apply_lfs, "CHUNK", 1)
    with pytest.raises(LabelingError, match="row 'r1'"):
        apply(fails_on_b)
    _, meta = apply(fails_on_b, fault_tolerant=True, return_meta=True)
    assert meta.tracebacks["fails_on_b"][0].row_id == "r1"


def test_tolerated_failures_are_said_if_nobody_asked():
    with pytest.warns(UserWarning, match=r"abstain on those rows: {'fails_on_b': 1}"):
        apply(fails_on_b, fault_tolerant=True)


def test_no_faults_no_warning():
    assert apply(LabelingFunction("ok", lambda x: 1), fault_tolerant=True, return_meta=True)[1] == (
        {},
        {},
        {},
        {},
    )


def test_an_interrupt_is_never_tolerated():
    def stop(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(LabelingFunction("stop", stop), fault_tolerant=True)


def test_a_vectorised_lf_that_raises_abstains_on_its_batch():
    def fails(batch):
        if "b" in batch["text"]:
            raise ValueError("b")
        return [0] * len(batch["text"])

    applier = ColumnLFApplier([LabelingFunction("v", fails, vectorized=True)])
    columns = {"text": ["a", "a", "b", "a", "c"]}
    with pytest.raises(LabelingError, match="LF 'v', row 2: raised ValueError: b"):
        applier.apply(columns, batch_size=2)
    matrix, meta = applier.apply(columns, batch_size=2, fault_tolerant=True, return_meta=True)
    assert matrix.to_dense().ravel().tolist() == [0, 0, -1, -1, 0] and meta.faults == {"v": 2}


def test_a_declarative_lf_fails_on_the_bad_row_only():
    table = pd.DataFrame({"text": ["hi", 3, None, "hi"], "size": ["x", 2, 3, 4]})
    lfs = [keyword_lf("hi", "hi", 0), threshold_lf("big", "size", 1, above=2)]
    with pytest.raises(LabelingError, match=r"LF 'hi', row 1: .*reads texts, found 3 \(int\)"):
        PandasLFApplier(lfs).apply(table)
    matrix, meta = PandasLFApplier(lfs).apply(table, fault_tolerant=True, return_meta=True)
    assert matrix.to_dense().tolist() == [[0, -1], [-1, -1], [-1, 1], [0, 1]]
    assert meta.faults == {"hi": 1, "big": 1}


def test_a_missing_column_is_named():
    with pytest.raises(LabelingError, match=r"no column 'body'; the row has \['text', 'size'\]"):
        apply(keyword_lf("x", "a", "ham", column="body"))
    with pytest.raises(LabelingError, match="no attribute 'body'"):
        apply(LabelingFunction("x", lambda x: x.body))


def test_a_preprocessor_that_fails_or_forgets_to_return():
    @preprocessor()
    def fails(x):
        if x.text == "b":
            raise ValueError("cannot parse")
        x.n = len(x.text)
        return x

    @preprocessor()
    def forgets(x):
        x.n = 1

    lfs = [LabelingFunction(name, lambda x: x.n, pre=[fails]) for name in ("one", "two")]
    with pytest.raises(LabelingError, match="LF 'one', row 'r1': raised ValueError: cannot parse"):
        PandasLFApplier(lfs).apply(FRAME)
    matrix, meta = PandasLFApplier(lfs).apply(FRAME, fault_tolerant=True, return_meta=True)
    assert matrix.to_dense()[:, 0].tolist() == [1, -1, 1]
    assert meta.faults == {"one": 1, "two": 1}
    with pytest.raises(LabelingError, match="'forgets' returned None; it must return the row"):
        apply(LabelingFunction("x", lambda x: x.n, pre=[forgets]))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LabelingFunction("", len), "non-empty string"),
        (lambda: LabelingFunction(3, len), "non-empty string"),
        (lambda: LabelingFunction("x", 3), "needs a function"),
        (lambda: LabelingFunction("x", len, label=True), "must be a class"),
        (lambda: LabelingFunction("x", len, label=0.7), "must be a class"),
        (lambda: LabelingFunction("x", len, vectorized=True, pre=[len]), "takes no preprocessors"),
    ],
)
def test_lfs_that_cannot_be_made(make, message):
    with pytest.raises(InputError, match=message):
        make()
