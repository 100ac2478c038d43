"""Tables as Hugging Face's Dataset, in and out."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from spear_amal import LabelMatrix, TextClassifier
from spear_amal.data import ids_of, read_table, to_dataset, write_table
from spear_amal.errors import InputError
from spear_amal.hf_datasets import as_frame
from spear_amal.labeling import ColumnLFApplier, LFApplier, PandasLFApplier, keyword_lf

datasets = pytest.importorskip("datasets")
LFS = [keyword_lf("free", ["free"], "spam"), keyword_lf("see", ["see"], "ham")]
CLASSES = ["spam", "ham"]  # not in the order of their letters: codes are not those of sorting


@pytest.fixture
def dataset():
    features = datasets.Features(
        {
            "id": datasets.Value("int64"),
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=CLASSES),
            "n": datasets.Value("int64"),
        }
    )
    rows = {
        "id": [2**53 + 1, 2, 3, 4],
        "text": ["free tones", "see you", None, "free see"],
        "label": [0, 1, None, -1],
        "n": [2**53 + 1, None, 3, 4],
    }
    return datasets.Dataset.from_dict(rows, features=features)


def test_class_labels_are_names(dataset):
    frame = as_frame(dataset)
    assert frame["label"].tolist() == ["spam", "ham", None, None]
    assert frame["n"][0] == 2**53 + 1 and pd.isna(frame["n"][1])
    assert frame["text"].isna().tolist() == [False, False, True, False]
    assert ids_of(dataset).tolist() == [2**53 + 1, 2, 3, 4]


@pytest.mark.parametrize("kind", [PandasLFApplier, ColumnLFApplier])
def test_appliers(dataset, kind):
    votes = kind(LFS, CLASSES, "text").apply(dataset.select([3, 2, 1, 0]))
    assert votes.to_dense().tolist() == [[0, 1], [-1, -1], [-1, 1], [0, -1]]


def test_splits_are_picked(dataset):
    splits = datasets.DatasetDict(train=dataset)
    with pytest.raises(InputError, match=r"holds the splits \['train'\]; pick one"):
        PandasLFApplier(LFS, CLASSES).apply(splits)
    with pytest.raises(InputError, match="use PandasLFApplier"):
        LFApplier(LFS, CLASSES).apply(dataset)
    with pytest.raises(InputError, match="IterableDataset"):
        as_frame(dataset.to_iterable_dataset())


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_written_as_a_table(dataset, tmp_path, name):
    write_table(dataset, tmp_path / name)
    frame = read_table(tmp_path / name, "text", "label")
    assert frame["text"].tolist() == ["free tones", "see you", "", "free see"]
    assert frame["label"].tolist()[:2] == ["spam", "ham"]
    assert frame["label"].isna().tolist() == [False, False, True, True]
    assert frame["id"].tolist() == [2**53 + 1, 2, 3, 4]


def test_classifier_takes_and_gives_datasets():
    texts = ["free ring tones", "see you later", "free prize", "see me"] * 9
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=CLASSES)}
    )
    labels = [0, 1, None, None] * 9
    rows = datasets.Dataset.from_dict({"text": texts, "label": labels}, features=features)
    model = TextClassifier("amal", max_epochs=3).fit(rows, lfs=LFS)
    assert model.predict(rows).tolist() == ["spam", "ham", "spam", "ham"] * 9
    p = model.predict_proba(rows)
    votes = PandasLFApplier(LFS, CLASSES).apply(rows)
    out = to_dataset(
        as_frame(rows), label="label", classes=model.classes_, votes=votes, probabilities=p
    )
    assert out.features["label"].names == ["ham", "spam"]
    assert out["label"][:3] == [1, 0, None]
    np.testing.assert_array_equal(out["p_ham"], p[:, 0])


def test_votes_are_class_labels():
    frame = pd.DataFrame({"text": ["a", None, "c"], "n": pd.array([1, None, 3], "Int64")})
    votes = LabelMatrix.from_dense(
        [[0, -1], [-1, -1], [1, 0]], lf_names=["x", "y"], classes=CLASSES
    )
    out = to_dataset(frame, votes=votes, probabilities=np.full((3, 2), 0.5))
    assert out.column_names == ["text", "n", "x", "y", "p_spam", "p_ham"]
    assert out["x"][:] == [0, None, 1] and out["y"][:] == [None, None, 0]
    assert out.features["x"].names == CLASSES
    assert out["text"][:] == ["a", None, "c"] and out["n"][:] == [1, None, 3]
    assert as_frame(out)["x"].tolist() == ["spam", None, "ham"]


def test_what_does_not_go_together():
    frame = pd.DataFrame({"text": ["a"], "x": [1]})
    votes = LabelMatrix.from_dense([[0]], lf_names=["x"], classes=CLASSES)
    with pytest.raises(InputError, match="a column 'x' already"):
        to_dataset(frame, votes=votes)
    with pytest.raises(InputError, match="votes on 1 rows, the table has 2"):
        to_dataset(pd.DataFrame({"text": ["a", "b"]}), votes=votes)
    with pytest.raises(InputError, match=r"shape \(1, 2\), found the shape \(1, 3\)"):
        to_dataset(frame, classes=CLASSES, probabilities=np.ones((1, 3)))
    with pytest.raises(InputError, match="no column 'label'"):
        to_dataset(frame, label="label")


def test_a_folder_of_that_name_is_no_package(tmp_path):
    (tmp_path / "datasets").mkdir()
    code = (
        "import sys, pandas as pd\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "class Spec: origin = None\n"
        "util.find_spec = lambda name: Spec if name == 'datasets' else find(name)\n"
        "from spear_amal.data import to_dataset\n"
        "from spear_amal.errors import MissingExtraError\n"
        "try:\n    to_dataset(pd.DataFrame({'a': [1]}))\n"
        "except MissingExtraError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'spear-amal[datasets]'" in done.stdout
