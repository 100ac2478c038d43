"""Every door that takes gold reads it alike, whatever classes are called; counted by hand."""

from enum import Enum

import numpy as np
import pandas as pd
import pytest

from spear_amal.data import Partition, partition
from spear_amal.data.formats.wrench import WrenchPart, read_wrench, write_wrench
from spear_amal.errors import InputError
from spear_amal.label_models import (
    AccuracyModel,
    Cage,
    DawidSkene,
    MajorityVote,
    WeightedMajority,
)
from spear_amal.labeling import (
    LFAnalysis,
    PandasLFApplier,
    filter_unlabeled_dataframe,
    get_label_buckets,
    get_label_instances,
    keyword_lf,
    lf_check,
    preds_to_probs,
    votes_test,
)
from spear_amal.report import lf_table
from spear_amal.votes.label_matrix import LabelMatrix

N = 120
Stars = Enum("Stars", {"ONE": 1, "TWO": 2, "THREE": 3})
WORDS = ("awful", "fine", "great")


@pytest.fixture(scope="module")
def rows():
    """Rows with 1 to 3 stars, whose word is that of another number of stars on a few."""
    generator = np.random.default_rng(7)
    stars = generator.integers(1, 4, N)
    other = np.where(generator.random(N) < 0.1, stars % 3 + 1, stars)
    return pd.DataFrame({"text": [WORDS[k - 1] for k in other], "stars": stars})


KINDS = {
    "numbers": ([1, 2, 3], [1, 2, 3]),
    "texts of numbers": (["1", "2", "3"], ["1", "2", "3"]),
    "Enum": (Stars, list(Stars)),
    "mapping": ({"bad": 1, "so-so": 2, "good": 3}, ["bad", "so-so", "good"]),
    "names": (["bad", "so-so", "good"], ["bad", "so-so", "good"]),
    "codes": (None, [0, 1, 2]),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request, rows):
    """Votes with classes of one kind, and gold in all the ways that mean the stars there."""
    classes, labels = KINDS[request.param]
    lfs = [keyword_lf(word, [word], label) for word, label in zip(WORDS, labels, strict=True)]
    votes = PandasLFApplier(lfs, classes=classes).apply(rows, progress_bar=False)
    codes = rows["stars"].to_numpy() - 1
    known = np.arange(N) % 3 > 0
    by_label = [labels[k] if keep else None for k, keep in zip(codes, known, strict=True)]
    numbers = codes if request.param in ("names", "codes") else codes + 1
    golds = {"labels": by_label, "ints": np.where(known, numbers, -1)}
    golds["floats"] = np.where(known, numbers, np.nan)
    golds["Int64"] = pd.Series(golds["ints"], dtype="Int64").mask(~known)
    golds["texts of ints"] = golds["ints"].astype(str)
    return votes, golds, codes, known, numbers


def accuracy_by_hand(votes, codes, known):
    """Correct and incorrect votes of each LF, row by row."""
    counts = [[0, 0] for _ in range(votes.shape[1])]
    for row, cells in enumerate(np.asarray(votes).tolist()):
        for lf, vote in enumerate(cells):
            if known[row] and vote >= 0:
                counts[lf][int(vote != codes[row])] += 1
    return counts


def test_analysis_reads_gold_as_the_classes_are_called(kind):
    votes, golds, codes, known, numbers = kind
    expected = accuracy_by_hand(votes, codes, known)
    for gold in golds.values():
        table = LFAnalysis(votes).lf_summary(Y=gold)
        assert table[["Correct", "Incorrect"]].to_numpy().tolist() == expected
        check = lf_check(votes, gold)
        assert check["right"].tolist() == [right for right, _ in expected]
        assert check["verdict"].tolist() == ["good"] * 3
        assert lf_table(votes, gold)["accuracy"].tolist() == check["precision"].tolist()
        test = votes_test(votes, gold)
        right, wrong = np.sum(expected, axis=0)
        assert test.agreement == pytest.approx(right / (right + wrong)) and test.beats_chance
        wrong_rows = LFAnalysis(votes).wrong_rows("fine", gold)
        by_hand = [
            (i, numbers[i]) for i in range(N) if known[i] and votes[i][1] == 1 and codes[i] != 1
        ]
        assert list(zip(wrong_rows["row"], wrong_rows["gold"], strict=True)) == by_hand
        two = numbers[codes == 1][0]
        assert set(wrong_rows["vote"]) == {two}
        buckets = LFAnalysis(votes).error_buckets("fine", gold)
        assert len(buckets[two, two]) == expected[1][0]
        assert len(buckets[two, -1]) == ((codes == 1) & known & (votes[:, 1] < 0)).sum()


@pytest.mark.parametrize("make", [WeightedMajority, DawidSkene, AccuracyModel, Cage])
def test_label_models_read_gold_as_the_classes_are_called(make, kind):
    votes, golds, codes, known, _ = kind
    plain = LabelMatrix.from_dense(np.asarray(votes), classes=3)
    expected = make().fit(plain, np.where(known, codes, -1)).predict_proba(plain)
    for gold in golds.values():
        model = make().fit(votes, gold)
        np.testing.assert_array_equal(model.predict_proba(votes), expected)
        assert tuple(model.classes_) == tuple(votes.classes)


def test_what_label_models_predict_is_read_back(kind):
    votes, _, codes, _, numbers = kind
    model = MajorityVote().fit(votes)
    answers = model.predict(votes)
    assert set(answers) <= {-1, *numbers}
    voted = np.asarray(votes).max(axis=1)  # each row has one word
    assert answers.tolist() == [numbers[codes == k][0] if k >= 0 else -1 for k in voted]
    assert LFAnalysis(votes).lf_empirical_accuracies(answers).tolist() == [1.0, 1.0, 1.0]
    assert LFAnalysis(votes).lf_polarities() == [[n] for n in sorted(set(numbers))]


def test_votes_on_disk_read_gold_alike(kind, tmp_path):
    pytest.importorskip("pyarrow")
    from spear_amal.votes.parquet import finish_votes, write_part

    votes, golds, codes, known, _ = kind
    parts = [write_part(tmp_path, i, votes[i * 60 : i * 60 + 60]) for i in range(2)]
    stored = finish_votes(tmp_path, parts, lf_names=votes.lf_names, classes=votes.classes)
    expected = accuracy_by_hand(votes, codes, known)
    for gold in golds.values():
        counts = LFAnalysis(stored).lf_summary(Y=gold)[["Correct", "Incorrect"]]
        assert counts.to_numpy().tolist() == expected
        in_memory, on_disk = (
            DawidSkene().fit(L, gold).predict_proba(votes) for L in (votes, stored)
        )
        np.testing.assert_allclose(on_disk, in_memory)


@pytest.mark.parametrize(
    "door",
    [
        lambda L, y: LFAnalysis(L).lf_summary(Y=y),
        lambda L, y: LFAnalysis(L).wrong_rows(0, y),
        lambda L, y: LFAnalysis(L).error_buckets(0, y),
        lambda L, y: LFAnalysis(L).accuracy_intervals(y),
        lambda L, y: LFAnalysis(L).lf_empirical_probs(y, 3),
        lf_check,
        votes_test,
        lf_table,
        lambda L, y: WeightedMajority().fit(L, y),
        lambda L, y: DawidSkene().fit(L, y),
    ],
)
def test_labels_outside_the_classes_are_refused_at_every_door(door, rows):
    lfs = [keyword_lf(word, [word], k) for k, word in enumerate(WORDS, 1)]
    votes = PandasLFApplier(lfs, classes=[1, 2, 3]).apply(rows, progress_bar=False)
    stars = rows["stars"].to_numpy()
    for wrong in (np.full(N, 7), np.where(stars == 3, 0, stars), stars.astype(float) - 0.5):
        with pytest.raises(InputError, match="which is none of the classes 1, 2, 3"):
            door(votes, wrong)
    with pytest.raises(InputError, match="not of the same rows in the same order"):
        door(votes, rows["stars"].sample(frac=1, random_state=0))


def test_splits_take_names_and_hide_them():
    gold = pd.Series(["ham", "spam"] * 20, dtype="string")
    codes = np.array([0, 1] * 20)
    parts = [partition(y, 3, 6, 4, test=range(10)) for y in (gold, codes, gold.tolist())]
    for part in parts:
        assert part.labelled.tolist() == parts[1].labelled.tolist()
        assert part.validation.tolist() == parts[1].validation.tolist()
    seen = set(np.concatenate([parts[0].labelled, parts[0].validation]).tolist())
    hidden = parts[0].observed_labels(gold)
    assert hidden.tolist() == [gold[i] if i in seen else None for i in range(40)]
    assert parts[0].observed_labels(codes).tolist() == [
        codes[i] if i in seen else -1 for i in range(40)
    ]
    with pytest.raises(InputError, match="row 1 has none"):
        partition(["ham", None, "spam"], 0, 2, 0)
    none = np.array([], dtype=int)
    assert Partition(none, none, none, none).observed_labels(["a", "b"]).tolist() == [None, None]


def test_wrench_folders_keep_codes_whatever_classes_are_called(tmp_path):
    frame = pd.DataFrame({"text": list("abc"), "label": ["2", "1", None]}, index=list("xyz"))
    votes = LabelMatrix.from_dense([[1], [0], [-1]], classes=["1", "2"], row_ids=list("xyz"))
    write_wrench({"train": WrenchPart(frame, votes)}, tmp_path)
    part = read_wrench(tmp_path, parts=["train"])["train"]
    assert part.frame["label"].tolist() == [1, 0, -1]
    summary = LFAnalysis(part.label_matrix).lf_summary(Y=part.frame["label"])
    assert summary["Emp. Acc."].tolist() == [1.0]
    by_name = LFAnalysis(part.label_matrix).lf_summary(Y=["2", "1", None])
    assert by_name["Emp. Acc."].tolist() == [1.0]
    with pytest.raises(InputError, match="holds 3 in row 0"):
        write_wrench({"train": WrenchPart(frame.assign(label=3), votes)}, tmp_path, overwrite=True)


def test_labels_without_votes():
    buckets = get_label_buckets(["spam", None, "ham"], pd.Series(["ham", "ham", pd.NA]))
    assert {key: rows.tolist() for key, rows in buckets.items()} == {
        ("spam", "ham"): [0],
        (-1, "ham"): [1],
        ("ham", -1): [2],
    }
    picked = get_label_instances(
        ("spam", "ham"), np.array([5, 6]), ["spam", "spam"], ["ham", "spam"]
    )
    assert picked.tolist() == [5]
    assert preds_to_probs(pd.Series([1, 0], dtype="Int64"), 2).tolist() == [[0, 1], [1, 0]]


def test_filtering_by_votes_compares_the_order_of_labels():
    X = pd.DataFrame({"a": [1, 2, 3]}, index=list("abc"))
    y = pd.Series([0, 1, 1], index=list("abc"))
    kept, labels = filter_unlabeled_dataframe(X, y, [[0], [-1], [1]])
    assert (kept.index.tolist(), labels.tolist()) == (["a", "c"], [0, 1])
    with pytest.raises(InputError, match="not of the same rows in the same order"):
        filter_unlabeled_dataframe(X, y[::-1], [[0], [-1], [1]])
