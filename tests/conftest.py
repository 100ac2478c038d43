"""What holds for all tests."""

import gc
import os

# Small tensors, and two test processes at once: more threads only wait for each other. Set before
# torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

# What is imported and collected stays: looking for garbage in it takes a fifth of the time.
gc.disable()

# Time limits per example would fail on a busy machine: speed is measured in benchmarks/.
settings.register_profile("here", deadline=None)
settings.load_profile("here")


def pytest_collection_finish() -> None:
    """From here on garbage is collected, and looked for among new objects only."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """No source can be reached, and no folder of the user's is seen."""
    from spear_amal.data.download import sources

    def refuse(*arguments):
        raise sources.SourceError("tests do not reach the network")

    monkeypatch.setattr(sources, "download", refuse)
    monkeypatch.setattr(sources, "run_tool", refuse)
    monkeypatch.delenv("SPEAR_AMAL_DATA", raising=False)
    monkeypatch.setenv("SPEAR_AMAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def in_parts():
    """Write the rows of a label matrix, cut at some places, as a folder of votes."""
    from spear_amal.votes.parquet import finish_votes, write_part

    def write(folder, L, cuts):
        ends = zip([0, *cuts], [*cuts, len(L)], strict=True)
        parts = [write_part(folder, i, L[first:last]) for i, (first, last) in enumerate(ends)]
        fields = {"lf_names": L.lf_names, "classes": L.classes, "lf_classes": L.lf_classes}
        return finish_votes(folder, parts, **fields, continuous=L.continuous)

    return write


@pytest.fixture(scope="session")
def write_tokenizer():
    """Write a WordPiece tokenizer of 60 pieces, some words and letters, into a folder."""

    def write(folder):
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

        words = "win a prize now see you me at home cash love later".split()
        letters = [chr(code) for code in range(ord("b"), ord("z") + 1)]
        pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words, *letters, "##a"]
        pieces += [f"##{letter}" for letter in letters]
        vocabulary = {piece: number for number, piece in enumerate(pieces)}
        tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.Lowercase()
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(folder / "tokenizer.json"))

    return write


@pytest.fixture(scope="session")
def write_encoder(write_tokenizer):
    """Write a transformer of a kind, small and of random weights, as people download them."""

    def write(folder, kind="bert", **changes):
        import torch
        import transformers

        from spear_amal.quiet_transformers import quiet_loading

        write_tokenizer(folder)
        sizes = {
            "vocab_size": 80,
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "max_position_embeddings": 40,
            "pad_token_id": 0,
            "initializer_range": 0.2,
        }
        config = transformers.AutoConfig.for_model(kind, **sizes | changes)
        with torch.random.fork_rng(devices=[]), quiet_loading():
            torch.manual_seed(0)
            transformers.AutoModel.from_config(config).save_pretrained(folder)
        return folder

    return write
