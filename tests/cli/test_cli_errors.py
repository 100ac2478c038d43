"""Every error ends with one clear message on stderr, the right code, and nothing lost."""

import errno
import os
import shutil
import signal

import numpy as np
import pandas as pd
import pytest
from safetensors import SafetensorError

from spear_amal import TrainerConfig
from spear_amal.cli import apply, predict, train
from spear_amal.data import add_columns
from spear_amal.estimators import GoldClassifier
from spear_amal.io import safetensors
from spear_amal.votes.label_matrix import LabelMatrix

HEAD = "from spear_amal.labeling import labeling_function, keyword_lf\nCLASSES = ('a', 'b')\n"
VOTES = HEAD + "one = keyword_lf('one', ['x'], label='a')\n"


@pytest.fixture
def table(tmp_path):
    """Seventeen rows, eleven of them labelled."""
    held = pd.DataFrame({"text": [f"x word{i % 5}" for i in range(17)]})
    held["label"] = [("a", "b")[i % 2] if i < 11 else "" for i in range(17)]
    held.to_csv("rows.csv", index=False)
    return held


def write_lfs(body):
    with open("lfs.py", "w", encoding="utf-8") as handle:
        handle.write(body)


def fails(run, code, said, *arguments):
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert said in result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1 and "Traceback" not in result.stderr
    return result


TRAIN = ("train", "--data", "rows.csv", "--lfs", "lfs.py", "--max-epochs", 1)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "lfs.py holds no labelling function"),
        ("1 / 0", "line 1: raised ZeroDivisionError"),
        ("def (", "line 1: raised SyntaxError"),
        (
            HEAD + "@labeling_function\ndef f(x):\n    return 0.7\n",
            "LF 'f', row 0: answered 0.7 (float)",
        ),
        (HEAD + "@labeling_function\ndef f(x):\n    return -2\n", "LF 'f', row 0: answered -2"),
        (HEAD + "@labeling_function\ndef f(x):\n    return 'c'\n", "LF 'f', row 0: answered 'c'"),
        (HEAD + "@labeling_function\ndef f(x):\n    return x.txt\n", "LF 'f', row 0: raised"),
        (VOTES + "two = keyword_lf('one', ['y'], label='b')\n", "given more than once: ['one']"),
        (HEAD + "f = keyword_lf('f', ['zzz'], label='a')\n", "all LFs abstain"),
        (
            VOTES.replace("'a', 'b'", "'a', 'c'"),
            "holds 'b' in row 1 (counted from 0), which is none of the classes",
        ),
    ],
)
def test_bad_labelling_functions(body, said, table, run):
    write_lfs(body)
    fails(run, 2, said, *TRAIN)
    assert not os.path.exists("model.safetensors")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "none.csv"), "there is no file none.csv"),
        (("--lfs", "none.py"), "no such file of labelling functions: none.py"),
        (("--text-column", "body"), "rows.csv has no column 'body'; it has ['text', 'label']"),
        (("--label-column", "gold"), "rows.csv has no column 'gold'"),
        (("--method", "ammal"), "did you mean 'amal'"),
        (("--method", "amal:foldz=3"), "method 'amal' has no option 'foldz'"),
        (("--method", "amal:crossfit=x"), "'amal:crossfit=x' cannot be used: The 'n_folds'"),
        (("--method", "majority:inference=product"), "a model file holds no label model"),
        (("--method", "supervised"), "on gold labels of all rows, but 6 of 17 rows have none"),
        (("--metric", "auc"), "unknown metric 'auc'"),
        (("--validation", "rows.csv"), "rows.csv: row 11 (counted from 0) has no label"),
        (("--config", "none.toml"), "there is no settings file none.toml"),
    ],
)
def test_bad_arguments_of_train(arguments, said, table, run):
    write_lfs(VOTES)
    fails(run, 2, said, *TRAIN, *arguments)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([""] * 17, "no gold label, and all votes are for one class ('a')"),
        (["a"] * 5 + [""] * 12, "hold only one class"),
    ],
)
def test_labels_that_cannot_train(labels, said, table, run):
    write_lfs(VOTES)
    table.assign(label=labels).to_csv("rows.csv", index=False)
    fails(run, 2, said, *TRAIN)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "rows.csv is empty"),
        (b"text,label\n", "rows.csv has no rows"),
        (b"text,label\n\xff\xfe,a\n", "rows.csv, line 2: not UTF-8"),
        (b'text,label\nx,a\n"x",b,c\n', "rows.csv, line 3: 3 cells, where the header has 2"),
    ],
)
def test_damaged_tables(content, said, run):
    write_lfs(VOTES)
    with open("rows.csv", "wb") as handle:
        handle.write(content)
    fails(run, 2, said, *TRAIN)


def test_failing_lf_may_be_tolerated(table, run, ok):
    write_lfs(
        VOTES
        + "@labeling_function\ndef odd(x):\n"
        + "    return 'b' if int(x.text[-1]) % 2 else 1 / (int(x.text[-1]) - 2)\n"
    )
    arguments = ("apply", "--data", "rows.csv", "--lfs", "lfs.py", "--output", "l.npz")
    fails(run, 2, "LF 'odd', row 0", *arguments)
    result = ok(*arguments, "--fault-tolerant")
    assert "LF 'odd' failed on 10 rows" in result.stderr and "row 0: " in result.stderr
    assert LabelMatrix.load("l.npz").shape == (17, 2)


def test_votes_and_data_must_fit(table, run, ok):
    write_lfs(VOTES)
    fails(run, 2, "--votes is missing", "analyze")
    ok("apply", "--data", "rows.csv", "--lfs", "lfs.py", "--output", "l.npz")
    fails(run, 2, "give --data as well", "analyze", "--votes", "l.npz", "--label-column", "label")
    table.head(7).drop(columns="text").to_csv("few.csv", index=False)
    said = "votes on 17 rows, the data has 7 rows"
    fails(run, 2, said, "analyze", "--votes", "l.npz", "--data", "few.csv")
    with open("l.npz", "r+b") as handle:
        handle.truncate(100)
    fails(run, 2, "not a label matrix file or is damaged", "analyze", "--votes", "l.npz")
    fails(run, 2, "No such file", "analyze", "--votes", "none.npz")


def test_column_that_nobody_named_may_hold_something_else(table, run, ok):
    write_lfs(VOTES)
    table.assign(label=0.25, gold="c").to_csv("rows.csv", index=False)
    given = ("--data", "rows.csv", "--lfs", "lfs.py", "--output", "l.npz")
    result = ok("apply", *given)
    assert (
        "No accuracies: rows.csv holds '0.25' in row 0" in result.stderr
        and "accuracy" not in result.stdout
    )
    for column, said in (("gold", "rows.csv holds 'c'"), ("none", "has no column 'none'")):
        fails(run, 2, said, "apply", *given, "--force", "--label-column", column)
    table.drop(columns="text").to_csv("bare.csv", index=False)
    assert "accuracy" in ok("analyze", "--votes", "l.npz", "--data", "bare.csv").stdout


def test_output_of_apply_must_be_npz(table, run):
    write_lfs(VOTES)
    given = ("apply", "--data", "rows.csv", "--lfs", "lfs.py")
    fails(run, 2, "choose such a name", *given, "--output", "l.csv")
    fails(run, 2, "the key 'votes' in spear.toml", *given)


def test_models_that_cannot_be_used(project, run, table):
    given = ("evaluate", "--data", "test.csv")
    fails(run, 2, "there is no file none", *given, "--model", "none")
    shutil.copy("lfs.py", "no_model")
    fails(run, 2, "is damaged", *given, "--model", "no_model")
    with open("model.safetensors", "r+b") as handle:
        handle.truncate(os.path.getsize("model.safetensors") - 100)
    fails(run, 2, "is damaged", *given)
    x = np.arange(22.0).reshape(11, 2)
    GoldClassifier(trainer=TrainerConfig(max_epochs=1)).fit(x, np.arange(11) % 2).save("bare")
    fails(run, 2, "without features of texts and class names", *given, "--model", "bare")


def test_data_that_cannot_be_predicted_or_scored(project, run):
    frame = pd.read_csv("test.csv")
    frame.assign(predicted="a").to_csv("clash.csv", index=False)
    given = ("predict", "--data", "clash.csv", "--output", "p.csv")
    fails(run, 2, "already has the column 'predicted'", *given)
    frame.assign(label="").to_csv("bare.csv", index=False)
    fails(run, 2, "no row has a label in the column 'label'", "evaluate", "--data", "bare.csv")
    frame.assign(label="drama").to_csv("other.csv", index=False)
    fails(run, 2, "other.csv holds 'drama' in row 0", "evaluate", "--data", "other.csv")
    fails(run, 2, "p.xls: the suffix '.xls'", "predict", "--output", "p.xls")


def full(*arguments, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FULL_DISK = [
    (("train", "--max-epochs", 1, "--force"), "model.safetensors", safetensors, "save_file"),
    (("predict", "--force"), "predictions.csv", add_columns, "_delimited_lines"),
    (("apply", "--force"), "votes.npz", np, "savez_compressed"),
]


@pytest.mark.parametrize(("arguments", "output", "where", "name"), FULL_DISK)
def test_full_disk_keeps_what_was_there(arguments, output, where, name, project, run, monkeypatch):
    (project / output).write_bytes(b"old")
    before = set(os.listdir())
    monkeypatch.setattr(where, name, full)
    result = fails(run, 1, "No space left on device", *arguments)
    assert "an output that stood there before is kept" in result.stderr
    assert (project / output).read_bytes() == b"old"
    assert set(os.listdir()) == before  # no temporary file either


def test_full_disk_in_the_words_of_safetensors(project, run, monkeypatch):
    def full(*arguments, **options):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    held = (project / "model.safetensors").read_bytes()
    monkeypatch.setattr(safetensors, "save_file", full)
    said = "model.safetensors cannot be written: I/O error: No space left on device"
    fails(run, 1, said, "train", "--max-epochs", 1, "--force")
    assert (project / "model.safetensors").read_bytes() == held


@pytest.mark.parametrize("folder", ["new", "empty"])
def test_full_disk_leaves_no_half_project(folder, run, monkeypatch):
    os.mkdir("empty")
    before = set(os.listdir())
    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    fails(run, 1, "No space left on device", "init", folder)
    assert set(os.listdir()) == before and os.listdir("empty") == []


def test_folder_that_cannot_be_written(project, run):
    (project / "file").write_text("x")
    result = run("predict", "--output", "file/p.csv")
    assert result.exit_code == 2 and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--output", "folder"), "folder is a folder; name a file"),
        (("--output", "link"), "link is a symbolic link to"),
        (("--output", "new.safetensors", "--report", "file/r.html"), "file/r.html: "),
        (("--output", "a.html", "--report", "./a.html"), "two outputs of this command"),
        (("--output", "a.ckpt", "--checkpoint", "a.ckpt"), "two outputs of this command"),
        (("--output", "new.safetensors", "--checkpoint", "folder"), "folder is a folder"),
    ],
)
def test_outputs_that_cannot_be_written_are_said_before_any_work(
    project, run, monkeypatch, arguments, said
):
    (project / "file").write_text("x")
    (project / "folder").mkdir()
    (project / "link").symlink_to("file")
    monkeypatch.setattr(train, "read_training_data", None)  # whoever calls it fails otherwise
    before = sorted(os.listdir())
    fails(run, 2, said, "train", "--force", *arguments)
    assert sorted(os.listdir()) == before


def test_room_on_the_disk_is_asked_before_any_work(project, run, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 8, 1000))
    monkeypatch.setattr(train, "read_training_data", None)
    fails(run, 1, "new.safetensors: about", "train", "--output", "new.safetensors")


def test_sigterm_ends_with_143(project, run, monkeypatch):
    def stop(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(predict, "predict", stop)
    fails(run, 143, "interrupted by SIGTERM; no output is left half written", "predict")


def test_interrupt_ends_with_130(project, run, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "predict", stop)
    fails(run, 130, "interrupted", "predict")


def test_unexpected_errors_end_with_1_and_debug_shows_them(project, run, monkeypatch):
    def stumble(*arguments):
        raise RuntimeError("what now")

    monkeypatch.setattr(apply, "apply", stumble)
    fails(run, 1, "unexpected RuntimeError: what now", "apply")
    shown = run("--debug", "apply")
    assert shown.exit_code == 1 and "Traceback" in shown.stderr
