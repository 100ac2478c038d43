"""The command ``bench`` on small archives in WRENCH's format."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal.data import WrenchPart, write_wrench
from spear_amal.votes.label_matrix import LabelMatrix

FEW = (
    *("--label-model", "majority", "--method", "only-lv:crossfit=2", "--seeds", 2),
    *("--max-epochs", 1),
)


def make_archive(path, key="label"):
    """Rows with a text each, two LFs; the gold under the key that BoxWRENCH has, if asked."""
    folder = Path("made") / path.name.partition(".")[0]
    parts = {}
    for seed, (name, n) in enumerate((("train", 53), ("valid", 19), ("test", 23))):
        y = np.random.default_rng(seed).permutation(np.arange(n) % 2)
        texts = [f"{'win a prize' if k else 'see you soon'} {i}" for i, k in enumerate(y)]
        frame = pd.DataFrame({"text": texts, "label": y})
        votes = np.stack([np.where(y == 1, 1, -1), np.where(y == 0, 0, -1)], axis=1)
        parts[name] = WrenchPart(frame, LabelMatrix.from_dense(votes, classes=("ham", "spam")))
    write_wrench(parts, folder)
    for file in (folder / f"{name}.json" for name in parts):
        file.write_text(file.read_text().replace('"label"', f'"{key}"'))
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


def test_one_command_from_an_archive_to_a_page(ok):
    archive = make_archive(Path("mails.tar.gz"), key="labels")
    few = (*FEW, "--protocol", "wrench", "--end-model", "none", "--html", "bench.html")
    told = ok("bench", "--corpus", archive, *few)
    assert "Majority vote alone" in told.stdout
    assert "mails: WRENCH's protocol, 19 validation rows" in told.stdout
    assert "mean rank over 1 corpus," in told.stdout and "Runs are in bench.json" in told.stdout
    rows = json.loads(Path("bench.json").read_text())["rows"]
    assert len(rows) == 4 and {row["corpus"] for row in rows} == {"mails"}
    page = Path("bench.html").read_text(encoding="utf-8")
    for part in ("Mean rank", "Corpora", "Majority vote alone", "votes on 53", "was given"):
        assert part in page
    before = Path("bench.json").read_text()
    told = ok("bench", "--corpus", archive, *few)  # its own page is replaced
    assert "4/4" in told.stderr and Path("bench.json").read_text() == before


def test_json_holds_tables_corpora_and_what_was_not_run(run):
    archive = make_archive(Path("mails.tar.gz"))
    Path("broken.zip").write_bytes(b"PK no archive")
    told = run("bench", "--corpus", archive, "--corpus", "broken.zip", *FEW, "--json")
    document = json.loads(told.stdout)
    assert told.exit_code == 1 and "1 of the corpora asked for could not be read" in told.stderr
    tables = {table["title"].partition(";")[0]: table["rows"] for table in document["tables"]}
    assert len(tables) == 5 and document["corpora"][0]["train"] == 53
    [why] = tables["Not run"]
    assert why["corpus"] == "broken.zip" and "damaged" in why["why"]
    scores = tables["mails: WRENCH's protocol, 19 validation rows"]
    by_method = {row["method"]: row["score"] for row in scores}
    assert by_method["label-model-alone:label_model=majority"] == 100  # the votes are the gold


def test_a_page_of_somebody_else_stays(run):
    archive = make_archive(Path("mails.tar.gz"))
    Path("bench.html").write_text("mine")
    told = run("bench", "--corpus", archive, *FEW, "--html", "bench.html")
    assert told.exit_code == 2 and Path("bench.html").read_text() == "mine"
    assert not Path("bench.json").exists()


def test_a_folder_of_results_has_a_file_for_each_corpus(ok):
    for name in ("a.tar.gz", "b.tar.gz"):
        make_archive(Path(name))
    sources = ("--corpus", "a.tar.gz", "--corpus", "b.tar.gz")
    ok("bench", *sources, *FEW, "--protocol", "wrench", "--output", "results")
    assert {file.name for file in Path("results").glob("*.json")} == {"a.json", "b.json"}


def test_unasked_it_takes_what_is_at_hand_and_says_how_to_get_the_rest(run):
    told = run("bench", *FEW, "--data-dir", ".", "--cache-dir", "cache")
    assert told.exit_code == 2 and "no corpus can be run" in told.stderr
    assert "spear-amal corpora fetch plots" in told.stderr
    assert "put wrench_census.tar.gz into the data directory" in told.stderr
    assert "generated" not in told.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--label-model", "majorit"), "majority"),
        (("--method", "ama"), "amal"),
        (("--end-model", "forest"), "forest"),
        (("--seeds", 1), "at least two seeds"),
    ],
)
def test_slips_are_told_before_anything_is_run(run, flags, message):
    told = run("bench", "--corpus", make_archive(Path("mails.tar.gz")), *flags)
    assert told.exit_code == 2 and message in told.stderr and not Path("bench.json").exists()
