"""How labelled rows came up, and what numbers that rest on them say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spear_amal.workbench.gold_file import GivenLabel, GoldFile, KnownRows
from spear_amal.workbench.gold_origin import gold_origin, random_gold
from spear_amal.workbench.labelling import Labelling
from spear_amal.workbench.random_order import RandomOrder
from spear_amal.workbench.snapshot import LFState, Snapshot

N = 101
TEXTS = [f"row {i}" for i in range(N)]
ORDER = RandomOrder(TEXTS)
FIRST = np.argsort(ORDER.ranks).tolist()  # rows in their random order


def state(labelled, chosen, texts=TEXTS, lfs=()) -> Snapshot:
    gold = np.full(len(texts), -1)
    gold[list(labelled)] = 1
    frame = pd.DataFrame({"text": texts})
    order = RandomOrder(texts)
    classes = ("ham", "spam")
    return Snapshot(1, frame, texts, None, classes, gold, lfs, chosen=chosen, order=order)


def test_the_order_is_a_permutation_that_stays_when_rows_are_added():
    assert sorted(ORDER.ranks) == list(range(N))
    longer = RandomOrder([*TEXTS, "another", "row 3"])
    assert np.argsort(np.argsort(longer.ranks[:N])).tolist() == ORDER.ranks.tolist()
    # It does not follow the rows: neighbours are as far apart as any two rows.
    assert np.abs(np.diff(ORDER.ranks)).mean() > N / 4


def test_rows_before_the_last_random_one_are_random_too():
    table, here, drawn = FIRST[2], FIRST[4], FIRST[:7]
    chosen = dict.fromkeys(drawn, "random") | {here: "next", FIRST[50]: "next"}
    del chosen[table]
    labelled = [*drawn, FIRST[50], FIRST[60]]
    random = np.flatnonzero(random_gold(state(labelled, chosen)))
    assert sorted(random) == sorted(drawn)
    origin = gold_origin(state(labelled, chosen))
    assert (origin.n, origin.n_random, origin.n_table, origin.n_here) == (9, 7, 1, 1)
    assert origin.sentence.startswith("7 of 9 labelled rows were drawn at random, 1 labelled in")


def test_a_sample_in_another_order_is_taken_at_its_word():
    drawn = FIRST[::10]
    chosen = dict.fromkeys(drawn, "random") | {FIRST[1]: "next"}
    random = np.flatnonzero(random_gold(state([*drawn, FIRST[1]], chosen)))
    assert sorted(random) == sorted(drawn)


def test_of_copies_under_one_label_one_was_drawn():
    texts = ["same"] * 20 + TEXTS
    order = RandomOrder(texts)
    first = int(np.argmin(order.ranks[:20]))
    chosen = dict.fromkeys(range(20), "random")
    random = random_gold(state(range(20), chosen, texts))
    assert random[first] and random.sum() <= 20
    before = order.ranks <= order.ranks[first]
    assert not random[~before].any()


def test_what_the_labels_say_is_said():
    assert gold_origin(state([], {})).sentence == ""
    assert "only if those rows were drawn at random" in gold_origin(state([1, 2], {})).sentence
    chosen = dict.fromkeys([1, 2, 3], "next")
    said = gold_origin(state([1, 2, 3], chosen)).sentence
    assert said == (
        "0 of 3 labelled rows were drawn at random, 3 chosen here: precision, scores and "
        "suggestions speak of rows like these, not of all."
    )
    chosen = dict.fromkeys(FIRST[:3], "random")
    assert gold_origin(state(FIRST[:3], chosen)).sentence.endswith("hold for all rows.")


def test_from_thirty_random_rows_on_the_votes_are_held_against_these_alone():
    votes = np.where(np.isin(np.arange(N), FIRST[:10]), 0, 1).astype(np.int16)
    lfs = (LFState("one", "declared", votes),)
    few = dict.fromkeys(FIRST[:29], "random")
    assert gold_origin(state(FIRST[:29], few, lfs=lfs)).votes is None
    enough = dict.fromkeys(FIRST[:40], "random") | dict.fromkeys(FIRST[60:], "next")
    score = gold_origin(state([*FIRST[:40], *FIRST[60:]], enough, lfs=lfs)).votes
    assert score is not None and score.n_gold == 40 and score.agreement == 0.75


# -- the file -------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path) -> GoldFile:
    rows = KnownRows(["a", "b", "c"], ["7", "8", "9"], ["ham", None, None], "text", "label", "id")
    return GoldFile(tmp_path / "gold.csv", rows)


def test_how_a_row_came_up_is_written_once(file):
    labelling = Labelling()
    with file.exclusively():
        labelling.label(file, [1, 2], "spam", "tab", {1: "random", 2: "copy"})
        labelling.label(file, [1], "ham", "tab", {1: "disagree"})  # a correction
    assert file.read().chosen == {1: "random", 2: "copy"}
    assert file.read().by_row == {1: "ham", 2: "spam"}


def test_a_file_without_the_column_works_and_gets_it(file):
    file.path.write_text("id,label\n8,spam\n")
    assert file.read().chosen == {1: ""} and not file.read().problems
    with file.exclusively():
        file.change({"9": GivenLabel("ham", None, "next")})
    assert file.read().chosen == {1: "", 2: "next"}
    assert file.read().by_row == {1: "spam", 2: "ham"}
    with file.exclusively():
        file.change({"8": None})
    assert file.read().chosen == {2: "next"}
