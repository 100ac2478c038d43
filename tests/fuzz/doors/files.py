"""Files: damaged ones are refused, or read as if they were whole; never as something else."""

import contextlib
import csv
import functools
import pickle
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from registry import door
from values import arrays, frames, mostly, mutated, mutated_json, odd, table_bytes, votes

from spear_amal import LabelMatrix, SpearClassifier, TextClassifier, TrainerConfig
from spear_amal.data import (
    TextFeatures,
    WrenchPart,
    ids_of,
    read_spear_pickle,
    read_table,
    read_wrench,
    require_columns,
    spear_label_matrix,
    to_dataset,
    write_table,
    write_wrench,
)
from spear_amal.errors import SpearAmalError
from spear_amal.labeling import (
    PandasLFApplier,
    VoteCache,
    exemplar_frame,
    exemplar_matrix,
    keyword_lf,
    load_lfs,
    read_rules,
)
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
    TextClassifier.from_fitted(model, features, ("ham", "spam"), lf_names=("a", "b")).save(
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
    for kind in ("zip", "gztar"):
        shutil.make_archive(str(folder / "wrench"), kind, folder / "wrench")
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
    if draw(st.booleans()):
        change = mutated_json if path.suffix == ".json" and draw(st.booleans()) else mutated
        path.write_bytes(change(draw, content))
    else:
        draw(st.integers())  # Hypothesis enters no door twice with the same
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


@door("spear_amal.TextClassifier")
def text_model_file(draw, folder):
    right = TextClassifier.load(whole() / "text.safetensors")
    model = TextClassifier.load(damaged(draw, folder, "text.safetensors"))
    assert model.class_names_ == right.class_names_ and model.text_column_ == right.text_column_
    np.testing.assert_array_equal(model.predict_proba(TEXTS), right.predict_proba(TEXTS))


@door("teachers.TeacherFile", "teachers.save_teacher_outputs", "teachers.Teacher")
def teacher_file(draw, folder):
    path = damaged(draw, folder, "teacher.npz")
    ids = draw(mostly(st.permutations("abc"), odd))
    classes = draw(mostly(st.permutations(["ham", "spam"]), odd))
    found = TeacherFile(path).logits(None, ids, classes)
    for row, one in zip(found, ids, strict=True):
        right = [2.0 * "abc".index(one) + ["ham", "spam"].index(name) for name in classes]
        np.testing.assert_array_equal(row, right)


@door("teachers.save_teacher_outputs")
def teacher_outputs(draw, folder):
    n = draw(st.integers(1, 4))
    right = st.lists(st.lists(st.floats(-3, 3), min_size=2, max_size=2), min_size=n, max_size=n)
    logits = draw(mostly(right, arrays((1, 2))))
    ids = draw(mostly(st.just([f"r{i}" for i in range(n)]), arrays((1, 1))))
    classes = draw(mostly(st.just(["ham", "spam"]), odd))
    save_teacher_outputs(
        folder / "t.npz", ids, logits, classes, kind=draw(mostly(st.just("logits"), odd))
    )
    found = TeacherFile(folder / "t.npz").logits(None, ids)
    np.testing.assert_array_equal(found, np.asarray(logits, dtype=np.float32))


@door("data.read_wrench", "data.write_wrench", "data.WrenchPart")
def wrench_folder(draw, folder):
    parts = draw(mostly(st.just(("train",)), odd))
    read_wrench(damaged(draw, folder, "wrench"), parts=parts)


@door("data.read_wrench")
def wrench_archive(draw, folder):
    archive = damaged(draw, folder, draw(st.sampled_from(["wrench.zip", "wrench.tar.gz"])))
    read_wrench(archive, parts=("train",))


@door("data.read_wrench", "data.write_wrench")
def wrench_round(draw, folder):
    L = draw(votes(rows=(1, 6)))
    frame = pd.DataFrame({"text": [str(i) for i in range(len(L))], "label": 0})
    ids = st.permutations([0, 1, "b", "a", "é", 7]).map(lambda ids: ids[: len(L)])
    repeated = st.lists(st.sampled_from([0, 1, "1", "a"]), min_size=len(L), max_size=len(L))
    frame.index = draw(mostly(ids, repeated, 2))
    write_wrench({"train": WrenchPart(frame, L)}, folder / "w")
    part = read_wrench(folder / "w", parts=("train",))["train"]
    assert (np.asarray(part.label_matrix) == np.asarray(L)).all()
    assert part.frame["text"].tolist() == frame["text"].tolist()


@door(
    "labeling.read_rules", "labeling.exemplar_frame", "labeling.exemplar_matrix", "labeling.RuleLF"
)
def rules_file(draw, folder):
    lfs = read_rules(damaged(draw, folder, "rules.tsv"))
    assert len(exemplar_frame(lfs)) == sum(lf.exemplar is not None for lf in lfs)
    exemplar_matrix(lfs, draw(mostly(st.just(["free prize", "see you"]), odd)))


@door("labeling.load_lfs", "labeling.LoadedLFs")
def lfs_file(draw, folder):
    lines = ["more = [keyword_lf('a', ['b'], 1)]", "LFS = [keyword_lf('c', ['b'], 0)]"]
    lines += ["CLASSES = ['ham', 'spam']", "CLASSES = 7", "LFS = 3", "CLASSES = [None, [1]]"]
    lines += ["raise ValueError('no')", "def (:", "\x00", "raise SystemExit", "LFS = [3]"]
    head = "from spear_amal.labeling import keyword_lf"
    chosen = draw(st.lists(st.sampled_from(lines[:4] * 3 + lines), max_size=3))
    (folder / "lfs.py").write_text("\n".join([head, *chosen]))
    lfs, _ = load_lfs(folder / draw(mostly(st.just("lfs.py"), st.sampled_from(["none.py", "."]))))
    last = [line for line in chosen if line.startswith("LFS")][-1:]
    assert [lf.name for lf in lfs] == (["c"] if last else ["a"])


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
        "x": np.full((n, 2), draw(st.floats(-9, 9))),
        "l": np.array([[0, 2], [1, 1], [2, 0]]),
        "m": np.array([[1, 0], [1, 1], [0, 1]]),
        "L": np.array([[0], [1], [2]]),
        "d": np.ones((n, 1)),
        "r": np.zeros((n, m)),
    }
    changed = draw(st.sampled_from([None, None, None, *right]))
    content = b"".join(
        pickle.dumps(draw(arrays((0, 3))) if name == changed else value)
        for name, value in right.items()
    )
    whole_content = content
    if draw(st.sampled_from([False, False, True])):
        content = mutated(draw, content)
    (folder / "d.p").write_bytes(content)
    arrays_read = read_spear_pickle(folder / "d.p")
    L = spear_label_matrix(arrays_read)
    if changed is None and content == whole_content:
        assert np.asarray(L).tolist() == [[0, -1], [1, 1], [-1, 0]]


@door("data.read_table", "data.require_columns")
def separated_table(draw, folder):
    suffix = draw(st.sampled_from([".csv"] * 3 + [".tsv"] * 3 + [".txt"]))
    path = folder / f"t{suffix}"
    path.write_bytes(table_bytes(draw, "\t" if suffix == ".tsv" else ","))
    require_columns(read_table(path), draw(mostly(st.just([]), odd)))


texts_of_cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


@door("data.read_table", "data.require_columns", "data.write_table")
def several_tables(draw, folder):
    """Tables as the module csv writes them, read together: cell for cell the same texts."""
    suffix = draw(st.sampled_from([".csv", ".tsv"]))
    rows, paths = [], []
    for number in range(draw(st.integers(1, 3))):
        names = draw(st.permutations(["text", "label", "more"]))[: draw(st.integers(1, 3))]
        path = folder / f"t{number}{suffix}"
        row = st.lists(texts_of_cells, min_size=len(names), max_size=len(names))
        cells = draw(st.lists(row, min_size=1, max_size=3))
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ",")
            writer.writerows([names, *cells])
        rows += [dict(zip(names, row, strict=True)) for row in cells]
        paths.append(path)
    given = draw(mostly(st.just(paths), odd))
    text_column = draw(mostly(st.sampled_from([None, "text"]), odd))
    frame = read_table(given, text_column, "label")
    assert len(frame) == len(rows)
    for name in {"label", text_column} & set(frame):
        found = [None if pd.isna(cell) or cell == "" else cell for cell in frame[name]]
        assert found == [row.get(name) or None for row in rows]
    require_columns(frame, draw(mostly(st.just(list(rows[0])), odd)))


@door("data.ids_of")
def ids_of_rows(draw, folder):
    frame = draw(mostly(frames(rows=(1, 8)), st.one_of(frames(), odd)))
    names = list(frame) if isinstance(frame, pd.DataFrame) else []
    column = draw(mostly(st.sampled_from([None, "id", *names]), odd))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a column "id" that holds no ids
        ids = ids_of(frame, column)
    assert ids is None or len(set(ids.tolist())) == len(frame)


@door("data.to_dataset")
def dataset_of_rows(draw, folder):
    frame = draw(mostly(st.just(pd.DataFrame({"text": ["a", None], "label": ["x", None]})), odd))
    options = {
        "label": draw(mostly(st.sampled_from([None, "label"]), odd)),
        "classes": draw(mostly(st.sampled_from([None, ["x", "y"]]), odd)),
        "probabilities": draw(mostly(st.sampled_from([None, [[0.5, 0.5]] * 2]), odd)),
    }
    assert len(to_dataset(frame, **options)) == 2


@door("data.read_table")
def json_lines(draw, folder):
    rows = b'{"text": "a", "label": "ham"}\n{"text": "b", "label": null}\n'
    if draw(st.booleans()):
        rows = mutated(draw, rows)
    else:
        rows = b"\n".join(
            mutated_json(draw, row) if draw(st.booleans()) else row for row in rows.splitlines()
        )
    (folder / "t.jsonl").write_bytes(rows)
    read_table(folder / "t.jsonl")


@door("data.write_table", "data.read_table")
def table_round(draw, folder):
    frame = draw(mostly(frames(rows=(1, 8)), st.one_of(frames(), odd)))
    kinds = st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet"])
    path = folder / f"t{draw(mostly(kinds, st.sampled_from(['.odd', ''])))}"
    write_table(frame, path)
    assert len(read_table(path)) == len(frame)


@functools.cache
def stored_study():
    """Return the path of the smallest study that is stored in the documentation."""
    results = sorted((Path(__file__).parents[3] / "docs" / "results").glob("*.json"))
    for path in sorted(results, key=lambda path: path.stat().st_size):
        with contextlib.suppress(SpearAmalError):
            read_study(path)
            return path
    raise LookupError("no study is stored in docs/results")


@door("studies.read_study")
def study_file(draw, folder):
    content = stored_study().read_bytes()
    change = mutated_json if draw(st.booleans()) else mutated
    (folder / "s.json").write_bytes(change(draw, content) if draw(st.integers(0, 2)) else content)
    draw(st.integers())
    read_study(folder / "s.json")


@door("report.is_own_report")
def own_report(draw, folder):
    (folder / "r.html").write_bytes(mutated(draw, b"<!doctype html><html></html>"))
    with contextlib.suppress(FileNotFoundError):
        is_own_report(folder / draw(st.sampled_from(["r.html", "none.html"])))
