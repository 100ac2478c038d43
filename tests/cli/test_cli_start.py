import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pandas as pd
import pytest

import spear_amal
from spear_amal.cli.console import warnings_as_notes
from spear_amal.labeling import load_lfs
from spear_amal.votes.label_matrix import LabelMatrix


def python(code, cwd):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]])
def test_help_imports_nothing_heavy(arguments, tmp_path):
    code = (
        "import sys\nfrom spear_amal.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    print('code', end.code)\n"
        "print([m for m in ('torch', 'pandas', 'sklearn', 'numpy') if m in sys.modules])"
    )
    done = python(code, tmp_path)
    assert done.stdout.splitlines()[-2:] == ["code 0", "[]"], done.stdout + done.stderr


def test_version(ok):
    assert ok("--version").stdout.strip() == f"spear-amal {spear_amal.__version__}"


def test_help_names_every_command(ok):
    shown = ok("--help").stdout
    for name in ("demo", "init", "corpora", "apply", "analyze", "train", "predict", "evaluate"):
        assert name in shown


@pytest.mark.parametrize("arguments", [["trian"], ["train", "--metod", "amal"], ["init"]])
def test_usage_errors_end_with_2(run, arguments):
    assert run(*arguments).exit_code == 2


def test_process_ends_with_code_and_one_message(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "spear_amal", "train"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "Error: --data is missing: give it, or the key 'data' in spear.toml (there is none here; "
        "make a project with: spear-amal init)"
    )
    assert done.stdout == ""


def test_init_writes_a_project_once(run, ok, tmp_path):
    folder = tmp_path / "a" / "new"
    ok("init", folder)
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", "spear.toml", "lfs.py", "rules.toml", "data.csv", "test.csv"}
    (folder / "lfs.py").write_text("mine")
    again = run("init", folder)
    assert again.exit_code == 2
    assert "already exists and is not an empty folder" in again.stderr
    assert (folder / "lfs.py").read_text() == "mine"


def test_init_takes_an_empty_folder_but_no_file(run, ok, tmp_path):
    (tmp_path / "empty").mkdir()
    ok("init", tmp_path / "empty")
    (tmp_path / "file").write_text("x")
    assert run("init", tmp_path / "file").exit_code == 2


def own_table(path, **columns):
    frame = pd.DataFrame(
        {
            "ticket": ["T-1", "T-2", "T-3", "T-4"],
            "body": ["a refund of my last bill, please", "I cannot log in", "thanks", "no"],
            "team": ["billing", 'the "it" desk', None, "billing"],
        }
    )
    frame.assign(**columns).to_csv(path, index=False)


def test_init_finds_the_columns_of_a_table_of_ones_own(ok, monkeypatch, tmp_path):
    own_table("tickets.csv")
    shown = ok("init", tmp_path / "new", "--data", "tickets.csv").stdout
    assert "4 rows; texts in 'body'; labels in 'team': 3 rows, 2 classes" in shown
    monkeypatch.chdir(tmp_path / "new")
    assert load_lfs("lfs.py").classes == ("billing", 'the "it" desk')
    names = {path.name for path in Path().iterdir()}
    assert names == {"README.md", "spear.toml", "lfs.py", "rules.toml"}
    ok("apply")
    votes = LabelMatrix.load("votes.npz")
    assert votes.lf_names == ("says_billing", "says_the_it_desk")
    assert len(votes) == 4


@pytest.mark.parametrize(
    ("columns", "flags", "text", "label"),
    [
        ({"text": "x y"}, (), "text", "team"),
        ({"label": ["a", "b", None, None]}, (), "body", "label"),
        ({}, ("--text-column", "ticket", "--label-column", "body"), "ticket", "body"),
        ({"team": None}, (), "body", None),  # no labels yet
        ({"other": [1, 2, None, 1]}, (), "body", None),  # two may be meant, so none is taken
    ],
)
def test_init_guesses_columns(ok, tmp_path, columns, flags, text, label):
    own_table("tickets.csv", **columns)
    ok("init", tmp_path / "new", "--data", "tickets.csv", *flags)
    settings = tomllib.loads((tmp_path / "new" / "spear.toml").read_text())
    assert (settings["text_column"], settings.get("label_column")) == (text, label)
    assert (tmp_path / "new" / settings["data"]).resolve() == Path("tickets.csv").resolve()


@pytest.mark.parametrize(
    ("name", "writing", "flags"),
    [
        ("t.csv", {"sep": ";", "encoding": "cp1252"}, {"encoding": "cp1252"}),
        ("t.csv", {"sep": "~"}, {"sep": "~"}),
        ("t.xlsx", {"sheet_name": "Daten"}, {"sheet": "Daten"}),
    ],
)
def test_init_keeps_how_the_table_is_read(ok, monkeypatch, tmp_path, name, writing, flags):
    frame = pd.DataFrame(
        {
            "Kennung": ["ein langer Name der Zeile 1", "ein langer Name der Zeile 2"],
            "Satz": ["Größe; ja", "Maß, nein"],
            "Art": ["Größe", None],
        }
    )
    if name.endswith(".xlsx"):
        pytest.importorskip("openpyxl")
        frame.to_excel(name, index=False, **writing)
    else:
        frame.to_csv(name, index=False, **writing)
    flags = {"id_column": "Kennung", **flags}
    words = [word for key, value in flags.items() for word in (f"--{key.replace('_', '-')}", value)]
    shown = ok("init", tmp_path / "new", "--data", name, "--label-column", "Art", *words)
    assert "2 rows; texts in 'Satz'; labels in 'Art': 1 rows, 1 classes" in shown.stdout
    settings = tomllib.loads((tmp_path / "new" / "spear.toml").read_text(encoding="utf-8"))
    assert {key: settings[key] for key in flags} == flags
    monkeypatch.chdir(tmp_path / "new")
    assert load_lfs("lfs.py").lfs[0].name == "says_grosse"
    ok("apply")
    votes = LabelMatrix.load("votes.npz")
    assert list(votes.row_ids) == list(frame["Kennung"])


def test_init_says_once_that_there_are_other_sheets(ok, tmp_path):
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter("t.xlsx") as book:
        for sheet in ("first", "second"):
            pd.DataFrame({"text": ["a b"], "label": ["x"]}).to_excel(book, sheet_name=sheet)
    said = ok("init", tmp_path / "new", "--data", "t.xlsx").stderr
    assert said.count("of which 'first' is read") == 1 and ".py" not in said


def test_init_without_a_table_takes_no_options_about_one(run, tmp_path):
    failed = run("init", tmp_path / "new", "--sep", ";", "--text-column", "body")
    assert failed.exit_code == 2
    assert "--text-column, --sep: needs a table of your own" in failed.stderr
    assert not (tmp_path / "new").exists()


def test_init_with_labels_of_one_class_leaves_a_place_for_the_second(ok, monkeypatch, tmp_path):
    own_table("tickets.csv", team=["FIRST", None, None, None])
    ok("init", tmp_path / "new", "--data", "tickets.csv", "--label-column", "team")
    assert "put your own in place of SECOND" in (tmp_path / "new" / "lfs.py").read_text()
    monkeypatch.chdir(tmp_path / "new")
    ok("apply")


def test_init_without_labels_leaves_the_classes_to_the_user(ok, tmp_path):
    own_table("tickets.csv", team=None)
    shown = ok("init", tmp_path / "new", "--data", "tickets.csv").stdout
    assert "no labels yet" in shown
    assert "TODO" in (tmp_path / "new" / "lfs.py").read_text()
    settings = tomllib.loads((tmp_path / "new" / "spear.toml").read_text())
    assert "label_column" not in settings  # one that is named and missing is an error of train


def test_a_project_without_labels_trains_and_takes_labels_later(ok, run, monkeypatch, tmp_path):
    words = ["free prize", "see you at home"]
    texts = [f"{words[i % 2]} number {i}" for i in range(40)]
    pd.DataFrame({"text": texts}).to_csv("rows.csv", index=False)
    ok("init", tmp_path / "new", "--data", "rows.csv")
    monkeypatch.chdir(tmp_path / "new")
    lfs = Path("lfs.py").read_text(encoding="utf-8")
    lfs = lfs.replace('["first"]', '["prize"]').replace('["second"]', '["home"]')
    Path("lfs.py").write_text(lfs, encoding="utf-8")
    ok("apply")
    refused = run("compare")
    assert refused.exit_code == 2
    assert "no row has a label; a few" in refused.stderr
    ok("train", "--max-epochs", 2)
    ok("predict")
    ok("next", "-n", 6)
    chosen = pd.read_csv("next.csv")
    kinds = ["FIRST" if "prize" in text else "SECOND" for text in chosen["text"]]
    chosen.assign(label=kinds).to_csv("next.csv", index=False)
    shown = ok("train", "--gold", "next.csv", "--method", "only-lv", "--max-epochs", 2, "--force")
    assert "6 of them labelled" in shown.stderr


def test_init_with_a_table_that_has_no_text(run, tmp_path):
    Path("numbers.csv").write_text("a,b\n1,2\n3,4\n")
    failed = run("init", tmp_path / "new", "--data", "numbers.csv")
    assert failed.exit_code == 2
    assert "no column holds texts" in failed.stderr
    assert not (tmp_path / "new").exists()


def test_corpora_list_says_where_each_stands(ok):
    shown = ok("corpora", "list").stdout
    assert "plots" in shown and "not fetched" in shown and "generated" in shown


def test_corpus_that_cannot_be_fetched_ends_with_3(run):
    result = run("corpora", "fetch", "youtube")
    assert result.exit_code == 3
    assert "tests do not reach the network" in result.stderr
    assert "Traceback" not in result.stderr


def test_unknown_corpus_ends_with_2(run):
    result = run("corpora", "fetch", "plot")
    assert result.exit_code == 2 and "choose from" in result.stderr


def test_data_directory_that_is_no_folder(run, tmp_path):
    result = run("corpora", "list", "--data-dir", tmp_path / "none")
    assert result.exit_code == 2 and "not a folder" in result.stderr


def test_help_of_train_names_methods_and_defaults(ok):
    # without frames, and without the colours that some build servers ask for
    bare = re.sub(r"\x1b\[[\d;]*m|│", " ", ok("train", "--help").stdout)
    shown = " ".join(bare.split())
    assert (
        "recommended (a pool of gold alone and AMAL in 5 folds)" in shown
        and "docs/concepts.md" in shown
    )
    assert "[default: recommended]" in shown and "[default: accuracy]" in shown


def test_only_warnings_for_users_become_notes(capsys):
    with warnings_as_notes():
        warnings.warn("look here", UserWarning, stacklevel=1)
        with pytest.raises(DeprecationWarning):
            warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err == "Warning: look here\n"
