"""Labels reach the disk whole, whoever writes, and whenever a process is killed."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from spear_amal.errors import FileFormatError, InputError, StaleError
from spear_amal.workbench.gold_csv import GoldCsv
from spear_amal.workbench.gold_file import GivenLabel, GoldFile, KnownRows
from spear_amal.workbench.labelling import Labelling

TEXTS = ["a, b", 'say "x"', "two\nlines", "a,  b", "é", "7"]


def known(ids=None, labels=None) -> KnownRows:
    return KnownRows(TEXTS, ids, labels or [None] * len(TEXTS), "text", "label", "id")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "gold.csv"


@pytest.fixture(params=[None, ["7", "x", "y", "z", "v", "w"]], ids=["by text", "by id"])
def file(path, request) -> GoldFile:
    return GoldFile(path, known(request.param))


def label_row(file: GoldFile, row: int, label: str | None) -> None:
    with file.exclusively():
        given = file.read()
        new = None if label is None else GivenLabel(label)
        file.change({file.rows.key(row, given.by_id): new})


@pytest.mark.parametrize("row", range(len(TEXTS)))
def test_what_is_written_is_read(file, row):
    label_row(file, row, 'sp"am, or')
    assert file.read().by_row[row] == 'sp"am, or'
    assert not file.read().problems


def test_rows_of_one_text_share_a_label_unless_they_have_ids(file):
    label_row(file, 0, "spam")
    shared = {0: "spam"} if file.rows.ids else {0: "spam", 3: "spam"}
    assert file.read().by_row == shared


def test_new_labels_are_appended_and_corrections_stay_in_place(file, path):
    for row in (1, 2, 4):
        label_row(file, row, "spam")
    inode = path.stat().st_ino
    label_row(file, 5, "ham")
    assert path.stat().st_ino == inode  # appended
    label_row(file, 2, "ham")
    assert list(file.read().by_row.items()) == [(1, "spam"), (2, "ham"), (4, "spam"), (5, "ham")]
    label_row(file, 1, None)
    assert set(file.read().by_row) == {2, 4, 5}


def test_a_record_that_was_cut_off_anywhere_costs_no_other(file, path):
    label_row(file, 1, "spam")
    whole = path.read_bytes()
    label_row(file, 2, "ham")
    longer = path.read_bytes()
    for size in range(len(whole), len(longer) + 1):
        path.write_bytes(longer[:size])
        is_whole = size >= len(longer) - 1  # but for the end of the line
        assert set(file.read().by_row) == ({1, 2} if is_whole else {1}), longer[len(whole) : size]
        label_row(file, 4, "spam")
        assert set(file.read().by_row) == ({1, 2, 4} if is_whole else {1, 4})
        assert not file.read().problems
        assert pd.read_csv(path)["label"].notna().all()


def test_a_repair_removes_what_was_cut_off(file, path):
    label_row(file, 1, "spam")
    whole = path.read_bytes()
    path.write_bytes(whole + b'"x","half')
    file.repair()
    assert path.read_bytes() == whole


def test_a_file_of_a_spreadsheet_is_kept_as_it_is(path):
    path.write_bytes("\ufefflabel;text;note\r\nspam;é;mine\r\n;7;\r\nham;7;yours".encode())
    file = GoldFile(path, known())
    assert file.read().by_row == {4: "spam", 5: "ham"}
    label_row(file, 2, "ham")
    assert file.read().by_row == {4: "spam", 5: "ham", 2: "ham"}
    label_row(file, 4, "ham")
    assert file.read().by_row == {4: "ham", 5: "ham", 2: "ham"}
    assert GoldCsv.of(path.read_bytes(), path, "label").cells("note")[:2] == ["mine", ""]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("text,label\nnowhere,spam\n", "no row of the table has"),
        ("text,label\n7,spam\n7,ham\n", "a record before it"),
        ("text,label\né,spam\n", "mend one of the two"),
    ],
)
def test_records_that_fit_nothing_are_told_and_left_out(path, content, told):
    path.write_text(content)
    given = GoldFile(path, known(labels=[*[None] * 4, "ham", None])).read()
    assert len(given.problems) == 1
    assert told in given.problems[0]
    assert 4 not in given.by_row


def test_another_text_than_that_of_the_id_is_told(path):
    path.write_text("id,text,label\n1,7,spam\n2,other,spam\n")
    given = GoldFile(path, KnownRows(["7", "8"], ["1", "2"], [None] * 2, "text", "label", "id"))
    assert given.read().by_row == {0: "spam"}
    assert "another text" in given.read().problems[0]


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"a,b\n1,2\n", "needs the column 'label'"), (b"label,b\n1,2\n", "tells which rows"),
     (b"text,label\n\xff,x\n", "UTF-8")],
)  # fmt: skip
def test_other_files_are_refused(path, content, told):
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=told):
        GoldFile(path, known()).read()
    assert path.read_bytes() == content


# -- acts of labelling -----------------------------------------------------------------------------


def test_a_correction_of_the_table_says_what_it_replaces(path):
    file, acts = GoldFile(path, known(labels=["ham", *[None] * 5])), Labelling()
    acts.label(file, [0], "spam", "tab")
    assert file.read().by_key["a, b"] == GivenLabel("spam", "ham")
    acts.label(file, [0], "ham", "tab")  # as the table has it: row 3, of the same text, needs it
    assert file.read().by_row == {0: "ham", 3: "ham"}
    acts.label(file, [0], None, "tab")
    assert file.read().by_row == {}
    with pytest.raises(InputError, match="stands in the table itself"):
        acts.label(file, [0], None, "tab")


def test_one_text_with_two_labels_in_the_table_is_not_corrected(path):
    file = GoldFile(path, known(labels=["ham", None, None, "eggs", None, None]))
    with pytest.raises(InputError, match="eggs, ham"):
        Labelling().label(file, [0], "spam", "tab")
    assert not path.exists()


def test_a_tab_undoes_its_own_and_nothing_that_changed_since(file):
    acts = Labelling()
    acts.label(file, [1], "spam", "a")
    acts.label(file, [1, 2], "ham", "b")
    with pytest.raises(StaleError):
        acts.undo(file, "a")
    assert acts.undo(file, "a") == ()
    assert set(acts.undo(file, "b")) == {1, 2}
    assert file.read().by_row == {1: "spam"}


# -- several processes -----------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from spear_amal.workbench.gold_file import GivenLabel, GoldFile, KnownRows
path, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
texts = [f"row {i}, with text" for i in range(10_000)]
file = GoldFile(path, KnownRows(texts, None, [None] * len(texts), "text", "label", "id"))
for i in range(first, first + count):
    with file.exclusively():
        file.read()
        file.change({texts[i]: GivenLabel("spam")})
        if i % 7 == 3:
            file.change({texts[i]: GivenLabel("ham")})
    print(i, flush=True)
"""


def write_labels(path: Path, first: int, count: int) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def labels_of(path: Path) -> dict[str, str]:
    frame = pd.read_csv(path)
    assert frame["text"].is_unique
    return dict(zip(frame["text"], frame["label"], strict=True))


@pytest.mark.slow
def test_processes_that_label_at_once_and_are_killed_lose_nothing(path):
    generator = random.Random(1)
    told: set[int] = set()
    for round_ in range(4):
        writers = [write_labels(path, 2000 * i + 200 * round_, 200) for i in range(3)]
        for writer in writers:
            told |= {int(writer.stdout.readline()) for _ in range(generator.randrange(5, 60))}
            writer.kill()
        for writer in writers:
            told |= {int(line) for line in writer.communicate()[0].split() if line.isdecimal()}
    whole = write_labels(path, 9000, 20)
    whole.communicate()
    texts = [f"row {i}, with text" for i in range(10_000)]
    file = GoldFile(path, KnownRows(texts, None, [None] * len(texts), "text", "label", "id"))
    file.repair()
    labels = labels_of(path)
    assert {f"row {i}, with text" for i in told} <= labels.keys()
    assert not file.read().problems
    assert all(labels[texts[i]] == ("ham" if i % 7 == 3 else "spam") for i in told)
