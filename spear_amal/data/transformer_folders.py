"""Where transformers that are fine-tuned come from: packages, folders and the model hub."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from spear_amal._typing import PathLike
from spear_amal.data.encoder_backends import (
    HUB_NAME,
    MINILM,
    PARTS,
    content_hash,
    fetched_folder,
    minilm_folder,
)
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.guard import guarded_reading

FORMS = f"{MINILM!r}, a folder with config.json and *.safetensors, or 'owner/name' on the hub"
# Longest row where neither the user nor the model says another number.
USUAL_LENGTH = 256
# What tools write as the longest text of a model that has no limit is far above any real one.
_NO_LIMIT = 1_000_000


@dataclass(frozen=True)
class TransformerFolder:
    """A transformer on disk, not yet loaded.

    Attributes
    ----------
    name : str
        As it was asked for.
    path : Path
        Folder of config.json, weights and tokenizer.
    identity : str
        Hash of its content.
    pooling : str or None
        How sentence-transformers makes one vector of a text's tokens: "mean", "first", "max",
        "last"; None for a folder that does not say.
    longest : int
        Tokens of a text at most, as the model was made for.
    """

    name: str
    path: Path
    identity: str
    pooling: str | None
    longest: int


def find_transformer(name: PathLike) -> TransformerFolder:
    """Find a transformer by name; only names on the hub touch the network.

    Raises
    ------
    InputError
        If the name has none of the allowed forms; the nearest known name is offered.
    MissingExtraError
        If the package that holds the weights is not installed.
    FileFormatError
        If the folder holds no encoder that can be fine-tuned.
    ChecksumError
        If the packaged weights are not the published ones.
    DataUnavailableError
        If the hub does not give it.
    """
    name = os.fspath(name)
    folder = Path(name).expanduser()
    if name == MINILM:
        folder = minilm_folder()
    elif not folder.is_dir() and HUB_NAME.fullmatch(name):
        folder = fetched_folder(name)
    elif not folder.is_dir():
        near = get_close_matches(name, (MINILM,), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(
            f"a transformer to fine-tune is {FORMS}; found {name!r}, and no such folder{hint}"
        )
    return _read_folder(name, folder)


def _read_folder(name: str, folder: Path) -> TransformerFolder:
    modules = _json(folder / "modules.json") or []
    path, pooling = folder, None
    for module in modules:
        kind, part = str(module.get("type", "")), folder / str(module.get("path", ""))
        if kind.endswith(".Transformer"):
            path = part
        elif kind.endswith(".Pooling"):
            pooling = _pooling(_json(part / "config.json") or {})
    config = _json(path / "config.json")
    if not isinstance(config, dict) or not any(path.glob("*.safetensors")):
        raise FileFormatError(
            f"{folder} holds no transformer to fine-tune: config.json and weights as .safetensors "
            "are needed (pickled weights are not read)"
        )
    if (path / "adapter_config.json").exists():
        raise FileFormatError(
            f"{folder} holds low-rank updates of another model: merge them into it "
            "(merge_and_unload of peft) and give that folder"
        )
    if config.get("is_encoder_decoder"):
        raise FileFormatError(
            f"{folder} holds a model that writes texts ({config.get('model_type')}): an encoder is "
            "needed, such as BERT, RoBERTa, DistilBERT or ModernBERT"
        )
    parts = [part for pattern in PARTS for part in path.glob(pattern)]
    identity = f"transformer {content_hash(parts, path)}"
    return TransformerFolder(name, path, identity, pooling, _longest(path, config))


def _json(path: Path) -> Any:
    """Content of a JSON file; None if there is none."""
    if not path.is_file():
        return None
    with guarded_reading(path, "a part of a transformer", "get the folder anew"):
        return json.loads(path.read_text(encoding="utf-8"))


def _pooling(config: dict[str, Any]) -> str:
    """Return how tokens become one vector, of the two forms in which it is written."""
    names = {"cls": "first", "cls_token": "first", "lasttoken": "last", "mean_tokens": "mean"}
    names |= {"max_tokens": "max"}
    said = config.get("pooling_mode")
    modes = [said] if isinstance(said, str) else said
    if not isinstance(modes, list):
        before = "pooling_mode_"
        modes = [
            key.removeprefix(before)
            for key, on in config.items()
            if key.startswith(before) and on is True
        ]
    return names.get("+".join(modes), "+".join(modes))


def _longest(path: Path, config: dict[str, Any]) -> int:
    """Return the tokens of a text at most: the least of what the parts of the folder say."""
    tokenizer = _json(path / "tokenizer_config.json") or {}
    sentences = _json(path / "sentence_bert_config.json") or {}
    said = [
        tokenizer.get("model_max_length"),
        sentences.get("max_seq_length"),
        config.get("max_position_embeddings"),
    ]
    known = [int(n) for n in said if isinstance(n, int | float) and 0 < n < _NO_LIMIT]
    return min(known, default=USUAL_LENGTH)
