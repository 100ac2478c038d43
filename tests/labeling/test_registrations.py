"""What a script registers in spaCy, pandas and Polars reaches other processes, and fingerprints."""

from __future__ import annotations

import os
import threading

import pandas as pd
import pytest

from spear_amal.errors import InputError
from spear_amal.labeling import (
    LFApplier,
    PandasLFApplier,
    ParquetLFApplier,
    Row,
    labeling_function,
    nlp_labeling_function,
)
from spear_amal.labeling.hashing import function_hash
from spear_amal.labeling.registrations import Registrations, accessors
from spear_amal.labeling.worker_pool import pack, run_packed

TEXTS = ["FREE IT", "free", "NO"]


@pytest.fixture
def extensions():
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import Doc, Span, Token

    Doc.set_extension("shouts", getter=lambda doc: doc.text.isupper())
    Token.set_extension("mark", default=None)
    Span.set_extension("size", method=lambda span: len(span))
    yield spacy
    for kind, name in ((Doc, "shouts"), (Token, "mark"), (Span, "size")):
        if kind.has_extension(name):
            kind.remove_extension(name)


class Words:
    """An accessor of DataFrames and Series."""

    def __init__(self, data):
        self.data = data

    def free(self):
        texts = self.data["text"] if isinstance(self.data, pd.DataFrame) else self.data
        return texts.str.contains("FREE")


@pytest.fixture
def words():
    pd.api.extensions.register_dataframe_accessor("words")(Words)
    pd.api.extensions.register_series_accessor("words")(Words)
    yield
    for kind in (pd.DataFrame, pd.Series):
        kind._accessors.discard("words")
        del kind.words


def shouting_lf(spacy):
    @spacy.Language.component("marker")
    def marker(doc):
        for token in doc:
            token._.mark = token.text == "FREE"
        return doc

    nlp = spacy.blank("en")
    nlp.add_pipe("marker")

    @nlp_labeling_function(nlp=nlp, label=1)
    def lf(x):
        return x.doc._.shouts and x.doc[0]._.mark and x.doc[:1]._.size() == 1

    return lf


def forget_all():
    from spacy.tokens.underscore import Underscore

    for extensions in (Underscore.doc_extensions, Underscore.span_extensions,
                       Underscore.token_extensions):  # fmt: skip
        extensions.clear()


def test_extensions_of_spacy_travel_with_the_work(extensions, tmp_path, monkeypatch):
    lf = shouting_lf(extensions)
    pack(lambda texts: [lf(Row(text=text)) for text in texts], tmp_path / "work")
    before = Registrations.of_this_process()
    forget_all()  # as it is in a process that has not run the script
    assert run_packed(str(tmp_path / "work"), TEXTS).error is not None
    monkeypatch.setattr(os, "getpid", lambda: -1)
    pack_path = tmp_path / "again"
    pack_path.write_bytes((tmp_path / "work").read_bytes())
    assert run_packed(str(pack_path), TEXTS).value() == [1, -1, -1]
    assert Registrations.of_this_process().extensions.keys() == before.extensions.keys()


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_extensions_of_spacy_in_other_processes(extensions, n_jobs):
    frame = pd.DataFrame({"text": TEXTS})
    applier = PandasLFApplier([shouting_lf(extensions)])
    votes = applier.apply(frame, n_jobs=n_jobs, progress_bar=False)
    assert votes.to_dense()[:, 0].tolist() == [1, -1, -1]
    nlp = extensions.blank("en")
    docs = [nlp(text) for text in TEXTS]
    docs[1][0]._.mark = True
    lf = labeling_function("lf")(lambda doc: int(bool(doc._.shouts or doc[0]._.mark)))
    votes = LFApplier([lf]).apply(docs, n_jobs=n_jobs, progress_bar=False)
    assert votes.to_dense()[:, 0].tolist() == [1, 1, 1]


def test_what_cannot_be_sent_is_said_before_the_run(extensions):
    from spacy.tokens import Doc

    ran, lock = [], threading.Lock()
    Doc.set_extension("shouts", getter=lambda doc: lock.locked(), force=True)
    with pytest.raises(InputError, match=r"cannot be sent to other processes .*n_jobs=1"):
        LFApplier([labeling_function("lf")(ran.append)]).apply(TEXTS, n_jobs=2)
    assert ran == []


@pytest.mark.slow
def test_accessors_in_other_processes(words, tmp_path):
    pytest.importorskip("pyarrow")
    for k in range(2):
        pd.DataFrame({"text": TEXTS}).to_parquet(tmp_path / f"{k}.parquet")
    lf = labeling_function("lf", label=1, vectorized=True)(lambda frame: frame.words.free())
    votes = ParquetLFApplier([lf], 2).apply(
        tmp_path, tmp_path / "votes", n_jobs=2, batch_rows=3, progress_bar=False
    )
    assert [part.to_dense()[:, 0].tolist() for part in votes.parts()] == [[1, -1, -1]] * 2


def test_a_cache_sees_that_an_accessor_was_edited(words, tmp_path):
    lf = labeling_function("lf", label=1, vectorized=True)(lambda frame: frame.words.free())
    frame = pd.DataFrame({"text": TEXTS})
    applier = PandasLFApplier([lf], 2)
    reports = []

    def apply():
        votes = applier.apply(frame, progress_bar=False, cache=tmp_path)
        reports.append(applier.cache_report["lf"])
        return votes.to_dense()[:, 0].tolist()

    assert apply() == apply() == [1, -1, -1]

    class Edited(Words):
        def free(self):
            return super().free() | self.data["text"].eq("free")

    with pytest.warns(UserWarning, match="overriding"):
        pd.api.extensions.register_dataframe_accessor("words")(Edited)
    assert apply() == [1, 1, -1]
    assert reports == ["computed", "cached", "computed"]
    assert function_hash(lambda frame: frame.words) != function_hash(lambda frame: frame.text)


def test_namespaces_of_polars():
    pl = pytest.importorskip("polars")
    pl.api.register_expr_namespace("words")(Words)
    try:
        registered = [(found.class_name, found.made_of) for found in accessors()]
        assert ("Expr", Words) in registered
        here = Registrations.of_this_process()
        del pl.Expr.words
        here.restore()  # in this process nothing is lost
        assert not hasattr(pl.Expr, "words")
        here._replace(process=-1).restore()
        assert isinstance(pl.col("text").words, Words)
    finally:
        pl.Expr._accessors.discard("words")
        if hasattr(pl.Expr, "words"):
            del pl.Expr.words
