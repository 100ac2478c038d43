"""`spear-amal distill` and `teacher-outputs`: teachers of every kind, TOML, bad input, resuming."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal.cli.distill import distill
from spear_amal.cli.model_files import load_model
from spear_amal.cli.options.distillation import DistillOptions
from spear_amal.errors import InputError
from spear_amal.estimators import DISTILLATION
from spear_amal.teachers import as_teacher, save_teacher_outputs
from spear_amal.training import Callback, Trainer
from spear_amal.training.run import TrainingRun

LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ("ham", "spam")
free = keyword_lf("free", ["free", "win"], label="spam")
greeting = keyword_lf("greeting", ["see you", "hello"], label="ham")
"""
WORDS = {"ham": ["hello", "see you", "tonight", "lunch"], "spam": ["free", "win", "prize", "now"]}
MAIL = ("--data", "mail.csv", "--text-column", "body", "--label-column", "kind")
TEXT = ("distill", *MAIL, "--student", "linear", "--max-epochs", 2)
DIGITS = ("distill", "--images", "digits", "--subset", 43, "--student", "mlp:3", "--max-epochs", 2)


def messages(n, n_labelled, seed=3):
    """Short messages with ids, of which the first few carry a label."""
    generator = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        label = ("ham", "spam")[i % 2]
        text = " ".join(generator.choice(WORDS[label], 3)) + f" word{generator.integers(7)}"
        rows.append({"id": f"m{i}", "body": text, "kind": label if i < n_labelled else ""})
    return pd.DataFrame(rows)


@pytest.fixture
def inbox(tmp_path, monkeypatch):
    """A folder with 61 messages, 47 of them labelled, LFs, and a teacher's outputs by id."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    monkeypatch.chdir(folder)
    frame = messages(61, 47)
    frame.to_csv("mail.csv", index=False)
    Path("lfs.py").write_text(LFS, encoding="utf-8")
    said = np.where(np.arange(61)[:, None] % 2 == [0, 1], 3.0, -3.0)
    shuffled = np.random.default_rng(5).permutation(61)
    ids = frame["id"].to_numpy()[shuffled]
    save_teacher_outputs("teacher.npz", ids, said[shuffled], ["ham", "spam"])
    return folder


def fails(run, said, *arguments):
    before = set(os.listdir())
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr and "Traceback" not in result.stderr
    assert set(os.listdir()) == before  # nothing half-written
    return result


# -- tables of texts ------------------------------------------------------------------------------


def test_student_of_a_file_of_outputs_predicts_and_is_scored(inbox, ok):
    shown = ok(*TEXT, "--teacher", "teacher.npz", "--id-column", "id", "--weights", "w.csv")
    assert "Teachers and student" in shown.stdout and "Weights per loss" in shown.stdout
    assert "52 training rows (38 labelled), 9 validation rows, 2 classes" in shown.stderr
    ok("predict", "--data", "mail.csv", "--output", "p.csv")
    found = pd.read_csv("p.csv")
    assert list(found)[-3:] == ["predicted", "p_ham", "p_spam"]
    np.testing.assert_allclose(found[["p_ham", "p_spam"]].sum(axis=1), 1, atol=1e-6)
    assert "61 rows, 47 of them" in ok("evaluate", *MAIL[:2], *MAIL[4:]).stdout
    weights = pd.read_csv("w.csv")
    assert list(weights) == ["row_id", "label", "teacher"] and len(weights) == 52
    assert weights["label"].isna().sum() == 14  # unlabelled: only the teacher speaks


def test_outputs_are_matched_by_id_and_not_by_place(inbox, ok):
    # All that distillation from a perfect teacher needs; labels are left out of it.
    taught = (*TEXT, "--teacher", "teacher.npz", "--id-column", "id", "--method", "kd")
    ok(*taught, "--max-epochs", 60)
    ok("predict", "--data", "mail.csv", "--output", "p.csv")
    assert pd.read_csv("p.csv")["predicted"].tolist() == ["ham", "spam"] * 30 + ["ham"]


def test_teachers_of_every_kind_in_their_order(inbox, ok):
    ok("train", *MAIL, "--method", "only-l", "--max-epochs", 2, "--output", "old.safetensors")
    given = ("--teacher", "mlp:7", "--teacher", "old.safetensors", "--teacher", "teacher.npz")
    shown = ok(*TEXT, *given, "--id-column", "id", "--method", "alm-kd").stdout
    rows = [line.split("│")[1:] for line in shown.splitlines() if "│ teacher │" in line]
    assert [row[1].strip() for row in rows] == ["mlp:7", "old", "teacher"]
    assert [row[2].strip() == "n/a" for row in rows] == [False, False, True]
    assert "teacher2" in shown


def test_written_outputs_teach_as_the_model_itself(inbox, ok):
    ok("train", *MAIL, "--method", "only-l", "--max-epochs", 3, "--output", "old.safetensors")
    ids = ("--id-column", "id")
    outputs = ("teacher-outputs", "--model", "old.safetensors", "--data", "mail.csv", *ids)
    shown = ok(*outputs, "--output", "said.npz").stdout
    assert "Outputs for 61 rows written to said.npz" in shown
    for teacher, output in (("old.safetensors", "a"), ("said.npz", "b")):
        ok(*TEXT, *ids, "--teacher", teacher, "--output", f"{output}.safetensors", "--method", "kd")
        given = ("--model", f"{output}.safetensors", "--data", "mail.csv")
        ok("predict", *given, "--output", f"{output}.csv")
    a, b = (pd.read_csv(f"{name}.csv")["p_ham"] for name in "ab")
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_rules_join_in(inbox, ok):
    given = ("--teacher", "teacher.npz", "--id-column", "id", "--lfs", "lfs.py")
    shown = ok(*TEXT, *given, "--report", "r.html").stdout
    assert all(name in shown for name in ("gold", "consensus", "agreement", "teacher"))
    page = Path("r.html").read_text(encoding="utf-8")
    assert "Teachers and student" in page and "greeting" in page and "Confusion matrix" in page
    model = load_model("model.safetensors")
    assert model.lf_names_ == ("free", "greeting") and model.class_names_ == ("ham", "spam")


def test_validation_table_of_its_own(inbox, ok):
    held = messages(19, 19, seed=11).assign(id=[f"v{i}" for i in range(19)])
    held.to_json("held.jsonl", orient="records", lines=True)
    shown = ok(*TEXT, "--teacher", "mlp:5", "--validation", "held.jsonl", "--id-column", "id")
    assert "61 training rows (47 labelled), 19 validation rows" in shown.stderr


def test_class_codes_as_labels(inbox, ok):
    frame = messages(61, 61)
    frame.assign(kind=(frame["kind"] == "spam").astype(int)).to_csv("mail.csv", index=False)
    ok(*TEXT, "--teacher", "mlp:5")
    ok("predict", "--data", "mail.csv", "--output", "p.csv")
    assert set(pd.read_csv("p.csv")["predicted"]) <= {0, 1}


# -- images ---------------------------------------------------------------------------------------


QUICK_ONES = ("ce", "takd", "amal", "sskd")


@pytest.mark.parametrize(
    "method",
    [pytest.param(m, marks=() if m in QUICK_ONES else pytest.mark.slow) for m in DISTILLATION],
)
def test_every_method_on_images(method, ok):
    network = "convnet" if method == "sskd" else "mlp:5"
    given = () if method == "ce" else ("--teacher", network)
    if method in ("takd", "dgkd-drop"):
        given += ("--assistant", "mlp:4")
    student = ("--student", "convnet") if method == "sskd" else ()
    shown = ok(*DIGITS, *student, *given, "--method", method, "--seed", 3)
    assert "test" in shown.stdout and "student" in shown.stdout
    assert "360 test rows, 10 classes" in shown.stderr
    assert load_model("model.safetensors").classes == tuple("0123456789")


def test_noise_is_told_and_all_files_are_written(ok):
    options = ("--label-noise", 0.4, "--teacher", "mlp:5", "--keep-epochs", 1, "--weights", "w.csv")
    training = ("--optimiser", "sgd", "--lr", 0.05, "--schedule", "steps", "--milestones", 1)
    more = ("--augment", "crop", "--batch-size", 17, "--temperature", 2, "--device", "cpu")
    toml = "mixer_options = {warmup = 1, refresh_every = 1}\n"
    Path("distill.toml").write_text(toml, encoding="utf-8")
    files = ("--report", "r.html", "--teacher-cache", "cache")
    shown = ok(*DIGITS, *options, *training, *more, *files).stdout
    assert "17 training rows have a wrong class" in shown and "AUC" in shown
    assert "student's score there is too good" in shown
    assert Path("r.html").is_file() and len(pd.read_csv("w.csv")) == 43
    early, late = load_model("model-epoch1.safetensors"), load_model("model.safetensors")
    assert early.images == late.images == "digits" and early.classes == late.classes
    assert early.estimator.val_score_ == early.estimator.history_["val_score"][0]
    x = np.zeros((3, 1, 8, 8), dtype=np.uint8)
    assert early.estimator.predict_proba(x).shape == (3, 10)


def test_model_file_and_its_outputs_teach_images(ok):
    ok(*DIGITS, "--method", "ce", "--student", "mlp:7", "--output", "big.safetensors")
    given = ("--images", "digits", "--output", "said.npz")
    ok("teacher-outputs", "--model", "big.safetensors", *given)
    assert as_teacher("said.npz").logits(None, [5, 1796]).shape == (2, 10)
    for i, teacher in enumerate(("big.safetensors", "said.npz")):
        ok(*DIGITS, "--method", "kd", "--teacher", teacher, "--output", f"s{i}.safetensors")
    a, b = (load_model(f"s{i}.safetensors").estimator.val_score_ for i in range(2))
    assert a == b


def test_early_stopped_teachers_and_those_of_a_file(ok):
    ok(*DIGITS, "--method", "ce", "--keep-epochs", 1, "--keep-epochs", 2)
    kept = ("--keep-epochs", 1, "--keep-epochs", 2, "--early-stopped")
    file = ("--teacher", "model-epoch1.safetensors")
    shown = ok(*DIGITS, "--teacher", "mlp:5", *file, *kept, "--output", "s.safetensors").stdout
    assert "mlp:5@1" in shown and "mlp:5@2" in shown and "model-epoch1" in shown
    assert not Path("s-epoch1.safetensors").exists()


class Stop(Callback):
    """Interrupts training after so many epochs, over all networks."""

    def __init__(self, after):
        self.left = after

    def on_epoch(self, epoch, record):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("early", [(), ("--keep-epochs", 2, "--early-stopped")])
@pytest.mark.parametrize("after", [2, 4])
def test_stopped_run_goes_on_to_the_same_model(after, early, run, ok, monkeypatch):
    given = (*DIGITS, "--teacher", "mlp:5", "--max-epochs", 3, *early)
    ok(*given, "--output", "whole.safetensors")
    stop = Stop(after)  # in the teacher, or in the student
    with monkeypatch.context() as patch:
        fit = Trainer.fit
        patch.setattr(Trainer, "fit", lambda self, *a, **k: fit(stopping(self, stop), *a, **k))
        result = run(*given, "--checkpoint", "run.safetensors", "--output", "again.safetensors")
    assert result.exit_code == 130 and not Path("again.safetensors").exists()
    ok(*given, "--checkpoint", "run.safetensors", "--output", "again.safetensors")
    whole, again = (load_model(f"{name}.safetensors").estimator for name in ("whole", "again"))
    assert whole.val_score_ == again.val_score_
    for one, other in zip(whole.models_, again.models_, strict=True):
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            assert bool((a == b).all())


def stopping(trainer, stop):
    return dataclasses.replace(trainer, callbacks=(*trainer.callbacks, stop))


# -- settings -------------------------------------------------------------------------------------


def test_toml_is_relative_to_its_file_and_arguments_go_first(inbox, ok, tmp_path, monkeypatch):
    (inbox / "d.toml").write_text(
        'data = "mail.csv"\ntext_column = "body"\nlabel_column = "kind"\nid_column = "id"\n'
        'student = "linear"\nteacher = ["teacher.npz", "mlp:5"]\nmethod = "kd"\nmax_epochs = 2\n'
        'output = "m.safetensors"\ntemperature = 3\n',
        encoding="utf-8",
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings = DistillOptions.load(inbox / "d.toml", method="amal", teacher=[])
    assert settings.teacher == (str(inbox / "teacher.npz"), "mlp:5")
    assert settings.method == "amal" and settings.temperature == 3.0
    ok("distill", "--config", inbox / "d.toml", "--method", "alm-kd")
    assert (inbox / "m.safetensors").is_file() and os.listdir() == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('studnt = "linear"', "unknown key 'studnt'; did you mean 'student'?"),
        ("max_epochs = 2.5", "'max_epochs' must be a whole number, found 2.5"),
        ('lr = "fast"', "'lr' must be a number, found 'fast'"),
        ("early_stopped = 1", "'early_stopped' must be true or false"),
        ("keep_epochs = [1, true]", "'keep_epochs' must be a whole number, found True"),
        ("mixer_options = 3", "'mixer_options' must be a table"),
        ("teacher = [", "is no valid TOML"),
    ],
)
def test_bad_toml(line, said, inbox, run):
    (inbox / "distill.toml").write_text(line, encoding="utf-8")
    fails(run, said, *TEXT)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--method", "amall"), "alm-kd: convex weights per row"),
        ((), "amal needs a teacher"),
        (("--images", "digits", "--teacher", "mlp:5"), "--data) or images (--images), found both"),
        (("--student", "resnet8", "--teacher", "mlp:5"), "'resnet8' needs images"),
        (("--student", "mpl", "--teacher", "mlp:5"), "there is no network 'mpl'"),
        (("--teacher", "resnt20"), "did you mean 'resnet20'"),
        (("--teacher", "convnet"), "teacher 0 ('convnet'): 'convnet' needs images"),
        (("--teacher", "none.npz", "--id-column", "id"), "there is no file none.npz"),
        (("--teacher", "none.safetensors"), "there is no file"),
        (("--teacher", "teacher.npz", "--id-column", "kind"), "row 47 (counted from 0) has none"),
        (("--teacher", "teacher.npz", "--row-id-column", "id"), "it is called --id-column"),
        (("--teacher", "teacher.npz", "--id-column", "number"), "mail.csv has no column 'number'"),
        (("--teacher", "teacher.npz", "--id-column", "half"), "rows have no outputs"),
        (("--teacher", "lfs.py"), "there is no network 'lfs.py'"),
        (("--teacher", "other.npz", "--id-column", "id"), "its classes ['ham', 'egg']"),
        (("--teacher", "broken.npz", "--id-column", "id"), "is not a file of teacher"),
        (("--teacher", "nan.npz", "--id-column", "id"), "logits are NaN or infinite in 1 of"),
        (("--teacher", "mlp:5", "--method", "ce"), "ce learns from labels alone"),
        (("--teacher", "mlp:5", "--assistant", "mlp:4"), "amal has none"),
        (("--teacher", "mlp:5", "--method", "dgkd-drop"), "give two or more"),
        (("--teacher", "mlp:5", "--method", "sskd"), "it needs --images"),
        (("--teacher", "mlp:5", "--augment", "crop"), "--augment goes with --images only"),
        (("--teacher", "mlp:5", "--label-noise", 0.3), "--label-noise goes with --images only"),
        (("--teacher", "mlp:5", "--label-noise", 1.5), "must be a share from 0 up to 1"),
        (("--teacher", "mlp:5", "--optimiser", "lbfgs"), "'optimiser'"),
        (("--teacher", "mlp:5", "--temperature", 0), "'temperature'"),
        (("--teacher", "mlp:5", "--device", "abacus"), "device 'abacus' cannot be used here"),
        (("--teacher", "mlp:5", "--metric", "auc"), "unknown metric 'auc'"),
        (("--teacher", "mlp:5", "--max-epochs", 0), "max_epochs must be 1 or more, found 0"),
        (("--teacher", "mlp:5", "--keep-epochs", 3), "keep_epochs holds 3; training has 2"),
        (("--teacher", "mlp:5", "--early-stopped"), "--early-stopped needs --keep-epochs"),
        (
            ("--teacher", "teacher.npz", "--early-stopped", "--keep-epochs", 1),
            "needs a --teacher that is trained here",
        ),
        (
            ("--teacher", "mlp:5", "--method", "takd", "--early-stopped", "--keep-epochs", 1),
            "takd takes one teacher",
        ),
        (("--teacher", "mlp:5", "--output", "mail.csv"), "mail.csv already exists"),
        (("--teacher", "mlp:5", "--weights", "mail.csv"), "mail.csv already exists"),
        (("--config", "none.toml"), "there is no settings file none.toml"),
    ],
)
def test_bad_input_is_said_before_any_training(arguments, said, inbox, run, monkeypatch):
    frame = pd.read_csv("mail.csv")
    frame["half"] = [f"m{i}" if i < 40 else f"x{i}" for i in range(61)]
    frame.to_csv("mail.csv", index=False)
    values = np.zeros((61, 2))
    save_teacher_outputs("other.npz", frame["id"], values, ["ham", "egg"])
    values[7] = np.nan
    save_teacher_outputs("nan.npz", frame["id"], values, ["ham", "spam"])
    content = (inbox / "teacher.npz").read_bytes()
    (inbox / "broken.npz").write_bytes(content[: len(content) // 2])
    monkeypatch.setattr(Trainer, "begin", None)
    fails(run, said, *TEXT, *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--images", "digitz"), "unknown images 'digitz'"),
        (("--subset", 9999), "--subset asks for 9999 training rows"),
        (("--lfs", "lfs.py"), "--lfs goes with --data only"),
        (("--id-column", "id"), "--id-column goes with --data only"),
        (("--teacher", "text.safetensors"), "it is a model for texts, the student gets images"),
        (("--augment", "mirror"), "'augment'"),
    ],
)
def test_bad_input_with_images(arguments, said, inbox, run, ok, monkeypatch):
    if "text.safetensors" in arguments:
        ok("train", *MAIL, "--method", "only-l", "--max-epochs", 1, "--output", "text.safetensors")
    monkeypatch.setattr(Trainer, "begin", None)
    fails(run, said, *DIGITS, "--teacher", "mlp:5", *arguments)


def test_too_few_labels_for_validation(inbox, run):
    messages(61, 3).to_csv("mail.csv", index=False)
    fails(run, "give --validation, or a larger validation_share", *TEXT, "--teacher", "mlp:5")


def test_ids_must_be_unique(inbox, run):
    messages(61, 47).assign(id="m1").to_csv("mail.csv", index=False)
    given = ("--teacher", "teacher.npz", "--id-column", "id")
    fails(run, "rows 0 and 1 (counted from 0) both have 'm1'", *TEXT, *given)
    # nobody named the column: it cannot be that of the ids, which a file of outputs needs
    fails(run, "say with --id-column", *TEXT, "--teacher", "teacher.npz")


def test_a_table_without_ids(inbox, run):
    messages(61, 47).rename(columns={"id": "number"}).to_csv("mail.csv", index=False)
    fails(run, "say with --id-column", *TEXT, "--teacher", "teacher.npz")


def test_ids_are_found_by_their_name(inbox, ok):
    shown = ok(*TEXT, "--teacher", "teacher.npz", "--method", "kd", "--weights", "w.csv")
    named = ok(*TEXT, "--teacher", "teacher.npz", "--method", "kd", "--id-column", "id", "--force")
    assert shown.stdout.splitlines()[0] == named.stdout.splitlines()[0]


def test_former_name_of_the_key(inbox, run):
    Path("distill.toml").write_text('row_id_column = "id"\n', encoding="utf-8")
    fails(run, "unknown key 'row_id_column'; it is called 'id_column'", *TEXT)


def test_images_models_are_not_for_tables(inbox, run, ok):
    ok(*DIGITS, "--method", "ce")
    fails(
        run, "is a model for images (digits)", "predict", "--data", "mail.csv", "--output", "p.csv"
    )
    given = ("--model", "model.safetensors", "--output", "o.npz")
    fails(run, "images: give --images", "teacher-outputs", *given, "--data", "mail.csv")
    fails(run, "not both", "teacher-outputs", *given)
    fails(run, "written as .npz", "teacher-outputs", *given[:3], "o.csv", "--images", "digits")


def test_outputs_need_ids(inbox, run, ok):
    ok("train", *MAIL, "--method", "only-l", "--max-epochs", 1)
    messages(61, 47).drop(columns="id").to_csv("other.csv", index=False)
    given = ("--model", "model.safetensors", "--data", "other.csv", "--output", "o.npz")
    fails(run, "the rows have no ids", "teacher-outputs", *given)


def test_interrupt_leaves_nothing(inbox, run, monkeypatch):
    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "before_epoch", stop)
    before = set(os.listdir())
    result = run(*TEXT, "--teacher", "mlp:5")
    assert result.exit_code == 130 and set(os.listdir()) == before


def test_from_python_bad_methods_are_input_errors():
    settings = DistillOptions.load(images="digits", student="linear", method="x")
    with pytest.raises(InputError, match="unknown method 'x'"):
        distill(settings)
