"""The corpus record, and the real corpora where they are at hand."""

import numpy as np
import pandas as pd
import pytest

from spear_amal.data import CORPORA, Corpus, corpus_file, corpus_status, load_corpus, partition
from spear_amal.data.corpora import plots, sms
from spear_amal.errors import ChecksumError, InputError
from spear_amal.votes.label_matrix import LabelMatrix


def frame_of(n, **columns):
    base = {"text": [f"text {i}" for i in range(n)], "label": np.arange(n) % 2, "part": "train"}
    return pd.DataFrame({**base, **columns})


def corpus_of(frame, **fields):
    return Corpus("toy", ("no", "yes"), frame, fields.pop("metric", "f1"), "made here", **fields)


def test_a_corpus_says_what_it_holds():
    corpus = corpus_of(frame_of(5, part=["test", "train", "test", "train", "labelled"]))
    assert len(corpus) == 5
    assert corpus.rows("test").tolist() == [0, 2]
    assert corpus.rows("validation").tolist() == []
    assert corpus.labels.tolist() == [0, 1, 0, 1, 0]
    assert corpus.texts[3] == "text 3"
    assert "{'train': 2, 'labelled': 1, 'test': 2}" in repr(corpus)


def test_a_corpus_without_rows():
    corpus = corpus_of(frame_of(0))
    assert len(corpus) == 0
    assert corpus.rows("train").shape == (0,)
    assert corpus.texts == []


@pytest.mark.parametrize(
    ("frame", "fields", "told"),
    [
        (frame_of(3).drop(columns="part"), {}, "needs columns.*part"),
        (frame_of(3, label=[0, 1, 2]), {}, "labels \\[2\\] are no class"),
        (frame_of(3, label=[0, 1, -1]), {}, "labels \\[-1\\] are no class"),
        (frame_of(3, part="dev"), {}, "parts \\['dev'\\]"),
        (frame_of(3).set_axis([7, 7, 8]), {}, "index .* must be unique"),
        (frame_of(3), {"metric": "auc"}, "metric 'auc'"),
        (frame_of(3), {"features": np.zeros((2, 5))}, "features has 2 rows, the frame 3"),
        (
            frame_of(3),
            {"label_matrix": LabelMatrix.from_dense(np.zeros((5, 2), dtype=int))},
            "label_matrix has 5 rows",
        ),
    ],
)
def test_what_is_no_corpus(frame, fields, told):
    with pytest.raises(InputError, match=told):
        corpus_of(frame, **fields)


def test_asking_for_what_is_not_there():
    corpus = corpus_of(frame_of(3).drop(columns="text"))
    with pytest.raises(InputError, match="no text"):
        _ = corpus.texts
    with pytest.raises(InputError, match="part must be one of"):
        corpus.rows("dev")


def test_generated_corpus_by_name():
    assert load_corpus("generated").name == "generated"
    assert corpus_status("generated").state == "generated"


# -- how files become rows, on small files made here --------------------------------------------


def test_plots_keeps_films_of_one_genre_and_hides_the_genres(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "N_TEST", 4)
    genres = ['"Action"', '"Romance Film"', '"Romantic drama"', '"Action/Adventure"']
    kept = [
        (i, f"T{i}", f'"Drama", {genres[i % 4]}', f"plot {i}" if i else 'a, "quoted" plot')
        for i in range(23)
    ]
    other = [(99, "both", '"Action", "Romance Film"', "b"), (98, "none", '"Drama"', "n")]
    pd.DataFrame(kept + other, columns=["ID", "Title", "Category", "Plot"]).to_csv(
        tmp_path / "movies.csv", index=False
    )
    corpus = plots.build(tmp_path, "here")
    assert len(corpus) == 23
    assert list(corpus.frame.columns) == ["title", "text", "label", "part"]
    assert corpus.frame.loc[0, "label"] == 1
    assert corpus.frame.loc[2, "label"] == 0
    assert len(corpus.rows("test")) == 4


def test_sms_lines_are_not_csv_and_copies_leave_the_test_part(tmp_path, monkeypatch):
    monkeypatch.setattr(sms, "N_TEST", 11)
    lines = [f'{("ham", "spam")[i % 2]}\tmessage "{i}' for i in range(31)]
    lines += ["ham\tSame text "] * 13
    (tmp_path / "SMSSpamCollection").write_text("\n".join(lines) + "\n", encoding="utf-8")
    corpus = sms.build(tmp_path, "here")
    assert corpus.texts[0] == 'message "0'
    held = corpus.frame.groupby("part")["text"].apply(set)
    assert not held["test"] & held["train"]
    assert "Same text " in held["train"]


# -- the real corpora ---------------------------------------------------------------------------


def counts(corpus):
    return corpus.frame.groupby("part")["label"].agg(["size", "sum"]).T.to_dict("list")


@pytest.mark.usefixtures("real_data")
def test_real_sms_as_published():
    corpus = load_corpus("sms", offline=True)
    assert counts(corpus) == {
        "labelled": [69, 38],
        "train": [4502, 579],
        "validation": [500, 64],
        "test": [500, 67],
    }
    assert "as published" in corpus.source
    parts = partition(corpus, seed=3, labelled="published", drop_duplicates=True)
    assert parts.labelled.tolist() == corpus.rows("labelled").tolist()
    assert len(parts.validation) == 69
    assert len(parts.test) == 435  # 65 test texts occur in other parts
    assert len(corpus_file("sms", "rules.tsv").read_text(encoding="latin-1").splitlines()) == 73


@pytest.mark.usefixtures("real_data")
def test_real_youtube():
    corpus = load_corpus("youtube", offline=True)
    assert counts(corpus) == {"train": [1586, 831], "validation": [120, 56], "test": [250, 118]}
    assert set(corpus.frame.loc[corpus.rows("train"), "video"]) == {1, 2, 3, 4}
    assert corpus.frame["text"].str.endswith("\ufeff").any()


@pytest.mark.usefixtures("real_data")
def test_real_imdb():
    corpus = load_corpus("imdb", offline=True)
    assert counts(corpus) == {
        "labelled": [284, 139],
        "unlabelled": [852, 380],
        "validation": [284, 134],
        "test": [500, 237],
    }
    assert corpus.features.shape == (1920, 322)
    assert corpus.features.dtype == np.float32
    assert set(np.unique(corpus.features.data)) == {1.0}
    assert corpus.label_matrix.shape == (1920, 25)
    assert corpus.label_matrix.lf_classes.sum() == 14
    covered = corpus.label_matrix.covered()
    assert round(float(covered[corpus.rows("unlabelled")].mean()), 3) == 0.581
    parts = partition(corpus, seed=5)
    sizes = [len(x) for x in (parts.labelled, parts.unlabelled, parts.validation, parts.test)]
    assert sizes == [284, 852, 284, 500]


def test_a_changed_file_in_the_data_directory_is_refused(real_data, tmp_path):
    (tmp_path / "sms").mkdir()
    for name in (*CORPORA["sms"].files, *CORPORA["sms"].published):
        content = (corpus_file("sms", name)).read_bytes()
        (tmp_path / "sms" / name).write_bytes(content[:-2] if name == "valid.csv" else content)
    with pytest.raises(ChecksumError, match=r"valid\.csv"):
        load_corpus("sms", data_dir=tmp_path)
