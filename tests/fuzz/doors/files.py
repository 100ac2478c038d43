"""Files: damaged ones are refused, or read as if they were whole; never as something else."""

import contextlib
import functools
import pickle
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from registry import door
from values import arrays, frames, mostly, mutated, mutated_json, odd, table_bytes, votes

from spear_amal import LabelMatrix, SpearClassifier, TrainerConfig
from spear_amal.data import (
    TextFeatures,
    WrenchPart,
    read_spear_pickle,
    read_table,
    read_wrench,
    require_columns,
    spear_label_matrix,
    write_table,
    write_wrench,
)
from spear_amal.labeling import (
    PandasLFApplier,
    VoteCache,
    exemplar_frame,
    exemplar_matrix,
    keyword_lf,
    load_lfs,
    read_rules,
)
from spear_amal.pipeline import TextModel, load_model
from spear_amal.report import is_own_report
from spear_amal.studies import read_study
from spear_amal.teachers import TeacherFile, save_teacher_outputs
from spear_amal.votes.parquet import finish_votes, open_votes, write_part

VOTES = LabelMatrix.from_dense([[0, -1], [1, 1], [-1, 0]], classes=["ham", "spam"])
TEXTS = ["a spam offer", "see you there", "spam spam you", "there you see"] * 4


@functools.cache
def whole():
    """Write one right file of every kind, once; return their folder.

    Called before the first input, so that its own errors are not taken for a door's.
    """
    folder = Path(tempfile.mkdtemp(prefix="spear-amal-fuzz-"))
    VOTES.save(folder / "votes.npz")
    part = write_part(folder / "votes", 0, VOTES)
    names = {"lf_names": VOTES.lf_names, "classes": VOTES.classes, "lf_classes": VOTES.lf_classes}
    finish_votes(folder / "votes", [part], **names, continuous=VOTES.continuous)
    features = TextFeatures(min_df=1).fit(TEXTS)
    y = np.array([1, 0, 1, -1] * 4)
    L = np.array([[1, -1], [-1, 0], [1, -1], [-1, 0]] * 4)
    trainer = TrainerConfig(max_epochs=2)
    model = SpearClassifier(trainer=trainer).fit(features.transform(TEXTS), y, L=L)
    model.save(folder / "model.safetensors")
    TextModel(model, features, ("ham", "spam"), "text", ("a", "b"), "spear").save(
        folder / "text.safetensors"
    )
    logits = np.arange(6.0).reshape(3, 2)
    save_teacher_outputs(folder / "teacher.npz", list("abc"), logits, ["ham", "spam"])
    write_wrench(
        {"train": WrenchPart(pd.DataFrame({"text": list("abc"), "label": [0, 1, -1]}), VOTES)},
        folder / "wrench",
    )
    (folder / "rules.tsv").write_text("spam\tfree\tfree prize\nham\tsee\tsee you\n")
    cached(folder / "cache")
    return folder


def damaged(draw, folder, name):
    """Copy a right file or folder, damaged in one file; return its path."""
    source, target = whole() / name, folder / name
    if source.is_dir():
        shutil.copytree(source, target)
        path = draw(st.sampled_from(sorted(p for p in target.rglob("*") if p.is_file())))
    else:
        shutil.copy(source, target)
        path = target
    content = path.read_bytes()
    change = mutated_json if path.suffix == ".json" and draw(st.booleans()) else mutated
    path.write_bytes(change(draw, content))
    return target


def same(found, right):
    """Check that two label matrices hold the same."""
    assert (np.asarray(found) == np.asarray(right)).all() and found.classes == right.classes
    assert found.lf_names == right.lf_names and (found.row_ids == right.row_ids).all()


@door("spear_amal.LabelMatrix")
def votes_file(draw, folder):
    same(LabelMatrix.load(damaged(draw, folder, "votes.npz")), VOTES)


@door("spear_amal.LabelMatrix")
def votes_folder(draw, folder):
    same(open_votes(damaged(draw, folder, "votes")).to_label_matrix(), VOTES)


@door("spear_amal.SpearClassifier")
def model_file(draw, folder):
    right = SpearClassifier.load(whole() / "model.safetensors")
    model = SpearClassifier.load(damaged(draw, folder, "model.safetensors"))
    X = np.ones((2, right.n_features_in_), dtype=np.float32)
    np.testing.assert_array_equal(model.predict_proba(X), right.predict_proba(X))
    assert list(model.classes_) == list(right.classes_)


@door("pipeline.load_model", "pipeline.TextModel", "pipeline.ImagesModel")
def text_model_file(draw, folder):
    right = load_model(whole() / "text.safetensors")
    model = load_model(damaged(draw, folder, "text.safetensors"))
    assert model.classes == right.classes and model.text_column == right.text_column
    found, want = (m.estimator.predict_proba(m.features.transform(TEXTS)) for m in (model, right))
    np.testing.assert_array_equal(found, want)


@door("teachers.TeacherFile", "teachers.save_teacher_outputs", "teachers.Teacher")
def teacher_file(draw, folder):
    path = damaged(draw, folder, "teacher.npz")
    found = TeacherFile(path).outputs(None, np.array(list("abc")))
    right = TeacherFile(whole() / "teacher.npz").outputs(None, np.array(list("abc")))
    np.testing.assert_array_equal(found.logits, right.logits)


@door("teachers.save_teacher_outputs")
def teacher_outputs(draw, folder):
    ids, logits, classes = draw(arrays((1, 1))), draw(arrays((1, 2))), draw(odd)
    save_teacher_outputs(folder / "t.npz", ids, logits, classes, kind=draw(odd))


@door("data.read_wrench", "data.write_wrench", "data.WrenchPart")
def wrench_folder(draw, folder):
    read_wrench(damaged(draw, folder, "wrench"), parts=("train",))


@door("data.read_wrench", "data.write_wrench")
def wrench_round(draw, folder):
    L = draw(votes(rows=(1, 6)))
    frame = pd.DataFrame({"text": [str(i) for i in range(len(L))], "label": 0})
    frame.index = draw(
        st.lists(st.sampled_from([0, 1, "1", "a"]), min_size=len(L), max_size=len(L))
    )
    write_wrench({"train": WrenchPart(frame, L)}, folder / "w")
    part = read_wrench(folder / "w", parts=("train",))["train"]
    assert (np.asarray(part.label_matrix) == np.asarray(L)).all()
    assert part.frame["text"].tolist() == frame["text"].tolist()


@door(
    "labeling.read_rules", "labeling.exemplar_frame", "labeling.exemplar_matrix", "labeling.RuleLF"
)
def rules_file(draw, folder):
    lfs = read_rules(damaged(draw, folder, "rules.tsv"))
    exemplar_frame(lfs)
    exemplar_matrix(lfs, ["free prize"])


@door("labeling.load_lfs", "labeling.LoadedLFs")
def lfs_file(draw, folder):
    lines = ["from spear_amal.labeling import keyword_lf", "lfs = [keyword_lf('a', ['b'], 1)]"]
    lines += [
        "classes = ['ham', 'spam']",
        "classes = 7",
        "lfs = 3",
        "raise ValueError('no')",
        "\x00",
    ]
    chosen = draw(st.lists(st.sampled_from(lines), max_size=4))
    (folder / "lfs.py").write_text("\n".join(chosen))
    load_lfs(folder / draw(st.sampled_from(["lfs.py", "none.py", "."])))


def cached(folder):
    """Apply an LF to some texts with a cache in a folder; return the votes."""
    lfs = [keyword_lf("spam", ["spam"], 1), keyword_lf("you", ["you"], 0)]
    frame = pd.DataFrame({"text": TEXTS})
    return PandasLFApplier(lfs).apply(frame, progress_bar=False, cache=VoteCache(folder))


@door("labeling.VoteCache")
def cache_folder(draw, folder):
    want = np.array([[1, -1], [-1, 0], [1, 0], [-1, 0]] * 4)
    assert (np.asarray(cached(damaged(draw, folder, "cache"))) == want).all()


@door("data.read_spear_pickle", "data.spear_label_matrix")
def spear_pickle(draw, folder):
    n, m = 3, 2
    right = {
        "x": np.zeros((n, 2)),
        "l": np.array([[0, 2], [1, 1], [2, 0]]),
        "m": np.array([[1, 0], [1, 1], [0, 1]]),
        "L": np.array([[0], [1], [2]]),
        "d": np.ones((n, 1)),
        "r": np.zeros((n, m)),
    }
    changed = draw(st.sampled_from([None, *right]))
    content = b"".join(
        pickle.dumps(draw(arrays((0, 3))) if name == changed else value)
        for name, value in right.items()
    )
    if draw(st.booleans()):
        content = mutated(draw, content)
    (folder / "d.p").write_bytes(content)
    arrays_read = read_spear_pickle(folder / "d.p")
    spear_label_matrix(arrays_read)


@door("data.read_table", "data.require_columns")
def separated_table(draw, folder):
    suffix = draw(st.sampled_from([".csv", ".tsv", ".txt"]))
    path = folder / f"t{suffix}"
    path.write_bytes(table_bytes(draw, "\t" if suffix == ".tsv" else ","))
    frame = read_table(path)
    require_columns(frame, draw(odd))


@door("data.read_table")
def json_lines(draw, folder):
    rows = b'{"text": "a", "label": "ham"}\n{"text": "b", "label": null}\n'
    if draw(st.booleans()):
        rows = mutated(draw, rows)
    else:
        rows = b"\n".join(mutated_json(draw, row) for row in rows.splitlines())
    (folder / "t.jsonl").write_bytes(rows)
    read_table(folder / "t.jsonl")


@door("data.write_table", "data.read_table")
def table_round(draw, folder):
    frame = draw(mostly(frames(), odd))
    path = folder / f"t{draw(st.sampled_from(['.csv', '.jsonl', '.parquet', '.odd', '']))}"
    write_table(frame, path)
    assert hasattr(frame, "columns")
    assert len(read_table(path)) == len(frame)


@door("studies.read_study")
def study_file(draw, folder):
    stored = sorted((Path(__file__).parents[3] / "docs" / "results").glob("*.json"))
    small = min(stored, key=lambda path: path.stat().st_size)
    content = small.read_bytes()
    change = mutated_json if draw(st.booleans()) else mutated
    (folder / "s.json").write_bytes(change(draw, content))
    read_study(folder / "s.json")


@door("report.is_own_report")
def own_report(draw, folder):
    (folder / "r.html").write_bytes(mutated(draw, b"<!doctype html><html></html>"))
    with contextlib.suppress(FileNotFoundError):
        is_own_report(folder / draw(st.sampled_from(["r.html", "none.html"])))
