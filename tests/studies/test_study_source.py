import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spear_amal.data import WrenchPart, load_corpus, write_wrench
from spear_amal.data.encoder_backends import Encoder
from spear_amal.errors import FileFormatError, InputError
from spear_amal.studies import load_corpus_votes, run_study
from spear_amal.studies.corpus_run import corpus_split, make_setup
from spear_amal.studies.features import study_features
from spear_amal.votes.label_matrix import LabelMatrix

SIZES = {"train": 97, "valid": 13, "test": 29}
LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ("ham", "spam")
free = keyword_lf("free", ["free"], label="spam")
hello = keyword_lf("hello", ["hello"], label="ham")
"""


def part(n, seed, data=None):
    generator = np.random.default_rng(seed)
    y = generator.permutation(np.arange(n) % 2)
    words = np.where(y == 1, "free prize", "hello friend")
    frame = pd.DataFrame({"text": [f"{word} number {i}" for i, word in enumerate(words)]})
    frame = frame if data is None else pd.DataFrame({"feature": data(y, generator)})
    votes = np.where(generator.random((n, 3)) < 0.4, y[:, None], -1)
    return WrenchPart(frame.assign(label=y), LabelMatrix.from_dense(votes, classes=("ham", "spam")))


@pytest.fixture
def folder(tmp_path):
    """A WRENCH folder of 97, 13 and 29 rows."""
    parts = {name: part(n, seed) for seed, (name, n) in enumerate(SIZES.items())}
    write_wrench(parts, tmp_path / "mails")
    return tmp_path / "mails"


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_wrench_folder_is_a_corpus_with_its_votes(folder):
    held = load_corpus_votes(folder)
    corpus = held.corpus
    assert corpus.name == "mails" and corpus.metric == "accuracy" and held.lfs == "published votes"
    assert [len(corpus.rows(name)) for name in ("train", "validation", "test")] == [97, 13, 29]
    assert (corpus.n_labelled, corpus.n_validation) == (11, 11)  # a tenth of the pool
    assert corpus.frame.index[0] == "train/0" and held.votes.shape == (139, 3)
    rows = run_study(folder, ["majority"], 2, max_epochs=1)
    assert rows["error"].isna().all() and set(rows["corpus"]) == {"mails"}
    assert set(rows["n_test"]) == {29} and set(rows["labels"]) == {11}


def test_lfs_of_a_file_take_the_place_of_the_votes(folder, tmp_path):
    (tmp_path / "lfs.py").write_text(LFS)
    held = load_corpus_votes(folder, lfs=tmp_path / "lfs.py")
    assert held.lfs == "lfs.py" and held.votes.lf_names == ("free", "hello")
    assert held.digest != load_corpus_votes(folder).digest
    again = load_corpus_votes(folder, lfs=tmp_path / "lfs.py")
    assert again.votes is held.votes and again.digest == held.digest  # voted once per process
    (tmp_path / "lfs.py").write_text(LFS.replace('["free"]', '["prize"]') + "# edited\n")
    assert load_corpus_votes(folder, lfs=tmp_path / "lfs.py").votes is not held.votes
    (tmp_path / "lfs.py").write_text(LFS.replace('("ham", "spam")', '("spam", "ham")'))
    with pytest.raises(InputError, match="CLASSES must be the same, in the same order"):
        load_corpus_votes(folder, lfs=tmp_path / "lfs.py")


def test_exemplars_of_labelled_rows_reach_methods_that_take_them(source, tmp_path):
    texts = source.corpus.texts
    rules = "".join(
        f"{k}\t{word}\t{texts[i]}\n"
        for i, (k, word) in enumerate(
            [("romance", "love"), ("action", "gun"), ("romance", "heart")]
        )
    )
    (tmp_path / "rules.tsv").write_text(rules)
    (tmp_path / "lfs.py").write_text(
        "from pathlib import Path\n"
        "from spear_amal.labeling import read_rules\n"
        "LFS = list(read_rules(Path(__file__).parent / 'rules.tsv'))\n"
    )
    held = load_corpus_votes(source.corpus, lfs=tmp_path / "lfs.py")
    assert sorted(map(tuple, np.argwhere(held.exemplars.toarray()))) == [(0, 0), (1, 1), (2, 2)]
    setup = make_setup(held)
    found = 0
    for seed in range(9):
        task, _ = corpus_split(setup, seed)
        rows, lfs = task.exemplars.nonzero()
        assert (task.y_train[rows] >= 0).all() and (task.train_rows[rows] == lfs).all()
        found += len(rows)
    assert found and corpus_split(make_setup(held, placebo=True), 0)[0].exemplars is None
    frame = run_study(held, ["imply-loss", "spear"], 2, only=True, max_epochs=1)
    assert frame["error"].isna().all()
    assert [config.get("exemplars") for config in frame["config"]] == [True, True, None, None]


def test_wrench_vectors_are_published_features(tmp_path):
    def vectors(y, generator):
        return (y[:, None] + generator.normal(size=(len(y), 5))).tolist()

    write_wrench({k: part(n, 1, vectors) for k, n in SIZES.items()}, tmp_path / "v")
    rows = run_study(tmp_path / "v", ["only-l"], 2, only=True, max_epochs=1)
    assert rows["features"][0] == "published" and rows["dedup"][0] is None
    assert rows["n_test_dedup"][0] is None and rows["error"][0] is None
    with pytest.raises(InputError, match="has no texts"):
        load_corpus_votes(tmp_path / "v", lfs=tmp_path / "lfs.py")
    with pytest.raises(InputError, match="has no texts for 'tfidf'"):
        run_study(tmp_path / "v", ["only-l"], 2, features="tfidf")


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("valid", None, "valid.json is missing"),
        ("label", None, "label.json is missing"),
        ("train", lambda c: c["5"].update(weak_labels=[0, 2, 1]), "row 5: 2 is no class"),
        ("train", lambda c: c["5"].update(label=2), "row 5: 2 is no class"),
        ("test", lambda c: c["7"].update(weak_labels=[0, 1]), "row 7: expected 3 votes"),
        ("train", lambda c: c["5"].update(label=-1), "row 5: no gold label"),
        ("valid", lambda c: c.clear(), "holds no rows"),
        ("train", lambda c: c["5"].update(data={"words": "x"}), "row train/5 has no text"),
        ("train", lambda c: c["5"].pop("data"), "every row needs data"),
    ],
)
def test_bad_wrench_folders(folder, tmp_path, file, change, message):
    path = folder / f"{file}.json"
    if change is None:
        path.unlink()
    else:
        edit(path, change)
    with pytest.raises(FileFormatError, match=message):
        run_study(folder, ["only-l"], 2, output=tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()


def test_vectors_of_differing_lengths(tmp_path):
    parts = {k: part(n, 1, lambda y, _: [[0.0] * (1 + i % 2) for i in y]) for k, n in SIZES.items()}
    write_wrench(parts, tmp_path / "v")
    with pytest.raises(FileFormatError, match="vectors of one length"):
        load_corpus_votes(tmp_path / "v")


def test_unknown_source_offers_the_nearest():
    with pytest.raises(InputError, match="did you mean youtube"):
        load_corpus_votes("youtub")


def test_corpus_without_lfs_says_what_to_do():
    with pytest.raises(InputError, match=r"'mine' has no votes.*name a file of them with --lfs"):
        load_corpus_votes(replace(load_corpus("generated"), name="mine"))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".parquet"])
def test_features_of_a_file(source, tmp_path, suffix):
    x = np.random.default_rng(0).normal(size=(len(source.corpus), 5)).astype(np.float32)
    path = tmp_path / f"x{suffix}"
    frame = pd.DataFrame(x, columns=list("abcde"))
    if suffix == ".npy":
        np.save(path, x)
    elif suffix == ".npz":
        np.savez(path, features=x)
    elif suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)
    assert np.allclose(study_features(source.corpus, f"file:{path}"), x)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((17, 3)), "holds an array of shape"),
        (np.zeros(211), "holds an array of shape"),
        (np.full((211, 3), np.nan), "finite numbers"),
        (np.full((211, 3), "a"), "finite numbers"),
        (np.full((211, 3), None), "not an array file"),
    ],
)
def test_features_that_do_not_fit(source, tmp_path, values, message):
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(FileFormatError, match=message):
        study_features(source.corpus, f"file:{tmp_path / 'x.npy'}")


def test_feature_tables_hold_numbers(source, tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,x\n")
    with pytest.raises(FileFormatError, match="column 'b' holds no numbers"):
        study_features(source.corpus, f"file:{tmp_path / 'x.csv'}")
    np.savez(tmp_path / "x.npz", a=np.zeros(3), b=np.zeros(3))
    with pytest.raises(FileFormatError, match="must hold one array"):
        study_features(source.corpus, f"file:{tmp_path / 'x.npz'}")


def test_features_of_a_file_tell_runs_apart(source, tmp_path):
    path, out = tmp_path / "x.npy", tmp_path / "a.json"
    for seed in (0, 1):
        np.save(path, np.random.default_rng(seed).normal(size=(211, 3)))
        run_study(
            source, ["only-l"], 2, features=f"file:{path}", output=out, only=True, max_epochs=1
        )
    assert len(json.loads(out.read_text())["rows"]) == 4


def test_a_table_is_sent_to_the_command_for_tables(tmp_path):
    table = tmp_path / "my mail.csv"
    table.write_text("text,label\na,\n")
    with pytest.raises(InputError) as raised:
        load_corpus_votes(table, lfs=tmp_path / "rules.py")
    command = f"spear-amal compare --data '{table}' --lfs {tmp_path / 'rules.py'}"
    assert str(raised.value).endswith(command)


def test_columns_are_standardised_on_the_pool_and_codes_one_hot(tmp_path):
    def vectors(y, generator):
        codes = generator.integers(0, 3, len(y))
        return np.stack([7 + 3 * generator.normal(size=len(y)), codes], axis=1).tolist()

    write_wrench({k: part(n, 1, vectors) for k, n in SIZES.items()}, tmp_path / "v")
    corpus = load_corpus_votes(tmp_path / "v").corpus
    pool = (corpus.frame["part"] != "test").to_numpy()
    scaled = study_features(corpus, "columns")
    raw = np.asarray(corpus.features, dtype=float)
    by_hand = (raw - raw[pool].mean(0)) / raw[pool].std(0)
    assert np.allclose(scaled, by_hand, atol=1e-5)
    codes = study_features(corpus, "codes")
    assert codes.shape == (139, 4) and np.allclose(codes[:, 0], by_hand[:, 0], atol=1e-5)
    assert (codes[:, 1:].argmax(1) == raw[:, 1]).all()
    rows = run_study(
        *(tmp_path / "v", ["majority", "only-lv", "spear", "amal", "imply-loss", "l2r"], 2),
        features="codes",
        only=True,
        max_epochs=1,
    )
    assert rows["error"].isna().all() and set(rows["features"]) == {"codes"}


def test_named_columns_stand_beside_texts_and_gold_is_none(source):
    priced = replace(source.corpus, frame=source.corpus.frame.assign(price=range(211)))
    words = study_features(priced, "tfidf")
    both = study_features(priced, "tfidf+columns:price")
    assert both.shape == (211, words.shape[1] + 1)
    assert study_features(priced, "columns:price").shape == (211, 1)
    for gold in ("columns:label", "tfidf+columns:part"):
        with pytest.raises(InputError, match="is no feature; leave it out"):
            study_features(priced, gold)
    with pytest.raises(InputError, match="nothing"):
        study_features(priced, "columns:nothing")
    with pytest.raises(InputError, match="no columns but its texts"):
        bare = source.corpus.frame[["text", "label", "part"]]
        study_features(replace(source.corpus, frame=bare), "columns")


def test_words_and_an_encoders_vectors_stand_side_by_side(source, monkeypatch):
    def lengths(texts):
        return np.array([[len(text), 1.0] for text in texts])

    encoder = Encoder("lengths", lambda device: lengths)
    monkeypatch.setattr("spear_amal.data.encoders.find_encoder", lambda name: encoder)
    monkeypatch.setattr("spear_amal.data.encoders.VectorCache.write", lambda self, vectors: None)
    words = study_features(source.corpus, "tfidf")
    both = study_features(source.corpus, "tfidf+encoder:lengths")
    assert both.shape == (len(source.corpus), words.shape[1] + 2)
    np.testing.assert_array_equal(both[:, :-2].toarray(), words.toarray())
    np.testing.assert_allclose(np.linalg.norm(both[:, -2:].toarray(), axis=1), 1, rtol=1e-5)


def test_wrenchs_protocol_is_not_tuned(folder):
    with pytest.raises(InputError, match="leave out --tune"):
        run_study(folder, ["spear"], 2, protocol="wrench", tune=2)
    with pytest.raises(InputError, match="keeps the published validation rows"):
        run_study(folder, ["spear"], 2, protocol="wrench", n_labelled=5)
