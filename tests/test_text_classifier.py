"""TextClassifier: what it does is what its parts do by hand; names, ids and votes go through."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from spear_amal import (
    GoldClassifier,
    LabelMatrix,
    LabelModelClassifier,
    SpearClassifier,
    TextClassifier,
    TrainerConfig,
)
from spear_amal.data import TextEncoder, TextFeatures, write_table
from spear_amal.data.column_features import ColumnFeatures
from spear_amal.declared_lfs import KeywordRule, change_rules
from spear_amal.errors import InputError
from spear_amal.labeling import PandasLFApplier, keyword_lf, labeling_function

WORDS = {
    "refund": ["money back", "refund", "broken", "return"],
    "delivery": ["courier", "tracking", "arrived", "late"],
    "praise": ["great", "love", "thanks", "best"],
}
LFS = [
    keyword_lf("money", ["money back", "refund"], "refund"),
    keyword_lf("courier", ["courier", "tracking"], "delivery"),
    keyword_lf("nice", ["great", "love"], "praise"),
]
LF_FILE = """
from spear_amal.labeling import keyword_lf
CLASSES = ("refund", "delivery", "praise")
money = keyword_lf("money", ["money back", "refund"], "refund")
courier = keyword_lf("courier", ["courier", "tracking"], "delivery")
nice = keyword_lf("nice", ["great", "love"], "praise")
"""
T = TrainerConfig(max_epochs=3)


def tickets(n=97, n_labelled=53, seed=0):
    """Tickets of three classes with string ids; the first have a label, two have no text."""
    generator = np.random.default_rng(seed)
    names = generator.choice(sorted(WORDS), n)
    frame = pd.DataFrame(
        {
            "id": [f"t{i}" for i in generator.permutation(n)],
            "text": [
                " ".join(generator.choice(WORDS[name], 2)) + f" word{i % 5}"
                for i, name in enumerate(names)
            ],
            "label": np.where(np.arange(n) < n_labelled, names, None),
            "hour": generator.integers(0, 24, n).astype(float),
            "shop": generator.choice(["north", "south"], n),
        }
    )
    frame.loc[[7, n - 26], "text"] = [None, ""]
    return frame


FRAME = tickets()
TEXTS = FRAME["text"].fillna("").tolist()


def votes_on(frame):
    filled = frame.assign(text=frame["text"].fillna(""))
    return PandasLFApplier(LFS, sorted(WORDS)).apply(filled, progress_bar=False)


@pytest.fixture(scope="module")
def fitted():
    return TextClassifier("amal", max_epochs=3).fit(FRAME, lfs=LFS)


# -- against the parts by hand --------------------------------------------------------------------


def by_hand(estimator, with_votes=True):
    """Probabilities (n, C) of an estimator on TF-IDF, with ids as the index of y."""
    x = TextFeatures().fit_transform(TEXTS)
    y = pd.Series(FRAME["label"].to_numpy(), index=FRAME["id"])
    L = votes_on(FRAME) if with_votes else None
    return estimator.fit(x, y, L=L).predict_proba(x), estimator


@pytest.mark.parametrize(
    ("method", "estimator"),
    [
        ("amal", SpearClassifier(mixer="amal", trainer=T)),
        ("spear", SpearClassifier(mixer="fixed", trainer=T)),
        ("only-l", GoldClassifier(trainer=T)),
        ("majority", LabelModelClassifier(label_model="majority", trainer=T)),
        ("amal:crossfit=2", SpearClassifier(fit_strategy="crossfit", n_folds=2, trainer=T)),
    ],
)
def test_equals_the_estimator_fitted_by_hand(method, estimator):
    expected, made = by_hand(estimator, with_votes=method != "only-l")
    lfs = None if method == "only-l" else LFS
    clf = TextClassifier(method, max_epochs=3).fit(FRAME, lfs=lfs)
    np.testing.assert_array_equal(clf.predict_proba(FRAME), expected)
    assert clf.classes_.tolist() == made.classes_.tolist() == sorted(WORDS)
    assert clf.val_score_ == made.val_score_
    assert clf.predict(FRAME).tolist() == made.classes_[expected.argmax(1)].tolist()


def test_features_of_columns_and_words_are_those_of_the_parts():
    clf = TextClassifier("only-l", features="tfidf+columns:hour,shop", max_epochs=3).fit(FRAME)
    words = TextFeatures().fit_transform(TEXTS).toarray()
    columns = ColumnFeatures(["hour", "shop"]).fit_transform(FRAME).toarray()
    x = np.hstack([words, columns])
    y = pd.Series(FRAME["label"].to_numpy(), index=FRAME["id"])
    estimator = GoldClassifier(trainer=T).fit(x, y)
    np.testing.assert_allclose(clf.predict_proba(FRAME), estimator.predict_proba(x), atol=1e-6)


def test_validation_table_chooses_the_epoch():
    held_out = tickets(31, 31, seed=5)
    clf = TextClassifier("amal", max_epochs=3).fit(FRAME, lfs=LFS, validation=held_out)
    assert clf.estimator_.validation_source_ == "given"
    assert len(clf.estimator_.weights_) == 97 + 31
    again = TextClassifier("amal", max_epochs=3).fit(
        FRAME,
        votes=votes_on(FRAME),
        validation=held_out,
        validation_votes=votes_on(held_out),
    )
    np.testing.assert_array_equal(again.predict_proba(TEXTS), clf.predict_proba(TEXTS))


# -- names, ids, order ----------------------------------------------------------------------------


def test_rows_in_another_order_make_the_same_model(fitted):
    moved = FRAME.sample(frac=1, random_state=3)
    other = TextClassifier("amal", max_epochs=3).fit(moved, lfs=LFS)
    np.testing.assert_allclose(other.predict_proba(TEXTS), fitted.predict_proba(TEXTS), atol=1e-5)
    assert other.id_column_ == "id"


def test_votes_are_joined_by_id(fitted):
    by_id = votes_on(FRAME.set_index("id"))
    moved = FRAME.sample(frac=1, random_state=3).reset_index(drop=True)
    other = TextClassifier("amal", max_epochs=3).fit(moved, votes=by_id)
    np.testing.assert_allclose(other.predict_proba(TEXTS), fitted.predict_proba(TEXTS), atol=1e-5)
    # A part of the rows as well.
    part = TextClassifier("amal", max_epochs=1).fit(moved[:83], votes=by_id)
    data = part.training_data_.train
    assert (data.votes.to_dense() == by_id.for_rows(moved["id"][:83]).to_dense()).all()


def test_votes_of_a_shuffled_or_cut_table_are_refused():
    plain = FRAME.drop(columns="id")
    moved = plain.sample(frac=1, random_state=3)
    clf = TextClassifier("amal", max_epochs=1)
    with pytest.raises(InputError, match="not of the same rows in the same order"):
        clf.fit(moved, votes=votes_on(plain))
    with pytest.raises(InputError, match="has 90 rows, but there are votes on 97"):
        clf.fit(plain[:90], votes=votes_on(plain))
    with pytest.raises(InputError, match=r"the table.* and the votes are not of the same rows"):
        clf.fit(FRAME, votes=votes_on(FRAME.assign(id=FRAME["id"] + "x").set_index("id")))


def test_rows_of_a_fold_keep_their_votes():
    votes, rows = votes_on(FRAME), np.arange(0, 97, 2)
    clf = TextClassifier("amal", max_epochs=1).fit(FRAME.iloc[rows], votes=votes[rows])
    assert (clf.training_data_.train.votes.to_dense() == votes.to_dense()[rows]).all()


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([1, 2, None], [1, 2]),
        ([1.0, 2.0, np.nan], [1, 2]),
        (["1", "2", ""], ["1", "2"]),
        ([0, 1, -1], [0, 1]),
    ],
)
def test_classes_are_called_as_the_labels_are(labels, expected):
    names = FRAME["label"].map({"refund": 0, "delivery": 1, "praise": 1}).fillna(2).astype(int)
    frame = FRAME.assign(label=[labels[code] for code in names])
    clf = TextClassifier("only-l", max_epochs=2).fit(frame)
    assert clf.classes_.tolist() == expected
    assert set(clf.predict(TEXTS).tolist()) <= set(expected)
    known = names < 2
    agreed = clf.predict(frame[known]) == np.array([expected[code] for code in names[known]])
    assert clf.score(frame[known]) == pytest.approx(agreed.mean())


def test_other_columns(fitted):
    renamed = FRAME.rename(columns={"text": "body", "label": "kind", "id": "key"})
    clf = TextClassifier("amal", max_epochs=3)
    clf.fit(renamed, lfs=LFS, text="body", label="kind", id="key")
    np.testing.assert_array_equal(clf.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    assert (clf.text_column_, clf.label_column_, clf.id_column_) == ("body", "kind", "key")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_tables_in_files(fitted, suffix, tmp_path):
    path = tmp_path / f"tickets{suffix}"
    write_table(FRAME, path)
    (tmp_path / "lfs.py").write_text(LF_FILE, encoding="utf-8")
    clf = TextClassifier("amal", max_epochs=3).fit(path, lfs=str(tmp_path / "lfs.py"))
    np.testing.assert_allclose(clf.predict_proba(path), fitted.predict_proba(FRAME), atol=1e-5)
    assert clf.predict(str(path)).tolist() == clf.predict(TEXTS).tolist()
    assert clf.class_names_ == ("refund", "delivery", "praise")  # of the LF file


@pytest.mark.slow
def test_another_process_answers_bit_for_bit_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "m")
    np.save(tmp_path / "p.npy", fitted.predict_proba(TEXTS))
    write_table(FRAME[["text"]], tmp_path / "t.parquet")
    code = (
        "import sys, numpy as np; from spear_amal import TextClassifier;"
        "clf = TextClassifier.load(sys.argv[1] + '/m');"
        "p = clf.predict_proba(sys.argv[1] + '/t.parquet');"
        "assert (p == np.load(sys.argv[1] + '/p.npy')).all();"
        "print(*clf.classes_)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout == "delivery praise refund\n", ran.stderr


# -- rows without a text, of other kinds, none ----------------------------------------------------


def test_rows_without_a_text_are_kept(fitted):
    assert fitted.training_data_.train.texts[7] == fitted.training_data_.train.texts[71] == ""
    p = fitted.predict_proba(["", "  "])
    np.testing.assert_allclose(p.sum(1), 1)
    frame = pd.DataFrame({"text": [None, np.nan, ""]})
    np.testing.assert_array_equal(fitted.predict_proba(frame), p[[0, 0, 0]])


def test_no_rows(fitted):
    assert fitted.predict([]).shape == (0,) and fitted.predict_proba(FRAME[:0]).shape == (0, 3)


def test_columns_alone_need_no_text():
    frame = FRAME.drop(columns="text").assign(big=FRAME["label"].eq("refund") * 9.0)
    clf = TextClassifier("only-l", features="columns:big,shop", max_epochs=5).fit(frame)
    assert (clf.predict(frame[:53]) == "refund").tolist() == frame["big"][:53].gt(0).tolist()
    with pytest.raises(InputError, match="needs the columns"):
        clf.predict(["a text"])


def test_function_as_encoder():
    def letters(texts):
        return [[text.count("a"), text.count("e"), len(text)] for text in texts]

    clf = TextClassifier("only-l", features=TextEncoder(letters), max_epochs=2).fit(FRAME)
    assert clf.predict(TEXTS).shape == (97,)


# -- without gold ---------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [None, "label"])
def test_without_gold_votes_alone_are_learnt_from(label):
    frame = FRAME.assign(label=None) if label else FRAME.drop(columns="label")
    clf = TextClassifier(max_epochs=5)
    with pytest.warns(UserWarning, match="no row has a label, so Label model"):
        clf.fit(frame, lfs=LFS, label=label)
    assert isinstance(clf.estimator_, LabelModelClassifier)
    assert clf.classes_.tolist() == sorted(WORDS)
    gold = FRAME["label"][:53]
    assert (clf.predict(FRAME[:53]) == gold).mean() > 0.7
    said = r"method spear needs some.*votes alone these learn: majority"
    with pytest.raises(InputError, match=said):
        TextClassifier("spear").fit(frame, lfs=LFS, label=label)
    with pytest.raises(InputError, match="method only-l needs some; label a few rows"):
        TextClassifier("only-l").fit(frame, label=label)


# -- LFs and their classes ------------------------------------------------------------------------


def test_classes_of_a_list_of_lfs():
    two = [keyword_lf("a", ["refund"], 0), keyword_lf("b", ["love"], 1)]
    with pytest.raises(InputError, match="the LFs vote with numbers"):
        TextClassifier("amal").fit(FRAME, lfs=two)
    named = TextClassifier("amal", max_epochs=1)
    named.fit(FRAME, lfs=two, classes=["refund", "praise", "delivery"])
    assert named.class_names_ == ("refund", "praise", "delivery")
    typo = [keyword_lf("a", ["refund"], "refnud")]
    with pytest.raises(InputError, match="LF 'a' votes for 'refnud', but the labels are"):
        TextClassifier("amal").fit(FRAME, lfs=typo)

    @labeling_function()
    def answers_names(row):
        return "refund" if "refund" in row.text else None

    with pytest.raises(InputError, match="classes="):
        TextClassifier("amal").fit(FRAME, lfs=[answers_names])
    clf = TextClassifier("amal", max_epochs=1)
    clf.fit(FRAME, lfs=[*LFS, answers_names], classes=sorted(WORDS))
    assert clf.lf_names_ == ("money", "courier", "nice", "answers_names")


def test_declared_rules_beside_a_python_file(tmp_path):
    """Files of LFs and of rules are LFs like those of a list, without muted ones."""
    python, rules = tmp_path / "lfs.py", tmp_path / "rules.toml"
    python.write_text(LF_FILE, encoding="utf-8")
    late = KeywordRule(name="late", label="delivery", keywords=["late", "arrived"])
    change_rules(rules, lambda file: file.with_rule(late).with_muted("nice", True))
    rows, files = tickets(), [str(python), rules]
    clf = TextClassifier("spear:inference=product", max_epochs=1).fit(rows, lfs=files)
    by_hand = [*LFS[:2], keyword_lf("late", ["arrived", "late"], "delivery")]
    same = TextClassifier("spear:inference=product", max_epochs=1)
    same.fit(rows, lfs=by_hand, classes=["refund", "delivery", "praise"])
    assert clf.lf_names_ == same.lf_names_ == ("money", "courier", "late")
    assert (clf.predict_proba(rows) == same.predict_proba(rows)).all()
    clf.save(tmp_path / "model.safetensors")
    loaded = TextClassifier.load(tmp_path / "model.safetensors")
    assert (loaded.predict(rows, lfs=files) == clf.predict(rows)).all()
    others = [late.model_copy(update={"name": n, "label": n}) for n in ("refund", "praise")]
    change_rules(rules, lambda file: type(file)((late, *others)))
    alone = TextClassifier("spear", max_epochs=1).fit(rows, lfs=rules)
    assert alone.lf_names_ == ("late", "praise", "refund")


def test_model_that_predicts_with_the_rules_uses_the_lfs_of_fit(tmp_path):
    method = "amal:inference=product,max_epochs=1,lr=0.0001"
    clf = TextClassifier(method).fit(FRAME, lfs=LFS)
    assert clf.needs_votes
    p = clf.predict_proba(FRAME)
    np.testing.assert_array_equal(p, clf.predict_proba(FRAME, votes=votes_on(FRAME)))
    clf.save(tmp_path / "m")
    loaded = TextClassifier.load(tmp_path / "m")
    with pytest.raises(InputError, match="a file holds none: give lfs="):
        loaded.predict(FRAME)
    np.testing.assert_array_equal(p, loaded.predict_proba(FRAME, lfs=LFS))
    with pytest.raises(InputError, match="was trained with the LFs"):
        loaded.predict(FRAME, lfs=LFS[:2])
    moved = FRAME.sample(frac=1, random_state=3)
    by_id = votes_on(FRAME.set_index("id"))
    order = [FRAME.index.get_loc(i) for i in moved.index]
    np.testing.assert_allclose(
        loaded.predict_proba(moved.reset_index(drop=True), votes=by_id), p[order]
    )


def test_methods_without_rules_leave_votes_alone():
    clf = TextClassifier("only-l", max_epochs=1).fit(FRAME, votes=votes_on(FRAME))
    assert clf.lf_names_ == () and not clf.needs_votes
    assert clf.predict(FRAME, votes=votes_on(FRAME)).shape == (97,)


# -- what cannot be used --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        ({}, {"label": "labl"}, "no column 'labl' for labels"),
        ({}, {"text": "txt"}, "no column 'txt'"),
        ({}, {"id": "key"}, "no column 'key'"),
        ({}, {"id": "shop"}, "an id of its own"),
        ({"method": "amall"}, {}, "unknown method 'amall'"),
        ({"method": "majority:inference=product"}, {}, "holds no label model"),
        ({"features": "columns:hour,label"}, {}, "holds the labels"),
        ({"features": "columns:nothing"}, {}, "no column 'nothing'"),
        ({"features": "bag of words"}, {}, "features are 'tfidf'"),
        ({"method": "supervised"}, {}, "gold labels of all rows"),
        ({}, {"lfs": None}, "give lfs= or votes="),
        ({}, {"validation": FRAME}, "has no label in the column 'label'"),
        ({"metric": "precision"}, {}, "metric"),
    ],
)
def test_what_cannot_be_used(change, arguments, said):
    parameters = {"method": "amal", "max_epochs": 1, **change}
    with pytest.raises(ValueError, match=said):
        TextClassifier(**parameters).fit(FRAME, **{"lfs": LFS, **arguments})


def test_two_spellings_of_a_class_are_no_two_classes():
    frame = tickets()
    frame.loc[3, "label"] = frame["label"][3].upper()
    with pytest.raises(InputError, match="differ by case or white space alone"):
        TextClassifier("amal").fit(frame, lfs=LFS)
    both = [*WORDS, frame["label"][3]]
    fitted = TextClassifier("amal", max_epochs=2).fit(frame, lfs=LFS, classes=both)
    assert set(fitted.classes_) == set(both)


@pytest.mark.parametrize("column", ["text", "label"])
def test_a_column_that_is_there_twice_is_refused(column):
    frame = tickets()
    with pytest.raises(InputError, match=f"has 2 columns '{column}'; rename all but one"):
        TextClassifier("only-lv").fit(pd.concat([frame, frame[[column]]], axis=1))


def test_gold_of_other_rows_is_refused(fitted):
    rows = tickets()[["id", "text", "label"]].set_index("id", drop=False)
    with pytest.raises(InputError, match="not of the same rows in the same order"):
        fitted.score(rows, rows["label"][::-1])
    with pytest.raises(InputError, match="y has 1 labels, the rows are 2"):
        fitted.score(["refund", "great"], ["refund"])


def test_a_mapping_is_no_list_of_texts(fitted):
    with pytest.raises(InputError, match="the path of a table, found dict"):
        fitted.predict({"text": ["refund", "great"]})


def test_lfs_and_votes_together_are_refused():
    with pytest.raises(InputError, match="not both"):
        TextClassifier("amal").fit(FRAME, lfs=LFS, votes=votes_on(FRAME))
    with pytest.raises(InputError, match="give validation_votes"):
        TextClassifier("amal").fit(FRAME, votes=votes_on(FRAME), validation=tickets(31, 31))


def test_texts_that_are_none(fitted):
    for rows, said in [
        ("one text", "put a single text in a list"),
        ([3, None], None),
        ([b"bytes"], "holds bytes"),
        (7, "list of texts"),
        ("missing.csv", "no file missing.csv"),
    ]:
        if said is None:
            assert fitted.predict(rows).shape == (2,)  # a number is written out, None is no text
            continue
        with pytest.raises(InputError, match=said):
            fitted.predict(rows)
    with pytest.raises(InputError, match="no column 'text'"):
        fitted.predict(FRAME[["id"]])


def test_parameters_as_scikit_learn_has_them(fitted):
    assert fitted.get_params()["method"] == "amal"
    copy = clone(fitted.set_params(verbose=0))
    assert not hasattr(copy, "estimator_") and copy.max_epochs == 3


def test_an_estimator_of_codes_and_one_of_names_answer_alike():
    x = TextFeatures().fit(TEXTS)
    L = votes_on(FRAME).in_class_order(["refund", "praise", "delivery"])
    codes = FRAME["label"].map({"refund": 0, "praise": 1, "delivery": 2}).fillna(-1).astype(int)
    for y in (codes.to_numpy(), FRAME["label"].to_numpy()):
        estimator = SpearClassifier(trainer=T).fit(x.transform(TEXTS), y, L=L)
        clf = TextClassifier.from_fitted(estimator, x, L.classes)
        assert clf.classes_.tolist() == sorted(WORDS)
        assert clf.score(FRAME) == estimator.score(x.transform(TEXTS), y)
        p = clf.predict_proba(TEXTS)
        assert (clf.classes_[p.argmax(1)] == clf.predict(TEXTS)).all()
        assert (clf.predict(TEXTS)[:53] == FRAME["label"][:53]).mean() > 0.7


def test_plain_votes_of_codes():
    L = LabelMatrix.from_dense(votes_on(FRAME).to_dense())
    codes = FRAME["label"].map({n: i for i, n in enumerate(sorted(WORDS))})
    clf = TextClassifier("amal", max_epochs=2).fit(FRAME.assign(label=codes), votes=L)
    assert clf.classes_.tolist() == [0, 1, 2]


# -- weights of rows and classes ------------------------------------------------------------------


def test_weights_of_rows_and_classes_are_those_of_the_estimator():
    weights = np.linspace(0.5, 2, 97)
    x = TextFeatures().fit_transform(TEXTS)
    y = pd.Series(FRAME["label"].to_numpy(), index=FRAME["id"])
    balance = {"refund": 3.0, "delivery": 1.0, "praise": 1.0}
    made = GoldClassifier(trainer=T, class_weight=balance).fit(x, y, sample_weight=weights)
    clf = TextClassifier("only-l", max_epochs=3, class_weight=balance)
    clf.fit(FRAME, sample_weight=weights)
    np.testing.assert_array_equal(clf.predict_proba(TEXTS), made.predict_proba(x))
    by_name = clone(clf).fit(FRAME.assign(counts=weights), sample_weight="counts")
    np.testing.assert_array_equal(by_name.predict_proba(TEXTS), made.predict_proba(x))
    plain = TextClassifier("only-l", max_epochs=3).fit(FRAME)
    assert (plain.predict_proba(TEXTS) != made.predict_proba(x)).any()
    as_option = TextClassifier("only-l:class_weight=balanced", max_epochs=3).fit(FRAME)
    assert as_option.estimator_.class_weight == "balanced"


def test_weights_of_other_rows_are_refused():
    clf = TextClassifier("only-l", max_epochs=1)
    with pytest.raises(InputError, match="no column 'weight'"):
        clf.fit(FRAME, sample_weight="weight")
    with pytest.raises(InputError, match="sample_weight must be one number a row"):
        clf.fit(FRAME, sample_weight=np.ones(5))
    moved = pd.Series(np.linspace(1, 2, 97)).sample(frac=1, random_state=1)
    with pytest.raises(InputError, match="not of the same rows in the same order"):
        clf.fit(FRAME, sample_weight=moved)
    with pytest.raises(InputError, match="finite numbers of at least 0"):
        clf.fit(FRAME, sample_weight=np.full(97, -1.0))


def test_votes_as_a_plain_array():
    names = dict(enumerate(sorted(WORDS)))
    codes = FRAME["label"].map({name: code for code, name in names.items()})
    clf = TextClassifier("amal", max_epochs=1)
    clf.fit(FRAME.assign(label=codes), votes=votes_on(FRAME).to_dense())
    assert clf.classes_.tolist() == [0, 1, 2]
    with pytest.raises(FileNotFoundError, match=r"votes\.npz"):
        clf.fit(FRAME, votes="votes.npz")
    with pytest.raises(InputError, match=r"votes|label matrix|L "):
        clf.fit(FRAME, votes=3)


def test_one_label_of_a_class_leaves_the_folds_as_they_are():
    rows = np.flatnonzero(FRAME["label"] == FRAME["label"].iloc[0])
    frame = FRAME.copy()
    frame.loc[frame.index[rows[1:]], "label"] = None
    clf = TextClassifier(max_epochs=2).fit(frame, lfs=LFS)
    assert clf.parts_.method == "recommended"
    assert {len(member.models_) for member in clf.estimator_.members_.values()} == {5}


def test_labelled_rows_of_the_training_are_known_again(tmp_path):
    frame = FRAME.copy()
    frame.loc[frame.index[10:], "label"] = None
    clf = TextClassifier("majority", max_epochs=1).fit(frame, lfs=LFS)
    clf.save(tmp_path / "m.safetensors")
    texts = [f"  {FRAME['text'].iloc[3]} ", FRAME["text"].iloc[3] + " more", ""]
    for model in (clf, TextClassifier.load(tmp_path / "m.safetensors")):
        assert model.are_gold_rows(texts).tolist() == [True, False, False]
        expected = FRAME["text"].isin(set(FRAME["text"][:10].dropna()) - {""}).to_numpy()
        np.testing.assert_array_equal(model.are_gold_rows(FRAME["text"].tolist()), expected)


@pytest.mark.parametrize("word", ["nan", "NaN", "<NA>", "NaT"])
def test_a_missing_label_made_a_text_is_no_class(word):
    frame = FRAME.copy()
    frame.loc[frame.index[7], "label"] = word
    with pytest.raises(InputError, match=rf"row 7 .* label '{word}', which is a missing value"):
        TextClassifier("majority", max_epochs=1).fit(frame, lfs=LFS)
