"""The command line: odd flags, settings and files end in one message and a code, never a fault."""

import contextlib
import io
import json
import os
import sys
import tomllib

from hypothesis import strategies as st
from registry import door
from values import JSON_ODD, mostly, mutated, mutated_json, table_bytes, texts

from doors.files import whole
from spear_amal import LabelMatrix
from spear_amal.cli import main
from spear_amal.cli.options import distillation, project, start, studies
from spear_amal.cli.schema import flag_of, is_argument, kind_of
from spear_amal.errors import InputError

COMMANDS = {
    "apply": project.ApplyOptions,
    "analyze": project.AnalyzeOptions,
    "predict": project.PredictOptions,
    "evaluate": project.EvaluateOptions,
    "train": project.TrainOptions,
    "init": start.InitOptions,
    "distill": distillation.DistillOptions,
    "teacher-outputs": distillation.TeacherOutputsOptions,
    "corpora list": start.CorporaListOptions,
    "study": studies.StudyOptions,
    "study kd-synthetic": studies.GridStudyOptions,
    "study report": studies.StudyReportOptions,
}
#: What a flag may be given; nothing that would ask for much work, and mean it.
TEXTS = st.one_of(
    st.sampled_from(
        ["t.csv", "model", "lfs.py", "votes.npz", "study.json", ".", "none", "", "-1", "0", "1e9"]
    ),
    texts,
)
WORK = {"jobs", "tune", "seeds", "images", "max_epochs", "subset", "student", "corpus", "scale"}
LFS = """
from spear_amal.labeling import keyword_lf
lfs = [keyword_lf("spam", ["free", "spam"], 1), keyword_lf("ham", ["you", "ham"], 0)]
classes = ["ham", "spam"]
"""
ROWS = [
    ("free spam", "spam"),
    ("see you", "ham"),
    ("ham you", ""),
    ("spam", "spam"),
    ("you", "ham"),
]
TABLE = "text,label,id\n" + "".join(f"{text},{y},{i}\n" for i, (text, y) in enumerate(ROWS * 3))
VOTES = LabelMatrix.from_dense(
    [[1, -1], [-1, 0], [-1, 0], [1, -1], [-1, 0]] * 3, classes=["ham", "spam"]
)
SPEAR = {
    **{"data": ["t.csv"], "test": ["t.csv"], "lfs": "lfs.py", "text_column": "text"},
    **{"label_column": "label", "max_epochs": 1, "method": "spear", "votes": "votes.npz"},
    **{"output": "model.safetensors", "seed": 0, "metric": "accuracy"},
}
DISTILL = {
    **{"data": ["t.csv"], "student": "linear", "method": "ce", "max_epochs": 1, "seed": 0},
    **{"output": "small.safetensors", "temperature": 2.0, "validation_share": 0.4},
}
STUDY = {
    **{"corpus": "made up", "features": "tfidf", "protocol": "random", "labels": 10, "seed": 0},
    **{"method": "only-l", "title": "L only", "metric": "f1", "score": 0.5, "val_score": 0.5},
    **{"dedup": None, "seconds": 1.0, "config": {"options": {}}, "error": None, "warnings": []},
}


@contextlib.contextmanager
def inside(folder):
    """Work in a folder, without a terminal."""
    before, argv = os.getcwd(), sys.argv
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            yield out
    finally:
        os.chdir(before)
        sys.argv = argv


def call(arguments):
    """Run the command line in this process; return its code."""
    try:
        main(arguments)
    except SystemExit as end:
        return end.code
    return 0


def toml(settings):
    """Write settings as TOML."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def settings_bytes(draw, right):
    """Draw a file of settings: mostly right, with odd values, keys or bytes."""
    how = draw(st.sampled_from(["right"] * 4 + ["value", "key", "bytes"]))
    settings = dict(right)
    if how == "value":
        settings[draw(st.sampled_from(sorted(right)))] = draw(JSON_ODD)
    elif how == "key":
        settings[draw(st.sampled_from(["odd", "labels", "lr", "schedule", "teacher"]))] = "x"
    # TOML has no null, and an empty text is no number of epochs.
    settings = {key: value for key, value in settings.items() if value is not None}
    content = toml(settings).encode()
    content = mutated(draw, content) if how == "bytes" else content
    return content if _asks_for_little(content) else toml(right).encode()


def _asks_for_little(content):
    try:
        read = tomllib.loads(content.decode())
    except (ValueError, RecursionError):
        return True
    epochs = read.get("max_epochs")
    return epochs is None or not isinstance(epochs, int) or epochs < 9


def files(draw, folder):
    """Write a small project, some of it odd."""
    table = table_bytes(draw) if draw(st.integers(0, 4)) == 0 else TABLE.encode()
    (folder / "t.csv").write_bytes(table)
    (folder / "lfs.py").write_text(LFS)
    VOTES.save(folder / "votes.npz")
    (folder / "model").write_bytes((whole() / "text.safetensors").read_bytes())
    (folder / "spear.toml").write_bytes(settings_bytes(draw, SPEAR))
    (folder / "distill.toml").write_bytes(settings_bytes(draw, DISTILL))
    study = json.dumps({"format": 1, "rows": [STUDY], "tuning": []}).encode()
    study = mutated_json(draw, study) if draw(st.booleans()) else study
    (folder / "study.json").write_bytes(study)


def flags(draw, cls):
    """Draw flags of a command, and what they are given; mostly those it needs."""
    known = {n: f for n, f in cls.model_fields.items() if n not in WORK and not is_argument(f)}
    right = {"model": "model", "output": "out.npz", "votes": "votes.npz", "data": "t.csv"}
    right |= {"id_column": "id", "text_column": "text", "label_column": "label"}
    given = []
    for name, field in known.items():
        flag = flag_of(name, field)
        needed = field.is_required() or name in ("model", "id_column") or flag == "--output"
        if needed and name in right and draw(st.integers(0, 6)) > 0:
            value = "out.npz" if flag == "--output" else right[name]
            given += [flag, value]
    for name in draw(st.lists(st.sampled_from(sorted(known)), max_size=2)) if known else []:
        takes_value = kind_of(known[name])[0] is not bool
        value = draw(mostly(st.just(right.get(name, "x")), TEXTS, 2))
        given += (
            [flag_of(name, known[name]), value] if takes_value else [flag_of(name, known[name])]
        )
    odd = st.sampled_from([["--help"], ["--odd"], ["--config", "t.csv"], ["--config", "none"]])
    return given + draw(mostly(st.just([]), odd))


@door("cli.main")
def commands(draw, folder):
    files(draw, folder)
    command = draw(st.sampled_from(sorted(COMMANDS)))
    arguments = [*command.split(), *flags(draw, COMMANDS[command])]
    places = {"init": "project", "study": "nothing", "study report": "study.json"}
    if command in places:
        arguments.append(draw(mostly(st.just(places[command]), TEXTS, 3)))
    if command == "study kd-synthetic":  # a right one would train networks for minutes
        arguments += ["--set", draw(mostly(st.just("odd=1"), TEXTS))]
    if draw(st.integers(0, 20)) == 0:
        arguments.append(draw(TEXTS))
    with inside(folder) as out:
        code = call(arguments)
    said = out.getvalue()
    assert code in (0, 2, 3), f"{arguments} ended with {code}: {said[-600:]}"
    assert "Traceback" not in said
    assert code == 0 or "Error" in said or "Usage" in said, f"{arguments} says nothing: {said}"
    if code:
        raise InputError(said[-200:])  # so that it counts as refused
