"""The loop around LFs: apply again, votes from the cache, what to mend, what to label next."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal import LabelMatrix
from spear_amal.data import read_table, write_table
from spear_amal.errors import InputError
from spear_amal.labeling import LFAnalysis, lf_check

LFS = """
from spear_amal.data import read_table, write_table
from spear_amal.labeling import keyword_lf, labeling_function
CLASSES = ["ham", "spam"]
free = keyword_lf("free", ["free", "prize"], "spam")
lunch = keyword_lf("lunch", ["lunch"], "ham")

@labeling_function(label="ham")
def counted(x):
    with open("calls.txt", "a") as file:
        file.write("x")
    return "tomorrow" in x.text
"""
SPEAR = """
data = "rows.csv"
lfs = "lfs.py"
votes = "votes.npz"
method = "only-lv"
max_epochs = 2
"""
N = 60


@pytest.fixture
def loop():
    """A project with ids; the LF `prize` is wrong on rows 0 to 8, `free` matches it too."""
    draw = np.random.default_rng(1)
    words = ["free", "lunch", "tomorrow", "prize", "nothing"]
    kinds = draw.choice(words, N)
    labels = [
        {"free": "spam", "lunch": "ham", "tomorrow": "ham"}.get(kind, "ham") for kind in kinds
    ]
    frame = pd.DataFrame(
        {
            "id": [f"t{i}" for i in range(N)],
            "text": [
                f"{kind} message{i} about {draw.integers(9)} things" for i, kind in enumerate(kinds)
            ],
            "label": [label if i % 2 else "" for i, label in enumerate(labels)],
            "kind": kinds,
        }
    )
    frame.to_csv("rows.csv", index=False)
    Path("lfs.py").write_text(LFS, encoding="utf-8")
    Path("spear.toml").write_text(SPEAR, encoding="utf-8")
    return frame


def calls() -> int:
    """Rows that the LF `counted` was called on so far."""
    path = Path("calls.txt")
    return len(path.read_text()) if path.is_file() else 0


def flat(text: str) -> str:
    return " ".join(text.split())


# -- apply ---------------------------------------------------------------------------------------


def test_apply_replaces_its_own_output_and_says_so(loop, ok, run):
    assert "in place of" not in ok("apply").stdout
    assert "in place of those of an earlier apply" in flat(ok("apply").stdout)
    LabelMatrix.load("votes.npz").save("foreign.npz")
    kept = Path("foreign.npz").read_bytes()
    refused = run("apply", "--output", "foreign.npz")
    assert refused.exit_code == 2 and "foreign.npz already exists" in flat(refused.stderr)
    assert Path("foreign.npz").read_bytes() == kept
    damaged = Path("votes.npz").read_bytes()[:300]
    Path("votes.npz").write_bytes(damaged)
    assert run("apply").exit_code == 2 and Path("votes.npz").read_bytes() == damaged
    ok("apply", "--force")


def test_a_folder_of_votes_is_replaced_as_well(loop, ok):
    pytest.importorskip("pyarrow")
    loop.to_parquet("rows.parquet")
    given = ("apply", "--data", "rows.parquet", "--votes-folder", "parts")
    ok(*given)
    Path("lfs.py").write_text(LFS.replace('"prize"', '"never"'), encoding="utf-8")
    assert "in place of those of an earlier apply" in flat(ok(*given).stdout)


# -- the cache -----------------------------------------------------------------------------------


def test_an_lf_that_did_not_change_is_not_applied_again(loop, ok):
    text = LFS.replace('label="ham")', 'label="ham", version=1)')
    Path("lfs.py").write_text(text, encoding="utf-8")
    assert "Votes of 3 LFs computed (free, lunch, counted), kept in" in flat(ok("apply").stderr)
    assert calls() == N and Path(".spear_amal_cache/.gitignore").read_text() == "*\n"
    for command in (("apply",), ("analyze",), ("train", "--method", "majority"), ("next",)):
        assert "Votes of all 3 LFs read from .spear_amal_cache" in flat(ok(*command).stderr)
    assert calls() == N
    before = LabelMatrix.load("votes.npz").to_dense()
    Path("lfs.py").write_text(text.replace('"lunch"]', '"lunch", "nothing"]'), encoding="utf-8")
    said = flat(ok("apply").stderr)
    assert "Votes of 1 LF computed (lunch); those of 2 others read from" in said
    after = LabelMatrix.load("votes.npz").to_dense()
    changed = np.flatnonzero((before != after).any(axis=1)).tolist()
    assert changed == np.flatnonzero(loop["kind"] == "nothing").tolist() and calls() == N


def test_without_a_version_an_lf_that_writes_files_runs_each_time(loop, ok):
    ok("apply")
    said = flat(ok("apply").stderr)
    assert calls() == 2 * N
    assert "LF 'counted': not cached: counted calls open(); give it version=.." in said


def test_labels_are_not_seen_by_lfs_and_change_no_votes(loop, ok):
    text = LFS.replace('label="ham")', 'label="ham", version=1)')
    Path("lfs.py").write_text(
        text + "\n@labeling_function\ndef peeks(x):\n    return x.get('label')\n"
    )
    ok("apply")
    assert LabelMatrix.load("votes.npz").to_dense()[:, 3].tolist() == [-1] * N
    loop.assign(label="ham").to_csv("rows.csv", index=False)
    assert "Votes of all 4 LFs read" in flat(ok("apply").stderr)


def test_a_damaged_cache_entry_is_computed_again(loop, ok):
    ok("apply")
    needed = LabelMatrix.load("votes.npz").to_dense()
    entries = sorted(Path(".spear_amal_cache").glob("*.votes"))
    assert len(entries) == 2
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:-40])
    said = flat(ok("apply").stderr)
    assert "votes of LF 'free' are computed anew" in said and "Votes of 3 LFs computed" in said
    np.testing.assert_array_equal(LabelMatrix.load("votes.npz").to_dense(), needed)


def test_where_votes_are_kept_is_the_users_choice(loop, ok):
    ok("apply", "--no-cache")
    assert not Path(".spear_amal_cache").exists()
    ok("apply", "--cache", "kept")
    assert len(list(Path("kept").glob("*.votes"))) == 2 and not Path("kept/.gitignore").exists()


# -- rows that moved -----------------------------------------------------------------------------


def table_of(ok, frame, *further):
    """The table of `analyze` on a changed table and the votes in the file, by LF."""
    frame.to_csv("changed.csv", index=False)
    given = ("--votes", "votes.npz", "--data", "changed.csv", "--output", "t.csv", "--force")
    ok("analyze", *given, *further)
    return pd.read_csv("t.csv").set_index("LF")


def test_rows_are_joined_by_id(loop, ok):
    twice = loop.assign(text="free lunch tomorrow")  # by text nobody could tell them apart
    twice["text"] = np.where(loop["kind"] == "free", "free", "lunch")
    twice.to_csv("rows.csv", index=False)
    ok("apply")
    whole = table_of(ok, twice)
    assert table_of(ok, twice.sample(frac=1, random_state=1)).equals(whole)
    some = twice.iloc[::-1].head(31)
    n = int((some["text"] == "free").sum())
    assert table_of(ok, some)["coverage"]["free"] == pytest.approx(n / 31)
    votes = LabelMatrix.load("votes.npz")
    assert votes.row_ids.tolist() == loop["id"].tolist() and votes.has_row_ids


def test_in_python_the_file_of_apply_knows_its_rows(loop, ok):
    ok("apply")
    votes = LabelMatrix.load("votes.npz")
    gold = loop.set_index("id")["label"].replace("", None)
    moved = gold.sample(frac=1, random_state=2)
    for analysed in (lf_check, lambda L, y: LFAnalysis(L).lf_summary(y)):
        pd.testing.assert_frame_equal(analysed(votes, moved), analysed(votes, gold.to_numpy()))
    some = loop.sample(13, random_state=3)
    np.testing.assert_array_equal(votes.for_rows(some["id"]), votes.to_dense()[some.index])
    with pytest.raises(InputError, match="the id 't7', which y does not have"):
        lf_check(votes, moved.rename({"t7": "t99"}))


def test_ids_that_number_the_rows_anew(loop, ok):
    numbers = np.random.default_rng(5).permutation(N)
    loop = loop.assign(id=numbers)
    loop.to_csv("rows.csv", index=False)
    ok("apply")
    ok("analyze")
    whole = table_of(ok, loop)
    assert table_of(ok, loop.sort_values("id")).equals(whole)
    ok("train")


def test_more_labels_and_columns_change_no_rows(loop, ok):
    ok("apply")
    table_of(ok, loop.assign(label="ham", reason="new"))


@pytest.mark.parametrize(("column", "value"), [("text", "another"), ("kind", "x")])
def test_an_edited_row_is_named(loop, ok, run, column, value):
    ok("apply")  # `counted` may read any column
    edited = loop.copy()
    edited.loc[7, column] = value
    edited.sample(frac=1, random_state=4).to_csv("changed.csv", index=False)
    refused = run("analyze", "--votes", "votes.npz", "--data", "changed.csv")
    row = edited.sample(frac=1, random_state=4)["id"].tolist().index("t7")
    assert refused.exit_code == 2
    assert f"row {row} (counted from 0, id 't7') of the data is another one" in flat(refused.stderr)


def test_columns_that_no_lf_reads_may_change(loop, ok):
    Path("lfs.py").write_text(LFS.split("@labeling")[0], encoding="utf-8")
    ok("apply")
    table_of(ok, loop.assign(kind="x"))


def test_a_row_without_votes_is_named(loop, ok, run):
    ok("apply")
    pd.concat([loop, loop.head(1).assign(id="t99")]).to_csv("changed.csv", index=False)
    refused = run("analyze", "--votes", "votes.npz", "--data", "changed.csv")
    assert refused.exit_code == 2
    assert "no votes on row 60 (counted from 0, id 't99') of the data" in flat(refused.stderr)
    loop.drop(columns="kind").to_csv("changed.csv", index=False)
    refused = run("analyze", "--votes", "votes.npz", "--data", "changed.csv")
    assert refused.exit_code == 2 and "no column 'kind'" in flat(refused.stderr)


def test_the_same_rows_in_another_file(loop, ok):
    pytest.importorskip("pyarrow")
    typed = loop.assign(n=range(N), x=[i / 4 for i in range(N)], on=[i % 2 == 0 for i in range(N)])
    typed.to_csv("rows.csv", index=False)
    ok("apply")
    typed.to_parquet("rows.parquet")
    typed.to_json("rows.jsonl", orient="records", lines=True)
    for name in ("rows.parquet", "rows.jsonl"):
        ok("analyze", "--votes", "votes.npz", "--data", name)


# -- analyze -------------------------------------------------------------------------------------


def test_analyze_is_about_the_lfs_as_they_are_now(loop, ok):
    ok("apply")
    Path("lfs.py").write_text(LFS.replace('"free", "prize"', '"xyz"'), encoding="utf-8")
    shown = flat(ok("analyze").stdout)
    assert "it votes on no row of this table" in shown


def test_analyze_answers_what_to_mend(loop, ok):
    shown = ok("analyze").stdout
    n = int(((loop["kind"] == "prize") & (np.arange(N) % 2 == 1)).sum())
    assert "What to mend next" in shown and f"'prize' (wrong {n} of {n})" in flat(shown)
    first = loop[(loop["kind"] == "prize") & (np.arange(N) % 2 == 1)].iloc[0]
    assert first["id"] in shown and first["text"] in shown


def test_analyze_of_one_lf_and_for_scripts(loop, ok, run):
    shown = flat(ok("analyze", "--lf", "free").stdout)
    assert "What it matched on labelled rows" in shown and "tomorrow" not in shown
    document = json.loads(ok("analyze", "--json").stdout)["review"]
    assert document["rows"] == N and {row["LF"] for row in document["lfs"]} >= {"free", "lunch"}
    wrong = [row["id"] for row in document["wrong"] if row["LF"] == "free"]
    odd = np.arange(N) % 2 == 1
    assert wrong == loop["id"][(loop["kind"] == "prize") & odd].tolist()
    one = json.loads(ok("analyze", "--lf", "free", "--json").stdout)["review"]
    assert [row["LF"] for row in one["lfs"]] == ["free"]
    assert run("analyze", "--lf", "nobody").exit_code == 2


# -- next ----------------------------------------------------------------------------------------


def test_next_is_filled_in_and_read_back_as_it_is(loop, ok, run):
    ok("next", "-n", 7)
    chosen = pd.read_csv("next.csv", keep_default_na=False)
    assert list(chosen) == ["id", "text", "label", "reason"] and len(chosen) == 7
    assert set(chosen["label"]) == {""}
    unlabelled = loop["id"][loop["label"] == ""]
    assert set(chosen["id"]) <= set(unlabelled) and chosen["id"].is_unique
    assert "0 labels for rows of the data, 7 rows are not labelled yet" in flat(
        ok("analyze", "--gold", "next.csv").stderr
    )
    chosen.loc[:4, "label"] = "ham"
    chosen.to_csv("next.csv", index=False)
    said = ok("apply", "--gold", "next.csv", "--json")
    assert "5 labels for rows of the data, 2 rows are not labelled yet" in flat(said.stderr)
    ok("next", "-n", 50, "--gold", "next.csv", "--output", "more.csv")
    assert not set(pd.read_csv("more.csv")["id"]) & set(chosen["id"][:5])
    assert run("next", "-n", 7).exit_code == 2  # a table that may be filled in already is kept


@pytest.mark.parametrize(
    ("data", "output", "further"),
    [
        ("rows.csv", "next.csv", {"encoding": "cp1252"}),
        ("rows.csv", "next.csv", {"encoding": "cp1252", "sep": "~"}),
        ("rows.xlsx", "next.xlsx", {"sheet": "Größen"}),
        ("rows.xlsx", "next.csv", {"sheet": "Größen"}),
        ("rows.csv", "next.xlsx", {"encoding": "cp1252"}),
    ],
)
def test_next_is_written_as_the_data_are_read(loop, ok, data, output, further):
    pytest.importorskip("openpyxl")
    loop["text"] = loop["text"] + " für Größe"
    write_table(loop, data, overwrite=True, **{"sep": ";", **further})
    settings = "".join(f'{name} = "{value}"\n' for name, value in further.items())
    Path("spear.toml").write_text(SPEAR.replace("rows.csv", data) + settings, encoding="utf-8")
    ok("next", "-n", 5, "--output", output)
    if data == output.replace("next", "rows") and data.endswith(".csv"):
        head = Path(output).read_text(encoding="cp1252").splitlines()[0]
        assert head == further.get("sep", ";").join(["id", "text", "label", "reason"])
    chosen = read_table(output, **further)
    write_table(chosen.assign(label="spam"), output, overwrite=True, **further)
    said = flat(ok("apply", "--gold", output).stderr)
    assert "5 labels for rows of the data" in said


def test_labels_filled_in_are_those_of_training(loop, ok):
    Path("next.csv").write_text("id,text,label,reason\n", encoding="utf-8")
    some = loop[loop["label"] == ""].head(9)
    some.assign(label="spam", reason="").drop(columns="kind").to_csv("next.csv", index=False)
    shown = flat(ok("train", "--gold", "next.csv", "--method", "only-lv").stderr)
    assert f"{N} rows, {N // 2 + 9} of them labelled" in shown


def test_labels_that_do_not_fit_are_refused(loop, ok, run):
    def refusal(frame):
        frame.to_csv("gold.csv", index=False)
        result = run("apply", "--gold", "gold.csv")
        assert result.exit_code == 2
        return flat(result.stderr)

    some = loop.iloc[[1, 2]].assign(label=["ham", "ham"])
    other = {"ham": "spam", "spam": "ham"}[loop["label"][1]]
    assert f"row 0 (counted from 0) has the label '{other}'" in refusal(some.assign(label=other))
    some = some.assign(label=[loop["label"][1], "ham"])
    assert "the id 'new', which no row of the data has" in refusal(some.assign(id=["t1", "new"]))
    assert "has another text than row 2" in refusal(some.assign(text=[loop["text"][1], "x"]))
    assert "needs the column of ids" in refusal(some[["label"]])


def test_rows_without_a_text_are_not_chosen(loop, ok):
    loop.loc[::3, "text"] = ""
    loop.to_csv("rows.csv", index=False)
    ok("next", "-n", N)
    chosen = pd.read_csv("next.csv")
    blank = np.arange(N) % 3 == 0
    wanted = loop["id"][(loop["label"] == "") & ~blank]
    assert set(chosen["id"]) == set(wanted)


def test_without_ids_rows_are_known_by_their_texts(loop, ok):
    loop.drop(columns="id").to_csv("rows.csv", index=False)
    ok("next", "-n", 5)
    chosen = pd.read_csv("next.csv", keep_default_na=False)
    assert list(chosen) == ["text", "label", "reason"]
    chosen.assign(label="spam").to_csv("next.csv", index=False)
    assert "5 labels for rows of the data" in flat(ok("analyze", "--gold", "next.csv").stderr)
